'use strict';

// RFC 7692, 6.2 and 7.2: compressed messages that the server receives, and
// echoes.

const zlib = require('node:zlib');

const { TAIL, deflate, sample } = require('../helpers/deflate');
const {
  END,
  WS,
  closed,
  delivers,
  fails,
  message,
} = require('./helpers/cases');
const {
  FRESH,
  HELLO,
  HELLO_EVENT,
  HELLO_FINAL,
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
  hex,
  more,
  ping,
  pong,
  text,
} = require('./helpers/frames');

const RECEIVING = 'RFC 7692, 6.2';

const COMPRESSION = 'RFC 7692, 7.2.1';

const SIZES = [
  0, 1, 2, 3, 16, 125, 126, 127, 1000, 1024, 4096, 16384, 16385, 65535, 65536,
  100000, 300000,
];

const sizes = PER_CONTEXT.flatMap(([how, context]) =>
  SIZES.flatMap((size) =>
    [
      ['text', text, sample('text', size)],
      ['binary', binary, sample('random', size)],
    ].map(([kind, frame, payload]) =>
      delivers(
        RECEIVING,
        `a compressed ${kind} message of ${size} bytes, ${how},`,
        [compressed(frame, payload)],
        message(kind, payload),
        context,
      ),
    ),
  ),
);

const REPETITIVE = PER_CONTEXT.map(([how, context]) =>
  delivers(
    RECEIVING,
    `a message of 1000000 zeros in about 1000 bytes, ${how},`,
    [compressed(binary, Buffer.alloc(1000000))],
    message('binary', Buffer.alloc(1000000)),
    context,
  ),
);

/** The payloads of RFC 7692, 7.2.3, and what they are. */
const EXAMPLES = [
  ['7.2.3.1', 'one compressed block', [text(HELLO, RSV1)]],
  [
    '7.2.3.1',
    'one compressed block in two fragments',
    fragments(text, HELLO, [3]),
  ],
  [
    '7.2.3.3',
    'a block without compression',
    [text(hex('000500faff48656c6c6f00'), RSV1)],
  ],
  [
    '7.2.3.4',
    'a block with BFINAL',
    [text(Buffer.concat([HELLO_FINAL, hex('00')]), RSV1)],
  ],
  ['7.2.3.5', 'two blocks', [text(hex('f248050000 00ffffcac9c90700'), RSV1)]],
].map(([section, what, frames]) =>
  delivers(
    `RFC 7692, ${section}`,
    `the example of ${what}`,
    frames,
    HELLO_EVENT,
    TAKEOVER,
  ),
);

const SHARED = {
  ...delivers(
    'RFC 7692, 7.2.3.2',
    'the example of a window that two messages share',
    [text(HELLO, RSV1), text(hex('f200110000'), RSV1)],
    [...HELLO_EVENT, ...HELLO_EVENT],
    TAKEOVER,
  ),
};

const EMPTY = [
  ['one byte of zero', '00'],
  ['an empty block with fixed codes', '0300'],
  ['an empty block with fixed codes, without BFINAL,', '0200'],
  ['two empty blocks without compression', '000000ffff00'],
].map(([what, digits]) =>
  delivers(
    'RFC 7692, 7.2.3.6',
    `an empty message of ${what}`,
    [text(hex(digits), RSV1)],
    ['text '],
    FRESH,
  ),
);

const BLOCKS = [
  [
    'three blocks without compression',
    hex('000100feff61 000100feff62 000100feff63 00'),
    'abc',
  ],
  [
    'a block of each type',
    Buffer.concat([
      hex('000100feff61'),
      deflate('b', { strategy: zlib.constants.Z_FIXED }),
      TAIL,
      deflate(sample('words', 3000)),
    ]),
    Buffer.concat([Buffer.from('ab'), sample('words', 3000)]),
  ],
  [
    'Huffman codes alone',
    deflate(sample('words', 5000), { strategy: zlib.constants.Z_HUFFMAN_ONLY }),
    sample('words', 5000),
  ],
  [
    'fixed codes',
    deflate(sample('words', 5000), { strategy: zlib.constants.Z_FIXED }),
    sample('words', 5000),
  ],
  [
    'run lengths',
    deflate(Buffer.alloc(5000, 'ab'), { strategy: zlib.constants.Z_RLE }),
    Buffer.alloc(5000, 'ab'),
  ],
  [
    'the level 9',
    deflate(sample('words', 50000), { level: 9 }),
    sample('words', 50000),
  ],
  [
    'the level 1',
    deflate(sample('words', 50000), { level: 1 }),
    sample('words', 50000),
  ],
  [
    'the level 0',
    deflate(sample('words', 100000), { level: 0 }),
    sample('words', 100000),
  ],
  [
    'a window of 9 bits',
    deflate(sample('words', 50000), { windowBits: 9 }),
    sample('words', 50000),
  ],
].flatMap(([what, payload, result]) =>
  PER_CONTEXT.map(([how, context]) =>
    delivers(
      COMPRESSION,
      `a message of ${what}, ${how},`,
      [binary(payload, RSV1)],
      message('binary', result),
      context,
    ),
  ),
);

const STOPS_AT_FINAL = {
  [WS]: {
    expect: closed(message('binary', 'Hello'), 1000),
    why: 'What comes behind a block with BFINAL is ignored.',
  },
};

/** A block with BFINAL need not be the last one (RFC 7692, 7.2.1). */
const BEHIND_FINAL = PER_CONTEXT.flatMap(([how, context]) => [
  ...[
    ['two blocks of which the first has BFINAL', [HELLO_FINAL, HELLO]],
    ['two blocks with BFINAL', [HELLO_FINAL, HELLO_FINAL, hex('00')]],
  ].map(([what, blocks]) =>
    delivers(
      COMPRESSION,
      `a message of ${what}, ${how},`,
      [binary(Buffer.concat(blocks), RSV1)],
      message('binary', 'HelloHello'),
      { ...context, differs: STOPS_AT_FINAL },
    ),
  ),
  fails(
    COMPRESSION,
    `a block of the reserved type behind one with BFINAL, ${how},`,
    [binary(Buffer.concat([HELLO_FINAL, hex('06')]), RSV1)],
    1007,
    {
      ...context,
      differs: {
        [WS]: {
          ...STOPS_AT_FINAL[WS],
          send: [binary(Buffer.concat([HELLO_FINAL, hex('06')]), RSV1), END],
        },
      },
    },
  ),
]);

const WORDS = sample('words', 2000);

const CUT = deflate(WORDS);

const FRAGMENTED = [
  ['two fragments', [Math.floor(CUT.length / 2)]],
  ['two fragments, of which the first is empty,', [0]],
  ['two fragments, of which the last is empty,', [CUT.length]],
  ['three fragments with an empty one in the middle', [10, 10]],
  ['two fragments, of which the first has one byte,', [1]],
  ['two fragments, of which the last has one byte,', [CUT.length - 1]],
  ['fragments of 10 bytes', Array.from({ length: 30 }, (_, i) => (i + 1) * 10)],
  [
    'fragments of a byte at the start',
    Array.from({ length: 40 }, (_, i) => i + 1),
  ],
].flatMap(([what, places]) =>
  PER_CONTEXT.map(([how, context]) =>
    delivers(
      RECEIVING,
      `a compressed message in ${what}, ${how},`,
      fragments(binary, CUT, places),
      message('binary', WORDS),
      context,
    ),
  ),
);

const FOO = deflate('foo');

const MIXED = [
  ['a plain message', [text('foo')], ['text 666f6f']],
  [
    'a plain message in fragments',
    [text('f', NOT_LAST), more('oo')],
    ['text 666f6f'],
  ],
  [
    'a plain message between two compressed ones',
    [text(FOO, RSV1), binary('bar'), text(FOO, RSV1)],
    ['text 666f6f', 'binary 626172', 'text 666f6f'],
  ],
  [
    'a compressed message between two plain ones',
    [text('a'), text(FOO, RSV1), text('b')],
    ['text 61', 'text 666f6f', 'text 62'],
  ],
  [
    'a ping between the fragments of a compressed message',
    [
      text(FOO.subarray(0, 2), { ...RSV1, fin: false }),
      ping('p'),
      more(FOO.subarray(2)),
    ],
    ['ping 70', 'text 666f6f'],
  ],
  [
    'a pong between the fragments of a compressed message',
    [
      text(FOO.subarray(0, 2), { ...RSV1, fin: false }),
      pong('p'),
      more(FOO.subarray(2)),
    ],
    ['pong 70', 'text 666f6f'],
  ],
  [
    'a ping between two compressed messages',
    [text(FOO, RSV1), ping('p'), binary(FOO, RSV1)],
    ['text 666f6f', 'ping 70', 'binary 666f6f'],
  ],
  [
    'a small message behind a large one',
    [compressed(binary, sample('words', 600000)), compressed(text, 'foo')],
    [...message('binary', sample('words', 600000)), 'text 666f6f'],
  ],
  [
    'a plain message behind a large compressed one',
    [compressed(binary, sample('words', 600000)), text('foo')],
    [...message('binary', sample('words', 600000)), 'text 666f6f'],
  ],
  [
    'a row of twenty compressed messages',
    Array.from({ length: 20 }, (_, i) => compressed(text, `message ${i}`)),
    Array.from({ length: 20 }, (_, i) => message('text', `message ${i}`)[0]),
  ],
].flatMap(([what, frames, events]) =>
  PER_CONTEXT.map(([how, context]) =>
    delivers(RECEIVING, `${what}, ${how},`, frames, events, context),
  ),
);

conform('compressed messages', [
  ...sizes,
  ...REPETITIVE,
  ...EXAMPLES,
  SHARED,
  ...EMPTY,
  ...BLOCKS,
  ...BEHIND_FINAL,
  ...FRAGMENTED,
  ...MIXED,
]);
