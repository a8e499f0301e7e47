'use strict';

// RFC 6455, 10.4: limits on the size of frames and messages, and 7.4.1: how
// what is too big is refused.

const { delivers, fails, message } = require('./helpers/cases');
const { conform } = require('./helpers/suite');
const {
  NOT_LAST,
  binary,
  header,
  more,
  ping,
  pong,
  text,
} = require('./helpers/frames');

const SECTION = 'RFC 6455, 10.4';
const CODE = 'RFC 6455, 7.4.1';

const TEN_BYTES = { maxPayload: 10 };
const MANY_BYTES = { maxPayload: 70000 };
const THREE_FRAGMENTS = { maxFragments: 3 };

const MIB = 1024 * 1024;

const within = [
  [TEN_BYTES, [9, 10]],
  [MANY_BYTES, [65535, 65536, 69999, 70000]],
].flatMap(([options, sizes]) =>
  sizes.flatMap((size) => [
    delivers(
      SECTION,
      `a frame of ${size} bytes, where ${options.maxPayload} are the limit,`,
      [binary(Buffer.alloc(size, 1))],
      message('binary', Buffer.alloc(size, 1)),
      { options },
    ),
    delivers(
      SECTION,
      `a message of ${size} bytes in two fragments, where ${options.maxPayload} are the limit,`,
      [binary(Buffer.alloc(3, 1), NOT_LAST), more(Buffer.alloc(size - 3, 1))],
      message('binary', Buffer.alloc(size, 1)),
      { options },
    ),
  ]),
);

const beyond = [
  [TEN_BYTES, [11, 125, 126, 65535, 65536]],
  [MANY_BYTES, [70001, 2 ** 31, 2 ** 32, 2 ** 40]],
  [undefined, [100 * MIB + 1, 2 ** 53 - 1]],
].flatMap(([options, sizes]) =>
  sizes.map((declaredLength) =>
    fails(
      CODE,
      `a header of ${declaredLength} bytes, where ${options ? options.maxPayload : 100 * MIB} are the limit,`,
      [header(binary('', { declaredLength }))],
      1009,
      { options },
    ),
  ),
);

const FRAGMENTS = [
  [
    'a second fragment that goes beyond the limit',
    [text('x'.repeat(8), NOT_LAST), header(more('xxx'))],
  ],
  [
    'a second fragment alone beyond the limit',
    [text('', NOT_LAST), header(more('x'.repeat(11)))],
  ],
  [
    'the last of many fragments',
    [
      text('x', NOT_LAST),
      ...Array.from({ length: 9 }, () => more('x', NOT_LAST)),
      header(more('x')),
    ],
  ],
  [
    'a first fragment beyond the limit',
    [header(text('x'.repeat(11), NOT_LAST))],
  ],
  ['a whole frame beyond the limit', [text('x'.repeat(11))]],
].map(([what, frames]) =>
  fails(CODE, what, frames, 1009, { options: TEN_BYTES }),
);

const BEHIND = fails(
  CODE,
  'a frame beyond the limit, behind one that is not,',
  [text('x'.repeat(10)), header(text('x'.repeat(11)))],
  1009,
  { options: TEN_BYTES, before: message('text', 'x'.repeat(10)) },
);

const NOT_COUNTED = [
  [
    'a ping that is longer than a message may be',
    [ping('p'.repeat(125))],
    message('ping', 'p'.repeat(125)),
    TEN_BYTES,
  ],
  [
    'a pong within a message, which does not count,',
    [text('x'.repeat(9), NOT_LAST), pong('p'.repeat(20)), more('x')],
    [...message('pong', 'p'.repeat(20)), ...message('text', 'x'.repeat(10))],
    TEN_BYTES,
  ],
  [
    'a row of messages, each at the limit,',
    [text('x'.repeat(10)), text('x'.repeat(10)), text('x'.repeat(10))],
    Array.from({ length: 3 }, () => message('text', 'x'.repeat(10))[0]),
    TEN_BYTES,
  ],
  [
    'a row of fragmented messages, each at the limit,',
    Array.from({ length: 3 }, () => [
      text('x'.repeat(5), NOT_LAST),
      more('x'.repeat(5)),
    ]).flat(),
    Array.from({ length: 3 }, () => message('text', 'x'.repeat(10))[0]),
    TEN_BYTES,
  ],
  [
    'a message of as many fragments as may be',
    [text('a', NOT_LAST), more('b', NOT_LAST), more('c')],
    ['text 616263'],
    THREE_FRAGMENTS,
  ],
  [
    'a row of messages of as many fragments as may be',
    Array.from({ length: 3 }, () => [
      text('a', NOT_LAST),
      more('b', NOT_LAST),
      more('c'),
    ]).flat(),
    ['text 616263', 'text 616263', 'text 616263'],
    THREE_FRAGMENTS,
  ],
  [
    'a message with more pings than it may have fragments',
    [text('a', NOT_LAST), ping('1'), ping('2'), ping('3'), more('b')],
    ['ping 31', 'ping 32', 'ping 33', 'text 6162'],
    THREE_FRAGMENTS,
  ],
].map(([what, frames, events, options]) =>
  delivers(SECTION, what, frames, events, { options }),
);

const TOO_MANY = [
  [
    'a message of more fragments than it may have',
    [text('a', NOT_LAST), more('b', NOT_LAST), more('c', NOT_LAST), more('d')],
  ],
  [
    'a message of more empty fragments than it may have',
    [text('', NOT_LAST), more('', NOT_LAST), more('', NOT_LAST), more('')],
  ],
  [
    'a message of more fragments than it may have, without an end,',
    [
      binary('a', NOT_LAST),
      more('b', NOT_LAST),
      more('c', NOT_LAST),
      more('d', NOT_LAST),
    ],
  ],
].map(([what, frames]) =>
  fails(CODE, what, frames, 1008, { options: THREE_FRAGMENTS }),
);

conform('limits', [
  ...within,
  ...beyond,
  ...FRAGMENTS,
  BEHIND,
  ...NOT_COUNTED,
  ...TOO_MANY,
]);
