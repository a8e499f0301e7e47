'use strict';

const EventEmitter = require('events');

const { closeReason, isValidCloseCode } = require('./close-code');
const eventTarget = require('./event-target');
const backpressure = require('./backpressure');
const FrameSender = require('./frame-sender');
const heartbeat = require('./heartbeat');
const incoming = require('./incoming');
const native = require('./native');
const outgoing = require('./outgoing');
const { checkCallback, isBlob } = require('./data');
const { register } = require('./dispatch');
const { createQueue } = require('./event-queue');
const { DEFAULTS, nativeOptions } = require('./options');
const { CAUSES } = require('./stats');
const { openStream, readStream, writeOutput } = require('./stream');
const {
  BINARY_TYPES,
  CLOSED,
  CLOSE_ABNORMAL,
  CLOSE_NO_STATUS,
  CLOSING,
  CONNECTING,
  EMPTY_BUFFER,
  FIN,
  OPCODE_BINARY,
  OPCODE_PING,
  OPCODE_PONG,
  OPCODE_TEXT,
  OPEN,
  READY_STATES,
  kWebSocket,
} = require('./constants');
const {
  kBatches,
  kDeferred,
  kFrameSender,
  kHandle,
  kHighWaterMark,
  kIsAlive,
  kIsCompressing,
  kIsDropping,
  kIsFragmenting,
  kIsMuted,
  kIsSocketClosed,
  kIsStream,
  kJobs,
  kMaxBackpressure,
  kNeedsDrain,
  kNewCallbacks,
  kOnBackpressure,
  kOnDeflated,
  kOpen,
  kOpenStream,
  kServer,
  kSlot,
  kTerminate,
  kThreshold,
  kUnsentBytes,
} = require('./symbols');

/** Those whose getters are enumerable in `ws`, too. */
const ENUMERABLE_PROPERTIES = [
  'binaryType',
  'bufferedAmount',
  'extensions',
  'isPaused',
  'protocol',
  'readyState',
  'url',
];

/** An error of the stream ends it, whether it destroys itself or not. */
function streamOnError() {
  this.destroy();
}

/** Stops or goes on receiving. */
function setPaused(ws, isPaused) {
  ws._paused = isPaused;
  native.pause(ws[kHandle], isPaused);
  if (!ws[kIsStream]) return;
  if (isPaused) ws._socket.pause();
  else ws._socket.resume();
}

/**
 * One WebSocket connection of a server.
 *
 * @extends EventEmitter
 */
class WebSocket extends EventEmitter {
  /**
   * Made by a WebSocketServer, or by those who call setSocket(). Clients are
   * not part of this package.
   *
   * @param {null} address
   * @param {undefined} [protocols]
   * @param {Object} [options]
   * @param {boolean} [options.autoPong=true] answer pings with pongs
   * @param {number} [options.closeTimeout=30000] ms that a closing handshake
   *     may take
   */
  constructor(address, protocols, options) {
    super();
    if (address !== null) {
      throw new Error(
        'The WebSocket client is not part of ws-upgrade yet: ' +
          'use the one of ws, or the global WebSocket of Node.js 22',
      );
    }
    this._readyState = CONNECTING;
    this[kHandle] = -1;
    this[kSlot] = -1;
    this._autoPong = options ? options.autoPong : undefined;
    this._closeTimeout = options ? options.closeTimeout : undefined;
    this._isServer = true;
    this[kIsStream] = false;
    this._binaryType = BINARY_TYPES[0];
    this[kIsMuted] = false;
    this[kIsFragmenting] = false;
    this._paused = false;
    this[kIsAlive] = false;
    this[kIsSocketClosed] = false;
    this._extensions = '';
    this[kThreshold] = Infinity;
    this[kIsCompressing] = false;
    this[kOnDeflated] = null;
    this._protocol = '';
    this._closeCode = CLOSE_ABNORMAL;
    this._closeMessage = EMPTY_BUFFER;
    this._closeFrameReceived = false;
    this._closeFrameSent = false;
    this[kUnsentBytes] = 0;
    this[kHighWaterMark] = 0;
    this[kMaxBackpressure] = 0;
    this[kOnBackpressure] = '';
    this[kNeedsDrain] = false;
    this[kIsDropping] = false;
    this[kBatches] = [];
    this[kNewCallbacks] = null;
    this[kDeferred] = null;
    this[kFrameSender] = null;
    this[kJobs] = null;
    this._socket = null;
    this[kServer] = null;
  }

  /**
   * Bytes that were sent by the application but not taken by the kernel. 0 as
   * long as it takes all, as in `ws`, though small messages are sent at the end
   * of the turn of the loop.
   */
  get bufferedAmount() {
    const written = this[kIsStream] ? this._socket.writableLength || 0 : 0;

    return native.waiting(this[kHandle]) + written + this[kUnsentBytes];
  }

  /** 'nodebuffer', 'arraybuffer', 'fragments' or 'blob'. */
  get binaryType() {
    return this._binaryType;
  }

  set binaryType(type) {
    if (!BINARY_TYPES.includes(type)) return;
    this._binaryType = type;
    native.keepLengths(this[kHandle], type === 'fragments');
  }

  /** The name of the extension that was negotiated, or ''. */
  get extensions() {
    return this._extensions;
  }

  /** Whether pause() was called and resume() was not. */
  get isPaused() {
    return this._paused;
  }

  /** The subprotocol that the server selected, or ''. */
  get protocol() {
    return this._protocol;
  }

  /** CONNECTING, OPEN, CLOSING or CLOSED. */
  get readyState() {
    return this._readyState;
  }

  /** Sends frames that were made by `Sender.frame()`. */
  get _sender() {
    if (this[kFrameSender] === null) {
      this[kFrameSender] = new FrameSender(this);
    }
    return this[kFrameSender];
  }

  /** Undefined: a server's side has none. */
  get url() {
    return undefined;
  }

  /**
   * Begins the closing handshake (RFC 6455, 7.1.2), or answers the peer's.
   *
   * @param {number} [code] 1000 to 1014 without 1004 to 1006, or 3000 to 4999
   * @param {(string|Uint8Array)} [reason] at most 123 bytes of UTF-8
   * @throws {TypeError|RangeError} for any other code or reason
   */
  close(code, reason) {
    if (this._readyState === CLOSED || this._readyState === CLOSING) return;
    let bytes = EMPTY_BUFFER;

    if (code === undefined) {
      code = CLOSE_NO_STATUS;
    } else if (!isValidCloseCode(code)) {
      throw new TypeError('First argument must be a valid error code number');
    } else {
      bytes = closeReason(reason);
    }
    this._readyState = CLOSING;
    // The peer's answer is behind what waits for a listener.
    if (this[kDeferred] !== null) this[kDeferred].release();
    outgoing.closeInOrder(this, code, bytes);
  }

  /** Stops receiving; what has been received already is still emitted. */
  pause() {
    if (this._readyState === CONNECTING || this._readyState === CLOSED) return;
    setPaused(this, true);
  }

  /** Goes on receiving. */
  resume() {
    if (this._readyState === CONNECTING || this._readyState === CLOSED) return;
    setPaused(this, false);
  }

  /**
   * Sends a ping (RFC 6455, 5.5.2).
   *
   * @param {*} [data] at most 125 bytes
   * @param {boolean} [mask=false]
   * @param {Function} [callback] called when it is sent, or with an error
   * @throws {RangeError} if there is more data
   */
  ping(data, mask, callback) {
    outgoing.sendControl(this, OPCODE_PING, data, mask, callback);
  }

  /**
   * Sends a pong (RFC 6455, 5.5.3).
   *
   * @param {*} [data] at most 125 bytes
   * @param {boolean} [mask=false]
   * @param {Function} [callback] called when it is sent, or with an error
   * @throws {RangeError} if there is more data
   */
  pong(data, mask, callback) {
    outgoing.sendControl(this, OPCODE_PONG, data, mask, callback);
  }

  /**
   * Sends a message, or a fragment of one.
   *
   * @param {*} data a string, a number, bytes in any form, or a Blob
   * @param {Object} [options]
   * @param {boolean} [options.binary] by default, whether data is no string
   * @param {boolean} [options.fin=true] whether this is the last fragment
   * @param {boolean} [options.mask=false]
   * @param {boolean} [options.compress=true] whether to compress it, if that
   *     was negotiated and it is not below `threshold`
   * @param {Function} [callback] called when it is sent, or with an error
   * @throws {TypeError} if the callback is no function
   * @return {boolean} false if more than `highWaterMark` bytes wait: 'drain'
   *     comes when they do not, unless the connection ends
   */
  send(data, options, callback) {
    if (typeof options === 'function') {
      callback = options;
      options = undefined;
    }
    if (callback) checkCallback(callback);
    if (typeof data === 'number') data = data.toString();
    if (this._readyState !== OPEN) {
      outgoing.refuse(this, data, callback);
      return false;
    }
    let opcode = typeof data === 'string' ? OPCODE_TEXT : OPCODE_BINARY;
    let fin = FIN;
    let mask = !this._isServer;
    let compress = this._extensions !== '';

    if (typeof options === 'object' && options !== null) {
      // As in `ws`, what is there counts, even if it is undefined.
      if ('binary' in options) {
        opcode = options.binary ? OPCODE_BINARY : OPCODE_TEXT;
      }
      if ('fin' in options && !options.fin) fin = 0;
      if ('mask' in options) mask = Boolean(options.mask);
      if ('compress' in options && !options.compress) compress = false;
    }
    const payload = data || EMPTY_BUFFER;

    if (
      backpressure.isBacklogged(this) &&
      !backpressure.admit(this, payload, opcode, fin, callback)
    ) {
      return false;
    }
    // What has begun compressed can only go on so.
    if (this[kIsFragmenting]) compress = this[kIsCompressing];
    if (compress && !mask) {
      outgoing.sendCompressed(this, payload, opcode, fin, callback);
    } else if (
      this[kJobs] === null &&
      (data instanceof Uint8Array || !isBlob(data))
    ) {
      outgoing.sendFrame(this, payload, opcode, fin, mask, callback);
    } else {
      outgoing.sendLater(this, payload, opcode, fin, mask, callback);
    }
    return !backpressure.isBacklogged(this) || !backpressure.isOver(this);
  }

  /**
   * Opens this WebSocket on a stream whose handshake is over: what test doubles
   * do, and `WebSocketServer` where it cannot take the descriptor over.
   *
   * @param {Duplex} socket
   * @param {Buffer} head the first bytes of the peer
   * @param {Object} [options]
   * @param {boolean} [options.allowSynchronousEvents=true] several events may
   *     be emitted in one turn of the loop
   * @param {boolean} [options.holdUntilListening=false] messages wait for the
   *     first listener
   * @param {number} [options.maxBufferedChunks=262144] pieces that a frame may
   *     come in; 0: any
   * @param {number} [options.maxFragments=16384] frames of a message; 0: any
   * @param {number} [options.maxPayload=0] bytes of a message; 0: any
   * @param {number} [options.maxPendingAutoPongs=60] pongs that the peer has
   *     not read; one more ends the connection; 0: any
   * @param {boolean} [options.skipUTF8Validation=false]
   * @throws {Error} libuv's error: there is no memory
   */
  setSocket(socket, head, options) {
    const all = {
      ...DEFAULTS,
      maxPayload: 0,
      ...options,
      autoPong: this._autoPong === undefined || this._autoPong,
      closeTimeout: this._closeTimeout,
    };

    backpressure.checkOptions(all);
    this[kOpenStream](socket, all);
    readStream(socket, head);
    this.emit('open');
  }

  /** Ends the connection at once, without a closing handshake. */
  terminate() {
    this[kTerminate](CAUSES.application);
  }

  [kTerminate](cause) {
    if (this._readyState === CLOSED) return;
    if (this._readyState === CONNECTING) {
      throw new Error(
        'WebSocket was closed before the connection was established',
      );
    }
    this._readyState = CLOSING;
    this[kIsMuted] = true;
    if (this[kIsStream]) {
      native.flush();
      writeOutput(this);
      native.terminate(this[kHandle], cause);
      this._socket.destroy();
    } else {
      native.terminate(this[kHandle], cause);
    }
  }

  /**
   * Opens this WebSocket on a descriptor that was taken over.
   *
   * @param {number} handle of the native connection
   * @param {Duplex} socket that the connection came with
   * @param {Object} options of the WebSocketServer
   */
  [kOpen](handle, socket, options) {
    this[kHandle] = handle;
    this[kSlot] = register(this, handle);
    backpressure.setLimits(this, options);
    this._socket = socket;
    this._readyState = OPEN;
    this[kDeferred] = createQueue(this, options);
    socket[kWebSocket] = this;
    socket.once('close', incoming.socketOnClose);
  }

  [kOpenStream](socket, options) {
    const list = nativeOptions(options, this._isServer);

    this[kOpen](openStream(socket, list), socket, options);
    this[kIsStream] = true;
    socket.on('error', streamOnError);
    if (socket.setTimeout) socket.setTimeout(0);
    if (socket.setNoDelay) socket.setNoDelay();
  }
}

for (const name of ENUMERABLE_PROPERTIES) {
  Object.defineProperty(WebSocket.prototype, name, { enumerable: true });
}

READY_STATES.forEach((name, value) => {
  const descriptor = { enumerable: true, value };

  Object.defineProperty(WebSocket, name, descriptor);
  Object.defineProperty(WebSocket.prototype, name, descriptor);
});

eventTarget.install(WebSocket);
heartbeat.install(WebSocket);
incoming.install(WebSocket);

module.exports = WebSocket;
