'use strict';

const { STATUS_CODES } = require('http');

const { kWebSocket } = require('./constants');
const { publishRefused } = require('./diagnostics');
const { kStats } = require('./symbols');

/** Keeps a reset during the handshake from ending the process. */
function ignoreError() {}

/**
 * The response to an earlier request of the client that is not complete yet.
 *
 * @param {http.IncomingMessage} req
 * @param {Duplex} socket
 * @return {(http.ServerResponse|null)}
 */
function earlierResponse(req, { _httpMessage: response }) {
  return response && response.req !== req && !response.writableEnded
    ? response
    : null;
}

/**
 * Answers a request that is no handshake, or not a welcome one, and ends the
 * connection. The answer goes behind those to earlier requests, and not into a
 * WebSocket that one of them has become.
 *
 * @param {http.IncomingMessage} req
 * @param {Duplex} socket
 * @param {number} status HTTP status code
 * @param {string} [message] the body, the status text by default
 * @param {Object} [headers] more headers
 */
function abortHandshake(req, socket, status, message, headers) {
  if (socket[kWebSocket]) return;
  const earlier = earlierResponse(req, socket);

  if (earlier !== null) {
    earlier.once('finish', () => {
      abortHandshake(req, socket, status, message, headers);
    });
    return;
  }
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
  abortHandshake(req, socket, status, message, headers);
}

function note(server, req, socket, status, message) {
  server[kStats].refused += 1;
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
  if (socket[kWebSocket]) return;
  if (server.listenerCount('wsClientError') > 0) {
    const err = new Error(refusal.message);

    Error.captureStackTrace(err, refuse);
    server.emit('wsClientError', err, socket, req);
  } else {
    abortHandshake(
      req,
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
