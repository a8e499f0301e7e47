'use strict';

// What fails, in which conversations, and what is expected of that: 'survives',
// the conversation goes on; 'ends', the connection is lost; 'refuses', the
// handshake is answered with 503; 'drops', the client gets no answer, or its
// connection is accepted later; 'clear', any of the first three, or the error that
// there is no memory.

function errors(kind, names, expected, rest) {
  return names.map((err) => ({ kind, err, expected, ...rest }));
}

function shorts(kind, amounts, rest) {
  return amounts.map((amount) => ({
    kind,
    amount,
    expected: 'survives',
    ...rest,
  }));
}

const RECV = [
  ...shorts('recv', [1, 9]),
  ...errors('recv', ['EAGAIN', 'EINTR'], 'survives'),
  ...errors('recv', ['ECONNRESET', 'ETIMEDOUT', 'ENOMEM'], 'ends'),
];

function sending(kind) {
  return [
    ...shorts(kind, [1, -1]),
    ...errors(kind, ['EAGAIN', 'EINTR', 'ENOBUFS'], 'survives'),
    ...errors(kind, ['EPIPE', 'ECONNRESET', 'ETIMEDOUT', 'ENOMEM'], 'ends'),
  ];
}

const OTHERS = [
  ...errors('dup', ['EMFILE', 'ENFILE', 'EBADF'], 'refuses'),
  ...errors('setsockopt', ['ENOBUFS', 'EINVAL'], 'survives'),
  // The first one tries whether the descriptor can be polled.
  ...errors('epoll_ctl', ['ENOMEM', 'ENOSPC', 'EPERM'], 'refuses', { last: 1 }),
  ...errors('shutdown', ['ENOTCONN', 'ENOBUFS'], 'ends'),
  ...errors('close', ['EINTR', 'EIO'], 'survives'),
];

const ACCEPT = errors(
  'accept',
  ['EMFILE', 'ENFILE', 'ENOMEM', 'ECONNABORTED', 'EAGAIN'],
  'drops',
  { last: 1 },
);

/** One allocation fails, or all from there on. */
const MEMORY = errors('memory', ['ENOMEM'], 'clear');
const NO_MEMORY = errors('memory', ['ENOMEM'], 'clear', { lasts: true });

const SYSTEM_CALLS = [
  ...RECV,
  ...sending('send'),
  ...sending('sendmsg'),
  ...OTHERS,
];

/** What grows for the first connection of a process, and stays. */
const GROWTH = errors('realloc', ['ENOMEM'], 'clear');

/** Of each outcome one, for what differs in nothing but its end. */
const SOME_CALLS = SYSTEM_CALLS.filter(
  ({ err, amount }) =>
    amount === 1 ||
    ['EAGAIN', 'EINTR', 'ECONNRESET', 'EPIPE', 'ENOTCONN'].includes(err),
);

/** What is cut off when the connection is terminated cannot come later. */
const CALLS_TO_TERMINATE = SOME_CALLS.map((fault) =>
  ['send', 'sendmsg'].includes(fault.kind) && fault.err !== 'EINTR'
    ? { ...fault, expected: 'ends' }
    : fault,
);

/** What the kernel may well say each time from then on. */
function lasting(faults) {
  return faults
    .filter(({ err }) => ['ECONNRESET', 'EPIPE'].includes(err))
    .map((fault) => ({ ...fault, lasts: true }));
}

/** Each time from the first on: a peer whose bytes come and go in drops. */
const DROPS = ['recv', 'send', 'sendmsg'].flatMap((kind) =>
  shorts(kind, [100], { last: 1, lasts: true }),
);

/** Conversations that differ in how they end. */
const ENDS = ['heartbeat', 'close', 'terminate', 'shutdown'];

const TRANSPORTS = ['tcp', 'stream', 'tls'];

const SERIES = [
  {
    conversation: 'everything',
    transport: 'tcp',
    takesOver: true,
    faults: [...SYSTEM_CALLS, ...lasting(SYSTEM_CALLS), ...DROPS, ...ACCEPT],
  },
  ...ENDS.map((conversation) => ({
    conversation,
    transport: 'tcp',
    takesOver: true,
    faults: conversation === 'terminate' ? CALLS_TO_TERMINATE : SOME_CALLS,
  })),
  ...TRANSPORTS.map((transport) => ({
    conversation: 'everything',
    transport,
    takesOver: true,
    faults: MEMORY,
  })),
  {
    conversation: 'everything',
    transport: 'tcp',
    takesOver: false,
    faults: [...MEMORY, ...NO_MEMORY],
  },
  ...['tcp', 'stream'].map((transport) => ({
    conversation: 'close',
    transport,
    takesOver: true,
    isFirst: true,
    faults: GROWTH,
  })),
  ...ENDS.flatMap((conversation, i) =>
    // TLS goes through a stream as well.
    ['tcp', i % 2 === 0 ? 'stream' : 'tls'].map((transport) => ({
      conversation,
      transport,
      takesOver: true,
      faults: conversation === 'close' ? [...MEMORY, ...NO_MEMORY] : MEMORY,
    })),
  ),
];

module.exports = { SERIES };
