'use strict';

// RFC 7692, 7.1.1 and 7.1.2: context takeover and windows, in both directions.
// The client inflates within the window that was agreed on, and with no more
// context than that.

const { OFFER, deflate, sample } = require('../helpers/deflate');
const {
  WS,
  closed,
  delivers,
  failed,
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
  offering,
} = require('./helpers/compressed');
const { conform } = require('./helpers/suite');
const { binary, close, hex, text, AfterFrames } = require('./helpers/frames');

const SENDING = 'RFC 7692, 6.1';

/** A message that may refer to the bytes of `before`. */
function deflateBehind(before, payload) {
  return deflate(payload, { dictionary: before });
}

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

const BEYOND_WINDOW = fails(
  'RFC 7692, 7.1.2.2',
  'a message that refers to more than the window that was agreed on',
  [compressed(binary, LARGE)],
  1007,
  offering(`${OFFER}; client_max_window_bits=9`),
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

conform('context and windows of compression', [
  ...CONTEXT,
  CONTEXT_OF_FINAL,
  ...NO_CONTEXT,
  ...clientWindows,
  BEYOND_WINDOW,
  ...serverWindows,
  ...BY_THE_SERVER,
]);
