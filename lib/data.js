'use strict';

const { inspect } = require('util');
const { isUint8Array } = require('util').types;

/**
 * Whether `value` is a Blob: by what it can do, as there are several classes.
 *
 * @param {*} value
 * @return {boolean}
 */
function isBlob(value) {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof value.arrayBuffer === 'function' &&
    typeof value.type === 'string' &&
    typeof value.stream === 'function' &&
    (value[Symbol.toStringTag] === 'Blob' ||
      value[Symbol.toStringTag] === 'File')
  );
}

/**
 * Throws in the call that is wrong, instead of when it is called back.
 *
 * @param {*} callback
 * @throws {TypeError}
 */
function checkCallback(callback) {
  if (typeof callback === 'function') return;
  throw new TypeError(
    `The callback must be a function, not ${inspect(callback)}`,
  );
}

/**
 * The size of a view in bytes: of its memory, whatever a subclass or a property
 * of the view says.
 *
 * @param {Uint8Array} bytes
 * @return {number}
 */
const byteLength = Function.prototype.call.bind(
  Object.getOwnPropertyDescriptor(
    Object.getPrototypeOf(Uint8Array.prototype),
    'byteLength',
  ).get,
);

/**
 * The bytes of what a user sends, without a copy where that is possible.
 *
 * @param {(string|Buffer|ArrayBuffer|ArrayBufferView|Array|Object)} data
 * @return {Uint8Array}
 * @throws {TypeError} what `Buffer.from()` throws for a value without bytes
 */
function toBytes(data) {
  if (isUint8Array(data)) return data;
  if (data instanceof ArrayBuffer) return Buffer.from(data);
  if (ArrayBuffer.isView(data)) {
    return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  }
  return Buffer.from(data);
}

/**
 * The size of what a user sends in bytes.
 *
 * @param {*} data a string, a Blob, or what toBytes() takes
 * @return {number}
 */
function sizeOf(data) {
  if (typeof data === 'string') return Buffer.byteLength(data);
  return isBlob(data) ? data.size : byteLength(toBytes(data));
}

/**
 * A received payload in the form that `binaryType` asks for.
 *
 * @param {Buffer} data
 * @param {string} binaryType 'arraybuffer', 'fragments' or 'blob'
 * @return {(ArrayBuffer|Buffer[]|Blob)}
 */
function fromBytes(data, binaryType) {
  if (binaryType === 'fragments') return [data];
  if (binaryType === 'blob') return new Blob([data]);
  return data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength);
}

/**
 * Splits a message into its fragments.
 *
 * @param {Buffer} data
 * @param {number[]} lengths of the last fragments; what is before them is one
 * @return {Buffer[]} views
 */
function splitAtEnds(data, lengths) {
  const kept = lengths.reduce((sum, length) => sum + length, 0);
  const all = kept < data.length ? [data.length - kept, ...lengths] : lengths;
  let end = 0;

  return all.map((length) => data.subarray(end, (end += length)));
}

module.exports = {
  byteLength,
  checkCallback,
  fromBytes,
  isBlob,
  sizeOf,
  splitAtEnds,
  toBytes,
};
