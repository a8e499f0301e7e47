'use strict';

const { Duplex } = require('node:stream');

/**
 * One of two ends in memory: what is written to one is read from the other, a
 * turn of the event loop later. A write is finished when the other end has
 * room for more.
 */
class DuplexEnd extends Duplex {
  constructor(options) {
    super(options);
    this.other = undefined;
    this.onRead = undefined;
    this.hasSentEnd = false;
  }

  _read() {
    const { onRead } = this;
    this.onRead = undefined;
    if (onRead) onRead();
  }

  _write(chunk, encoding, callback) {
    const { other } = this;
    setImmediate(() => {
      if (other.destroyed || other.push(chunk)) callback();
      else other.onRead = callback;
    });
  }

  _final(callback) {
    this.sendEnd();
    callback();
  }

  _destroy(error, callback) {
    this._read();
    this.sendEnd();
    callback(error);
  }

  sendEnd() {
    if (this.hasSentEnd) return;
    this.hasSentEnd = true;
    const { other } = this;
    setImmediate(() => {
      if (!other.destroyed) other.push(null);
    });
  }
}

/**
 * Creates two streams that are connected to each other.
 *
 * @param {object} [options] of `Duplex`, for both
 * @returns {DuplexEnd[]}
 */
function duplexPair(options) {
  const ends = [new DuplexEnd(options), new DuplexEnd(options)];
  ends[0].other = ends[1];
  ends[1].other = ends[0];
  return ends;
}

module.exports = { duplexPair };
