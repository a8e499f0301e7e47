'use strict';

// Which handshakes are looked at, before anything is done for them.

const { reject } = require('./handshake');
const TokenBucket = require('./token-bucket');
const { kStats, kVerifying } = require('./symbols');

/**
 * An origin as browsers send it (RFC 6454, 6.2), with any scheme: an extension
 * and an app have one of their own.
 */
const ORIGIN = /^[a-z][a-z\d+.-]*:\/\/[^\s/?#\\@*,"']+$/;

/** Seconds until there is a token again: a whole rate brings one in each. */
const RETRY_AFTER = { 'Retry-After': 1 };

function readLimit(name, value) {
  if (value === undefined || value === null || value === Infinity) return 0;
  if (Number.isSafeInteger(value) && value >= 0) return value;
  const Class = typeof value === 'number' ? RangeError : TypeError;

  throw new Class(
    `The "${name}" option must be a whole number; 0 means no limit`,
  );
}

/** What a browser sends for pages of a URL, undefined where it can't be told. */
function originOf(url) {
  try {
    const { origin } = new URL(url);

    return ORIGIN.test(origin) ? origin : undefined;
  } catch {
    return undefined;
  }
}

function checkOrigin(value) {
  if (typeof value !== 'string') {
    throw new TypeError(
      'The "allowedOrigins" option must have strings such as ' +
        `'https://example.com', not ${value === null ? value : typeof value}`,
    );
  }
  const origin = originOf(value);

  if (ORIGIN.test(value) && (origin === undefined || origin === value)) return;
  const hint =
    origin === undefined
      ? "write 'https://example.com', or pass a function (origin, req)"
      : `write '${origin}'`;

  throw new TypeError(
    `The "allowedOrigins" option has '${value}', which no browser sends as ` +
      `an origin: ${hint}`,
  );
}

/**
 * @param {(string[]|Function|null)} [option]
 * @return {?Function} (origin, req), true if the origin is allowed
 * @throws {TypeError}
 */
function readOrigins(option) {
  if (option === undefined || option === null) return null;
  if (typeof option === 'function') return option;
  if (!Array.isArray(option)) {
    throw new TypeError(
      'The "allowedOrigins" option must be an array of origins, such as ' +
        "['https://example.com'], or a function (origin, req)",
    );
  }
  option.forEach(checkOrigin);
  const origins = new Set(option);

  return (origin) => origins.has(origin);
}

/** In ms, never set back. */
function now() {
  return Number(process.hrtime.bigint() / 1000000n);
}

/** Refuses handshakes of which there are too many, or from other sites. */
class Admission {
  /**
   * @param {WebSocketServer} server
   * @param {Object} options of the server: `allowedOrigins`, `maxConnections`
   *     and `maxUpgradesPerSecond`
   * @throws {TypeError|RangeError} if one of them is not valid
   */
  constructor(server, options) {
    const { allowedOrigins, maxConnections, maxUpgradesPerSecond } = options;
    const rate = readLimit('maxUpgradesPerSecond', maxUpgradesPerSecond);

    this._server = server;
    this._isAllowed = readOrigins(allowedOrigins);
    this._max = readLimit('maxConnections', maxConnections);
    this._bucket = rate === 0 ? null : new TokenBucket(rate, now());
  }

  /**
   * Answers a handshake that is refused.
   *
   * @param {http.IncomingMessage} req
   * @param {Duplex} socket
   * @return {boolean} whether to go on with it
   */
  admit(req, socket) {
    const server = this._server;

    if (this._isFull()) {
      reject(server, req, socket, 503, 'Too many connections');
    } else if (this._bucket !== null && !this._bucket.take(now())) {
      reject(server, req, socket, 503, 'Too many handshakes', RETRY_AFTER);
    } else if (this._isForeign(req)) {
      reject(server, req, socket, 403, 'Origin not allowed');
    } else {
      return true;
    }
    return false;
  }

  /** One that verifyClient looks at has a place, so that it is there later. */
  _isFull() {
    if (this._max === 0) return false;
    const { [kStats]: stats, [kVerifying]: verifying } = this._server;

    return stats.open + verifying.size >= this._max;
  }

  _isForeign(req) {
    if (this._isAllowed === null) return false;
    const { headers } = req;
    // Of drafts up to version 8, which is accepted as well.
    const { origin = headers['sec-websocket-origin'] } = headers;

    // Anything but true refuses, a promise for example.
    return origin !== undefined && this._isAllowed(origin, req) !== true;
  }
}

module.exports = Admission;
