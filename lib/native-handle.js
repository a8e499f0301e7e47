'use strict';

const native = require('./native');

/**
 * What a net.Socket has for a handle once native code has taken the connection
 * over: it answers what the methods of the socket ask of a handle.
 */
class NativeHandle {
  /**
   * @param {number} connection handle of the native connection
   * @param {Object} handle the handle that the socket had
   */
  constructor(connection, handle) {
    this._connection = connection;
    this._bytesRead = handle.bytesRead;
    this._bytesWritten = handle.bytesWritten;
    this.reading = false;
    this.onread = null;
  }

  /** Bytes that the socket and native code have received. */
  get bytesRead() {
    return this._bytesRead + Math.max(native.received(this._connection), 0);
  }

  /** Bytes that the socket and native code have sent. */
  get bytesWritten() {
    return this._bytesWritten + Math.max(native.sent(this._connection), 0);
  }

  /** The number of the file descriptor, -1 once it is closed. */
  get fd() {
    return native.descriptor(this._connection);
  }

  /**
   * The native connection has ended.
   *
   * @param {number} received bytes in all
   * @param {number} sent bytes in all
   */
  end(received, sent) {
    this._connection = -1;
    this._bytesRead += received;
    this._bytesWritten += sent;
  }

  setNoDelay(isOn) {
    return native.setNoDelay(this._connection, isOn);
  }

  setKeepAlive(isOn, delay) {
    return native.setKeepAlive(this._connection, isOn, delay || 0);
  }

  /** @param {Function} callback called behind the ticks of who closes it */
  close(callback) {
    if (callback) process.nextTick(process.nextTick, callback);
  }

  readStart() {
    return 0;
  }

  readStop() {
    return 0;
  }

  getsockname() {
    return -1;
  }

  ref() {}

  unref() {}
}

module.exports = NativeHandle;
