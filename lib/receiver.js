'use strict';

const { Writable } = require('stream');

const native = require('./native');
const { fromBytes } = require('./data');
const { register } = require('./dispatch');
const { reportFailures } = require('./failures');
const { nativeOptions } = require('./options');
const PerMessageDeflate = require('./permessage-deflate');
const { kStatusCode, protocolError } = require('./protocol-error');
const {
  kDeferred,
  kOnCloseFrame,
  kOnClosed,
  kOnDetached,
  kOnEnd,
  kOnError,
  kOnFragments,
  kOnGone,
  kOnMessage,
  kOnNotice,
  kOnPing,
  kOnPong,
} = require('./symbols');

/** Frees the native connections of Receivers that are dropped without an end. */
const registry = new FinalizationRegistry(native.terminate);

/**
 * What native code gives the events of a connection to. It keeps them until
 * the Receiver takes them, which it does not know, as native code keeps it from
 * being collected.
 */
class Inbox {
  /**
   * @param {number} handle of the connection
   * @param {string} binaryType
   */
  constructor(handle, binaryType) {
    this.handle = handle;
    /** Names of events and their arguments; 'error' and 'end' are the last. */
    this.events = [];
    this._binaryType = binaryType;
    this[kDeferred] = null;
  }

  [kOnMessage](data, isBinary) {
    const isBytes = !isBinary || this._binaryType === 'nodebuffer';

    this.events.push([
      'message',
      isBytes ? data : fromBytes(data, this._binaryType),
      isBinary,
    ]);
  }

  /** A binary message, and the lengths of its fragments. */
  [kOnFragments](data, lengths) {
    let end = 0;

    this.events.push([
      'message',
      lengths.map((length) => data.subarray(end, (end += length))),
      true,
    ]);
  }

  [kOnPing](data) {
    this.events.push(['ping', data]);
  }

  [kOnPong](data) {
    this.events.push(['pong', data]);
  }

  [kOnCloseFrame](code, reason) {
    this.events.push(['conclude', code, Buffer.from(reason)], ['end']);
  }

  [kOnError](number, detail) {
    this.events.push(['error', protocolError(number, detail)]);
  }

  /** Someone has transferred the memory of a message. */
  [kOnDetached]() {
    const err = new Error('The memory of a received message was transferred');

    err.code = 'WSU_ERR_DETACHED_MESSAGE';
    err[kStatusCode] = 1011;
    this.events.push(['error', err]);
  }

  /** The native connection is gone: without memory, if nobody has asked. */
  [kOnGone]() {
    this.handle = -1;
  }

  [kOnEnd]() {}

  [kOnNotice]() {}

  [kOnClosed]() {}
}

/** Throws what a listener has thrown outside of the stream, which would hang. */
function rethrow(err) {
  throw err;
}

function emitLater(receiver) {
  receiver._emitEvents(true);
}

function takeLater(receiver) {
  receiver._takeEvents();
}

/** @return {Error} there was no memory for what was written */
function memoryError() {
  const number = Object.keys(native.errors).find(
    (key) => native.errors[key].code === 'WSU_ERR_OUT_OF_MEMORY',
  );

  return protocolError(number, 0);
}

/**
 * Decodes what a peer sends: its bytes are written to this stream, which emits
 * 'message', 'ping', 'pong' and, for a close frame, 'conclude'. A peer that
 * breaks the protocol is an 'error' of the stream. The WebSockets of this
 * package do not use it: it is here for those who use the one of `ws` on its
 * own.
 *
 * @extends stream.Writable
 */
class Receiver extends Writable {
  /**
   * @param {Object} [options]
   * @param {boolean} [options.allowSynchronousEvents=true] several events may
   *     be emitted in one turn of the loop
   * @param {string} [options.binaryType='nodebuffer'] the form of binary
   *     messages
   * @param {Object} [options.extensions] none is known
   * @param {boolean} [options.isServer=false] whether frames have to be masked
   * @param {number} [options.maxBufferedChunks=0] pieces that a frame may come
   *     in; 0: any
   * @param {number} [options.maxFragments=0] frames of a message; 0: any
   * @param {number} [options.maxPayload=0] bytes of a message; 0: any
   * @param {boolean} [options.skipUTF8Validation=false]
   * @throws {Error} permessage-deflate is among the extensions
   */
  constructor(options = {}) {
    const {
      allowSynchronousEvents = true,
      binaryType = 'nodebuffer',
      extensions = {},
      isServer,
    } = options;

    super();
    if (extensions && extensions[PerMessageDeflate.extensionName]) {
      throw new Error(
        'The Receiver of ws-upgrade does not support permessage-deflate yet: ' +
          'use the one of ws',
      );
    }
    this._allowSynchronousEvents = Boolean(allowSynchronousEvents);
    this._binaryType = binaryType;
    this._options = nativeOptions(
      { ...options, autoPong: false },
      Boolean(isServer),
    );
    this._inbox = null;
    this._received = 0;
    this._pending = [];
    this._next = 0;
    this._callback = null;
  }

  _write(chunk, encoding, callback) {
    try {
      if (this._inbox === null) this._open();
    } catch (err) {
      callback(err);
      return;
    }
    this._callback = callback;
    this._received += chunk.length;
    native.receive(this._inbox.handle, chunk);
    reportFailures();
    this._takeEvents();
  }

  _destroy(err, callback) {
    if (this._inbox !== null) {
      registry.unregister(this);
      native.terminate(this._inbox.handle);
    }
    callback(err);
  }

  /** @throws {Error} libuv's error: there is no memory */
  _open() {
    const handle = native.openStream(...this._options);

    this._inbox = new Inbox(handle, this._binaryType);
    if (this._binaryType === 'fragments') native.keepLengths(handle, true);
    register(this._inbox, handle);
    registry.register(this, handle, this);
  }

  /** Takes what native code has made of the chunk, when that has happened. */
  _takeEvents() {
    const inbox = this._inbox;
    const received = native.received(inbox.handle);

    // Within an event of another connection it happens after that.
    if (received !== -1 && received < this._received) {
      setImmediate(takeLater, this);
      return;
    }
    this._pending = inbox.events;
    this._next = 0;
    inbox.events = [];
    if (received === -1) this._pending.push(['error', memoryError()]);
    this._emitEvents(false);
  }

  /**
   * Emits the events of a chunk.
   *
   * @param {boolean} isLater whether this is a turn of the loop without an
   *     event up to now
   */
  _emitEvents(isLater) {
    let mayEmit = isLater || this._allowSynchronousEvents;

    while (this._next < this._pending.length && !this.destroyed) {
      const [name, ...args] = this._pending[this._next];

      if (name === 'error') {
        this._finishWrite(args[0]);
        return;
      }
      if (!mayEmit && name !== 'conclude' && name !== 'end') {
        setImmediate(emitLater, this);
        return;
      }
      this._next++;
      mayEmit = this._allowSynchronousEvents;
      try {
        if (name === 'end') this.end();
        else this.emit(name, ...args);
      } catch (err) {
        process.nextTick(rethrow, err);
        setImmediate(emitLater, this);
        return;
      }
    }
    this._finishWrite(null);
  }

  _finishWrite(err) {
    const callback = this._callback;

    this._pending = [];
    this._callback = null;
    callback(err);
  }
}

module.exports = Receiver;
