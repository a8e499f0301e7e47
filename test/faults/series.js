'use strict';

// What fails, in which conversations, and what is expected of that: 'survives',
// the conversation goes on; 'ends', the connection is lost; 'refuses', the
// handshake is answered with 503; 'clear', any of these, or the error that
// there is no memory.

/** Codes of errors that say that there is no memory. */
const NO_MEMORY = ['ENOMEM', 'WSU_ERR_OUT_OF_MEMORY'];

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
    ...shorts(kind, [1, 9]),
    ...errors(kind, ['EAGAIN', 'EINTR', 'ENOBUFS'], 'survives'),
    ...errors(kind, ['EPIPE', 'ECONNRESET', 'ETIMEDOUT', 'ENOMEM'], 'ends'),
  ];
}

const OTHERS = [
  ...errors('dup', ['EMFILE', 'ENFILE', 'EBADF'], 'refuses'),
  ...errors('setsockopt', ['ENOBUFS', 'EINVAL'], 'survives'),
  ...errors('epoll_ctl', ['ENOMEM', 'ENOSPC', 'EPERM'], 'refuses', { last: 1 }),
  ...errors('shutdown', ['ENOTCONN', 'ENOBUFS'], 'ends'),
  ...errors('close', ['EINTR', 'EIO'], 'survives'),
];

function lasting(faults) {
  return faults
    .filter(({ expected }) => expected === 'ends')
    .map((fault) => ({ ...fault, lasts: true }));
}

const SYSTEM_CALLS = [
  ...RECV,
  ...sending('send'),
  ...sending('sendmsg'),
  ...OTHERS,
];

const MEMORY = errors('memory', ['ENOMEM'], 'clear');

const SERIES = [
  ...['tcp', 'stream', 'tls'].flatMap((transport, i) =>
    ['everything', 'heartbeat', 'close', 'terminate', 'shutdown'].map(
      (conversation) => ({
        conversation,
        transport,
        takesOver: true,
        faults: [...MEMORY],
      }),
    ),
  ),
];

module.exports = { NO_MEMORY, SERIES };
