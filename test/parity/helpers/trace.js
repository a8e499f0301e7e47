'use strict';

const STATES = ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'];

/** `ws` knows Blobs where they are global: from Node.js 18 on. */
const hasBlob = typeof globalThis.Blob === 'function';

/**
 * Describes what an event or a callback was given, so that its type shows.
 *
 * @param {*} value
 * @returns {*} primitive values as they are, `Buffer 666f6f` and the like for
 *   bytes, `[class, code, message]` for errors
 */
function describeValue(value) {
  if (Buffer.isBuffer(value)) return `Buffer ${value.toString('hex')}`;
  if (value instanceof ArrayBuffer) {
    return `ArrayBuffer ${Buffer.from(value).toString('hex')}`;
  }
  if (Array.isArray(value)) return value.map(describeValue);
  if (value instanceof Error) {
    return [value.constructor.name, value.code, value.message];
  }
  if (Object.prototype.toString.call(value) === '[object Blob]') {
    return `Blob of ${value.size} bytes of the type "${value.type}"`;
  }
  return value;
}

/**
 * Keeps a log of the events of a WebSocket: each as its name, its arguments as
 * `describeValue()` gives them, and the ready state at that time.
 *
 * @param {import('node:events').EventEmitter} ws
 * @returns {any[][]} the log, which grows as events come
 */
function trace(ws) {
  const log = [];
  for (const name of ['open', 'message', 'ping', 'pong', 'error', 'close']) {
    ws.on(name, (...args) => {
      log.push([name, ...args.map(describeValue), STATES[ws.readyState]]);
    });
  }
  return log;
}

module.exports = { describeValue, hasBlob, trace };
