'use strict';

// The ways in which the bytes of a case are cut into pieces that are written
// one by one.

const { encodeFrame } = require('../../helpers/frame');
const { Random } = require('../../helpers/random');

const SEED = 6455;

/** Of more bytes than this, only those of the headers are written alone. */
const MAX_SINGLE_BYTES = 600;

/** The longest header is of 14 bytes. */
const HEADER_BYTES = 16;

const MAX_PIECES = 12;

/**
 * A part of what is sent: a frame, or bytes.
 *
 * @typedef {object} Part
 * @property {Buffer} bytes
 * @property {number} payloadLength of what is at the end of `bytes`
 * @property {boolean} [isWhole] need not be cut byte by byte
 */

/**
 * @param {Buffer|object} item bytes, or a frame as for `encodeFrame()`
 * @returns {Part}
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

/** The places around and in the bytes that are written one by one. */
function listPlaces({ bytes, isWhole }, areAllShort) {
  const places = [0, bytes.length];
  if (isWhole) return places;
  const last = areAllShort ? bytes.length : HEADER_BYTES;
  for (let i = 1; i <= Math.min(last, bytes.length - 1); i++) places.push(i);
  return [...places, Math.max(bytes.length - 1, 0)];
}

function everyByte(parts) {
  const bytes = Buffer.concat(parts.map((part) => part.bytes));
  const areAllShort = bytes.length <= MAX_SINGLE_BYTES;
  const places = [];
  let offset = 0;
  for (const part of parts) {
    for (const place of listPlaces(part, areAllShort)) {
      places.push(offset + place);
    }
    offset += part.bytes.length;
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

/** @type {{name: string, cut: (parts: Part[], name: string) => Buffer[]}[]} */
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
