'use strict';

const { markAsUntransferable } = require('worker_threads');

const backpressure = require('./backpressure');
const native = require('./native');
const sender = require('./sender');
const { failures } = require('./failures');
const { EMPTY_BUFFER } = require('./constants');
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

const {
  TEXT,
  BINARY,
  LARGE_TEXT,
  LARGE_BINARY,
  PING,
  PONG,
  CLOSE,
  ERROR,
  END,
  NOTICE,
  CLOSED,
  RING_CURSOR,
  RING_FIELDS,
  RING_LENGTH,
  SLOTS,
} = native.constants;

/** Bytes of the memory that small payloads share. */
const SLAB_SIZE = 64 * 1024;

/** What `Buffer` makes its instances with: a view, without any checks. */
const FastBuffer = Buffer[Symbol.species];

const { allocUnsafeSlow } = Buffer;

/**
 * The open WebSockets by slot: what keeps them from being collected. Copies of
 * this package that share the addon share its events as well.
 */
const sockets = native.sockets || [];

const ring = new Int32Array(RING_LENGTH);
const large = [];
let slab = null;

/**
 * A payload in the slab.
 *
 * @param {WebSocket} ws whose it is
 * @param {number} offset
 * @param {number} length in bytes
 * @return {Buffer}
 */
function view(ws, offset, length) {
  if (length === 0) return EMPTY_BUFFER;
  try {
    return new FastBuffer(slab, offset, length);
  } catch (err) {
    // Otherwise the stack is exhausted.
    if (slab.byteLength > 0) throw err;
    ws[kOnDetached]();
    return EMPTY_BUFFER;
  }
}

/**
 * A payload with memory of its own.
 *
 * @param {number} index
 * @return {Buffer}
 */
function take(index) {
  const payload = large[index];

  large[index] = undefined;
  return payload;
}

function refuseTransfer() {
  throw new TypeError('Other messages share this memory: transfer a copy');
}

/**
 * Keeps listeners from detaching memory that other messages share.
 *
 * @param {ArrayBuffer} buffer
 */
function protect(buffer) {
  // As Node.js does with its pool.
  markAsUntransferable(buffer);
  // Node.js 22 has the method but does not refuse it.
  if (typeof buffer.transfer === 'function') {
    buffer.transfer = refuseTransfer;
    buffer.transferToFixedLength = refuseTransfer;
  }
}

/**
 * For native code, which Node.js ends the process of if it finds no memory.
 *
 * @param {number} size
 * @return {Buffer}
 * @throws {RangeError} if there is no memory
 */
function allocate(size) {
  return allocUnsafeSlow(size);
}

/** @return {(ArrayBuffer|undefined)} undefined if there is no memory */
function allocateSlab() {
  try {
    slab = Buffer.allocUnsafeSlow(SLAB_SIZE).buffer;
  } catch {
    return undefined;
  }
  protect(slab);
  return slab;
}

/**
 * Hands an event to its WebSocket.
 *
 * @param {WebSocket} ws
 * @param {number} kind
 * @param {number} a
 * @param {number} b see WSU_RING_MAP for both
 */
function deliver(ws, kind, a, b) {
  switch (kind) {
    case BINARY:
      ws[kOnMessage](view(ws, a, b), true);
      break;
    case TEXT:
      ws[kOnMessage](view(ws, a, b), false);
      break;
    case LARGE_BINARY:
      if (b === 1) ws[kOnFragments](take(a), take(a + 1));
      else ws[kOnMessage](take(a), true);
      break;
    case LARGE_TEXT:
      ws[kOnMessage](take(a), false);
      break;
    case PING:
      ws[kOnPing](view(ws, a, b));
      break;
    case PONG:
      ws[kOnPong](view(ws, a, b));
      break;
    case CLOSE:
      ws[kOnCloseFrame](b >>> 8, view(ws, a, b & 255));
      break;
    case ERROR:
      ws[kOnError](a, b);
      break;
    case END:
      ws[kOnEnd]();
      break;
    case CLOSED:
      ws[kOnClosed]();
      break;
  }
}

/**
 * Hands out the events of a turn; called by the addon, and once more for the
 * events behind the one whose listener threw.
 *
 * @param {number} count of events in the ring
 * @param {boolean} wantsSlab whether the slab is used up
 * @return {(ArrayBuffer|undefined)} the next slab
 */
function dispatch(count, wantsSlab) {
  // Native code begins at 0, and goes on where a listener threw.
  for (let next = ring[RING_CURSOR]; next < count; next++) {
    const i = next * RING_FIELDS;
    const slot = ring[i];
    const kind = ring[i + 1];
    const ws = sockets[slot];

    ring[RING_CURSOR] = next + 1;
    if (ws === undefined) continue;
    if (kind === NOTICE) {
      ws[kOnNotice](ring[i + 2]);
      continue;
    }
    if (kind === CLOSED) {
      sockets[slot] = undefined;
      ws[kOnGone](native.outcome(slot));
    }
    if (ws[kDeferred] === null) deliver(ws, kind, ring[i + 2], ring[i + 3]);
    else defer(ws, kind, ring[i + 2], ring[i + 3]);
  }
  return wantsSlab ? allocateSlab() : undefined;
}

/**
 * Keeps an event for a WebSocket that does not emit all of them as they come:
 * see EventQueue.
 *
 * @param {WebSocket} ws
 * @param {number} kind
 * @param {number} a
 * @param {number} b see WSU_RING_MAP for both
 */
function defer(ws, kind, a, b) {
  let event = () => deliver(ws, kind, a, b);

  switch (kind) {
    case BINARY:
    case TEXT: {
      const data = view(ws, a, b);
      event = () => ws[kOnMessage](data, kind === BINARY);
      break;
    }
    case LARGE_BINARY:
    case LARGE_TEXT: {
      const data = take(a);
      const lengths = b === 1 ? take(a + 1) : null;
      event = () => {
        if (lengths !== null) ws[kOnFragments](data, lengths);
        else ws[kOnMessage](data, kind === LARGE_BINARY);
      };
      break;
    }
    case PING: {
      const data = view(ws, a, b);
      event = () => ws[kOnPing](data);
      break;
    }
    case PONG: {
      const data = view(ws, a, b);
      event = () => ws[kOnPong](data);
      break;
    }
    case CLOSE: {
      const reason = Buffer.from(view(ws, a, b & 255));
      event = () => ws[kOnCloseFrame](b >>> 8, reason);
      break;
    }
  }
  ws[kDeferred].push(event, kind <= LARGE_BINARY);
}

native.sockets = sockets;
native.start(
  dispatch,
  sender.settle,
  ring,
  sender.cork,
  sender.directory,
  large,
  failures,
  allocate,
);

/**
 * Makes `ws` the receiver of a connection's events.
 *
 * @param {WebSocket} ws
 * @param {number} handle of the connection
 * @return {number} its slot
 */
function register(ws, handle) {
  const slot = handle % SLOTS;

  sockets[slot] = ws;
  backpressure.register(slot);
  return slot;
}

module.exports = { register };
