'use strict';

const { inspect } = require('util');
const { isUint8Array } = require('util').types;

const { closeReason, isValidCloseCode } = require('./close-code');
const { reject } = require('./handshake');
const { checkNames } = require('./options');
const { CAUSES, socketsOf } = require('./stats');
const {
  kBeginClosing,
  kEnd,
  kIsClosed,
  kOwnServer,
  kTerminate,
  kVerifying,
} = require('./symbols');

/** RFC 6455, 7.4.1: the server goes away. */
const GOING_AWAY = 1001;

const TIMEOUT_MS = 5000;

/** What setTimeout() takes. */
const TIMEOUT_MAX_MS = 0x7fffffff;

function readTimeout(timeout) {
  if (typeof timeout !== 'number') {
    throw new TypeError(
      'The "timeout" option must be a number of milliseconds',
    );
  }
  if (timeout >= 0 && timeout <= TIMEOUT_MAX_MS) return timeout;
  throw new RangeError(
    `The "timeout" option must be from 0 to ${TIMEOUT_MAX_MS} milliseconds, ` +
      `not ${timeout}`,
  );
}

/** Not before Node.js 18.2. */
function canEndConnections({ [kOwnServer]: http }) {
  return http !== null && typeof http.closeAllConnections === 'function';
}

/** The end of a server: that of its connections, and then its own. */
class Shutdown {
  /**
   * @param {WebSocketServer} server
   * @param {Object} [options]
   * @param {number} [options.code=1001] see `WebSocket.close()`
   * @param {(string|Uint8Array)} [options.reason]
   * @param {number} [options.timeout=5000] ms after which what is left is
   *     terminated
   * @throws {TypeError|RangeError} nothing has changed then
   */
  constructor(server, options) {
    options ??= {};
    if (typeof options !== 'object') {
      throw new TypeError(
        'shutdown() takes an object such as { code: 1001, timeout: 5000 }, ' +
          `not ${inspect(options)}`,
      );
    }
    checkNames('shutdown()', options, ['code', 'reason', 'timeout']);
    const { code = GOING_AWAY, reason, timeout = TIMEOUT_MS } = options;

    if (!isValidCloseCode(code)) {
      throw new TypeError('The "code" option must be a valid close code');
    }
    if (
      reason !== undefined &&
      typeof reason !== 'string' &&
      !isUint8Array(reason)
    ) {
      throw new TypeError(
        'The "reason" option must be a string or a Uint8Array, not ' +
          inspect(reason),
      );
    }
    this._code = code;
    this._reason = closeReason(reason);
    this._timeout = readTimeout(timeout);
    this._server = server;
    this._open = new Set();
    this._timer = null;
    this._isLate = false;
    this._result = { closed: 0, terminated: 0 };
    /** Resolves with the result when all of it is over. */
    this.promise = new Promise((resolve) => {
      this._resolve = resolve;
    });
  }

  /** Refuses handshakes and sends a close frame to everybody. */
  begin() {
    const server = this._server;

    this._isOwnEnd = server[kBeginClosing]();
    // Those that end now have left the native table but not the clients.
    for (const ws of socketsOf(server)) this._open.add(ws);
    for (const ws of server.clients || []) this._open.add(ws);
    this._timer = setTimeout(() => this._onTimeout(), this._timeout);
    for (const ws of this._open) ws.close(this._code, this._reason);
    for (const [socket, req] of server[kVerifying]) {
      server[kVerifying].delete(socket);
      reject(server, req, socket, 503);
    }
    if (this._open.size === 0) this._endServer();
  }

  /**
   * A WebSocket of the server has ended.
   *
   * @param {WebSocket} ws
   */
  forget(ws) {
    if (!this._open.delete(ws)) return;
    if (ws._closeFrameSent && ws._closeFrameReceived) this._result.closed += 1;
    else this._result.terminated += 1;
    if (this._open.size === 0) this._endServer();
  }

  _onTimeout() {
    this._isLate = true;
    for (const ws of this._open) ws[kTerminate](CAUSES.shutdown);
    if (this._open.size === 0) this._endConnections();
  }

  /** All WebSockets have ended. */
  _endServer() {
    const server = this._server;

    if (this._isOwnEnd) server[kEnd]();
    if (server[kIsClosed]) {
      this._finish();
      return;
    }
    server.prependOnceListener('close', () => this._finish());
    if (this._isLate) this._endConnections();
    else if (canEndConnections(server)) {
      server[kOwnServer].closeIdleConnections();
    }
  }

  /** Those of an HTTP server of our own that have become no WebSocket. */
  _endConnections() {
    const server = this._server;

    if (canEndConnections(server)) server[kOwnServer].closeAllConnections();
    // There may be one of which nobody knows when it ends.
    else if (server[kOwnServer] !== null) this._finish();
  }

  _finish() {
    clearTimeout(this._timer);
    this._resolve(this._result);
  }
}

module.exports = Shutdown;
