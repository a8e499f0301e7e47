'use strict';

// What waits to be sent, and what happens when that is too much.

const native = require('./native');
const { OPCODE_BINARY } = require('./constants');
const { sizeOf } = require('./data');
const { DEFAULTS } = require('./options');
const { CAUSES } = require('./stats');
const {
  kHandle,
  kHighWaterMark,
  kIsDropping,
  kIsFragmenting,
  kIsMuted,
  kMaxBackpressure,
  kNeedsDrain,
  kOnBackpressure,
  kSlot,
  kTerminate,
  kUnsentBytes,
} = require('./symbols');

/** What `onBackpressure` may say. */
const POLICIES = ['terminate', 'close', 'drop'];

const OPTIONS = ['highWaterMark', 'maxBackpressure', 'onBackpressure'];

/** Try again later: of the registry that RFC 6455, 11.7 has begun. */
const CLOSE_TRY_AGAIN_LATER = 1013;

/**
 * Counts of bytes in `unsent` end here: in 32 bits, with room for one more
 * frame in the cork.
 */
const COUNT_MAX = 1 << 30;

/**
 * Bytes by slot that a connection has to send, as of the last flush, and those
 * in the cork behind that: no more is waiting, save for a few control frames.
 * It is kept where native code can write it, so that no call is needed to see
 * that little is waiting.
 */
const shared = native.backpressure || { unsent: new Int32Array(64) };

if (native.backpressure === undefined) native.setUnsent(shared.unsent);
native.backpressure = shared;

/**
 * Begins to count for a connection.
 *
 * @param {number} slot
 */
function register(slot) {
  if (slot >= shared.unsent.length) {
    const larger = new Int32Array(2 * slot);

    larger.set(shared.unsent);
    shared.unsent = larger;
    native.setUnsent(larger);
  }
  shared.unsent[slot] = 0;
}

/** Counts bytes that were put into the cork. */
function count(slot, size) {
  shared.unsent[slot] += size;
}

function checkCount(options, name) {
  const value = options[name];

  if (typeof value !== 'number' || Number.isNaN(value)) {
    const type = typeof value === 'number' ? value : typeof value;

    throw new TypeError(
      `The "${name}" option must be a number of bytes, not ${type}`,
    );
  }
  if (value < 0) {
    throw new RangeError(
      `The "${name}" option must not be negative: it is ${value}`,
    );
  }
}

/**
 * Throws unless the options that concern what waits are good ones. Those that
 * are undefined or null get their defaults.
 *
 * @param {Object} options
 * @throws {TypeError|RangeError}
 */
function checkOptions(options) {
  for (const name of OPTIONS) options[name] ??= DEFAULTS[name];
  checkCount(options, 'highWaterMark');
  checkCount(options, 'maxBackpressure');
  if (!POLICIES.includes(options.onBackpressure)) {
    throw new TypeError(
      `The "onBackpressure" option must be one of ${POLICIES.join(', ')}`,
    );
  }
}

/**
 * Sets what may wait.
 *
 * @param {WebSocket} ws
 * @param {Object} options that were checked
 */
function setLimits(ws, options) {
  const max = options.maxBackpressure || Infinity;

  // Up to the mark nothing else is looked at.
  ws[kHighWaterMark] = Math.min(options.highWaterMark, max / 2, COUNT_MAX);
  ws[kMaxBackpressure] = max;
  ws[kOnBackpressure] = options.onBackpressure;
}

/** Whether as much waits as to look at it closely. */
function isBacklogged(ws) {
  return (
    shared.unsent[ws[kSlot]] + ws[kUnsentBytes] > ws[kHighWaterMark] ||
    ws[kIsDropping]
  );
}

/** Bytes that are not sent, for whatever reason, and count as that from now on. */
function look(ws) {
  const pending = Math.max(native.pending(ws[kHandle]), 0);

  shared.unsent[ws[kSlot]] = Math.min(pending, COUNT_MAX);
  return pending + ws[kUnsentBytes];
}

/**
 * Whether so much waits that 'drain' has to be waited for; it comes then.
 *
 * @param {WebSocket} ws
 * @return {boolean}
 */
function isOver(ws) {
  if (look(ws) <= ws[kHighWaterMark]) return false;
  if (!ws[kNeedsDrain]) {
    ws[kNeedsDrain] = true;
    native.reportProgress(ws[kHandle], true);
  }
  return true;
}

/**
 * Emits 'drain' if it is waited for and little enough waits.
 *
 * @param {WebSocket} ws
 */
function drain(ws) {
  if (!ws[kNeedsDrain] || ws[kIsMuted] || look(ws) > ws[kHighWaterMark]) {
    return;
  }
  ws[kNeedsDrain] = false;
  ws.emit('drain');
}

/** Tells about a message that is not sent. */
function dropMessage(ws, data, isBinary, callback) {
  const err = new Error(
    'The message was dropped: with it, more than maxBackpressure ' +
      `(${ws[kMaxBackpressure]} bytes) would wait to be sent`,
  );

  err.code = 'WSU_ERR_BACKPRESSURE';
  process.nextTick(() => {
    ws.emit('dropped', data, isBinary);
    if (callback) callback(err);
  });
}

/**
 * Whether a message, or a fragment of one, may be sent though others wait. If
 * not, it is dropped, and what `onBackpressure` says is done.
 *
 * @param {WebSocket} ws
 * @param {*} data
 * @param {number} opcode
 * @param {number} fin 0 unless it is the last fragment
 * @param {Function} [callback] called with the error if it is dropped
 * @return {boolean}
 */
function admit(ws, data, opcode, fin, callback) {
  if (!ws[kIsDropping] && look(ws) + sizeOf(data) <= ws[kMaxBackpressure]) {
    return true;
  }
  dropMessage(ws, data, opcode === OPCODE_BINARY, callback);
  ws[kIsDropping] = fin === 0;
  if (ws[kOnBackpressure] === 'close') {
    ws.close(CLOSE_TRY_AGAIN_LATER);
  } else if (ws[kOnBackpressure] === 'terminate' || ws[kIsFragmenting]) {
    // A message whose beginning was sent cannot be left out.
    ws[kTerminate](CAUSES.backpressure);
  }
  return false;
}

module.exports = {
  admit,
  checkOptions,
  count,
  drain,
  isBacklogged,
  isOver,
  register,
  setLimits,
};
