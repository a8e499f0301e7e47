'use strict';

/**
 * Waits for the next event of that name. Unlike `events.once()` this does
 * not take an 'error' event for a failure.
 *
 * @param {import('node:events').EventEmitter} emitter
 * @param {string} name
 * @returns {Promise<any[]>} the arguments of the event
 */
function once(emitter, name) {
  return new Promise((resolve) => {
    emitter.once(name, (...args) => resolve(args));
  });
}

const RECORDERS = {
  message: (data, isBinary) =>
    isBinary ? ['binary', data.toString('hex')] : ['text', data.toString()],
  ping: (data) => ['ping', data.toString()],
  pong: (data) => ['pong', data.toString()],
  error: (error) => ['error', error.name, error.code, error.message],
  close: (code, reason) => ['close', code, reason.toString()],
};

/**
 * Keeps a log of the events of a WebSocket, in their order: `['text', data]`
 * or `['binary', hex]` for a message, `['ping', data]`, `['pong', data]`,
 * `['error', name, code, message]`, `['close', code, reason]`.
 *
 * @param {import('node:events').EventEmitter} ws
 * @returns {any[][]} the log, which grows as events come
 */
function record(ws) {
  const log = [];
  for (const [name, describe] of Object.entries(RECORDERS)) {
    ws.on(name, (...args) => log.push(describe(...args)));
  }
  return log;
}

module.exports = { once, record };
