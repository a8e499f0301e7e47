'use strict';

// RFC 6455, 5.5: pings, pongs, and what no control frame may be. Close frames
// have a suite of their own.

const { BOTH, closed, delivers, fails, message } = require('./helpers/cases');
const { conform } = require('./helpers/suite');
const {
  AfterFrames,
  NOT_LAST,
  binary,
  close,
  header,
  hex,
  ping,
  pong,
  start,
  text,
} = require('./helpers/frames');

const CONTROL = 'RFC 6455, 5.5';
const PING = 'RFC 6455, 5.5.2';
const PONG = 'RFC 6455, 5.5.3';

const LENGTHS = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 64, 124, 125];

const pings = LENGTHS.map((length) => {
  const payload = Buffer.alloc(length, 'foobar');
  return {
    ...delivers(PING, '', [ping(payload)], message('ping', payload)),
    name: `a ping of ${length} bytes is answered with a pong of the same bytes`,
  };
});

const pongs = LENGTHS.map((length) => {
  const payload = Buffer.alloc(length, 'foobar');
  return {
    ...delivers(PONG, '', [pong(payload)], message('pong', payload)),
    name: `a pong of ${length} bytes that nobody asked for is not answered`,
  };
});

const PAYLOADS = [
  [
    'all values of a byte below 125',
    Buffer.from(Array.from({ length: 125 }, (_, i) => i)),
  ],
  ['no UTF-8', hex('ff80c0afeda080f5')],
  ['zeros', Buffer.alloc(8)],
  ['what looks like a close frame', hex('880203e8')],
].flatMap(([what, payload]) => [
  {
    ...delivers(PONG, '', [ping(payload)], message('ping', payload)),
    name: `a ping of ${what} is answered with a pong of the same bytes`,
  },
  {
    ...delivers(PONG, '', [pong(payload)], message('pong', payload)),
    name: `a pong of ${what} is not answered`,
  },
]);

const many = (count, frame) =>
  Array.from({ length: count }, (_, i) => frame(`${i}`));
const manyEvents = (count, kind) =>
  Array.from({ length: count }, (_, i) => message(kind, `${i}`)[0]);

const SEQUENCES = [
  ['two pings in a row', many(2, ping), manyEvents(2, 'ping')],
  ['twenty pings in a row', many(20, ping), manyEvents(20, 'ping')],
  ['a hundred pongs in a row', many(100, pong), manyEvents(100, 'pong')],
  [
    'a ping before a message',
    [ping('p'), text('foo')],
    ['ping 70', 'text 666f6f'],
  ],
  [
    'a ping behind a message',
    [text('foo'), ping('p')],
    ['text 666f6f', 'ping 70'],
  ],
  [
    'a ping between two messages',
    [text('a'), ping('p'), binary('b')],
    ['text 61', 'ping 70', 'binary 62'],
  ],
  [
    'a pong between two messages',
    [text('a'), pong('p'), binary('b')],
    ['text 61', 'pong 70', 'binary 62'],
  ],
  [
    'a ping between two large messages',
    [binary(Buffer.alloc(70000)), ping('p'), binary(Buffer.alloc(70000))],
    [
      ...message('binary', Buffer.alloc(70000)),
      'ping 70',
      ...message('binary', Buffer.alloc(70000)),
    ],
  ],
].map(([what, frames, events]) => delivers(CONTROL, what, frames, events));

const KINDS = [
  ['ping', ping],
  ['pong', pong],
  ['close', (payload, options) => ({ opcode: 'close', payload, ...options })],
];

const tooLong = KINDS.flatMap(([kind, frame]) => [
  ...[126, 127, 1000, 65535, 65536].map((length) =>
    fails(
      CONTROL,
      `a ${kind} frame of ${length} bytes, from its header on,`,
      [header(frame(Buffer.alloc(length)))],
      1002,
    ),
  ),
  fails(
    CONTROL,
    `a ${kind} frame of 126 bytes`,
    [frame(Buffer.alloc(126, 'x'))],
    1002,
  ),
  ...[16, 64].map((lengthBits) =>
    fails(
      CONTROL,
      `a ${kind} frame whose short length is in ${lengthBits} bits`,
      [start(frame('x', { lengthBits }))],
      1002,
    ),
  ),
  fails(
    CONTROL,
    `a fragmented ${kind} frame of 126 bytes`,
    [start(frame(Buffer.alloc(126), NOT_LAST))],
    1002,
  ),
]);

const IGNORED = [
  ['a ping', [ping('p')]],
  ['a pong', [pong('p')]],
  ['ten pings', many(10, ping)],
].map(([what, frames]) => ({
  section: PING,
  name: `${what} behind a close frame is not processed`,
  send: [close(1000), ...frames],
  expect: closed([], 1000),
}));

const AT_ONCE = [
  {
    section: PING,
    name: 'a ping is answered while a frame behind it is not complete',
    send: [
      ping('p'),
      hex('8183000000006666'),
      new AfterFrames(1),
      hex('6f'),
      new AfterFrames(2),
      close(1000),
    ],
    expect: closed(['ping 70', 'text 66666f'], 1000),
  },
  {
    section: PING,
    name: 'each ping is answered before the next one is sent',
    send: [
      ping('1'),
      new AfterFrames(1),
      ping('2'),
      new AfterFrames(2),
      ping('3'),
      new AfterFrames(3),
      close(1000),
    ],
    expect: closed(['ping 31', 'ping 32', 'ping 33'], 1000),
  },
];

const BY_THE_SERVER = [
  ['an empty ping', (ws) => ws.ping(), ['ping ']],
  ['a ping', (ws) => ws.ping('foo'), ['ping 666f6f']],
  [
    'a ping of 125 bytes',
    (ws) => ws.ping('x'.repeat(125)),
    message('ping', 'x'.repeat(125)),
  ],
  ['an empty pong', (ws) => ws.pong(), ['pong ']],
  ['a pong', (ws) => ws.pong('foo'), ['pong 666f6f']],
  [
    'a pong of 125 bytes',
    (ws) => ws.pong('x'.repeat(125)),
    message('pong', 'x'.repeat(125)),
  ],
].map(([what, act, frames]) => ({
  section: frames[0].startsWith('ping') ? PING : PONG,
  name: `${what} may be sent by the server, and a message behind it`,
  act(ws) {
    act(ws);
    ws.send('foo');
  },
  send: [new AfterFrames(2), close(1000)],
  expect: {
    ...closed([], 1000),
    sent: ['text 666f6f'],
    pongs: frames,
  },
}));

const WHILE_CLOSING = {
  section: PING,
  name: 'a ping behind the close frame of the server is answered',
  act: (ws) => ws.close(1001),
  send: [new AfterFrames(1), ping('p'), close(1001)],
  expect: { ...closed(['ping 70'], 1001), pongs: ['pong 70'] },
  differs: {
    [BOTH]: {
      expect: { ...closed(['ping 70'], 1001), pongs: [] },
      why: 'Nothing is sent behind a close frame, which ends what the peer reads (5.5.1).',
    },
  },
};

conform('control frames', [
  ...pings,
  ...pongs,
  ...PAYLOADS,
  ...SEQUENCES,
  ...tooLong,
  ...IGNORED,
  ...AT_ONCE,
  ...BY_THE_SERVER,
  WHILE_CLOSING,
]);
