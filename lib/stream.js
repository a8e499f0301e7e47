'use strict';

const native = require('./native');
const { kWebSocket } = require('./constants');
const { reportFailures } = require('./failures');
const { kHandle } = require('./symbols');

const { STREAM_WRITE_MAX } = native.constants;

/** Lengths of the writes that the stream has not finished yet, in order. */
const kWrites = Symbol('writes');

/** How many of the two directions have ended. */
const kEnds = Symbol('ends');

/** The callback of all writes to the stream. */
const kOnWritten = Symbol('on-written');

/** The method that ends the stream. */
const kEnd = Symbol('end');

/** The method that writes to the stream. */
const kWrite = Symbol('write');

function streamOnData(chunk) {
  const ws = this[kWebSocket];
  const bytes = chunk instanceof Uint8Array ? chunk : Buffer.from(chunk);

  let size = native.receive(ws[kHandle], bytes);

  if (size < 0) {
    this.pause();
    size = -1 - size;
  }
  if (size > 0) write(ws, size);
  if (size === STREAM_WRITE_MAX) writeOutput(ws, true);
  reportFailures();
}

function streamOnEnd() {
  native.end(this[kWebSocket][kHandle], false);
  leave(this);
  reportFailures();
}

/** Both ends have been reached, or one of them has. */
function leave(stream) {
  stream[kEnds] += 1;
  // As in `ws`: a client does not leave this to a stream that may not do it.
  if (stream[kEnds] === 2 && !stream[kWebSocket]._isServer) stream.destroy();
}

/**
 * Ends a stream behind what was written to it.
 *
 * @param {Duplex} stream
 */
function endStream(stream) {
  stream.end(() => leave(stream));
}

/** The stream has written bytes, or has failed: then it is closed as well. */
function onWritten(err) {
  const length = this[kWrites].shift();

  if (!err) native.written(this[kWebSocket][kHandle], length);
}

/**
 * Moves the output of a connection to its stream, in one write if there is not
 * much of it.
 *
 * @param {WebSocket} ws
 * @param {boolean} [waits] until there is room in the stream
 */
function writeOutput(ws, waits = false) {
  let size;

  do {
    size = native.available(ws[kHandle], waits);
  } while (size > 0 && write(ws, size) && size === STREAM_WRITE_MAX);
}

/**
 * Writes the first bytes of the output.
 *
 * @param {WebSocket} ws
 * @param {number} size
 * @return {boolean} whether that was possible
 */
function write(ws, size) {
  const stream = ws._socket;

  if (stream.destroyed) return false;
  const chunk = Buffer.allocUnsafe(size);

  native.take(ws[kHandle], chunk);
  stream[kWrites].push(size);
  if (!stream[kWrite](chunk, stream[kOnWritten])) native.block(ws[kHandle]);
  return true;
}

/** The end comes behind the frames before it. */
function endInOrder(...args) {
  native.flush();
  writeOutput(this[kWebSocket]);
  return this[kEnd](...args);
}

/** What the stream has read but not handed out when it broke. */
function receiveRest(stream) {
  if (stream.readableEnded || !(stream.readableLength > 0)) return;
  // Node 16 also emits 'data' for what is read from a destroyed stream.
  stream.removeListener('data', streamOnData);
  const chunk = stream.read(stream.readableLength);

  if (chunk !== null) streamOnData.call(stream, chunk);
}

/** What others write to the stream goes behind the frames before it. */
function writeInOrder(...args) {
  native.flush();
  writeOutput(this[kWebSocket]);
  return this[kWrite](...args);
}

/**
 * Has native code decode what a stream reads and encode what is written to it.
 *
 * @param {Duplex} stream
 * @param {number[]} options of the connection: see nativeOptions()
 * @return {number} the handle of the native connection
 * @throws {Error} libuv's error: there is no memory; nothing has changed
 */
function openStream(stream, options) {
  const handle = native.openStream(...options);

  stream[kEnds] = 0;
  stream[kWrites] = [];
  stream[kOnWritten] = onWritten.bind(stream);
  stream[kWrite] = stream.write;
  stream.write = writeInOrder;
  stream[kEnd] = stream.end;
  stream.end = endInOrder;
  return handle;
}

/**
 * Begins to read a stream whose WebSocket is there.
 *
 * @param {Duplex} stream
 * @param {Buffer} head the first bytes, which were read already
 */
function readStream(stream, head) {
  if (head.length > 0) stream.unshift(head);
  stream.on('data', streamOnData);
  stream.on('end', streamOnEnd);
  stream.resume();
}

module.exports = {
  endStream,
  openStream,
  readStream,
  receiveRest,
  writeOutput,
};
