'use strict';

const native = require('./native');
const { kWebSocket } = require('./constants');

/** Getters of net.Socket that need the descriptor. */
const ADDRESS_PROPERTIES = [
  'remoteAddress',
  'remotePort',
  'remoteFamily',
  'localAddress',
  'localPort',
  'localFamily',
];

/**
 * What the HTTP server listens to on a socket whose parser it still owns, that
 * is inside of a request handler. The names are the same on Node.js 16 to 26.
 */
const HTTP_LISTENERS = {
  close: 'bound socketOnClose',
  data: 'bound socketOnData',
  drain: 'bound socketOnDrain',
  end: 'bound socketOnEnd',
  error: 'socketOnError',
  pause: 'onSocketPause',
  resume: 'onSocketResume',
  timeout: 'socketOnTimeout',
};

/**
 * Why the descriptor of a socket cannot be taken over; '' if it can.
 *
 * @param {Duplex} socket
 * @return {string}
 */
function obstacle(socket) {
  const handle = socket._handle;

  if (socket.encrypted) return 'it is encrypted (TLS)';
  if (!handle || typeof handle.readStop !== 'function') {
    return 'it is not a net.Socket';
  }
  if (!(handle.fd >= 0)) return 'it has no file descriptor';
  return '';
}

/**
 * Throws if the descriptor of a socket can never be taken over: that is a
 * mistake of the application, not of the peer.
 *
 * @param {Duplex} socket
 * @throws {Error} with the code WSU_ERR_UNSUPPORTED_SOCKET
 */
function assertIsSupported(socket) {
  const reason = socket.destroyed ? '' : obstacle(socket);

  if (reason === '') return;
  const err = new Error(
    `ws-upgrade cannot take this connection over since ${reason}: ` +
      'only plain TCP and Unix sockets are supported yet. ' +
      'End TLS in front of this server, or use ws for this one',
  );

  err.code = 'WSU_ERR_UNSUPPORTED_SOCKET';
  throw err;
}

/**
 * Whether the response to an earlier, pipelined request is still to be sent.
 *
 * @param {http.IncomingMessage} req
 * @param {net.Socket} socket
 * @return {boolean}
 */
function hasEarlierResponse(req, socket) {
  const response = socket._httpMessage;

  return Boolean(response && response.req !== req) || socket.writableLength > 0;
}

/**
 * Parts the HTTP parser from the socket inside of a request handler, so that
 * neither its timeouts nor the end of the socket are reported to the request.
 * The parser may be running: it is freed later.
 *
 * @param {http.IncomingMessage} req
 * @param {net.Socket} socket
 */
function detachParser(req, socket) {
  const { parser } = socket;

  for (const event of Object.keys(HTTP_LISTENERS)) {
    for (const listener of socket.listeners(event)) {
      if (listener.name === HTTP_LISTENERS[event]) {
        socket.removeListener(event, listener);
      }
    }
  }
  // The timer of `requestTimeout` on Node.js 16.
  for (const listener of req.listeners('end')) {
    if (listener.name === 'clearRequestTimeout') listener.call(req);
  }
  if (parser._consumed) parser.unconsume();
  parser._consumed = false;
  takeOffList(parser);
  parser.socket = NO_SOCKET;
  socket.parser = null;
  setImmediate(closeParser, parser);
}

/** For a server that looks at its connections before the parser is freed. */
const NO_SOCKET = Object.freeze({ _httpMessage: null, destroy() {} });

/** Off the list whose members are checked for timeouts (Node.js 18). */
function takeOffList(parser) {
  if (typeof parser.remove === 'function') parser.remove();
}

/** A parser that was running has put itself on the list again by now. */
function closeParser(parser) {
  takeOffList(parser);
  parser.close();
}

/**
 * All bytes that came before the descriptor is ours, in order.
 *
 * @param {net.Socket} socket
 * @param {Buffer} head
 * @return {Buffer}
 */
function readEarly(socket, head) {
  const chunks = [head];
  let chunk;

  while ((chunk = socket.read()) !== null) chunks.push(chunk);
  return chunks.length === 1 ? head : Buffer.concat(chunks);
}

/** A response that is written after the upgrade must not reach the peer. */
function discard(chunk, encoding, callback) {
  callback();
}

function discardAll(chunks, callback) {
  callback();
}

/** The application has ended the socket: so ends the WebSocket. */
function endWebSocket(callback) {
  callback();
  this[kWebSocket].terminate();
}

/**
 * Leaves the socket without its handle. To everybody who holds it, it is open
 * until it is destroyed, which is when the WebSocket ends: the HTTP server
 * counts it until then, and its 'close' listeners run then.
 *
 * @param {net.Socket} socket
 */
function hollow(socket) {
  const handle = socket._handle;

  for (const name of ADDRESS_PROPERTIES) {
    // An application may have given it the address behind a proxy.
    if (Object.prototype.hasOwnProperty.call(socket, name)) continue;
    Object.defineProperty(socket, name, {
      configurable: true,
      value: socket[name],
      writable: true,
    });
  }
  socket._write = discard;
  socket._writev = discardAll;
  socket._final = endWebSocket;
  socket._handle = null;
  handle.close();
}

/**
 * Takes a connection over: natively from the 101 response on.
 *
 * @param {http.IncomingMessage} req
 * @param {net.Socket} socket
 * @param {Buffer} head what came behind the request
 * @param {Buffer} response
 * @param {Object} options of the WebSocketServer
 * @return {number} the handle of the native connection
 * @throws {Error} libuv's error, for example EMFILE; the socket is unchanged
 */
function takeOver(req, socket, head, response, options) {
  const handle = socket._handle;

  socket.setTimeout(0);
  // The order loses nothing: no more reading, what was read, the kernel's.
  handle.readStop();
  const early = readEarly(socket, head);
  const connection = native.adopt(
    handle.fd,
    early,
    response,
    options.maxPayload,
    options.maxFragments,
    options.maxPendingAutoPongs,
    options.closeTimeout,
    (options.autoPong ? native.constants.AUTO_PONG : 0) |
      (options.skipUTF8Validation ? native.constants.SKIP_UTF8_VALIDATION : 0),
  );

  if (socket.parser) detachParser(req, socket);
  hollow(socket);
  return connection;
}

module.exports = { assertIsSupported, hasEarlierResponse, takeOver };
