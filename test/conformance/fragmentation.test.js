'use strict';

// RFC 6455, 5.4: messages of several frames, and control frames between them.

const { closed, delivers, fails, message } = require('./helpers/cases');
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

const SECTION = 'RFC 6455, 5.4';

/** Cuts a payload into `count` fragments of about the same size. */
function fragments(first, payload, count) {
  const bytes = Buffer.from(payload);
  const size = Math.ceil(bytes.length / count);
  return Array.from({ length: count }, (_, i) => {
    const piece = bytes.subarray(i * size, (i + 1) * size);
    const options = { fin: i === count - 1 };
    return i === 0 ? first(piece, options) : more(piece, options);
  });
}

const COUNTS = [2, 3, 4, 5, 10, 50, 200];

const counts = COUNTS.flatMap((count) => {
  const payload = 'x'.repeat(count);
  return [
    ['text', text],
    ['binary', binary],
  ].map(([kind, first]) =>
    delivers(
      SECTION,
      `a ${kind} message in ${count} fragments`,
      fragments(first, payload, count),
      message(kind, payload),
    ),
  );
});

const SIZES = [125, 126, 127, 1000, 65535, 65536, 65537, 150000];

const sizes = SIZES.map((size) => {
  const payload = Buffer.alloc(2 * size, 'foobar ');
  return delivers(
    SECTION,
    `a message in two fragments of ${size} bytes`,
    fragments(binary, payload, 2),
    message('binary', payload),
  );
});

const MESSAGES = [
  [
    'a message whose first fragment is empty',
    [text('', NOT_LAST), more('foo')],
    ['text 666f6f'],
  ],
  [
    'a message whose last fragment is empty',
    [text('foo', NOT_LAST), more('')],
    ['text 666f6f'],
  ],
  [
    'a message with an empty fragment in the middle',
    [text('f', NOT_LAST), more('', NOT_LAST), more('oo')],
    ['text 666f6f'],
  ],
  [
    'a text message of empty fragments',
    [text('', NOT_LAST), more('', NOT_LAST), more('')],
    ['text '],
  ],
  [
    'a binary message of empty fragments',
    [binary('', NOT_LAST), more('', NOT_LAST), more('')],
    ['binary '],
  ],
  [
    'two fragmented messages in a row',
    [text('a', NOT_LAST), more('b'), binary('c', NOT_LAST), more('d')],
    ['text 6162', 'binary 6364'],
  ],
  [
    'a whole message behind a fragmented one',
    [binary('a', NOT_LAST), more('b'), text('c')],
    ['binary 6162', 'text 63'],
  ],
  [
    'a fragmented message behind a whole one',
    [text('a'), binary('b', NOT_LAST), more('c')],
    ['text 61', 'binary 6263'],
  ],
  [
    'a message of fragments with different masking keys',
    [
      text('foo', { ...NOT_LAST, mask: hex('00000000') }),
      more('bar', { ...NOT_LAST, mask: hex('ffffffff') }),
      more('baz', { mask: hex('01020304') }),
    ],
    ['text 666f6f62617262617a'],
  ],
  [
    'a message of a long and a short fragment',
    [binary(Buffer.alloc(70000, 1), NOT_LAST), more(Buffer.alloc(1, 1))],
    message('binary', Buffer.alloc(70001, 1)),
  ],
  [
    'a message of a short and a long fragment',
    [binary(Buffer.alloc(1, 1), NOT_LAST), more(Buffer.alloc(70000, 1))],
    message('binary', Buffer.alloc(70001, 1)),
  ],
  [
    'a ping between two fragments',
    [text('a', NOT_LAST), ping('p'), more('b')],
    ['ping 70', 'text 6162'],
  ],
  [
    'an empty ping between two fragments',
    [text('a', NOT_LAST), ping(''), more('b')],
    ['ping ', 'text 6162'],
  ],
  [
    'a ping of 125 bytes between two fragments',
    [binary('a', NOT_LAST), ping('p'.repeat(125)), more('b')],
    [...message('ping', 'p'.repeat(125)), 'binary 6162'],
  ],
  [
    'a pong between two fragments',
    [text('a', NOT_LAST), pong('p'), more('b')],
    ['pong 70', 'text 6162'],
  ],
  [
    'a pong of 125 bytes between two fragments',
    [binary('a', NOT_LAST), pong('p'.repeat(125)), more('b')],
    [...message('pong', 'p'.repeat(125)), 'binary 6162'],
  ],
  [
    'control frames between all fragments',
    [
      text('a', NOT_LAST),
      ping('1'),
      more('b', NOT_LAST),
      pong('2'),
      ping('3'),
      more('c', NOT_LAST),
      ping('4'),
      more('d'),
    ],
    ['ping 31', 'pong 32', 'ping 33', 'ping 34', 'text 61626364'],
  ],
  [
    'a ping between the parts of a character',
    [text(hex('e2'), NOT_LAST), ping('x'), more(hex('82ac'))],
    ['ping 78', 'text e282ac'],
  ],
  [
    'ten pings between two fragments',
    [
      text('a', NOT_LAST),
      ...Array.from({ length: 10 }, (_, i) => ping(`${i}`)),
      more('b'),
    ],
    [...Array.from({ length: 10 }, (_, i) => `ping 3${i}`), 'text 6162'],
  ],
].map(([what, frames, events]) => delivers(SECTION, what, frames, events));

const WITHOUT_WAITING = [
  {
    section: SECTION,
    name: 'a ping is answered before the message around it is complete',
    send: [
      text('a', NOT_LAST),
      ping('p'),
      new AfterFrames(1),
      more('b'),
      new AfterFrames(2),
      close(1000),
    ],
    expect: closed(['ping 70', 'text 6162'], 1000),
  },
  {
    section: SECTION,
    name: 'a ping between two fragments is answered each time',
    send: [
      binary('a', NOT_LAST),
      ping('p'),
      new AfterFrames(1),
      more('b', NOT_LAST),
      ping('q'),
      new AfterFrames(2),
      more('c'),
      close(1000),
    ],
    expect: closed(['ping 70', 'ping 71', 'binary 616263'], 1000),
  },
];

const CONTINUATIONS = [
  ['the first frame', [], []],
  ['behind a whole text message', [text('a')], ['text 61']],
  ['behind a whole binary message', [binary('a')], ['binary 61']],
  ['behind the last fragment', [text('a', NOT_LAST), more('b')], ['text 6162']],
  ['behind a ping', [ping('a')], ['ping 61']],
  ['behind a pong', [pong('a')], ['pong 61']],
].flatMap(([where, frames, before]) => [
  fails(
    SECTION,
    `a continuation that continues nothing, ${where},`,
    [...frames, start(more('x'))],
    1002,
    { before },
  ),
  fails(
    SECTION,
    `a continuation without FIN that continues nothing, ${where},`,
    [...frames, start(more('x', NOT_LAST))],
    1002,
    { before },
  ),
]);

const STARTED = [
  ['behind the first fragment', [text('a', NOT_LAST)], []],
  ['behind an empty fragment', [binary('', NOT_LAST)], []],
  ['behind a continuation', [text('a', NOT_LAST), more('b', NOT_LAST)], []],
  [
    'behind a ping within a message',
    [text('a', NOT_LAST), ping('p')],
    ['ping 70'],
  ],
];

const INTERLEAVED = STARTED.flatMap(([where, frames, before]) =>
  [
    ['a text frame', text('x')],
    ['a binary frame', binary('x')],
    ['a text frame without FIN', text('x', NOT_LAST)],
    ['a binary frame without FIN', binary('x', NOT_LAST)],
    ['a reserved data frame', { opcode: 5 }],
    ['a reserved control frame', { opcode: 11 }],
  ].map(([what, frame]) =>
    fails(SECTION, `${what} ${where}`, [...frames, start(frame)], 1002, {
      before,
    }),
  ),
);

const FRAGMENTED_CONTROL = [
  ['ping', ping('x', NOT_LAST)],
  ['pong', pong('x', NOT_LAST)],
  ['close', close(1000, '', NOT_LAST)],
].flatMap(([kind, frame]) => [
  fails(SECTION, `a ${kind} frame without FIN`, [start(frame)], 1002),
  fails(
    SECTION,
    `a ${kind} frame without FIN that is continued`,
    [frame, more('y')],
    1002,
  ),
  fails(
    SECTION,
    `a ${kind} frame without FIN within a message`,
    [text('a', NOT_LAST), start(frame)],
    1002,
  ),
]);

const CLOSED_WITHIN = [
  ['text', [text('a', NOT_LAST)]],
  ['binary data', [binary('a', NOT_LAST), more('b', NOT_LAST)]],
  ['half a character', [text(hex('e282'), NOT_LAST)]],
].map(([what, frames]) => ({
  section: SECTION,
  name: `a close frame within a message of ${what} closes, and drops the message`,
  send: [...frames, close(1001)],
  expect: closed([], 1001),
}));

conform('fragmentation', [
  ...counts,
  ...sizes,
  ...MESSAGES,
  ...WITHOUT_WAITING,
  ...CONTINUATIONS,
  ...INTERLEAVED,
  ...FRAGMENTED_CONTROL,
  ...CLOSED_WITHIN,
]);
