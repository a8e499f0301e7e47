'use strict';

const native = require('./native');
const { kWebSocket } = require('./constants');

/** Lengths of the writes that the stream has not finished yet, in order. */
const kWrites = Symbol('writes');

/** The callback of all writes to the stream. */
const kOnWritten = Symbol('on-written');

/** What a response that is written after the upgrade is given to. */
function discardRaw(data, encoding, callback) {
  if (typeof encoding === 'function') callback = encoding;
  if (typeof callback === 'function') process.nextTick(callback);
  return true;
}

/**
 * Keeps a response to the upgrade request, that a framework may still end, from
 * writing to the stream and from ending it.
 *
 * @param {http.ServerResponse} response
 */
function silence(response) {
  response._writeRaw = discardRaw;
  for (const listener of response.listeners('finish')) {
    if (listener.name === 'bound resOnFinish') {
      response.removeListener('finish', listener);
    }
  }
}

function streamOnData(chunk) {
  const ws = this[kWebSocket];
  const bytes = chunk instanceof Uint8Array ? chunk : Buffer.from(chunk);

  if (!native.receive(ws._handle, bytes)) this.pause();
}

function streamOnEnd() {
  native.end(this[kWebSocket]._handle, false);
}

/** The stream has written bytes, or has failed: then it is closed as well. */
function onWritten(err) {
  const length = this[kWrites].shift();

  if (!err) native.written(this[kWebSocket]._handle, length);
}

/**
 * Moves the output of a connection to its stream, in one write.
 *
 * @param {WebSocket} ws
 */
function writeOutput(ws) {
  const stream = ws._socket;
  const size = native.available(ws._handle);

  if (size === 0 || stream.destroyed) return;
  const chunk = Buffer.allocUnsafe(size);

  native.take(ws._handle, chunk);
  stream[kWrites].push(size);
  if (!stream.write(chunk, stream[kOnWritten])) native.block(ws._handle);
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

  stream[kWrites] = [];
  stream[kOnWritten] = onWritten.bind(stream);
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

module.exports = { openStream, readStream, silence, writeOutput };
