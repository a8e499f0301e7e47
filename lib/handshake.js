'use strict';

const { STATUS_CODES } = require('http');

const { publishRefused } = require('./diagnostics');

/** Keeps a reset during the handshake from ending the process. */
function ignoreError() {}

/**
 * Answers a request that is no handshake, or not a welcome one, and ends the
 * connection.
 *
 * @param {Duplex} socket
 * @param {number} status HTTP status code
 * @param {string} [message] the body, the status text by default
 * @param {Object} [headers] more headers
 */
function abortHandshake(socket, status, message, headers) {
  const body = message || STATUS_CODES[status];
  const lines = {
    Connection: 'close',
    'Content-Type': 'text/html',
    'Content-Length': Buffer.byteLength(body),
    ...headers,
  };

  socket.once('finish', socket.destroy);
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n` +
      Object.keys(lines)
        .map((name) => `${name}: ${lines[name]}\r\n`)
        .join('') +
      `\r\n${body}`,
  );
}

/**
 * Refuses a handshake: see abortHandshake().
 *
 * @param {WebSocketServer} server
 * @param {http.IncomingMessage} req
 * @param {Duplex} socket
 * @param {number} status HTTP status code
 * @param {string} [message] the body
 * @param {Object} [headers] more headers
 */
function reject(server, req, socket, status, message, headers) {
  note(server, req, socket, status, message);
  abortHandshake(socket, status, message, headers);
}

function note(server, req, socket, status, message) {
  server._stats.refused += 1;
  publishRefused(server, req, socket, status, message || STATUS_CODES[status]);
}

/**
 * Leaves the answer to 'wsClientError' listeners, if there are any.
 *
 * @param {WebSocketServer} server
 * @param {http.IncomingMessage} req
 * @param {Duplex} socket
 * @param {Object} refusal a row of the addon's table
 */
function refuse(server, req, socket, refusal) {
  note(server, req, socket, refusal.status, refusal.message);
  if (server.listenerCount('wsClientError') > 0) {
    const err = new Error(refusal.message);

    Error.captureStackTrace(err, refuse);
    server.emit('wsClientError', err, socket, req);
  } else {
    abortHandshake(
      socket,
      refusal.status,
      refusal.message,
      refusal.namesVersions ? { 'Sec-WebSocket-Version': '13, 8' } : undefined,
    );
  }
}

/**
 * Takes a step of a handshake in native code. Where that is out of descriptors
 * or memory this client is refused, and no other.
 *
 * @param {WebSocketServer} server
 * @param {http.IncomingMessage} req
 * @param {Duplex} socket
 * @param {Function} step
 * @return {*} what it returns; undefined if the client was refused
 * @throws {Error} any other error
 */
function attempt(server, req, socket, step) {
  try {
    return step();
  } catch (err) {
    if (!err.code) throw err;
    reject(server, req, socket, 503);
    return undefined;
  }
}

module.exports = { attempt, ignoreError, refuse, reject };
