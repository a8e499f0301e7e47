'use strict';

// Messages of 1 MiB or less that stand for a hundred times as much and more,
// or that take work and stand for nothing.

const zlib = require('node:zlib');

const { TAIL, bomb, deflate, sample } = require('./deflate');

const MIB = 1 << 20;

function fill(size, piece) {
  return Buffer.alloc(size - (size % piece.length), piece);
}

/** An empty stored block (RFC 1951, 3.2.4). */
const STORED = Buffer.from('000000ffff', 'hex');

/** Four empty blocks with fixed codes (RFC 1951, 3.2.6). */
const FIXED = Buffer.from('0208208000', 'hex');

/**
 * An empty block with codes of its own (RFC 1951, 3.2.7), up to the end of its
 * last byte with one that is stored.
 */
const DYNAMIC = Buffer.from('04c0810800000000a0fda93f000000ffff', 'hex');

/** Makes messages that are empty once they are inflated, by name. */
const EMPTY_BLOCKS = {
  'stored blocks': () => fill(MIB, STORED),
  'blocks of fixed codes': () => fill(MIB, FIXED),
  'blocks with codes of their own': () => fill(MIB, DYNAMIC),
};

/** Makes messages that inflate to 64 MiB at least, by name. */
const BOMBS = {
  zeros: bomb,

  'streams that end, one after the other'() {
    const stream = zlib.deflateRawSync(Buffer.alloc(MIB), { level: 9 });
    return fill(MIB, stream);
  },

  'matches in fixed codes': () =>
    deflate(Buffer.alloc(128 * MIB), {
      level: 9,
      strategy: zlib.constants.Z_FIXED,
    }).subarray(0, MIB),

  'repetitions of a whole window': () =>
    deflate(Buffer.alloc(64 * MIB, sample('random', 32000))),

  'empty blocks, then zeros'() {
    const zeros = bomb();
    return Buffer.concat([
      fill(MIB / 2, STORED),
      zeros.subarray(0, zeros.length / 2),
    ]);
  },

  'blocks of one match and empty ones'() {
    const match = deflate(Buffer.alloc(4000), { level: 9 });
    return fill(MIB, Buffer.concat([match, TAIL, DYNAMIC]));
  },
};

module.exports = { BOMBS, EMPTY_BLOCKS };
