'use strict';

const zlib = require('zlib');

const Limiter = require('./limiter');
const { kStatusCode } = require('./protocol-error');

/** What ends each message and is not on the wire (RFC 7692, 7.2.1). */
const TAIL = Buffer.from([0x00, 0x00, 0xff, 0xff]);

const DEFAULT_CONCURRENCY_LIMIT = 10;
const DEFAULT_THRESHOLD = 1024;

/** RFC 7692, 7.1.2: base-2 logarithms of the size of a window in bytes. */
const WINDOW_BITS_MIN = 8;
const WINDOW_BITS_MAX = 15;

/** RFC 7692, 7.1. */
const PARAMETERS = [
  'server_no_context_takeover',
  'client_no_context_takeover',
  'server_max_window_bits',
  'client_max_window_bits',
];

/** The property of a zlib stream that holds the Codec it belongs to. */
const kCodec = Symbol('codec');

/** As in `ws`, the first instance of PerMessageDeflate sets the limit. */
let limiter = null;

function streamOnData(chunk) {
  this[kCodec].onData(this, chunk);
}

function streamOnError(err) {
  this[kCodec].onError(this, err);
}

/**
 * One direction: a zlib stream that is made when it is needed, and the calls
 * that wait for it, in order.
 */
class Codec {
  /**
   * @param {string} name of the stream in messages
   * @param {Function} create makes the stream
   */
  constructor(name, create) {
    this._name = name;
    this._create = create;
    this._stream = null;
    this._jobs = [];
    this._isEntered = false;
    this._job = null;
    this._chunks = [];
    this._length = 0;
  }

  /**
   * @param {Object} job
   * @param {Array<(Uint8Array|string)>} job.pieces to be processed
   * @param {number} job.limit bytes of the result; 0: any
   * @param {boolean} job.resets whether the next job starts without a context
   * @param {Function} job.callback called with an error, or null and a Buffer
   */
  push(job) {
    this._jobs.push(job);
    this._enter();
  }

  /** Called by the Limiter. */
  start() {
    // None is left if close() was called meanwhile.
    if (this._jobs.length === 0) {
      this._leave();
      return;
    }
    const job = this._jobs.shift();

    this._job = job;
    try {
      if (this._stream === null) this._open();
    } catch (err) {
      process.nextTick(() => {
        if (this._job === job) this._settle(err);
      });
      return;
    }
    for (const piece of job.pieces) this._stream.write(piece);
    this._stream.flush(zlib.constants.Z_SYNC_FLUSH, () => {
      if (this._job === job) this._succeed();
    });
  }

  /** Closes the stream and fails the calls that wait for it. */
  close() {
    const jobs = this._jobs.splice(0);

    this._discard();
    if (this._job !== null) {
      jobs.unshift(this._job);
      this._job = null;
      this._leave();
    }
    for (const { callback } of jobs) {
      callback(
        new Error(
          `The ${this._name} stream was closed while data was being processed`,
        ),
      );
    }
  }

  onData(stream, chunk) {
    if (stream !== this._stream || this._job === null) return;
    this._length += chunk.length;
    if (this._job.limit === 0 || this._length <= this._job.limit) {
      this._chunks.push(chunk);
      return;
    }
    const err = new RangeError('Max payload size exceeded');

    err.code = 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH';
    err[kStatusCode] = 1009;
    this._fail(err);
  }

  onError(stream, err) {
    if (stream !== this._stream || this._job === null) return;
    err[kStatusCode] = 1007;
    this._fail(err);
  }

  _open() {
    const stream = this._create();

    stream[kCodec] = this;
    stream.on('data', streamOnData);
    stream.on('error', streamOnError);
    this._stream = stream;
  }

  _discard() {
    if (this._stream !== null) this._stream.close();
    this._stream = null;
    this._chunks = [];
    this._length = 0;
  }

  _enter() {
    if (this._isEntered || this._jobs.length === 0) return;
    this._isEntered = true;
    limiter.enter(this);
  }

  _leave() {
    this._isEntered = false;
    limiter.leave();
    this._enter();
  }

  _succeed() {
    const result = Buffer.concat(this._chunks, this._length);

    this._chunks = [];
    this._length = 0;
    // The peer may end its stream (RFC 7692, 7.2.3.4), and begins a new one.
    if (this._stream.readableEnded) this._discard();
    else if (this._job.resets) this._stream.reset();
    this._settle(null, result);
  }

  _fail(err) {
    this._discard();
    this._settle(err);
  }

  _settle(...args) {
    const { callback } = this._job;

    this._job = null;
    this._leave();
    callback(...args);
  }
}

/**
 * The value of a parameter.
 *
 * @param {string} name
 * @param {*} value as it is in the header; true for none
 * @param {boolean} isServer whether it comes from a client
 * @return {(number|boolean)}
 * @throws {Error} also a TypeError
 */
function parseParameter(name, value, isServer) {
  if (!PARAMETERS.includes(name)) {
    throw new Error(`Unknown parameter "${name}"`);
  }
  if (value === true) {
    // Only a client may leave out a number, and only its own (7.1.2.2).
    if (name.endsWith('_no_context_takeover')) return true;
    if (name === 'client_max_window_bits' && isServer) return true;
  } else if (name.endsWith('_max_window_bits')) {
    const bits = +value;

    if (
      Number.isInteger(bits) &&
      bits >= WINDOW_BITS_MIN &&
      bits <= WINDOW_BITS_MAX
    ) {
      return bits;
    }
  }
  throw new TypeError(`Invalid value for parameter "${name}": ${value}`);
}

/**
 * Replaces the lists of values in the objects that extension.parse() returns.
 *
 * @param {Array<Object>} configurations
 * @param {boolean} isServer whether they come from a client
 * @return {Array<Object>} the same
 * @throws {Error} also a TypeError
 */
function normalize(configurations, isServer) {
  for (const params of configurations) {
    for (const name of Object.keys(params)) {
      if (params[name].length > 1) {
        throw new Error(`Parameter "${name}" must have only a single value`);
      }
      params[name] = parseParameter(name, params[name][0], isServer);
    }
  }
  return configurations;
}

/**
 * permessage-deflate (RFC 7692): its negotiation, and messages to compressed
 * ones and back. The WebSockets of this package do not use it: it is here for
 * those who use the one of `ws` on its own.
 */
class PerMessageDeflate {
  /**
   * @param {Object} [options]
   * @param {boolean} [options.isServer=false]
   * @param {number} [options.maxPayload=0] bytes of what decompress() makes of
   *     its data; 0: any
   * @param {boolean} [options.serverNoContextTakeover] see 7.1.1.1; false
   *     refuses offers with it
   * @param {boolean} [options.clientNoContextTakeover] see 7.1.1.2; false makes
   *     a client refuse it
   * @param {(number|boolean)} [options.serverMaxWindowBits] see 7.1.2.1; false
   *     refuses offers with it
   * @param {(number|boolean)} [options.clientMaxWindowBits] see 7.1.2.2; false
   *     makes a client refuse it
   * @param {Object} [options.zlibDeflateOptions] options of zlib
   * @param {Object} [options.zlibInflateOptions] options of zlib
   * @param {number} [options.threshold=1024] for those who send: bytes of a
   *     message that is worth compressing
   * @param {number} [options.concurrencyLimit=10] calls of zlib at a time in
   *     the whole process; only that of the first instance counts
   */
  constructor(options) {
    this._options = options || {};
    this._threshold =
      this._options.threshold === undefined
        ? DEFAULT_THRESHOLD
        : this._options.threshold;
    this._maxPayload = this._options.maxPayload | 0;
    this._isServer = Boolean(this._options.isServer);
    this._deflate = new Codec('deflate', () =>
      zlib.createDeflateRaw({
        ...this._options.zlibDeflateOptions,
        windowBits: this._windowBits(this._isServer),
      }),
    );
    this._inflate = new Codec('inflate', () =>
      zlib.createInflateRaw({
        ...this._options.zlibInflateOptions,
        windowBits: this._windowBits(!this._isServer),
      }),
    );
    /** What was negotiated; null before accept(). */
    this.params = null;

    if (limiter === null) {
      const { concurrencyLimit = DEFAULT_CONCURRENCY_LIMIT } = this._options;

      limiter = new Limiter(concurrencyLimit);
    }
  }

  /** The name of the extension in the header (RFC 7692, 7). */
  static get extensionName() {
    return 'permessage-deflate';
  }

  /**
   * The parameters of a client's offer.
   *
   * @return {Object}
   */
  offer() {
    const { clientMaxWindowBits, ...options } = this._options;
    const params = {};

    if (options.serverNoContextTakeover) {
      params.server_no_context_takeover = true;
    }
    if (options.clientNoContextTakeover) {
      params.client_no_context_takeover = true;
    }
    if (options.serverMaxWindowBits) {
      params.server_max_window_bits = options.serverMaxWindowBits;
    }
    if (clientMaxWindowBits) {
      params.client_max_window_bits = clientMaxWindowBits;
    } else if (
      clientMaxWindowBits === undefined ||
      clientMaxWindowBits === null
    ) {
      params.client_max_window_bits = true;
    }
    return params;
  }

  /**
   * Accepts the first of a client's offers that is acceptable, or the response
   * of a server.
   *
   * @param {Array<Object>} configurations what extension.parse() returns for
   *     this extension; they are changed
   * @return {Object} the parameters: those of the response, on a server
   * @throws {Error} none is acceptable, or there is an invalid one
   */
  accept(configurations) {
    configurations = normalize(configurations, this._isServer);
    this.params = this._isServer
      ? this._acceptOffer(configurations)
      : this._acceptResponse(configurations[0]);
    return this.params;
  }

  /** Frees what zlib has; calls that are not finished fail. */
  cleanup() {
    this._inflate.close();
    this._deflate.close();
  }

  /**
   * Decompresses a message, or a fragment of one.
   *
   * @param {Uint8Array} data
   * @param {boolean} fin whether the message ends with it
   * @param {Function} callback called with an error, or null and a Buffer
   */
  decompress(data, fin, callback) {
    this._inflate.push({
      pieces: fin ? [data, TAIL] : [data],
      limit: Math.max(this._maxPayload, 0),
      resets: fin && this._hasNoContextTakeover(!this._isServer),
      callback,
    });
  }

  /**
   * Compresses a message, or a fragment of one.
   *
   * @param {(Uint8Array|string)} data
   * @param {boolean} fin whether the message ends with it
   * @param {Function} callback called with an error, or null and a Buffer
   */
  compress(data, fin, callback) {
    this._deflate.push({
      pieces: [data],
      limit: 0,
      resets: fin && this._hasNoContextTakeover(this._isServer),
      callback: fin
        ? (err, result) => {
            if (err) callback(err);
            else callback(null, result.subarray(0, -TAIL.length));
          }
        : callback,
    });
  }

  _hasNoContextTakeover(ofServer) {
    return Boolean(
      ofServer
        ? this.params.server_no_context_takeover
        : this.params.client_no_context_takeover,
    );
  }

  _windowBits(ofServer) {
    const bits = ofServer
      ? this.params.server_max_window_bits
      : this.params.client_max_window_bits;

    return typeof bits === 'number' ? bits : WINDOW_BITS_MAX;
  }

  _isAcceptable(offer) {
    const { clientMaxWindowBits, serverMaxWindowBits, ...options } =
      this._options;

    if (
      options.serverNoContextTakeover === false &&
      offer.server_no_context_takeover
    ) {
      return false;
    }
    if (
      offer.server_max_window_bits &&
      (serverMaxWindowBits === false ||
        (typeof serverMaxWindowBits === 'number' &&
          serverMaxWindowBits > offer.server_max_window_bits))
    ) {
      return false;
    }
    if (typeof clientMaxWindowBits !== 'number') return true;
    // A client that does not say so does not know the parameter, and has no
    // larger window than it says (7.1.2.2).
    return (
      offer.client_max_window_bits === true ||
      offer.client_max_window_bits >= clientMaxWindowBits
    );
  }

  _acceptOffer(offers) {
    const { clientMaxWindowBits, serverMaxWindowBits, ...options } =
      this._options;
    const params = offers.find((offer) => this._isAcceptable(offer));

    if (params === undefined) {
      throw new Error('None of the extension offers can be accepted');
    }
    if (options.serverNoContextTakeover) {
      params.server_no_context_takeover = true;
    }
    if (options.clientNoContextTakeover) {
      params.client_no_context_takeover = true;
    }
    if (typeof serverMaxWindowBits === 'number') {
      params.server_max_window_bits = serverMaxWindowBits;
    }
    if (typeof clientMaxWindowBits === 'number') {
      params.client_max_window_bits = clientMaxWindowBits;
    } else if (
      params.client_max_window_bits === true ||
      clientMaxWindowBits === false
    ) {
      delete params.client_max_window_bits;
    }
    return params;
  }

  _acceptResponse(params) {
    const { clientMaxWindowBits, clientNoContextTakeover } = this._options;

    if (
      clientNoContextTakeover === false &&
      params.client_no_context_takeover
    ) {
      throw new Error('Unexpected parameter "client_no_context_takeover"');
    }
    if (!params.client_max_window_bits) {
      if (typeof clientMaxWindowBits === 'number') {
        params.client_max_window_bits = clientMaxWindowBits;
      }
    } else if (
      clientMaxWindowBits === false ||
      (typeof clientMaxWindowBits === 'number' &&
        params.client_max_window_bits > clientMaxWindowBits)
    ) {
      throw new Error(
        'Unexpected or invalid parameter "client_max_window_bits"',
      );
    }
    return params;
  }
}

module.exports = PerMessageDeflate;
