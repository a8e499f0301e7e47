'use strict';

const native = require('./native');
const { kDeferred, kHandle, kUpdateReading } = require('./symbols');

/** The application listens: what was held goes out. */
function onNewListener(type) {
  if (type === 'message') this[kDeferred].release();
}

/**
 * Events of a WebSocket that are not emitted as they come: since it emits only
 * one in a turn of the loop (`allowSynchronousEvents: false`), or since nobody
 * listens to its messages yet (`holdUntilListening`). While events wait for
 * their turn it receives no more; of messages that are held, only the first one
 * is in here, and native code keeps what is behind it.
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
    if (!isHolding) return;
    ws.on('newListener', onNewListener);
    native.awaitListener(ws[kHandle], true);
  }

  /** Whether all events were emitted. */
  get isEmpty() {
    return this._events.length === 0;
  }

  /** Whether the next event goes out in a turn to come, whoever listens. */
  get isMoving() {
    return (
      this._events.length > 0 && !(this._isHolding && this._events[0].isMessage)
    );
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
    if (this._events.length === 1) this._ws[kUpdateReading]();
    this._schedule();
  }

  /** Holds nothing from now on, whoever listens. */
  release() {
    if (!this._isHolding) return;
    this._isHolding = false;
    this._ws.removeListener('newListener', onNewListener);
    native.awaitListener(this._ws[kHandle], false);
    this._schedule();
  }

  _schedule() {
    if (this._isScheduled) return;
    if (this.isMoving) {
      this._isScheduled = true;
      setImmediate(run, this);
      return;
    }
    if (this.isEmpty && !this._isHolding && !this._isOneByOne) {
      this._ws[kDeferred] = null;
    }
    if (this._ws[kHandle] !== -1) this._ws[kUpdateReading]();
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
