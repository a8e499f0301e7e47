'use strict';

// The ways in which the bytes of a case are cut into pieces that are written
// one by one.

const { encodeFrame } = require('../../helpers/frame');
const { Random } = require('../../helpers/random-traffic');

const SEED = 6455;

/** Of more bytes than this, only those of the headers are written alone. */
const MAX_SINGLE_BYTES = 600;

/** The longest header is of 14 bytes. */
const HEADER_BYTES = 16;

const MAX_PIECES = 12;

/**
 * @param {Buffer|object} item bytes, or a frame as for `encodeFrame()`
 * @returns {{bytes: Buffer, payloadLength: number}}
 */
function encode(item) {
  if (Buffer.isBuffer(item)) return { bytes: item, payloadLength: 0 };
  return {
    bytes: encodeFrame(item),
    payloadLength: Buffer.from(item.payload || '').length,
  };
}

/** @returns {Buffer[]} the bytes between the places, of which none is empty */
function cutAt(bytes, places) {
  const sorted = [...new Set([0, ...places, bytes.length])].sort(
    (a, b) => a - b,
  );
  return sorted.slice(1).map((end, i) => bytes.subarray(sorted[i], end));
}

function everyByte(parts) {
  const bytes = Buffer.concat(parts.map((part) => part.bytes));
  if (bytes.length <= MAX_SINGLE_BYTES) return cutAt(bytes, bytes.keys());
  const places = [];
  let offset = 0;
  for (const part of parts) {
    const end = offset + part.bytes.length;
    const last = Math.min(end, offset + HEADER_BYTES);
    for (let i = offset; i <= last; i++) places.push(i);
    places.push(end - 2, end - 1, end);
    offset = end;
  }
  return cutAt(bytes, places.slice(0, MAX_SINGLE_BYTES));
}

function random(parts, name) {
  const bytes = Buffer.concat(parts.map((part) => part.bytes));
  let seed = SEED;
  for (const char of name) seed = Math.imul(seed, 31) + char.codePointAt(0);
  const generator = new Random(seed);
  const count = generator.integer(1, Math.min(MAX_PIECES, bytes.length));
  const places = Array.from({ length: count }, () =>
    generator.integer(1, bytes.length - 1),
  );
  return bytes.length < 2 ? [bytes] : cutAt(bytes, places);
}

/** Behind the first two bytes, behind the whole header and behind the frame. */
function headers(parts) {
  return parts.flatMap(({ bytes, payloadLength }) =>
    payloadLength === 0
      ? cutAt(bytes, [Math.min(2, bytes.length)])
      : cutAt(bytes, [2, bytes.length - payloadLength]),
  );
}

/**
 * @type {{name: string, cut: (parts: {bytes: Buffer, payloadLength: number}[],
 *   name: string) => Buffer[]}[]}
 */
const SPLITS = [
  {
    name: 'whole',
    cut: (parts) => [Buffer.concat(parts.map((part) => part.bytes))],
  },
  { name: 'byte by byte', cut: everyByte },
  { name: 'in random pieces', cut: random },
  { name: 'cut at the headers', cut: headers },
];

module.exports = { SPLITS, encode };
