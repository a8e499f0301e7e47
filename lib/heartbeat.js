'use strict';

const native = require('./native');
const { checkNames } = require('./options');
const { kHandle, kHeartbeat, kIsAlive, kServer } = require('./symbols');

/** What `heartbeat: true` stands for, in ms. */
const DEFAULTS = { interval: 30 * 1000, timeout: 10 * 1000 };

/** The longest time in ms, about 24 days, as for timers of Node.js. */
const TIME_MAX = 2 ** 31 - 1;

/** Interval and timeout of no heartbeat. */
const OFF = [0, 0];

/** `idleTimeout` and `maxLifetime` of a WebSocket without a server. */
const NO_LIMITS = [0, 0];

function checkTime(name, value, min, hint) {
  if (Number.isInteger(value) && value >= min && value <= TIME_MAX) {
    return value;
  }
  const Class = typeof value === 'number' ? RangeError : TypeError;

  throw new Class(
    `The "${name}" option must be a whole number of milliseconds from ${min} ` +
      `to ${TIME_MAX}${hint}`,
  );
}

/**
 * Interval and timeout of a heartbeat in ms.
 *
 * @param {(boolean|Object)} option
 * @param {number} [option.interval=30000]
 * @param {number} [option.timeout=10000]
 * @return {number[]}
 * @throws {TypeError|RangeError} if it is none
 */
function readHeartbeat(option) {
  if (option === false) return OFF;
  if (option === true) return [DEFAULTS.interval, DEFAULTS.timeout];
  if (option === null || typeof option !== 'object' || Array.isArray(option)) {
    throw new TypeError(
      'The "heartbeat" option must be true, false, or an object such as ' +
        `{ interval: ${DEFAULTS.interval}, timeout: ${DEFAULTS.timeout} }, ` +
        'in milliseconds',
    );
  }
  checkNames('The "heartbeat" option', option, Object.keys(DEFAULTS));
  const { interval = DEFAULTS.interval, timeout = DEFAULTS.timeout } = option;
  const hint = '; use heartbeat: false for none';

  return [
    checkTime('heartbeat.interval', interval, 1, hint),
    checkTime('heartbeat.timeout', timeout, 1, hint),
  ];
}

function readLimit(name, value) {
  if (value === undefined || value === null) return 0;
  return checkTime(name, value, 0, '; 0 means no limit');
}

/** The heartbeat of the connections of a server. */
class Heartbeat {
  /**
   * @param {Object} options of the server: `heartbeat`, `idleTimeout` and
   *     `maxLifetime`
   * @throws {TypeError|RangeError} if one of them is not valid
   */
  constructor({ heartbeat, idleTimeout, maxLifetime }) {
    this._times = heartbeat == null ? OFF : readHeartbeat(heartbeat);
    this._limits = [
      readLimit('idleTimeout', idleTimeout),
      readLimit('maxLifetime', maxLifetime),
    ];
    this._beats = native.newBeats();
  }

  /**
   * Begins to look after a new connection.
   *
   * @param {WebSocket} ws
   */
  watch(ws) {
    if (this._times !== OFF || this._limits.some(Boolean)) {
      set(ws, this._beats, this._times, this._limits);
    }
  }

  /**
   * @param {WebSocket} ws
   * @param {(boolean|Object)} option as that of the server; true stands for it
   * @throws {TypeError|RangeError} if it is not valid
   */
  set(ws, option) {
    const times =
      option === true && this._times !== OFF
        ? this._times
        : readHeartbeat(option);

    set(ws, this._beats, times, this._limits);
  }

  /**
   * Emits what a sweep has done.
   *
   * @param {WebSocketServer} server whose heartbeat this is
   */
  report(server) {
    const [alive, pinged, terminated] = native.takeBeats(this._beats);

    server.emit('heartbeat', { alive, pinged, terminated });
  }
}

function set(ws, beats, times, limits) {
  // Without memory for its heartbeat a connection could stay forever.
  if (!native.setHeartbeat(ws[kHandle], beats, ...times, ...limits)) {
    ws.terminate();
  }
}

/** Gives an object a property of its own, as if its class had none. */
function shadow(object, name, value) {
  Object.defineProperty(object, name, {
    configurable: true,
    enumerable: true,
    value,
    writable: true,
  });
}

/**
 * Gives a class isAlive, latency and heartbeat().
 *
 * @param {Function} WebSocket
 */
function install(WebSocket) {
  Object.defineProperties(WebSocket.prototype, {
    /**
     * Whether a byte has come from the peer since this was set to false, or the
     * heartbeat has sent a ping. True at first; kept by native code, so that no
     * 'pong' listener is needed. An application that keeps something else
     * here, a number for example, finds just that.
     */
    isAlive: {
      configurable: true,
      get() {
        return this[kHandle] === -1
          ? this[kIsAlive]
          : native.isAlive(this[kHandle]);
      },
      set(value) {
        if (typeof value !== 'boolean') {
          shadow(this, 'isAlive', value);
          return;
        }
        this[kIsAlive] = value;
        if (this[kHandle] !== -1)
          native.setAlive(this[kHandle], this[kIsAlive]);
      },
    },
    /**
     * Milliseconds from the last ping of the heartbeat to its pong, or NaN;
     * or what the application has measured, and keeps here.
     */
    latency: {
      configurable: true,
      get() {
        return native.latency(this[kHandle]);
      },
      set(value) {
        shadow(this, 'latency', value);
      },
    },
    /**
     * Gives this connection a heartbeat of its own, or none.
     *
     * @param {(boolean|Object)} option as that of the server; true stands for
     *     it
     * @throws {TypeError|RangeError} if it is not valid
     */
    heartbeat: {
      configurable: true,
      value: function heartbeat(option) {
        if (this[kServer] !== null) this[kServer][kHeartbeat].set(this, option);
        else set(this, null, readHeartbeat(option), NO_LIMITS);
      },
      writable: true,
    },
  });
}

module.exports = { Heartbeat, install };
