'use strict';

const { AsyncResource } = require('async_hooks');
const { randomFillSync } = require('crypto');

const backpressure = require('./backpressure');
const native = require('./native');
const { EMPTY_BUFFER } = require('./constants');
const { byteLength, toBytes } = require('./data');
const { writeOutput } = require('./stream');
const {
  kBatches,
  kHandle,
  kIsStream,
  kNeedsDrain,
  kNewCallbacks,
  kSlot,
  kWriteOutput,
} = require('./symbols');

const { DIRECTORY_ENTRIES, DIRECTORY_HEADER } = native.constants;

/** Bytes of frames that wait for the flush, in all. */
const CORK_SIZE = 256 * 1024;

/** Payloads over this many bytes are sent from where they are. */
const CORK_PAYLOAD_MAX = 16 * 1024;

/** The longest header: 2 bytes, 8 of extended length, 4 of masking key. */
const HEADER_MAX = 14;

/** What stands in the directory before its entries: see binding/cork.h. */
const COUNT = 0;
const USED = 1;
const LAST_SLOT = 2;
const WANTS_SETTLE = 3;

/**
 * What all copies of this package that share the addon have in common: a test
 * runner may load the package anew but keep the addon.
 *
 * @property {Buffer} cork
 * @property {Int32Array} directory of the cork
 * @property {WebSocket[]} unsettled have send callbacks that wait for the flush
 * @property {boolean} isExiting whether no turn will come any more
 */
const shared = native.sender || {
  cork: Buffer.allocUnsafeSlow(CORK_SIZE),
  directory: new Int32Array(DIRECTORY_HEADER + 2 * DIRECTORY_ENTRIES),
  unsettled: [],
  isExiting: false,
};

// The listener keeps the copy that it is of from being collected.
if (native.sender === undefined) process.on('exit', onExit);
native.sender = shared;

const { cork, directory, unsettled } = shared;
const header = Buffer.allocUnsafeSlow(HEADER_MAX);

/** Sends all that was sent before, as far as the kernel takes it. */
function flush() {
  native.flush();
  for (const ws of native.sockets) {
    if (ws !== undefined && ws[kIsStream]) ws[kWriteOutput]();
  }
}

/**
 * After 'exit' listeners no turn comes: what is sent from now on, and what was
 * sent before, goes out at once.
 */
function onExit() {
  shared.isExiting = true;
  flush();
}

function requestSettle() {
  directory[WANTS_SETTLE] = 1;
  native.schedule();
}

/**
 * Where `size` bytes go in the cork.
 *
 * @param {number} size at most CORK_SIZE
 * @return {number} the offset
 */
function reserve(size) {
  if (
    directory[USED] + size > CORK_SIZE ||
    directory[COUNT] === DIRECTORY_ENTRIES
  ) {
    native.flush();
  }
  return directory[USED];
}

/**
 * Enters bytes that were written to the cork in the directory.
 *
 * @param {number} slot whose they are
 * @param {number} end the offset behind them
 */
function commit(slot, end) {
  const size = end - directory[USED];
  const count = directory[COUNT];

  directory[USED] = end;
  backpressure.count(slot, size);
  if (count > 0 && directory[LAST_SLOT] === slot) {
    directory[DIRECTORY_HEADER + 2 * count - 1] += size;
  } else {
    if (count === 0) native.schedule();
    directory[DIRECTORY_HEADER + 2 * count] = slot;
    directory[DIRECTORY_HEADER + 2 * count + 1] = size;
    directory[LAST_SLOT] = slot;
    directory[COUNT] = count + 1;
  }
  if (shared.isExiting) flush();
}

/**
 * Writes an unmasked frame header (RFC 6455, 5.2).
 *
 * @param {Buffer} target
 * @param {number} position
 * @param {number} first the first byte: FIN and the opcode
 * @param {number} length of the payload
 * @return {number} the offset behind the header
 */
function writeHeader(target, position, first, length) {
  target[position] = first;
  if (length < 126) {
    target[position + 1] = length;
    return position + 2;
  }
  if (length < 65536) {
    target[position + 1] = 126;
    target[position + 2] = length >>> 8;
    target[position + 3] = length & 255;
    return position + 4;
  }
  target[position + 1] = 127;
  target.writeUInt32BE(Math.floor(length / 4294967296), position + 2);
  target.writeUInt32BE(length % 4294967296, position + 6);
  return position + 10;
}

/**
 * Sends two runs of bytes from where they are.
 *
 * @param {WebSocket} ws an open one
 * @param {Uint8Array} first
 * @param {Uint8Array} second
 */
function sendPieces(ws, first, second) {
  // The kernel may take what was sent before, and then no more for long.
  if (ws[kNewCallbacks] !== null) closeBatch(ws);
  native.sendFrame(ws[kHandle], first, second);
  if (shared.isExiting) flush();
  else if (ws[kIsStream]) writeOutput(ws, true);
}

/**
 * Sends one frame of bytes.
 *
 * @param {WebSocket} ws an open one
 * @param {number} first the first byte of the header: FIN and the opcode
 * @param {Uint8Array} bytes
 */
function sendBytes(ws, first, bytes) {
  const length = byteLength(bytes);

  if (length > CORK_PAYLOAD_MAX) {
    const end = writeHeader(header, 0, first, length);

    sendPieces(ws, header.subarray(0, end), bytes);
    return;
  }
  const start = writeHeader(cork, reserve(length + HEADER_MAX), first, length);

  cork.set(bytes, start);
  commit(ws[kSlot], start + length);
}

/**
 * Sends one frame of text.
 *
 * @param {WebSocket} ws an open one
 * @param {number} first the first byte of the header: FIN and the opcode
 * @param {string} text
 */
function sendText(ws, first, text) {
  const length = Buffer.byteLength(text);

  if (length > CORK_PAYLOAD_MAX) {
    sendBytes(ws, first, Buffer.from(text));
    return;
  }
  const start = writeHeader(cork, reserve(length + HEADER_MAX), first, length);

  cork.write(text, start, length, 'utf8');
  commit(ws[kSlot], start + length);
}

/**
 * Room for what compression may add to a frame: see FRAME_GROWTH_MAX() in
 * binding/deflate.c.
 *
 * @param {number} size of the payload in bytes
 * @return {number}
 */
function growth(size) {
  return (size >>> 2) + 128;
}

/**
 * Sends one compressed frame.
 *
 * @param {WebSocket} ws an open one that uses permessage-deflate
 * @param {(string|*)} data text, or bytes in any form
 * @param {number} size of it in bytes, at most CORK_PAYLOAD_MAX
 * @param {number} first the first byte of the header, without RSV1
 * @param {boolean} starts whether a message begins
 * @return {boolean} false if there is no memory: nothing was sent
 */
function sendDeflated(ws, data, size, first, starts) {
  const start = reserve(size + HEADER_MAX + growth(size));

  if (typeof data === 'string') {
    cork.write(data, start + HEADER_MAX, size, 'utf8');
  } else {
    cork.set(toBytes(data), start + HEADER_MAX);
  }
  const end = native.deflate(ws[kHandle], start, size, first, starts);

  if (end < 0) return false;
  commit(ws[kSlot], end);
  return true;
}

/**
 * Sends one masked frame: a server has no need to, but may be told to.
 *
 * @param {WebSocket} ws an open one
 * @param {number} first the first byte of the header: FIN and the opcode
 * @param {Uint8Array} bytes
 */
function sendMasked(ws, first, bytes) {
  const length = byteLength(bytes);
  const frame = Buffer.allocUnsafe(length + HEADER_MAX);
  const keyStart = writeHeader(frame, 0, first, length);
  const start = keyStart + 4;

  frame[1] |= 0x80;
  randomFillSync(frame, keyStart, 4);
  for (let i = 0; i < length; i++) {
    frame[start + i] = bytes[i] ^ frame[keyStart + (i & 3)];
  }
  sendPieces(
    ws,
    frame.subarray(0, start),
    frame.subarray(start, start + length),
  );
}

/**
 * Sends whole frames, as they are.
 *
 * @param {WebSocket} ws an open one
 * @param {Uint8Array} bytes
 */
function sendRaw(ws, bytes) {
  const length = byteLength(bytes);

  if (length > CORK_PAYLOAD_MAX) {
    sendPieces(ws, bytes, EMPTY_BUFFER);
    return;
  }
  const start = reserve(length);

  cork.set(bytes, start);
  commit(ws[kSlot], start + length);
}

/** A callback of send() with the asynchronous context that it was given in. */
class SendCallback extends AsyncResource {
  constructor(callback) {
    super('WSUPGRADE_SEND');
    this._callback = callback;
  }

  /** @param {(Error|null)} err */
  call(err) {
    this.runInAsyncScope(this._callback, undefined, err);
  }
}

/**
 * Has `callback` called once the kernel has taken all that was sent so far, or
 * with an error once the connection has ended.
 *
 * @param {WebSocket} ws an open one
 * @param {Function} callback
 */
function addCallback(ws, callback) {
  if (ws[kNewCallbacks] === null) {
    ws[kNewCallbacks] = [];
    unsettled.push(ws);
    requestSettle();
  }
  ws[kNewCallbacks].push(new SendCallback(callback));
}

/**
 * Calls the callbacks of all bytes that the kernel has taken.
 *
 * @param {WebSocket} ws
 */
function callBack(ws) {
  // Pings and pongs may have gone elsewhere than behind what was there.
  const sent =
    native.pending(ws[kHandle]) === 0 ? Infinity : native.position(ws[kHandle]);

  while (ws[kBatches].length > 0 && ws[kBatches][0].position <= sent) {
    const batch = ws[kBatches][0];

    while (batch.next < batch.callbacks.length) {
      try {
        batch.callbacks[batch.next++].call(null);
      } catch (err) {
        // The others are called all the same, once this one is reported.
        unsettled.push(ws);
        requestSettle();
        throw err;
      }
    }
    ws[kBatches].shift();
  }
}

/**
 * Has the new callbacks called once the kernel has taken what was sent so far.
 *
 * @param {WebSocket} ws
 * @return {number} bytes that it has not taken; negative if the connection is
 *     gone, _onClosed() is to come then
 */
function closeBatch(ws) {
  const pending = native.pending(ws[kHandle]);

  if (pending < 0 || ws[kNewCallbacks].length === 0) return pending;
  ws[kBatches].push({
    callbacks: ws[kNewCallbacks],
    next: 0,
    position: native.position(ws[kHandle]) + pending,
  });
  ws[kNewCallbacks] = [];
  return pending;
}

/** Called by the addon after a flush for which callbacks wait. */
function settle() {
  while (unsettled.length > 0) {
    const ws = unsettled.shift();

    if (ws[kHandle] === -1) continue;
    if (ws[kNewCallbacks] !== null) {
      const pending = closeBatch(ws);

      if (pending < 0) continue;
      ws[kNewCallbacks] = null;
      if (pending > 0) native.reportProgress(ws[kHandle], true);
    }
    callBack(ws);
  }
}

/**
 * The kernel has taken more bytes of a connection.
 *
 * @param {WebSocket} ws
 */
function onProgress(ws) {
  if (ws[kHandle] === -1) return;
  try {
    callBack(ws);
  } finally {
    backpressure.drain(ws);
    if (ws[kBatches].length === 0 && !ws[kNeedsDrain]) {
      native.reportProgress(ws[kHandle], false);
    }
  }
}

/**
 * The connection has ended: calls what still waits with an error.
 *
 * @param {WebSocket} ws
 */
function failCallbacks(ws) {
  const callbacks = ws[kBatches]
    .flatMap((batch) => batch.callbacks.slice(batch.next))
    .concat(ws[kNewCallbacks] || []);

  ws[kBatches] = [];
  ws[kNewCallbacks] = null;
  for (const callback of callbacks) {
    const err = new Error('The connection was closed before the data was sent');

    err.code = 'ECONNRESET';
    process.nextTick(() => callback.call(err));
  }
}

module.exports = {
  CORK_PAYLOAD_MAX,
  addCallback,
  cork,
  directory,
  failCallbacks,
  onProgress,
  sendBytes,
  sendDeflated,
  sendMasked,
  sendRaw,
  sendText,
  settle,
};
