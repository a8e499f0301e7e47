'use strict';

const native = require('./native');
const { kDeferred, kHandle } = require('./symbols');

/** The application listens: what was held goes out. */
function onNewListener(type) {
  if (type === 'message') this[kDeferred].release();
}

/**
 * Events of a WebSocket that are not emitted as they come: since it emits only
 * one in a turn of the loop (`allowSynchronousEvents: false`), or since nobody
 * listens to its messages yet (`holdUntilListening`). While an event waits for
 * its turn nothing is received: native code keeps what is behind it, as bytes.
 * Only what ends the connection may be in here as well.
 */
class EventQueue {
  /**
   * @param {WebSocket} ws an open one
   * @param {boolean} isOneByOne whether it stays when nothing is held any more
   * @param {boolean} isHolding whether messages wait for a listener
   */
  constructor(ws, isOneByOne, isHolding) {
    this._ws = ws;
    this._isOneByOne = isOneByOne;
    this._isHolding = isHolding;
    this._isScheduled = false;
    this._events = [];
    if (isHolding) ws.on('newListener', onNewListener);
    native.step(ws[kHandle], isHolding, true);
  }

  /** Whether all events were emitted. */
  get isEmpty() {
    return this._events.length === 0;
  }

  /**
   * Adds an event; the last one of a connection ends the holding.
   *
   * @param {Function} emit
   * @param {boolean} isMessage
   */
  push(emit, isMessage) {
    this._events.push({ emit, isMessage });
    if (this._ws[kHandle] === -1) this.release();
    this._schedule();
  }

  /** Holds nothing from now on, whoever listens. */
  release() {
    if (!this._isHolding) return;
    this._isHolding = false;
    this._ws.removeListener('newListener', onNewListener);
    this._schedule();
  }

  _schedule() {
    if (this._isScheduled) return;
    if (!this.isEmpty) {
      // Otherwise it waits for a listener.
      if (this._isHolding && this._events[0].isMessage) return;
      this._isScheduled = true;
      setImmediate(run, this);
      return;
    }
    const isStepwise = this._isHolding || this._isOneByOne;

    if (!isStepwise) this._ws[kDeferred] = null;
    native.step(this._ws[kHandle], this._isHolding, isStepwise);
  }
}

/** Emits the next event of a queue. */
function run(queue) {
  const { emit } = queue._events.shift();

  queue._isScheduled = false;
  queue._schedule();
  emit();
}

/**
 * The queue that a WebSocket needs.
 *
 * @param {WebSocket} ws an open one
 * @param {Object} options
 * @param {boolean} options.allowSynchronousEvents
 * @param {boolean} options.holdUntilListening
 * @return {(EventQueue|null)} null: events are emitted as they come
 */
function createQueue(ws, { allowSynchronousEvents, holdUntilListening }) {
  // A subclass may listen before its connection is open.
  const isHolding =
    Boolean(holdUntilListening) && ws.listenerCount('message') === 0;

  return allowSynchronousEvents && !isHolding
    ? null
    : new EventQueue(ws, !allowSynchronousEvents, isHolding);
}

module.exports = { createQueue };
