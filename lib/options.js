'use strict';

const { AUTO_PONG, IS_CLIENT, SKIP_UTF8_VALIDATION } =
  require('./native').constants;

/** What `ws` has for defaults, of the options that concern a connection. */
const DEFAULTS = {
  allowSynchronousEvents: true,
  autoPong: true,
  closeTimeout: 30 * 1000,
  highWaterMark: 64 * 1024,
  maxBackpressure: 64 * 1024 * 1024,
  holdUntilListening: false,
  maxBufferedChunks: 256 * 1024,
  maxFragments: 16 * 1024,
  maxPayload: 100 * 1024 * 1024,
  maxPendingAutoPongs: 60,
  onBackpressure: 'terminate',
  skipUTF8Validation: false,
};

/**
 * A number that native code takes as an unsigned one of 32 bits.
 *
 * @param {*} value
 * @return {number} 0 for what is no number, or below it
 */
function toCount(value) {
  return Math.min(Math.max(Math.trunc(value) || 0, 0), 0xffffffff);
}

/**
 * The options of a connection as native code takes them: see wsu_get_options().
 *
 * @param {Object} options see DEFAULTS
 * @param {boolean} isServer whether the peer has to mask its frames
 * @return {number[]}
 */
function nativeOptions(options, isServer) {
  const { closeTimeout = DEFAULTS.closeTimeout } = options;

  return [
    options.maxPayload | 0,
    toCount(options.maxFragments),
    toCount(options.maxBufferedChunks),
    toCount(options.maxPendingAutoPongs),
    toCount(closeTimeout),
    (options.autoPong ? AUTO_PONG : 0) |
      (options.skipUTF8Validation ? SKIP_UTF8_VALIDATION : 0) |
      (isServer ? 0 : IS_CLIENT),
  ];
}

/**
 * Throws if an object has options that nobody reads: a name may be misspelt.
 *
 * @param {string} what takes the options
 * @param {Object} options
 * @param {string[]} names of those that it knows
 * @throws {TypeError}
 */
function checkNames(what, options, names) {
  const unknown = Object.keys(options).find((name) => !names.includes(name));

  if (unknown === undefined) return;
  throw new TypeError(
    `${what} has no option "${unknown}": it has ${names.join(', ')}`,
  );
}

module.exports = { DEFAULTS, checkNames, nativeOptions };
