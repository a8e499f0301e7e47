'use strict';

const { inspect } = require('util');

const native = require('./native');

/** The name of the extension (RFC 7692). */
const EXTENSION = 'permessage-deflate';

/** Bytes of the shortest message that is compressed, by default. */
const THRESHOLD = 1024;

/** Values of wsu_takeover_t. */
const AS_OFFERED = 0;
const NEVER = 1;
const KEPT = 2;

/** Values of a limit of window bits beside 8 to 15: see core/extension.h. */
const ANY_BITS = 0;
const NO_BITS = 255;

const TAKEOVERS = { undefined: AS_OFFERED, true: NEVER, false: KEPT };

/** zlib's numbers: name, lowest, highest, default. */
const ZLIB_NUMBERS = [
  ['level', -1, 9, -1],
  ['memLevel', 1, 9, 8],
  ['strategy', 0, 4, 0],
];

function checkNumber(name, value, min, max) {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new RangeError(
    `The "${name}" option of perMessageDeflate must be a whole number from ` +
      `${min} to ${max}, not ${inspect(value)}`,
  );
}

function takeover(options, name) {
  const value = options[name];

  return value === undefined || value === null
    ? AS_OFFERED
    : TAKEOVERS[Boolean(value)];
}

function windowBits(options, name) {
  const value = options[name];

  if (value === undefined || value === null || value === true) return ANY_BITS;
  return value === false ? NO_BITS : checkNumber(name, value, 8, 15);
}

/**
 * The option `perMessageDeflate` as native code takes it.
 *
 * @param {(boolean|Object)} option
 * @return {(Object|null)} null if there is to be no compression
 * @throws {RangeError} for a number that zlib or RFC 7692 do not know
 */
function readDeflateOptions(option) {
  if (!option) return null;
  const options = option === true ? {} : option;
  const zlibOptions = options.zlibDeflateOptions || {};

  return {
    negotiation: [
      takeover(options, 'serverNoContextTakeover'),
      takeover(options, 'clientNoContextTakeover'),
      windowBits(options, 'serverMaxWindowBits'),
      windowBits(options, 'clientMaxWindowBits'),
    ],
    threshold: options.threshold === undefined ? THRESHOLD : options.threshold,
    zlib: ZLIB_NUMBERS.map(([name, min, max, byDefault]) => {
      const value = zlibOptions[name];

      return value === undefined
        ? byDefault
        : checkNumber(`zlibDeflateOptions.${name}`, value, min, max);
    }),
  };
}

/**
 * Negotiates permessage-deflate (RFC 7692, 7.1).
 *
 * @param {string} header Sec-WebSocket-Extensions of the request
 * @param {Object} options see readDeflateOptions()
 * @return {(Object|null|undefined)} the accepted extensions by name; undefined
 *     if the handshake has to be refused
 */
function negotiate(header, options) {
  const result = native.negotiate(header, ...options.negotiation);

  if (result === undefined) return undefined;
  if (result === null) return {};
  const [answer, ...agreed] = result;

  return { [EXTENSION]: { agreed, answer, options } };
}

/**
 * Compresses the messages of a connection from now on.
 *
 * @param {number} handle of the native connection
 * @param {Object} accepted the value of the extension: see negotiate()
 * @return {boolean} false if there is no memory
 */
function useDeflate(handle, { agreed, options }) {
  return native.useDeflate(handle, ...agreed.map(Number), ...options.zlib);
}

module.exports = { EXTENSION, negotiate, readDeflateOptions, useDeflate };
