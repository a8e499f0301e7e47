'use strict';

// RFC 6455, 5.2: the header of a frame.

const { BOTH, delivers, fails, message } = require('./helpers/cases');
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
  unfinished,
} = require('./helpers/frames');

const SECTION = 'RFC 6455, 5.2';

const LENGTHS = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 15, 16, 17, 31, 32, 63, 64, 124, 125, 126, 127,
  128, 129, 255, 256, 1000, 4096, 16384, 65535, 65536, 65537, 200000,
];

const DATA_FRAMES = { text, binary };

/** A frame of each opcode, and what has to come before it. */
const ALL_FRAMES = [
  ['text', [], text('foo')],
  ['binary', [], binary('foo')],
  ['continuation', [text('foo', NOT_LAST)], more('bar')],
  ['ping', [], ping('foo')],
  ['pong', [], pong('foo')],
  ['close', [], close(1000)],
];

const lengths = Object.entries(DATA_FRAMES).flatMap(([kind, frame]) =>
  LENGTHS.map((length) => {
    const payload = Buffer.alloc(length, 'foobar baz ');
    return delivers(
      SECTION,
      `a ${kind} frame of ${length} bytes`,
      [frame(payload)],
      message(kind, payload),
    );
  }),
);

const IS_LENIENT = {
  [BOTH]: {
    why: 'The RFC binds who sends; it does not say that who receives has to check, and both do not.',
  },
};

/** The RFC has it as what a sender must not do. */
const longLengths = [
  [16, 0],
  [16, 1],
  [16, 125],
  [64, 0],
  [64, 125],
  [64, 126],
  [64, 65535],
].map(([lengthBits, length]) => {
  const payload = Buffer.alloc(length, 'x');
  return {
    ...delivers(
      SECTION,
      `a length of ${length} in ${lengthBits} bits, more than it needs,`,
      [text(payload, { lengthBits })],
      message('text', payload),
    ),
    differs: IS_LENIENT,
  };
});

const tooLong = [
  ['with the most significant bit set', 2n ** 63n],
  ['of 2^64 - 1', 2n ** 64n - 1n],
  ['of 2^63 + 5', 2n ** 63n + 5n],
].map(([what, declaredLength]) =>
  fails(
    SECTION,
    `a length ${what}`,
    [header(binary('', { declaredLength }))],
    1009,
  ),
);

const reservedBits = [1, 2, 3, 4, 5, 6, 7].flatMap((rsv) =>
  ALL_FRAMES.map(([kind, before, frame]) =>
    fails(
      SECTION,
      `a ${kind} frame whose reserved bits are ${rsv.toString(2).padStart(3, 0)}`,
      [...before, start({ ...frame, rsv })],
      1002,
    ),
  ),
);

const RESERVED_OPCODES = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15];

const opcodes = RESERVED_OPCODES.flatMap((opcode) => [
  fails(
    SECTION,
    `a frame of the reserved opcode ${opcode}`,
    [start({ opcode, payload: 'foo' })],
    1002,
  ),
  fails(
    SECTION,
    `a frame of the reserved opcode ${opcode} without FIN`,
    [start({ opcode, fin: false })],
    1002,
  ),
  fails(
    SECTION,
    `a frame of the reserved opcode ${opcode} behind a message`,
    [text('foo'), start({ opcode })],
    1002,
    { before: message('text', 'foo') },
  ),
]);

const SEQUENCES = [
  ['no frame', [], []],
  [
    'one frame of each type',
    [text('a'), binary('b'), ping('c'), pong('d')],
    ['text 61', 'binary 62', 'ping 63', 'pong 64'],
  ],
  [
    'a hundred frames in a row',
    Array.from({ length: 100 }, (_, i) => text(`message ${i}`)),
    Array.from({ length: 100 }, (_, i) => message('text', `message ${i}`)[0]),
  ],
  [
    'a row of empty frames',
    [text(''), binary(''), text(''), ping(''), binary('')],
    ['text ', 'binary ', 'text ', 'ping ', 'binary '],
  ],
  [
    'a frame of 7, of 16 and of 64 bits of length, and back,',
    [125, 126, 65536, 126, 125].map((size) => binary(Buffer.alloc(size, 1))),
    [125, 126, 65536, 126, 125].flatMap((size) =>
      message('binary', Buffer.alloc(size, 1)),
    ),
  ],
  [
    'a payload that looks like frames',
    [binary(hex('8800 8900 818000000000 c180'))],
    ['binary 88008900818000000000c180'],
  ],
  [
    'a payload of all values of a byte',
    [binary(Buffer.from(Array.from({ length: 256 }, (_, i) => i)))],
    message('binary', Buffer.from(Array.from({ length: 256 }, (_, i) => i))),
  ],
].map(([what, frames, events]) => delivers(SECTION, what, frames, events));

/** What is wrong is known before the frame is there. */
const EARLY = [
  ['RSV1 in the first two bytes', hex('c1fe')],
  ['a reserved opcode in the first two bytes', hex('83ff')],
  ['the letters of an HTTP response', Buffer.from('HTTP/1.1 408')],
  ['the letters of an HTTP request', Buffer.from('GET / HTTP/1.1\r\n')],
  ['a TLS record', hex('1603010200')],
  ['a byte of 0xff twice', hex('ffff')],
].map(([what, bytes]) => fails(SECTION, what, [bytes], 1002));

const AFTER_FAILURE = [
  ['text', text('foo')],
  ['binary data', binary('foo')],
  ['a ping', ping('foo')],
  ['a close frame', close(1001)],
  ['half a frame', unfinished(text('foo'))],
  ['another violation', hex('ffff')],
].map(([what, frame]) => ({
  ...fails(
    'RFC 6455, 7.1.7',
    `a reserved opcode before ${what}, which is not processed,`,
    [{ opcode: 3 }, frame],
    1002,
  ),
}));

conform('framing', [
  ...lengths,
  ...longLengths,
  ...tooLong,
  ...reservedBits,
  ...opcodes,
  ...SEQUENCES,
  ...EARLY,
  ...AFTER_FAILURE,
]);
