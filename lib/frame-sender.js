'use strict';

const outgoing = require('./outgoing');
const sender = require('./sender');
const { toBytes } = require('./data');
const { OPEN } = require('./constants');

/** What engine.io and others send frames with that they have made before. */
class FrameSender {
  /** @param {WebSocket} ws */
  constructor(ws) {
    this._ws = ws;
  }

  /**
   * Sends whole frames, as they are.
   *
   * @param {(Buffer|string)[]} list the bytes of the frames, in pieces
   * @param {Function} [callback] called when they are sent, or with an error
   */
  sendFrame(list, callback) {
    const ws = this._ws;
    const bytes = list.length === 1 ? toBytes(list[0]) : concat(list);

    if (ws._readyState !== OPEN) {
      outgoing.refuse(ws, bytes, callback);
      return;
    }
    sender.sendRaw(ws, bytes);
    if (callback) sender.addCallback(ws, callback);
  }
}

function concat(list) {
  return Buffer.concat(list.map(toBytes));
}

module.exports = FrameSender;
