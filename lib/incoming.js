'use strict';

// What native code tells of a WebSocket, and how it ends: see dispatch.js.

const diagnostics = require('./diagnostics');
const native = require('./native');
const NativeHandle = require('./native-handle');
const outgoing = require('./outgoing');
const sender = require('./sender');
const { fromBytes, splitAtEnds } = require('./data');
const { reportFailures } = require('./failures');
const { protocolError } = require('./protocol-error');
const { endStream, receiveRest, writeOutput } = require('./stream');
const {
  CLOSED,
  CLOSE_GOING_AWAY,
  CLOSING,
  EMPTY_BUFFER,
  OPEN,
  kWebSocket,
} = require('./constants');
const {
  kDeferred,
  kEmitError,
  kForget,
  kHandle,
  kHeartbeat,
  kIsAlive,
  kIsMuted,
  kIsSocketClosed,
  kIsStream,
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
  kServer,
  kSlot,
  kWriteOutput,
} = require('./symbols');

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

/** Nothing more is sent: the stream ends, or native code has sent a FIN. */
function endSocket(ws) {
  if (ws[kIsStream]) {
    endStream(ws._socket);
    return;
  }
  ws._socket._final = (callback) => callback();
  ws._socket.end();
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

const METHODS = {
  /** A binary message, and the lengths of its fragments. */
  [kOnFragments](data, lengths) {
    if (this[kIsMuted]) return;
    if (this._binaryType !== 'fragments') {
      this[kOnMessage](data, true);
      return;
    }
    this.emit('message', splitAtEnds(data, lengths), true);
  },

  [kOnMessage](data, isBinary) {
    if (this[kIsMuted]) return;
    if (isBinary && this._binaryType !== 'nodebuffer') {
      data = fromBytes(data, this._binaryType);
    }
    this.emit('message', data, isBinary);
  },

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
  },

  [kOnPing](data) {
    if (!this[kIsMuted]) this.emit('ping', data);
  },

  [kOnPong](data) {
    if (!this[kIsMuted]) this.emit('pong', data);
  },

  [kOnCloseFrame](code, reason) {
    this._closeFrameReceived = true;
    this._closeCode = code;
    this._closeMessage = Buffer.from(reason);
    if (this._readyState === OPEN) this._readyState = CLOSING;
    outgoing.closeInOrder(this, code, this._closeMessage);
  },

  [kOnError](number, detail) {
    if (this[kIsMuted]) return;
    if (this._readyState === OPEN) this._readyState = CLOSING;
    outgoing.closeInOrder(this, native.errors[number].closeCode, EMPTY_BUFFER);
    this[kEmitError](protocolError(number, detail));
  },

  [kEmitError](err) {
    diagnostics.publishError(this, err);
    this.emit('error', err);
  },

  [kOnEnd]() {
    if (this._readyState === OPEN) this._readyState = CLOSING;
    if (this[kIsStream]) return;
    this._socket.push(null);
    this._socket.resume();
  },

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
  },

  /** For other copies of this package: a stream belongs to one of them. */
  [kWriteOutput]() {
    writeOutput(this);
  },

  /** The native connection is gone, its last events may be still to come. */
  [kOnGone]([received, sent, wasCloseSent]) {
    const handle = this._socket._handle;

    this[kHandle] = -1;
    this._closeFrameSent = wasCloseSent;
    // Somebody else's from now on: this one leads nowhere.
    this[kSlot] = native.constants.SLOTS;
    if (handle instanceof NativeHandle) handle.end(received, sent);
  },

  [kOnClosed]() {
    this[kIsAlive] = false;
    this._readyState = CLOSING;
    sender.failCallbacks(this);
    if (this[kOnDeflated] !== null) this[kOnDeflated]();
    if (this[kIsSocketClosed]) emitCloseLater(this);
    else this._socket.destroy();
  },
};

/**
 * Gives a class the methods that events are handed to.
 *
 * @param {Function} WebSocket
 */
function install(WebSocket) {
  for (const name of Object.getOwnPropertySymbols(METHODS)) {
    Object.defineProperty(WebSocket.prototype, name, {
      configurable: true,
      value: METHODS[name],
      writable: true,
    });
  }
}

module.exports = { install, socketOnClose };
