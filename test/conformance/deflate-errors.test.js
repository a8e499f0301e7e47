'use strict';

// RFC 7692, 6 and 7.2.2: what is no compressed message, or one that is too
// big.

const { deflate, inflate } = require('../helpers/deflate');
const {
  BOTH,
  END,
  closed,
  delivers,
  fails,
  message,
} = require('./helpers/cases');
const {
  FRESH,
  PER_CONTEXT,
  RSV1,
  TAKEOVER,
  compressed,
  fragments,
} = require('./helpers/compressed');
const { conform } = require('./helpers/suite');
const {
  NOT_LAST,
  binary,
  close,
  header,
  hex,
  more,
  ping,
  pong,
  start,
  text,
} = require('./helpers/frames');

const RSV = 'RFC 7692, 6';

const DECOMPRESSION = 'RFC 7692, 7.2.2';

const LIMITED = { perMessageDeflate: { threshold: 0 }, maxPayload: 1000 };

const INVALID = [
  ['a block of the reserved type', '06'],
  ['a byte of ff', 'ff'],
  ['lengths of a stored block that do not match', '000500ffff48656c6c6f00'],
  ['a distance beyond the start', 'f200110000'],
  ['too many length codes', 'fcffff'],
  ['text that is not compressed', '48656c6c6f'],
].flatMap(([what, digits]) => [
  fails(
    DECOMPRESSION,
    `a compressed message with ${what}`,
    [text(hex(digits), RSV1)],
    1007,
    FRESH,
  ),
  fails(
    DECOMPRESSION,
    `a compressed message in fragments with ${what}`,
    fragments(binary, hex(digits), [1]),
    1007,
    TAKEOVER,
  ),
]);

const UNFINISHED = [
  ['no byte', ''],
  ['a block that is cut off', 'f248cd'],
  ['a stored block that is cut off', '000900f6ff48656c'],
  ['a stored block whose length is cut off', 'f248cdc9c90700ff'],
].map(([what, digits]) => {
  const send = [binary(hex(digits), RSV1)];
  return {
    ...fails(
      DECOMPRESSION,
      `a compressed message of ${what}`,
      send,
      1007,
      FRESH,
    ),
    differs: {
      [BOTH]: {
        send: [...send, END],
        expect: closed(message('binary', inflate(hex(digits))), 1000),
        why: 'What has been inflated by the end of the message is delivered, as zlib does at a flush; the RFC does not say that it has to end with a block.',
      },
    },
  };
});

const FOO = deflate('foo');

const BITS_OF = [
  [
    'RSV1 on a continuation',
    [text(FOO, { ...RSV1, fin: false }), start(more('', RSV1))],
  ],
  [
    'RSV1 on a continuation of a plain message',
    [text('a', NOT_LAST), start(more('', RSV1))],
  ],
  ['RSV1 on a continuation of nothing', [start(more('', RSV1))]],
  ['RSV1 on a ping', [start(ping('', RSV1))]],
  ['RSV1 on a pong', [start(pong('', RSV1))]],
  ['RSV1 on a close frame', [start(close(1000, '', RSV1))]],
  ['RSV1 on a reserved opcode', [start({ opcode: 3, ...RSV1 })]],
  ['RSV2', [start(text('', { rsv: 2 }))]],
  ['RSV3', [start(text('', { rsv: 1 }))]],
  ['RSV1 and RSV2', [start(text('', { rsv: 6 }))]],
  ['RSV1 and RSV3', [start(binary('', { rsv: 5 }))]],
  ['all reserved bits', [start(binary('', { rsv: 7 }))]],
].map(([what, frames]) => fails(RSV, what, frames, 1002, TAKEOVER));

const UTF8 = [
  ['a byte of ff', 'ff'],
  ['half a character at the end', '666f6fe282'],
  ['a surrogate', 'eda080'],
  ['an overlong form', 'c0af'],
].flatMap(([what, digits]) =>
  PER_CONTEXT.map(([how, context]) =>
    fails(
      'RFC 6455, 8.1',
      `compressed text of ${what}, ${how},`,
      [compressed(text, hex(digits))],
      1007,
      context,
    ),
  ),
);

const limited = { ...TAKEOVER, options: LIMITED };

const LIMITS = [
  delivers(
    'RFC 6455, 10.4',
    'a compressed message that inflates to the limit',
    [compressed(binary, Buffer.alloc(1000))],
    message('binary', Buffer.alloc(1000)),
    limited,
  ),
  fails(
    'RFC 6455, 7.4.1',
    'a compressed message that inflates to one byte more than the limit',
    [compressed(binary, Buffer.alloc(1001))],
    1009,
    limited,
  ),
  fails(
    'RFC 6455, 7.4.1',
    'a compressed message in fragments that inflates to more than the limit',
    fragments(binary, deflate(Buffer.alloc(100000)), [5, 20]),
    1009,
    limited,
  ),
  fails(
    'RFC 6455, 7.4.1',
    'a compressed message within the limit of which 900000 bytes come',
    [compressed(text, Buffer.alloc(900000))],
    1009,
    limited,
  ),
  fails(
    'RFC 6455, 7.4.1',
    'a compressed message that is beyond the limit as it comes',
    [header(binary(Buffer.alloc(1001), RSV1))],
    1009,
    limited,
  ),
];

conform('faults of compressed messages', [
  ...INVALID,
  ...UNFINISHED,
  ...BITS_OF,
  ...UTF8,
  ...LIMITS,
]);
