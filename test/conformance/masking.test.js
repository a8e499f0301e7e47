'use strict';

// RFC 6455, 5.1 and 5.3: a client masks every frame, a server none. That no
// frame of the server has a mask is checked in all suites.

const { delivers, fails, closed, message } = require('./helpers/cases');
const { conform } = require('./helpers/suite');
const {
  AfterFrames,
  NOT_LAST,
  binary,
  close,
  hex,
  more,
  ping,
  pong,
  start,
  text,
} = require('./helpers/frames');

const REQUIRED = 'RFC 6455, 5.1';
const KEY = 'RFC 6455, 5.3';

const UNMASKED = { mask: false };

const FRAMES = [
  ['text', [], text('foo', UNMASKED)],
  ['empty text', [], text('', UNMASKED)],
  ['binary', [], binary('foo', UNMASKED)],
  ['empty binary', [], binary('', UNMASKED)],
  ['text of 126 bytes', [], text('x'.repeat(126), UNMASKED)],
  ['binary of 65536 bytes', [], binary(Buffer.alloc(65536), UNMASKED)],
  ['continuation', [text('foo', NOT_LAST)], more('bar', UNMASKED)],
  [
    'continuation without FIN',
    [text('foo', NOT_LAST)],
    more('bar', { ...UNMASKED, ...NOT_LAST }),
  ],
  ['first fragment', [], text('foo', { ...UNMASKED, ...NOT_LAST })],
  ['ping', [], ping('foo', UNMASKED)],
  ['empty ping', [], ping('', UNMASKED)],
  ['pong', [], pong('foo', UNMASKED)],
  ['close', [], close(1000, '', UNMASKED)],
  ['empty close', [], close(undefined, '', UNMASKED)],
];

const unmasked = FRAMES.flatMap(([kind, before, frame]) => [
  fails(
    REQUIRED,
    `a frame without a mask, of the kind "${kind}",`,
    [...before, frame],
    1002,
  ),
  fails(
    REQUIRED,
    `the header of a frame without a mask, of the kind "${kind}",`,
    [...before, start(frame)],
    1002,
  ),
]);

const BEHIND = [
  ['a message', [text('foo')], ['text 666f6f']],
  ['a ping', [ping('foo')], ['ping 666f6f']],
  ['a fragmented message', [text('f', NOT_LAST), more('oo')], ['text 666f6f']],
].map(([what, frames, before]) =>
  fails(
    REQUIRED,
    `a frame without a mask behind ${what}`,
    [...frames, start(text('x', UNMASKED))],
    1002,
    { before },
  ),
);

const KEYS = [
  '00000000',
  'ffffffff',
  '00ff00ff',
  '01020304',
  '80000001',
  '37fa213d',
];
const LENGTHS = [1, 2, 3, 4, 5, 7, 8, 9, 31, 33, 129, 1001];

const keys = KEYS.flatMap((digits) =>
  LENGTHS.filter((_, i) => digits === '01020304' || i % 3 === 1).map(
    (length) => {
      const payload = Buffer.from(
        Array.from({ length }, (_, i) => (i * 7) & 0xff),
      );
      return delivers(
        KEY,
        `a payload of ${length} bytes under the masking key ${digits}`,
        [binary(payload, { mask: hex(digits) })],
        message('binary', payload),
      );
    },
  ),
);

const SEQUENCES = [
  [
    'a row of frames with a key each',
    KEYS.map((digits) => text('foobar', { mask: hex(digits) })),
    KEYS.map(() => 'text 666f6f626172'),
  ],
  [
    'an empty frame with a key',
    [text('', { mask: hex('ffffffff') }), text('a')],
    ['text ', 'text 61'],
  ],
  [
    'a ping with a key of its own within a message',
    [
      text('foo', { ...NOT_LAST, mask: hex('01020304') }),
      ping('bar', { mask: hex('a1b2c3d4') }),
      more('baz', { mask: hex('ff00ff00') }),
    ],
    ['ping 626172', 'text 666f6f62617a'],
  ],
  [
    'text that is UTF-8 only once it is unmasked',
    [text('\u20ac', { mask: hex('ffffffff') })],
    ['text e282ac'],
  ],
  [
    'a payload of 100000 bytes',
    [binary(Buffer.alloc(100000, 'foobar '), { mask: hex('f1e2d3c4') })],
    message('binary', Buffer.alloc(100000, 'foobar ')),
  ],
].map(([what, frames, events]) => delivers(KEY, what, frames, events));

const MASKED_CLOSE = {
  section: KEY,
  name: 'the code and the reason of a close frame are unmasked',
  send: [close(4321, 'foo', { mask: hex('deadbeef') })],
  expect: closed([], 4321, 'foo'),
};

const BY_THE_SERVER = [
  ['text', (ws) => ws.send('foo'), { sent: ['text 666f6f'] }],
  [
    'binary data',
    (ws) => ws.send(Buffer.from('foo')),
    { sent: ['binary 666f6f'] },
  ],
  ['a ping', (ws) => ws.ping('foo'), { pongs: ['ping 666f6f'] }],
  ['a pong', (ws) => ws.pong('foo'), { pongs: ['pong 666f6f'] }],
].map(([what, act, expected]) => ({
  section: REQUIRED,
  name: `${what} of the server has no mask`,
  act,
  send: [new AfterFrames(1), close(1000)],
  expect: { ...closed([], 1000), ...expected },
}));

conform('masking', [
  ...unmasked,
  ...BEHIND,
  ...keys,
  ...SEQUENCES,
  MASKED_CLOSE,
  ...BY_THE_SERVER,
]);
