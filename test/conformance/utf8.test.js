'use strict';

// RFC 6455, 8.1 and 5.6: text is UTF-8 (RFC 3629).

const { WS, delivers, failed, fails, message } = require('./helpers/cases');
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

const SECTION = 'RFC 6455, 8.1';

const CHARACTERS = [
  0x00, 0x01, 0x7f, 0x80, 0x7ff, 0x800, 0xfff, 0x1000, 0xcfff, 0xd000, 0xd7ff,
  0xe000, 0xfdd0, 0xfeff, 0xfffd, 0xfffe, 0xffff, 0x10000, 0x1fffe, 0x3ffff,
  0x40000, 0xfffff, 0x100000, 0x10fffd, 0x10ffff,
];

function nameOf(codePoint) {
  return `U+${codePoint.toString(16).toUpperCase().padStart(4, '0')}`;
}

const characters = CHARACTERS.map((codePoint) => {
  const payload = String.fromCodePoint(codePoint);
  return delivers(
    SECTION,
    `text of ${nameOf(codePoint)}`,
    [text(payload), text(`foo${payload}bar`)],
    [...message('text', payload), ...message('text', `foo${payload}bar`)],
  );
});

/** Each character in fragments that end within it. */
const inFragments = [0x80, 0x7ff, 0x800, 0xffff, 0x10000, 0x10ffff].flatMap(
  (codePoint) => {
    const bytes = Buffer.from(String.fromCodePoint(codePoint));
    return Array.from({ length: bytes.length - 1 }, (_, i) =>
      delivers(
        SECTION,
        `${nameOf(codePoint)} in two fragments, of which the first has ${i + 1} bytes of it,`,
        [text(bytes.subarray(0, i + 1), NOT_LAST), more(bytes.subarray(i + 1))],
        message('text', bytes),
      ),
    );
  },
);

const LONG_TEXTS = [
  ['ASCII', 'foobar '],
  ['characters of two bytes', '\u00e4\u00f6\u00fc'],
  ['characters of three bytes', '\u20ac\u4e2d\u6587'],
  ['characters of four bytes', '\u{1f600}\u{10348}'],
  ['characters of one to four bytes', 'a\u00e4\u20ac\u{1f600}'],
].flatMap(([what, piece]) =>
  [1, 5, 7, 16, 100, 20000].map((count) =>
    delivers(
      SECTION,
      `text of ${count} times ${Buffer.byteLength(piece)} bytes of ${what}`,
      [text(piece.repeat(count))],
      message('text', piece.repeat(count)),
    ),
  ),
);

/** Bytes that are wrong whatever comes behind them. */
const INVALID = [
  ['a continuation byte alone', '80'],
  ['the last continuation byte alone', 'bf'],
  ['two continuation bytes', '8080'],
  ['the byte C0', 'c0'],
  ['the byte C1', 'c1'],
  ['the byte F5', 'f5'],
  ['the byte F8', 'f8'],
  ['the byte FC', 'fc'],
  ['the byte FE', 'fe'],
  ['the byte FF', 'ff'],
  ['an overlong slash in two bytes', 'c0af'],
  ['an overlong zero in two bytes', 'c080'],
  ['an overlong U+007F', 'c1bf'],
  ['an overlong slash in three bytes', 'e080af'],
  ['an overlong U+07FF', 'e09fbf'],
  ['an overlong slash in four bytes', 'f08080af'],
  ['an overlong U+FFFF', 'f08fbfbf'],
  ['a sequence of five bytes', 'f888808080'],
  ['a sequence of six bytes', 'fc8480808080'],
  ['the first surrogate', 'eda080'],
  ['the last high surrogate', 'edafbf'],
  ['the first low surrogate', 'edb080'],
  ['the last surrogate', 'edbfbf'],
  ['a pair of surrogates', 'eda080edb080'],
  ['the code point 110000', 'f4908080'],
  ['the code point 13FFFF', 'f4bfbfbf'],
  ['two bytes of which the second is ASCII', 'c341'],
  ['two bytes of which the second starts another', 'c3c3a4'],
  ['three bytes of which the second is ASCII', 'e241ac'],
  ['three bytes of which the third is ASCII', 'e28241'],
  ['three bytes of which the third starts another', 'e282e282ac'],
  ['four bytes of which the second is ASCII', 'f0419888'],
  ['four bytes of which the third is ASCII', 'f09f4180'],
  ['four bytes of which the fourth is ASCII', 'f09f9841'],
];

const invalid = INVALID.flatMap(([what, digits]) => [
  fails(SECTION, `text of ${what}`, [text(hex(digits))], 1007),
  fails(
    SECTION,
    `text of ${what} between others`,
    [
      text(
        Buffer.concat([Buffer.from('foo'), hex(digits), Buffer.from('bar')]),
      ),
    ],
    1007,
  ),
]);

const TRUNCATED = ['c3', 'e2', 'e282', 'f0', 'f09f', 'f09f98', 'f48fbf'];

const truncated = TRUNCATED.flatMap((digits) => [
  fails(
    SECTION,
    `text that ends with ${digits}, within a character,`,
    [text(hex(`666f6f${digits}`))],
    1007,
  ),
  fails(
    SECTION,
    `a message whose last fragment ends with ${digits}`,
    [text('foo', NOT_LAST), more(hex(digits))],
    1007,
  ),
  fails(
    SECTION,
    `a message that ends with an empty fragment behind ${digits}`,
    [text(hex(digits), NOT_LAST), more('')],
    1007,
  ),
]);

/** Where words of 8, 16 and 32 bytes and blocks of 64 KiB end. */
const OFFSETS = [
  1, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 127, 1000, 65535, 70000,
];

const offsets = OFFSETS.map((offset) =>
  fails(
    SECTION,
    `text that is invalid behind ${offset} bytes`,
    [text(Buffer.concat([Buffer.alloc(offset, 'a'), hex('ff'), hex('6161')]))],
    1007,
  ),
);

const WAITS =
  'Text is checked at the end of the message. The RFC does not say when.';

/**
 * Text that is refused although the rest of its message has not come. `rest` is
 * what a package waits for that looks at whole messages.
 */
function failsEarly(what, frames, rest, before = []) {
  return {
    ...fails(
      SECTION,
      `${what}, before the message is complete,`,
      frames,
      1007,
      {
        before,
      },
    ),
    differs: {
      [WS]: {
        send: [...frames, ...rest],
        expect: failed(before, 1007),
        why: WAITS,
      },
    },
  };
}

function maskedBytes(digits) {
  return text(hex(digits), { mask: Buffer.alloc(4) });
}

/** The start of a frame of ten bytes, and its rest. */
const withinFrame = INVALID.filter(([, digits]) => digits.length <= 8).map(
  ([what, digits]) => {
    const bytes = hex(digits);
    const whole = Buffer.concat([hex('818a00000000'), Buffer.from('f'), bytes]);
    const missing = 10 - 1 - bytes.length;
    return failsEarly(
      `${what} within a frame`,
      [whole],
      [Buffer.alloc(missing, 'x')],
    );
  },
);

const early = [
  failsEarly(
    'an invalid byte in a frame of 100000 bytes',
    [Buffer.concat([hex('81ff00000000000186a000000000'), hex('61ff61')])],
    [Buffer.alloc(100000 - 3, 'a')],
  ),
  failsEarly(
    'an invalid first fragment',
    [text(hex('61ff'), NOT_LAST)],
    [more('')],
  ),
  failsEarly(
    'an invalid second fragment',
    [text('foo', NOT_LAST), more(hex('80'), NOT_LAST)],
    [more('')],
  ),
  failsEarly(
    'a character that the second fragment does not continue',
    [text(hex('e282'), NOT_LAST), more('a', NOT_LAST)],
    [more('')],
  ),
  failsEarly(
    'a surrogate in two fragments',
    [text(hex('ed'), NOT_LAST), more(hex('a0'), NOT_LAST)],
    [more(hex('80'))],
  ),
  failsEarly(
    'a code point above 10FFFF in two fragments',
    [text(hex('f4'), NOT_LAST), more(hex('90'), NOT_LAST)],
    [more(hex('8080'))],
  ),
  failsEarly(
    'an invalid fragment behind a ping',
    [text('a', NOT_LAST), ping('p'), more(hex('ff'), NOT_LAST)],
    [more('')],
    ['ping 70'],
  ),
  failsEarly(
    'an invalid fragment behind a whole message',
    [maskedBytes('666f6f'), text(hex('ff'), NOT_LAST)],
    [more('')],
    ['text 666f6f'],
  ),
];

const FRAGMENTS = [
  ['in the first of two fragments', [text(hex('ff'), NOT_LAST), more('a')]],
  ['in the second of two fragments', [text('a', NOT_LAST), more(hex('ff'))]],
  ['across two fragments', [text(hex('c3'), NOT_LAST), more(hex('41'))]],
  [
    'across an empty fragment',
    [text(hex('c3'), NOT_LAST), more('', NOT_LAST), more(hex('41'))],
  ],
].map(([where, frames]) =>
  fails(SECTION, `text that is invalid ${where}`, frames, 1007),
);

/** What does not have to be UTF-8. */
const NOT_TEXT = INVALID.filter((_, i) => i % 4 === 0).flatMap(
  ([what, digits]) => [
    delivers(
      'RFC 6455, 5.6',
      `binary data of ${what}`,
      [binary(hex(digits))],
      message('binary', hex(digits)),
    ),
  ],
);

const NOT_CHECKED = [
  delivers(
    'RFC 6455, 5.6',
    'a fragmented binary message that is no UTF-8',
    [binary(hex('e282'), NOT_LAST), more(hex('ff'))],
    ['binary e282ff'],
  ),
  delivers(
    'RFC 6455, 5.6',
    'valid text behind binary data that is not',
    [binary(hex('e282')), text('foo')],
    ['binary e282', 'text 666f6f'],
  ),
  delivers(
    'RFC 6455, 5.6',
    'a pong that is no UTF-8, within a text message,',
    [text(hex('c3'), NOT_LAST), pong(hex('ff')), more(hex('a4'))],
    ['pong ff', 'text c3a4'],
  ),
];

conform('UTF-8', [
  ...characters,
  ...inFragments,
  ...LONG_TEXTS,
  ...invalid,
  ...truncated,
  ...offsets,
  ...FRAGMENTS,
  ...withinFrame,
  ...early,
  ...NOT_TEXT,
  ...NOT_CHECKED,
]);
