'use strict';

const { Duplex } = require('stream');

const { CLOSED, CONNECTING } = require('./constants');

/** A WebSocket as a stream: a chunk is a message. */
class WebSocketStream extends Duplex {
  /**
   * @param {WebSocket} ws
   * @param {Object} [options] see `createWebSocketStream()`
   */
  constructor(ws, options) {
    super({
      ...options,
      autoDestroy: true,
      emitClose: true,
      objectMode: false,
      writableObjectMode: false,
      construct: undefined,
      destroy: undefined,
      final: undefined,
      read: undefined,
      write: undefined,
      writev: undefined,
    });
    this._ws = ws;
    this._isFailed = false;
    this._lateError = null;
    ws.on('message', (data, isBinary) => this._onMessage(data, isBinary));
    ws.on('error', (err) => this._onError(err));
    if (ws.readyState === CLOSED) this.push(null);
    else ws.once('close', () => this._onClose());
  }

  _read() {
    if (this._ws.isPaused) this._ws.resume();
  }

  _write(chunk, encoding, callback) {
    this._whenOpen(() => this._ws.send(chunk, callback));
  }

  _writev(chunks, callback) {
    this._whenOpen(() => {
      const last = chunks.pop();

      for (const { chunk } of chunks) this._ws.send(chunk);
      this._ws.send(last.chunk, callback);
    });
  }

  _final(callback) {
    this._whenOpen(() => {
      this._whenClosed(callback);
      this._ws.close();
    });
  }

  _destroy(err, callback) {
    this._whenClosed(() => callback(err || this._lateError));
    // After an error of its own the WebSocket closes by itself: its close frame
    // tells the peer why. It has to read for that.
    if (!this._isFailed) this._ws.terminate();
    else if (this._ws.isPaused) this._ws.resume();
  }

  _onMessage(data, isBinary) {
    if (this.destroyed) return;
    const chunk = !isBinary && this.readableObjectMode ? data.toString() : data;

    if (!this.push(chunk)) this._ws.pause();
  }

  _onError(err) {
    if (this.destroyed) {
      this._lateError = err;
    } else {
      this._isFailed = true;
      this.destroy(err);
    }
  }

  _onClose() {
    if (!this.destroyed) this.push(null);
  }

  _whenOpen(callback) {
    if (this._ws.readyState === CONNECTING) this._ws.once('open', callback);
    else callback();
  }

  _whenClosed(callback) {
    if (this._ws.readyState === CLOSED) callback();
    else this._ws.once('close', () => callback());
  }
}

/**
 * Makes a stream of a WebSocket. What is written to it is sent, each chunk as a
 * message of its own; messages are what can be read from it. Reading too slowly
 * pauses the WebSocket. The end of the stream closes the WebSocket, destroy()
 * terminates it, and 'close' comes when it is closed. An error of the WebSocket
 * destroys the stream with it.
 *
 * @param {WebSocket} ws
 * @param {Object} [options] of `stream.Duplex`; `objectMode` and
 *     `writableObjectMode` are always false, `autoDestroy` and `emitClose` true
 * @param {boolean} [options.readableObjectMode=false] whether each message is
 *     read as one chunk: text as a string
 * @param {boolean} [options.decodeStrings=true] whether strings are sent as
 *     binary messages, as all other chunks are: otherwise as text
 * @return {stream.Duplex}
 */
function createWebSocketStream(ws, options) {
  return new WebSocketStream(ws, options);
}

module.exports = createWebSocketStream;
