'use strict';

// Messages and control frames of a WebSocket on their way out: in order, though
// a Blob has to be read first, and large messages are compressed on a thread.

const { promisify } = require('util');

const backpressure = require('./backpressure');
const Limiter = require('./limiter');
const native = require('./native');
const sender = require('./sender');
const { CONTROL_PAYLOAD_MAX } = require('./close-code');
const {
  byteLength,
  checkCallback,
  isBlob,
  sizeOf,
  toBytes,
} = require('./data');
const { CAUSES } = require('./stats');
const { writeOutput } = require('./stream');
const {
  CONNECTING,
  EMPTY_BUFFER,
  FIN,
  OPCODE_CLOSE,
  OPCODE_CONTINUATION,
  OPEN,
  READY_STATES,
} = require('./constants');
const {
  kEmitError,
  kHandle,
  kIsCompressing,
  kIsFragmenting,
  kIsMuted,
  kIsStream,
  kJobs,
  kNeedsDrain,
  kOnDeflated,
  kTerminate,
  kThreshold,
  kUnsentBytes,
} = require('./symbols');

/** Characters or bytes of a message that are copied in a turn of the loop. */
const PIECE_SIZE = 512 * 1024;

const nextTurn = promisify(setImmediate);

/**
 * Of messages that are compressed on threads, each of which is copied for that:
 * twice as many as libuv has threads by default, so that some are copied while
 * others are compressed.
 */
const limiter = new Limiter(8);

/** What is done when a socket is closed too early. */
const READING_BLOB = 'the blob was being read';
const COMPRESSING = 'data was being compressed';

/**
 * The bytes of a Blob.
 *
 * @param {Blob} blob
 * @param {Function} [callback] called with the error if it cannot be read
 * @return {Promise<Buffer>}
 */
async function readBlob(blob, callback) {
  try {
    return Buffer.from(await blob.arrayBuffer());
  } catch (err) {
    if (callback) process.nextTick(callback, err);
    throw err;
  }
}

/**
 * What has waited as it is by now: its memory may have been resized, or
 * transferred, and nothing can be read from that.
 */
function left(data) {
  return sizeOf(data) > 0 ? data : EMPTY_BUFFER;
}

function refuse(ws, data, callback) {
  if (ws._readyState === CONNECTING) {
    throw new Error('WebSocket is not open: readyState 0 (CONNECTING)');
  }
  if (data) {
    ws[kUnsentBytes] += isBlob(data) ? data.size : byteLength(toBytes(data));
  }
  if (callback) {
    process.nextTick(
      callback,
      new Error(
        `WebSocket is not open: readyState ${ws._readyState} ` +
          `(${READY_STATES[ws._readyState]})`,
      ),
    );
  }
}

/** Bytes that have waited here go to native code, or nowhere. */
function handOver(ws, size) {
  ws[kUnsentBytes] -= size;
  if (ws[kNeedsDrain]) process.nextTick(backpressure.drain, ws);
}

/** A message, or a fragment of one, of a connection with compression. */
function sendCompressed(ws, data, opcode, fin, callback) {
  const size = sizeOf(data);

  if (ws[kJobs] === null && size <= sender.CORK_PAYLOAD_MAX && !isBlob(data)) {
    deflateFrame(ws, data, size, opcode, fin, callback);
    return;
  }
  ws[kUnsentBytes] += size;
  addJob(ws, async () => {
    const source = isBlob(data) ? await readBlob(data, callback) : data;

    await limiter.run(async () => {
      const bytes = left(source);
      const sizeNow = sizeOf(bytes);

      handOver(ws, size);
      if (refuseLate(ws, callback, READING_BLOB)) return;
      if (sizeNow <= sender.CORK_PAYLOAD_MAX) {
        deflateFrame(ws, bytes, sizeNow, opcode, fin, callback);
      } else {
        await deflateLater(ws, bytes, sizeNow, opcode, fin, callback);
      }
    });
  });
}

/** There is no memory, unless the connection is gone. */
function giveUp(ws) {
  if (native.pending(ws[kHandle]) >= 0) ws[kTerminate](CAUSES.outOfMemory);
}

/** Compresses on the loop: a trip to a thread would take longer. */
function deflateFrame(ws, data, size, opcode, fin, callback) {
  const starts = !ws[kIsFragmenting];

  if (starts) ws[kIsCompressing] = size >= ws[kThreshold];
  if (!ws[kIsCompressing]) {
    sendFrame(ws, data, opcode, fin, false, callback);
    return;
  }
  const first = begin(ws, opcode, fin);

  // Without memory the message is lost, and with it the connection.
  if (!sender.sendDeflated(ws, data, size, first, starts)) giveUp(ws);
  if (callback) sender.addCallback(ws, callback);
}

/**
 * Pieces of a message, none of which holds the loop up for long, and which are
 * not made all at once.
 *
 * @param {*} data a string, or what toBytes() takes
 * @yields {[Uint8Array, number, number]} bytes, and the part of them
 */
function* piecesOf(data) {
  if (typeof data !== 'string') {
    const bytes = toBytes(data);
    const size = byteLength(bytes);

    for (let i = 0; i < size; i += PIECE_SIZE) {
      yield [bytes, i, Math.min(PIECE_SIZE, size - i)];
    }
    return;
  }
  for (let start = 0, end; start < data.length; start = end) {
    end = start + PIECE_SIZE;
    // Both halves of a character belong to the same piece.
    if ((data.charCodeAt(end - 1) & 0xfc00) === 0xd800) end++;
    const bytes = Buffer.from(data.slice(start, end));

    yield [bytes, 0, bytes.length];
  }
}

/**
 * Has native code take a copy of a message.
 *
 * @param {WebSocket} ws
 * @param {*} data
 * @param {number} size of it in bytes
 * @return {Promise<boolean>} false: the connection, the data or memory is gone
 */
async function collect(ws, data, size) {
  let isLater = false;

  for (const [bytes, start, length] of piecesOf(data)) {
    if (isLater) await nextTurn();
    isLater = true;
    if (!native.deflateCollect(ws[kHandle], bytes, start, length, size)) {
      return false;
    }
  }
  return true;
}

/**
 * Compresses a message on a thread, or a fragment of one; frames that come
 * meanwhile wait behind it.
 */
async function deflateLater(ws, data, size, opcode, fin, callback) {
  const starts = !ws[kIsFragmenting];

  if (starts) ws[kIsCompressing] = size >= ws[kThreshold];
  if (!ws[kIsCompressing]) {
    sendFrame(ws, data, opcode, fin, false, callback);
    return;
  }
  const first = begin(ws, opcode, fin);

  ws[kUnsentBytes] += size;
  native.flush();
  const isCollected = await collect(ws, data, size);

  await new Promise((resolve) => {
    ws[kOnDeflated] = resolve;
    if (!isCollected || !native.deflateLater(ws[kHandle], first, starts)) {
      giveUp(ws);
      resolve();
    }
  });
  ws[kOnDeflated] = null;
  handOver(ws, size);
  if (!refuseLate(ws, callback, COMPRESSING) && callback) {
    sender.addCallback(ws, callback);
  }
}

/**
 * Whether it is too late to send, and then calls back with an error.
 *
 * @param {Function} [callback]
 * @param {string} when what was being done when the socket was closed
 * @return {boolean}
 */
function refuseLate(ws, callback, when) {
  if (ws[kHandle] !== -1 && !ws[kIsMuted]) return false;
  if (callback) {
    process.nextTick(
      callback,
      new Error(`The socket was closed while ${when}`),
    );
  }
  return true;
}

/** The first byte of the next frame of a message. */
function begin(ws, opcode, fin) {
  const first = fin | (ws[kIsFragmenting] ? OPCODE_CONTINUATION : opcode);

  ws[kIsFragmenting] = fin === 0;
  return first;
}

function send(ws, data, first) {
  if (typeof data === 'string') sender.sendText(ws, first, data);
  else sender.sendBytes(ws, first, toBytes(data));
}

/** A frame that is not compressed. */
function sendFrame(ws, data, opcode, fin, mask, callback) {
  let first = fin | opcode;

  if (opcode < OPCODE_CLOSE) {
    if (!ws[kIsFragmenting]) ws[kIsCompressing] = false;
    first = begin(ws, opcode, fin);
  }

  if (mask) sender.sendMasked(ws, first, toBytes(data));
  else send(ws, data, first);
  if (callback) sender.addCallback(ws, callback);
}

function sendControl(ws, opcode, data, mask, callback) {
  if (typeof data === 'function') {
    callback = data;
    data = mask = undefined;
  } else if (typeof mask === 'function') {
    callback = mask;
    mask = undefined;
  }
  if (callback) checkCallback(callback);
  if (typeof data === 'number') data = data.toString();
  if (mask === undefined) mask = !ws._isServer;
  if (ws._readyState !== OPEN) {
    refuse(ws, data, callback);
    return;
  }
  const isLater = isBlob(data);
  const payload = isLater ? data : toBytes(data || EMPTY_BUFFER);

  if ((isLater ? data.size : byteLength(payload)) > CONTROL_PAYLOAD_MAX) {
    throw new RangeError('The data size must not be greater than 125 bytes');
  }
  if (isLater) sendLater(ws, payload, opcode, FIN, mask, callback);
  else sendFrame(ws, payload, opcode, FIN, mask, callback);
}

/** A Blob is read first; frames that come meanwhile wait behind it. */
function sendLater(ws, data, opcode, fin, mask, callback) {
  const size = sizeOf(data);

  ws[kUnsentBytes] += size;
  addJob(ws, async () => {
    const bytes = left(isBlob(data) ? await readBlob(data, callback) : data);

    handOver(ws, size);
    if (refuseLate(ws, callback, READING_BLOB)) return;
    sendFrame(ws, bytes, opcode, fin, mask, callback);
  });
}

function addJob(ws, job) {
  if (ws[kJobs] === null) {
    ws[kJobs] = [job];
    runJobs(ws);
  } else {
    ws[kJobs].push(job);
  }
}

async function runJobs(ws) {
  while (ws[kJobs].length > 0) {
    try {
      await ws[kJobs].shift()();
    } catch (err) {
      // A Blob that cannot be read leaves a message with a hole.
      ws.terminate();
      process.nextTick(() => ws[kEmitError](err));
    }
  }
  ws[kJobs] = null;
}

/**
 * Sends a close frame behind all that was sent before.
 *
 * @param {WebSocket} ws
 * @param {number} code
 * @param {Uint8Array} reason
 */
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

module.exports = {
  addJob,
  closeInOrder,
  refuse,
  sendCompressed,
  sendControl,
  sendFrame,
  sendLater,
};
