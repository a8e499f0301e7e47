'use strict';

// RFC 7692, 6 and 7.2: compressed messages in both directions. The client
// inflates with the window that was agreed on, and no more context than that.

const zlib = require('node:zlib');

const {
  OFFER,
  NO_TAKEOVER,
  TAIL,
  deflate,
  inflate,
  sample,
} = require('../helpers/deflate');
const {
  BOTH,
  END,
  WS,
  closed,
  delivers,
  failed,
  fails,
  message,
} = require('./helpers/cases');
const { conform } = require('./helpers/suite');
const {
  AfterFrames,
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

const RECEIVING = 'RFC 7692, 6.2';
const SENDING = 'RFC 7692, 6.1';
const RSV = 'RFC 7692, 6';
const COMPRESSION = 'RFC 7692, 7.2.1';
const DECOMPRESSION = 'RFC 7692, 7.2.2';

const RSV1 = { rsv: 4 };

const options = { perMessageDeflate: { threshold: 0 } };
const LIMITED = { perMessageDeflate: { threshold: 0 }, maxPayload: 1000 };

const offering = (offer) => ({
  options,
  request: { headers: { 'Sec-WebSocket-Extensions': offer } },
});
const TAKEOVER = offering(OFFER);
const FRESH = offering(NO_TAKEOVER);
const PER_CONTEXT = [
  ['with context takeover', TAKEOVER],
  ['without context takeover', FRESH],
];

/** A frame of a type with a compressed payload. */
function compressed(frame, payload, zlibOptions) {
  return frame(deflate(payload, zlibOptions), RSV1);
}

/** A message that may refer to the bytes of `before`. */
function deflateBehind(before, payload) {
  return deflate(payload, { dictionary: before });
}

/** The frames of a message whose compressed payload is cut at some places. */
function fragments(frame, payload, places) {
  const ends = [...places, payload.length];
  return ends.map((end, i) => {
    const piece = payload.subarray(i === 0 ? 0 : ends[i - 1], end);
    const fin = i === ends.length - 1;
    return i === 0 ? frame(piece, { ...RSV1, fin }) : more(piece, { fin });
  });
}

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

const HELLO = hex('f248cdc9c90700');
const HELLO_FINAL = hex('f348cdc9c90700');
const HELLO_EVENT = message('text', 'Hello');

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

const ONE = sample('words', 1000);
const TWO = Buffer.concat([sample('words', 500, 300), ONE]);
const LARGE = sample('words', 40000);

/** Messages that refer to those before them. */
const CONTEXT = [
  [
    'a message that refers to the one before it',
    [binary(deflate(ONE), RSV1), binary(deflateBehind(ONE, TWO), RSV1)],
    [ONE, TWO],
  ],
  [
    'a message that refers to the one before the last',
    [
      binary(deflate(ONE), RSV1),
      compressed(binary, 'foo'),
      binary(
        deflateBehind(Buffer.concat([ONE, Buffer.from('foo')]), TWO),
        RSV1,
      ),
    ],
    [ONE, Buffer.from('foo'), TWO],
  ],
  [
    'a message that refers to one behind which a plain one came',
    [
      binary(deflate(ONE), RSV1),
      binary('foo'),
      binary(deflateBehind(ONE, TWO), RSV1),
    ],
    [ONE, Buffer.from('foo'), TWO],
  ],
  [
    'a message that refers to a large one',
    [binary(deflate(LARGE), RSV1), binary(deflateBehind(LARGE, TWO), RSV1)],
    [LARGE, TWO],
  ],
  [
    'a large message that refers to another',
    [binary(deflate(LARGE), RSV1), binary(deflateBehind(LARGE, LARGE), RSV1)],
    [LARGE, LARGE],
  ],
  [
    'a message that refers to one of several fragments',
    [
      ...fragments(binary, deflate(ONE), [1, 100]),
      binary(deflateBehind(ONE, TWO), RSV1),
    ],
    [ONE, TWO],
  ],
  [
    'a message that refers to one behind an empty one',
    [
      binary(deflate(ONE), RSV1),
      binary(hex('00'), RSV1),
      binary(deflateBehind(ONE, TWO), RSV1),
    ],
    [ONE, Buffer.alloc(0), TWO],
  ],
  [
    'a message that does not refer to the one before it',
    [binary(deflate(ONE), RSV1), binary(deflate(TWO), RSV1)],
    [ONE, TWO],
  ],
].map(([what, frames, payloads]) =>
  delivers(
    'RFC 7692, 7.1.1.2',
    what,
    frames,
    payloads.flatMap((payload) => message('binary', payload)),
    TAKEOVER,
  ),
);

const CONTEXT_OF_FINAL = delivers(
  'RFC 7692, 7.1.1.2',
  'a message that refers to one with BFINAL',
  [
    text(Buffer.concat([HELLO_FINAL, hex('00')]), RSV1),
    text(hex('f200110000'), RSV1),
  ],
  [...HELLO_EVENT, ...HELLO_EVENT],
  {
    ...TAKEOVER,
    differs: {
      [WS]: {
        expect: failed(HELLO_EVENT, 1007),
        why: 'The context is forgotten at a block with BFINAL.',
      },
    },
  },
);

const NO_CONTEXT = [
  fails(
    'RFC 7692, 7.1.1.2',
    'a message that refers to the one before it, without context takeover,',
    [text(HELLO, RSV1), text(hex('f200110000'), RSV1)],
    1007,
    { ...FRESH, before: HELLO_EVENT },
  ),
  fails(
    'RFC 7692, 7.1.1.2',
    'a first message that refers to one before it',
    [text(hex('f200110000'), RSV1)],
    1007,
    TAKEOVER,
  ),
];

const BITS = [9, 10, 11, 12, 13, 14, 15];

const clientWindows = BITS.map((bits) =>
  delivers(
    'RFC 7692, 7.1.2.2',
    `a row of messages whose window is of ${bits} bits, as was agreed,`,
    [
      compressed(binary, LARGE, { windowBits: bits }),
      binary(
        deflate(LARGE, {
          windowBits: bits,
          dictionary: LARGE.subarray(-(2 ** bits)),
        }),
        RSV1,
      ),
    ],
    [...message('binary', LARGE), ...message('binary', LARGE)],
    offering(`${OFFER}; client_max_window_bits=${bits}`),
  ),
);

/** The client inflates with a window of that size. */
const serverWindows = [8, ...BITS].flatMap((bits) =>
  [200, 5000, 40000].map((size) => {
    const payload = sample('words', size);
    return delivers(
      'RFC 7692, 7.1.2.1',
      `a row of messages of ${size} bytes, which are echoed within ${bits} bits,`,
      [binary(payload), binary(payload), binary(payload)],
      Array.from({ length: 3 }, () => message('binary', payload)[0]),
      offering(`${OFFER}; server_max_window_bits=${bits}`),
    );
  }),
);

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

const BEYOND_WINDOW = fails(
  'RFC 7692, 7.1.2.2',
  'a message that refers to more than the window that was agreed on',
  [compressed(binary, LARGE)],
  1007,
  offering(`${OFFER}; client_max_window_bits=9`),
);

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

/** What the server sends by itself, and the reserved bits of its frames. */
const BY_THE_SERVER = [
  [
    'a message is compressed',
    (ws) => ws.send('foobar '.repeat(100)),
    message('text', 'foobar '.repeat(100)),
    [4],
  ],
  [
    'a binary message is compressed',
    (ws) => ws.send(Buffer.alloc(5000, 'foobar ')),
    message('binary', Buffer.alloc(5000, 'foobar ')),
    [4],
  ],
  [
    'a message that shall not be compressed is plain',
    (ws) => ws.send('foobar '.repeat(100), { compress: false }),
    message('text', 'foobar '.repeat(100)),
    [0],
  ],
  [
    'RSV1 is set on the first fragment only',
    (ws) => {
      ws.send('foobar '.repeat(100), { fin: false });
      ws.send('foobar '.repeat(100), { fin: false });
      ws.send('foobar '.repeat(100));
    },
    message('text', 'foobar '.repeat(300)),
    [4, 0, 0],
  ],
  [
    'a plain and a compressed message follow each other',
    (ws) => {
      ws.send('foo '.repeat(50), { compress: false });
      ws.send('foo '.repeat(50));
    },
    [
      ...message('text', 'foo '.repeat(50)),
      ...message('text', 'foo '.repeat(50)),
    ],
    [0, 4],
  ],
].flatMap(([what, act, sent, rsv]) =>
  PER_CONTEXT.map(([how, context]) => ({
    section: SENDING,
    name: `${what}, ${how}`,
    act,
    send: [new AfterFrames(rsv.length), close(1000)],
    expect: { ...closed([], 1000), sent, rsv },
    ...context,
  })),
);

conform('messages of permessage-deflate', [
  ...sizes,
  ...REPETITIVE,
  ...EXAMPLES,
  SHARED,
  ...EMPTY,
  ...BLOCKS,
  ...BEHIND_FINAL,
  ...FRAGMENTED,
  ...MIXED,
  ...CONTEXT,
  CONTEXT_OF_FINAL,
  ...NO_CONTEXT,
  ...clientWindows,
  ...serverWindows,
  ...INVALID,
  ...UNFINISHED,
  BEYOND_WINDOW,
  ...BITS_OF,
  ...UTF8,
  ...LIMITS,
  ...BY_THE_SERVER,
]);
