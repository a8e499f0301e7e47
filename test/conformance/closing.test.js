'use strict';

// RFC 6455, 5.5.1 and 7: close frames, their codes and reasons, and the end of
// the connection.

const { closed, cutOff, fails, message } = require('./helpers/cases');
const { conform } = require('./helpers/suite');
const {
  AfterFrames,
  FIN,
  NOT_LAST,
  binary,
  close,
  hex,
  more,
  ping,
  start,
  text,
  unfinished,
} = require('./helpers/frames');

const FRAME = 'RFC 6455, 5.5.1';
const CLOSING = 'RFC 6455, 7.1.1';
const CODES = 'RFC 6455, 7.4';
const REASON = 'RFC 6455, 7.1.6';

const VALID = [
  ...[1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011],
  ...[1012, 1013, 1014, 3000, 3001, 3999, 4000, 4001, 4999],
];

const INVALID = [
  ...[0, 1, 99, 255, 256, 500, 998, 999, 1004, 1005, 1006, 1015, 1016, 1017],
  ...[1099, 1100, 1500, 2000, 2001, 2999, 5000, 5001, 10000, 32768, 65535],
];

const codes = [
  {
    section: FRAME,
    name: 'a close frame without a code is answered with one without a code',
    send: [close()],
    expect: closed([], undefined),
  },
  ...VALID.map((code) => ({
    section: CODES,
    name: `a close frame of the code ${code} is answered with the same code`,
    send: [close(code)],
    expect: closed([], code),
  })),
  ...INVALID.flatMap((code) => [
    fails(CODES, `a close frame of the code ${code}`, [close(code)], 1002),
    fails(
      CODES,
      `a close frame of the code ${code} and a reason`,
      [close(code, 'foo')],
      1002,
    ),
  ]),
];

const REASONS = [
  ['one character', 'a'],
  ['ASCII', 'going away'],
  ['122 bytes', 'x'.repeat(122)],
  ['123 bytes', 'x'.repeat(123)],
  ['characters of two bytes', '\u00e4\u00f6'],
  ['characters of three bytes', '\u20ac'.repeat(41)],
  ['characters of four bytes', '\u{1f600}'.repeat(30)],
  ['a zero', 'a\0b'],
  ['U+10FFFF', '\u{10ffff}'],
].flatMap(([what, reason]) =>
  [1000, 4000].map((code) => ({
    section: REASON,
    name: `a reason of ${what} behind the code ${code} is handed on`,
    send: [close(code, reason)],
    expect: closed([], code, reason),
  })),
);

const NOT_UTF8 = [
  ['ff', 'an invalid byte'],
  ['666f6f80', 'an invalid byte at the end'],
  ['c3', 'half a character'],
  ['666f6fe282', 'two thirds of a character at the end'],
  ['c080', 'an overlong zero'],
  ['eda080', 'a surrogate'],
  ['f4908080', 'a code point above 10FFFF'],
].map(([digits, what]) =>
  fails(REASON, `a reason with ${what}`, [close(1000, hex(digits))], 1007),
);

const MALFORMED = [
  ['a close frame of one byte', [{ opcode: 'close', payload: 'a' }]],
  [
    'a close frame of one byte that would be the start of a code',
    [{ opcode: 'close', payload: hex('03') }],
  ],
  ['a reason of 124 bytes', [close(1000, 'x'.repeat(124))]],
  ['a close frame without FIN', [close(1000, '', NOT_LAST)]],
  ['an empty close frame without FIN', [close(undefined, '', NOT_LAST)]],
  ['a close frame with RSV1', [close(1000, '', { rsv: 4 })]],
  ['a close frame without a mask', [close(1000, '', { mask: false })]],
].map(([what, frames]) => fails(FRAME, what, frames, 1002));

const IGNORED = [
  ['text', [text('foo')]],
  ['binary data', [binary('foo')]],
  ['a ping', [ping('foo')]],
  ['a second close frame', [close(1001)]],
  ['an invalid frame', [hex('ffff')]],
  ['a frame without a mask', [text('foo', { mask: false })]],
  ['half a frame', [unfinished(text('foo'))]],
  ['a large frame', [binary(Buffer.alloc(100000))]],
].map(([what, frames]) => ({
  section: FRAME,
  name: `${what} behind a close frame is not processed`,
  send: [close(1000), ...frames],
  expect: closed([], 1000),
}));

const BEHIND = [
  ['a message', [text('foo')], ['text 666f6f']],
  [
    'a large message',
    [binary(Buffer.alloc(70000))],
    message('binary', Buffer.alloc(70000)),
  ],
  [
    'several messages',
    [text('a'), binary('b'), text('c')],
    ['text 61', 'binary 62', 'text 63'],
  ],
  ['a ping', [ping('foo')], ['ping 666f6f']],
  ['a fragmented message', [text('f', NOT_LAST), more('oo')], ['text 666f6f']],
].map(([what, frames, events]) => ({
  section: FRAME,
  name: `${what} is answered before the close frame behind it is`,
  send: [...frames, close(1000)],
  expect: closed(events, 1000),
}));

/** The code and the reason that the server gives, and its close frame. */
const BY_THE_SERVER = [
  ['without a code', [], ''],
  ['with the code 1000', [1000], '03e8'],
  ['with the code 1001', [1001], '03e9'],
  ['with the code 1014', [1014], '03f6'],
  ['with the code 3000', [3000], '0bb8'],
  ['with the code 4999', [4999], '1387'],
  ['with a code and a reason', [1000, 'foo'], '03e8666f6f'],
  ['with a reason beyond ASCII', [1000, '\u20ac'], '03e8e282ac'],
  [
    'with a reason of 123 bytes',
    [1000, 'x'.repeat(123)],
    `03e8${'78'.repeat(123)}`,
  ],
].map(([how, args, closeFrame]) => ({
  section: CLOSING,
  name: `the server that closes ${how} ends the TCP connection once it is answered`,
  act: (ws) => ws.close(...args),
  send: [new AfterFrames(1), close(1000)],
  expect: { ...closed([], 1000), closeFrame },
}));

const ANSWERS = [
  ['another code', [close(4000)], closed([], 4000)],
  ['another code and a reason', [close(4000, 'bar')], closed([], 4000, 'bar')],
  ['no code', [close()], closed([], undefined)],
].map(([what, frames, expect]) => ({
  section: 'RFC 6455, 7.1.5',
  name: `the code of the connection is that of the peer, which answers with ${what}`,
  act: (ws) => ws.close(1001),
  send: [new AfterFrames(1), ...frames],
  expect: { ...expect, closeFrame: '03e9' },
}));

const WHILE_CLOSING = [
  ['text', [text('foo')], ['text 666f6f']],
  ['binary data', [binary('foo')], ['binary 666f6f']],
  ['a fragmented message', [text('f', NOT_LAST), more('oo')], ['text 666f6f']],
].map(([what, frames, events]) => ({
  section: 'RFC 6455, 1.4',
  name: `${what} that was on its way when the server closed is delivered`,
  act: (ws) => ws.close(1001),
  isSilent: true,
  send: [new AfterFrames(1), ...frames, close(1001)],
  expect: { ...closed(events, 1001), sent: [] },
}));

const INVALID_ANSWERS = [
  ['a close frame of an invalid code', close(1005)],
  ['a close frame of one byte', { opcode: 'close', payload: 'a' }],
  ['a frame of a reserved opcode', { opcode: 3 }],
  ['text that is no UTF-8', text(hex('ff'))],
].map(([what, frame]) => ({
  section: 'RFC 6455, 7.1.7',
  name: `${what} as the answer to a close frame ends the connection`,
  act: (ws) => ws.close(1001),
  send: [new AfterFrames(1), frame, FIN],
  expect: { ...cutOff(['error']), closeFrame: '03e9' },
}));

const WITHOUT_CLOSE_FRAME = [
  ['at once', [], []],
  ['behind a message', [text('foo')], ['text 666f6f']],
  ['within a frame', [unfinished(text('foo'))], []],
  ['within a header', [start(text('x'.repeat(126)))], []],
  ['behind the first byte of a frame', [hex('81')], []],
  ['within a masking key', [hex('8183000000')], []],
  ['within a fragmented message', [text('foo', NOT_LAST)], []],
  ['within a close frame', [unfinished(close(1000))], []],
  ['behind a ping', [ping('foo')], ['ping 666f6f']],
].map(([where, frames, events]) => ({
  section: 'RFC 6455, 7.1.5',
  name: `the end of the TCP connection ${where}, without a close frame, is 1006`,
  send: [...frames, FIN],
  expect: cutOff(events),
}));

const TERMINATED = [
  ['at once', (ws) => ws.terminate(), [], []],
  [
    'behind a message',
    (ws) => ws.on('message', () => ws.terminate()),
    [text('foo')],
    ['text 666f6f'],
  ],
].map(([when, act, send, events]) => ({
  section: 'RFC 6455, 7.1.5',
  name: `the server that cuts the connection off ${when} has 1006`,
  act,
  isSilent: true,
  send,
  expect: { ...cutOff(events), sent: [] },
}));

const FIN_BEHIND = {
  section: CLOSING,
  name: 'the end of the TCP connection behind a close frame is no fault',
  send: [close(1000, 'foo'), FIN],
  expect: closed([], 1000, 'foo'),
};

conform('closing', [
  ...codes,
  ...REASONS,
  ...NOT_UTF8,
  ...MALFORMED,
  ...IGNORED,
  ...BEHIND,
  ...BY_THE_SERVER,
  ...ANSWERS,
  ...WHILE_CLOSING,
  ...INVALID_ANSWERS,
  ...WITHOUT_CLOSE_FRAME,
  ...TERMINATED,
  FIN_BEHIND,
]);
