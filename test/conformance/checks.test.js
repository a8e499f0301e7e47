'use strict';

// What is checked of every frame of a server has to find what it looks for.

const assert = require('node:assert');

const { decodeFrame, encodeFrame } = require('../helpers/frame');
const { TAIL, deflate } = require('../helpers/deflate');
const { Received } = require('./helpers/received');
const { NOT_LAST, binary, hex, more, ping, text } = require('./helpers/frames');
const { SPLITS, encode } = require('./helpers/splits');

const EXTENSION = 'Sec-WebSocket-Extensions: permessage-deflate\r\n';
const SENT = { mask: false };

async function receive(frames, response = '') {
  const received = new Received(response);
  for (const frame of frames) {
    await received.add(decodeFrame(encodeFrame({ ...SENT, ...frame })));
  }
  return received;
}

const FAULTS = [
  ['a mask', [text('a', { mask: hex('01020304') })], '5.1'],
  ['a length in 16 bits', [text('a', { lengthBits: 16 })], '5.2'],
  ['a length in 64 bits', [binary('a', { lengthBits: 64 })], '5.2'],
  ['a reserved opcode', [{ opcode: 3 }], '5.2'],
  ['RSV2', [text('a', { rsv: 2 })], '5.2'],
  ['RSV1 where nothing was negotiated', [text('a', { rsv: 4 })], '5.2'],
  ['a fragmented ping', [ping('a', NOT_LAST)], '5.5'],
  ['a long ping', [ping('a'.repeat(126))], '5.5'],
  ['a continuation of nothing', [more('a')], '5.4'],
  ['text within a message', [text('a', NOT_LAST), text('b')], '5.4'],
  ['text that is no UTF-8', [text(hex('ff'))], '5.6'],
];

const COMPRESSION_FAULTS = [
  ['RSV1 on a ping', [ping('', { rsv: 4 })], '5.2'],
  [
    'RSV1 on a continuation',
    [text(deflate('a'), { ...NOT_LAST, rsv: 4 }), more('', { rsv: 4 })],
    '5.2',
  ],
  [
    'a compressed message with its tail',
    [text(Buffer.concat([deflate('a'), TAIL]), { rsv: 4 })],
    '7.2.1',
  ],
];

describe('Conformance: the checks of what a server sends', () => {
  for (const [what, frames, section] of FAULTS) {
    it(`find ${what}`, async () => {
      const { faults } = await receive(frames);
      assert.strictEqual(faults.length, 1);
      assert.ok(faults[0].startsWith(`RFC 6455, ${section}: `), faults[0]);
    });
  }

  for (const [what, frames, section] of COMPRESSION_FAULTS) {
    it(`find ${what}, with permessage-deflate`, async () => {
      const { faults } = await receive(frames, EXTENSION);
      assert.strictEqual(faults.length, 1);
      assert.ok(faults[0].includes(`, ${section}: `), faults[0]);
    });
  }

  it('find nothing in messages as they should be', async () => {
    const { faults, sent, pongs } = await receive(
      [
        text('foo'),
        text(deflate('a'), { ...NOT_LAST, rsv: 4 }),
        ping('b'),
        more(''),
        binary(Buffer.alloc(65536)),
      ],
      EXTENSION,
    );
    assert.deepStrictEqual(faults, []);
    assert.deepStrictEqual(sent.slice(0, 2), ['text 666f6f', 'text 61']);
    assert.deepStrictEqual(pongs, ['ping 62']);
  });
});

describe('Conformance: a split', () => {
  const FRAMES = [text('foo'), binary(Buffer.alloc(126)), ping(''), text('x')];
  const parts = FRAMES.map(encode);
  const bytes = Buffer.concat(parts.map((part) => part.bytes));

  for (const { name, cut } of SPLITS) {
    it(`has all bytes in their order, ${name}`, () => {
      const pieces = cut(parts, 'foo');
      assert.ok(pieces.every((piece) => piece.length > 0));
      assert.deepStrictEqual(Buffer.concat(pieces), bytes);
      assert.deepStrictEqual(cut(parts, 'foo'), pieces);
    });
  }

  const lengthsOf = (name) =>
    SPLITS.find((split) => split.name === name)
      .cut(parts, 'foo')
      .map((piece) => piece.length);

  it('is one piece, whole', () => {
    assert.deepStrictEqual(lengthsOf('whole'), [bytes.length]);
  });

  it('has pieces of one byte, byte by byte', () => {
    assert.ok(lengthsOf('byte by byte').every((length) => length === 1));
  });

  it('has several pieces, in random pieces', () => {
    assert.ok(lengthsOf('in random pieces').length > 1);
  });

  it('ends behind each header and each frame, cut at the headers', () => {
    assert.deepStrictEqual(
      lengthsOf('cut at the headers'),
      [2, 4, 3, 2, 6, 126, 2, 4, 2, 4, 1],
    );
  });
});
