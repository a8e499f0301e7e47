'use strict';

const { STATUS_CODES } = require('http');

const native = require('./native');
const { kWebSocket } = require('./constants');
const { negotiate } = require('./deflate');
const { publishRefused } = require('./diagnostics');
const { kShutdown, kStats, kVerifying } = require('./symbols');
const { earlierResponse } = require('./takeover');

/** Keeps a reset during the handshake from ending the process. */
function ignoreError() {}

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

  if (earlier !== null && !earlier.writableEnded) {
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

/**
 * @param {(string|undefined)} header Sec-WebSocket-Protocol
 * @return {(Set<string>|null)} null if it is no list of different names
 */
function parseProtocols(header) {
  if (header === undefined) return new Set();
  const list = native.protocols(header);
  const protocols = new Set(list);

  return list && protocols.size === list.length ? protocols : null;
}

/**
 * What a request asks for.
 *
 * @param {http.IncomingMessage} req
 * @param {Object|null} deflateOptions see readDeflateOptions()
 * @return {Object} `refusal`, a row of the addon's table, if it is no
 *     handshake; otherwise `protocols`, null if they are no list of different
 *     names, and `extensions`, see negotiate()
 */
function readRequest({ method, headers }, deflateOptions) {
  const number = native.check(
    method,
    headers.upgrade,
    headers['sec-websocket-key'],
    // A number for `ws`, so that 13 and '013' are as good as '13'.
    String(Number(headers['sec-websocket-version'])),
    headers['content-length'],
    headers['transfer-encoding'],
  );
  const refusal = Object.values(native.refusals).find(
    (row) => row.number === number,
  );

  if (refusal) return { refusal };
  const header = headers['sec-websocket-extensions'];

  return {
    protocols: parseProtocols(headers['sec-websocket-protocol']),
    extensions:
      deflateOptions !== null && header !== undefined
        ? negotiate(header, deflateOptions)
        : {},
  };
}

/**
 * Has verifyClient, if there is one, decide about a handshake.
 *
 * @param {WebSocketServer} server
 * @param {http.IncomingMessage} req
 * @param {Duplex} socket
 * @param {Function} proceed called if the client is accepted
 */
function verify(server, req, socket, proceed) {
  const { verifyClient } = server.options;

  if (!verifyClient) {
    proceed();
    return;
  }
  const isDraft = Number(req.headers['sec-websocket-version']) === 8;
  const info = {
    origin: req.headers[isDraft ? 'sec-websocket-origin' : 'origin'],
    secure: Boolean(req.socket.authorized || req.socket.encrypted),
    req,
  };

  if (verifyClient.length !== 2) {
    if (server.options.verifyClient(info)) proceed();
    else reject(server, req, socket, 401);
    return;
  }
  const forget = () => server[kVerifying].delete(socket);

  server[kVerifying].set(socket, req);
  socket.once('close', forget);
  server.options.verifyClient(info, (isVerified, status, message, headers) => {
    socket.removeListener('close', forget);
    // A shutdown may have refused it by now.
    if (!forget() && server[kShutdown] !== null) return;
    if (isVerified) proceed();
    else reject(server, req, socket, status || 401, message, headers);
  });
}

/** The subprotocol, or what else an application returns, as in `ws`. */
function selectProtocol(protocols, req, options) {
  if (protocols.size === 0) return '';
  if (!options.handleProtocols) return protocols.values().next().value;
  return options.handleProtocols(protocols, req) || '';
}

/** The response, with what 'headers' listeners add to it. */
function addHeaders(server, response, req) {
  if (server.listenerCount('headers') === 0) return Buffer.from(response);
  const lines = response.slice(0, -4).split('\r\n');

  server.emit('headers', lines, req);
  return Buffer.from(lines.concat('\r\n').join('\r\n'));
}

module.exports = {
  addHeaders,
  attempt,
  ignoreError,
  readRequest,
  refuse,
  reject,
  selectProtocol,
  verify,
};
