'use strict';

const { isUint8Array } = require('util').types;

const { byteLength, toBytes } = require('./data');
const {
  CLOSE_ABNORMAL,
  CLOSE_NO_STATUS,
  EMPTY_BUFFER,
} = require('./constants');

/** RFC 6455, 5.5: the longest payload of a control frame, in bytes. */
const CONTROL_PAYLOAD_MAX = 125;

/**
 * Whether a close frame may carry `code` (RFC 6455, 7.4).
 *
 * @param {*} code
 * @return {boolean}
 */
function isValidCloseCode(code) {
  return (
    typeof code === 'number' &&
    ((code >= 1000 &&
      code <= 1014 &&
      code !== 1004 &&
      code !== CLOSE_NO_STATUS &&
      code !== CLOSE_ABNORMAL) ||
      (code >= 3000 && code <= 4999))
  );
}

/**
 * The bytes of a close reason.
 *
 * @param {(string|Uint8Array|undefined)} reason
 * @return {Uint8Array} at most 123 bytes
 * @throws {TypeError|RangeError}
 */
function closeReason(reason) {
  // As in `ws`, what has no length is ignored: an Error, for example.
  if (reason === undefined || !reason.length) return EMPTY_BUFFER;
  if (typeof reason !== 'string' && !isUint8Array(reason)) {
    throw new TypeError('Second argument must be a string or a Uint8Array');
  }
  const bytes = toBytes(reason);

  if (byteLength(bytes) > CONTROL_PAYLOAD_MAX - 2) {
    throw new RangeError('The message must not be greater than 123 bytes');
  }
  return bytes;
}

module.exports = { CONTROL_PAYLOAD_MAX, closeReason, isValidCloseCode };
