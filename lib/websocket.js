'use strict';

const EventEmitter = require('events');

const { closeReason, isValidCloseCode } = require('./close-code');
const diagnostics = require('./diagnostics');
const eventTarget = require('./event-target');
const backpressure = require('./backpressure');
const FrameSender = require('./frame-sender');
const heartbeat = require('./heartbeat');
const native = require('./native');
const outgoing = require('./outgoing');
const sender = require('./sender');
const { checkCallback, fromBytes, isBlob, splitAtEnds } = require('./data');
const { register } = require('./dispatch');
const { createQueue } = require('./event-queue');
const { reportFailures } = require('./failures');
const NativeHandle = require('./native-handle');
const { DEFAULTS, nativeOptions } = require('./options');
const { protocolError } = require('./protocol-error');
const { CAUSES } = require('./stats');
const {
  endStream,
  openStream,
  readStream,
  receiveRest,
  writeOutput,
} = require('./stream');
const {
  BINARY_TYPES,
  CLOSED,
  CLOSE_ABNORMAL,
  CLOSE_GOING_AWAY,
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
  kEmitError,
  kForget,
  kFrameSender,
  kHandle,
  kHeartbeat,
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
  kOnCloseFrame,
  kOnClosed,
  kOnDeflated,
  kOnDetached,
  kOnEnd,
  kOnError,
  kOnFragments,
  kOnGone,
  kOnMessage,
  kOnNotice,
  kOnPing,
  kOnPong,
  kOpen,
  kOpenStream,
  kServer,
  kSlot,
  kTerminate,
  kThreshold,
  kUnsentBytes,
  kWriteOutput,
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

/**
 * The socket is closed: by the application, since the connection is gone, or
 * since the stream broke; what it has read before is still to be received.
 */
function socketOnClose() {
  const ws = this[kWebSocket];

  ws[kIsSocketClosed] = true;
  if (ws[kHandle] === -1) {
    // Otherwise the deferred events end with this one.
    if (ws[kDeferred] === null || ws[kDeferred].isEmpty) emitCloseLater(ws);
  } else if (ws[kIsStream]) {
    ws._readyState = CLOSING;
    receiveRest(this);
    native.end(ws[kHandle], true);
    reportFailures();
  } else {
    ws.terminate();
  }
}

/** An error of the stream ends it, whether it destroys itself or not. */
function streamOnError() {
  this.destroy();
}

/** Nothing more is sent: the stream ends, or native code has sent a FIN. */
function endSocket(ws) {
  if (ws[kIsStream]) {
    endStream(ws._socket);
    return;
  }
  ws._socket._final = (callback) => callback();
  ws._socket.end();
}

/** Sends a close frame behind all that was sent before. */
function closeInOrder(ws, code, reason) {
  if (ws[kJobs] === null) {
    sendClose(ws, code, reason);
  } else {
    native.limitClosing(ws[kHandle]);
    ws[kJobs].push(() => sendClose(ws, code, reason));
  }
}

function sendClose(ws, code, reason) {
  if (ws[kHandle] === -1) return;
  // What becomes of it is told when the connection is gone.
  ws._closeFrameSent = true;
  native.close(ws[kHandle], code, reason);
  // Now, since a reset may come before the end of the turn.
  if (ws[kIsStream]) writeOutput(ws, true);
}

/** Stops or goes on receiving. */
function setPaused(ws, isPaused) {
  ws._paused = isPaused;
  native.pause(ws[kHandle], isPaused);
  if (!ws[kIsStream]) return;
  if (isPaused) ws._socket.pause();
  else ws._socket.resume();
}

/** Behind the 'close' listeners of the socket. */
function emitCloseLater(ws) {
  process.nextTick(emitClose, ws);
}

function emitClose(ws) {
  ws._readyState = CLOSED;
  if (ws[kServer] !== null) ws[kServer][kForget](ws);
  diagnostics.publishClose(ws, ws._closeCode, ws._closeMessage);
  ws.emit('close', ws._closeCode, ws._closeMessage);
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
    closeInOrder(this, code, bytes);
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
    socket.once('close', socketOnClose);
  }

  [kOpenStream](socket, options) {
    const list = nativeOptions(options, this._isServer);

    this[kOpen](openStream(socket, list), socket, options);
    this[kIsStream] = true;
    socket.on('error', streamOnError);
    if (socket.setTimeout) socket.setTimeout(0);
    if (socket.setNoDelay) socket.setNoDelay();
  }

  /** A binary message, and the lengths of its fragments. */
  [kOnFragments](data, lengths) {
    if (this[kIsMuted]) return;
    if (this._binaryType !== 'fragments') {
      this[kOnMessage](data, true);
      return;
    }
    this.emit('message', splitAtEnds(data, lengths), true);
  }

  [kOnMessage](data, isBinary) {
    if (this[kIsMuted]) return;
    if (isBinary && this._binaryType !== 'nodebuffer') {
      data = fromBytes(data, this._binaryType);
    }
    this.emit('message', data, isBinary);
  }

  /** A listener has transferred the memory of messages that come behind. */
  [kOnDetached]() {
    if (this[kIsMuted]) return;
    this.terminate();
    const err = new Error(
      'The memory of a received message was transferred by a listener of ' +
        'another one: transfer a copy instead',
    );

    err.code = 'WSU_ERR_DETACHED_MESSAGE';
    process.nextTick(() => this[kEmitError](err));
  }

  [kOnPing](data) {
    if (!this[kIsMuted]) this.emit('ping', data);
  }

  [kOnPong](data) {
    if (!this[kIsMuted]) this.emit('pong', data);
  }

  [kOnCloseFrame](code, reason) {
    this._closeFrameReceived = true;
    this._closeCode = code;
    this._closeMessage = Buffer.from(reason);
    if (this._readyState === OPEN) this._readyState = CLOSING;
    closeInOrder(this, code, this._closeMessage);
  }

  [kOnError](number, detail) {
    if (this[kIsMuted]) return;
    if (this._readyState === OPEN) this._readyState = CLOSING;
    closeInOrder(this, native.errors[number].closeCode, EMPTY_BUFFER);
    this[kEmitError](protocolError(number, detail));
  }

  [kEmitError](err) {
    diagnostics.publishError(this, err);
    this.emit('error', err);
  }

  [kOnEnd]() {
    if (this._readyState === OPEN) this._readyState = CLOSING;
    if (this[kIsStream]) return;
    this._socket.push(null);
    this._socket.resume();
  }

  /** What native code has noticed: see WSU_NOTICE_*. */
  [kOnNotice](notices) {
    const { DEFLATED, DRAIN, EXPIRED, FINISH, OUTPUT, PROGRESS, ROOM, SWEPT } =
      native.constants;

    if (notices & EXPIRED) this.close(CLOSE_GOING_AWAY);
    if (notices & OUTPUT) writeOutput(this, true);
    if (notices & FINISH) endSocket(this);
    if (notices & ROOM && !this._paused) this._socket.resume();
    if (notices & DEFLATED && this[kOnDeflated] !== null) this[kOnDeflated]();
    try {
      if (notices & DRAIN && !this[kIsStream]) this._socket.emit('drain');
    } finally {
      if (notices & PROGRESS) sender.onProgress(this);
      if (notices & SWEPT) this[kServer][kHeartbeat].report(this[kServer]);
    }
  }

  /** For other copies of this package: a stream belongs to one of them. */
  [kWriteOutput]() {
    writeOutput(this);
  }

  /** The native connection is gone, its last events may be still to come. */
  [kOnGone]([received, sent, wasCloseSent]) {
    const handle = this._socket._handle;

    this[kHandle] = -1;
    this._closeFrameSent = wasCloseSent;
    // Somebody else's from now on: this one leads nowhere.
    this[kSlot] = native.constants.SLOTS;
    if (handle instanceof NativeHandle) handle.end(received, sent);
  }

  [kOnClosed]() {
    this[kIsAlive] = false;
    this._readyState = CLOSING;
    sender.failCallbacks(this);
    if (this[kOnDeflated] !== null) this[kOnDeflated]();
    if (this[kIsSocketClosed]) emitCloseLater(this);
    else this._socket.destroy();
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

module.exports = WebSocket;
