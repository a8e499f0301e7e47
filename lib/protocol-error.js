'use strict';

const { Z_DATA_ERROR } = require('zlib').constants;

const native = require('./native');

/** The property of an error that holds the close code which answers it. */
const kStatusCode = Symbol('status-code');

/**
 * The error of a peer that broke the protocol.
 *
 * @param {number} number of the error in the addon's table
 * @param {number} detail the number at the end of its message
 * @return {Error}
 */
function protocolError(number, detail) {
  const { closeCode, code, hasDetail, isRangeError, message } =
    native.errors[number];
  const ErrorClass = isRangeError ? RangeError : Error;
  const err = new ErrorClass(hasDetail ? message + detail : message);

  err.code = code;
  if (code === 'Z_DATA_ERROR') err.errno = Z_DATA_ERROR;
  err[kStatusCode] = closeCode;
  return err;
}

module.exports = { kStatusCode, protocolError };
