'use strict';

const native = require('./native');
const NativeHandle = require('./native-handle');
const { kWebSocket } = require('./constants');
const { kHandle } = require('./symbols');

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

/** Those without which the parser cannot be parted from the socket. */
const REQUIRED_LISTENERS = ['close', 'data', 'end', 'error'];

/** The names of the handles that have a descriptor of their own. */
const DESCRIPTOR_HANDLES = ['TCP', 'Pipe'];

/**
 * Whether the descriptor of a socket is all that there is between us and the
 * peer: not with TLS, whose frames would be sent in clear text.
 *
 * @param {Duplex} socket
 * @return {boolean}
 */
function hasDescriptor(socket) {
  const handle = socket._handle;

  return (
    !socket.encrypted &&
    Boolean(handle) &&
    DESCRIPTOR_HANDLES.includes(handle.constructor.name) &&
    handle.fd >= 0 &&
    typeof handle.readStop === 'function'
  );
}

/**
 * Throws if the HTTP parser cannot be parted from a socket, in a request
 * handler of a version of Node.js that is not known yet: with the parser, the
 * HTTP server would write into the WebSocket later.
 *
 * @param {Duplex} socket
 * @throws {Error} with the code WSU_ERR_UNSUPPORTED_SOCKET
 */
function assertIsDetachable(socket) {
  if (!socket.parser) return;
  const isKnown = REQUIRED_LISTENERS.every((event) =>
    socket
      .listeners(event)
      .some((listener) => listener.name === HTTP_LISTENERS[event]),
  );

  if (isKnown && typeof socket.parser.close === 'function') return;
  const err = new Error(
    'ws-upgrade cannot take this connection over inside of a request ' +
      `handler on Node.js ${process.versions.node}: call handleUpgrade() in a ` +
      "listener of server.on('upgrade') instead",
  );

  err.code = 'WSU_ERR_UNSUPPORTED_SOCKET';
  throw err;
}

/**
 * The response to an earlier, pipelined request that the socket is for as yet.
 *
 * @param {http.IncomingMessage} req
 * @param {Duplex} socket
 * @return {(http.ServerResponse|null)}
 */
function earlierResponse(req, { _httpMessage: response }) {
  return response && response.req !== req ? response : null;
}

/**
 * Whether an earlier, pipelined request has no complete response yet, so that
 * a 101 would come before it.
 *
 * @param {http.IncomingMessage} req
 * @param {Duplex} socket
 * @return {boolean}
 */
function hasEarlierRequest(req, socket) {
  const response = earlierResponse(req, socket);

  if (response === null) return false;
  // Only the one that is assigned to the socket can be told to keep quiet.
  return Boolean(socket.parser) || !response.writableEnded;
}

/**
 * Whether bytes of an earlier response wait in the socket: frames may only go
 * behind them, by way of the same stream.
 *
 * @param {http.IncomingMessage} req
 * @param {Duplex} socket
 * @return {boolean}
 */
function hasUnsentBytes(req, socket) {
  return earlierResponse(req, socket) !== null || socket.writableLength > 0;
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

/** What a response that is written after the upgrade is given to. */
function discardRaw(data, encoding, callback) {
  if (typeof encoding === 'function') callback = encoding;
  if (typeof callback === 'function') process.nextTick(callback);
  return true;
}

/**
 * Keeps the response to the upgrade request, that a framework may still write,
 * from the peer, and from ending the connection.
 *
 * @param {http.ServerResponse} response
 */
function silence(response) {
  response._writeRaw = discardRaw;
  for (const listener of response.listeners('finish')) {
    if (listener.name === 'bound resOnFinish') {
      response.removeListener('finish', listener);
    }
  }
}

/**
 * Parts a socket from HTTP: from the parser and from the response that a
 * request handler has.
 *
 * @param {http.IncomingMessage} req
 * @param {Duplex} socket
 */
function part(req, socket) {
  if (socket.parser) detachParser(req, socket);
  if (socket._httpMessage && socket._httpMessage.req === req) {
    silence(socket._httpMessage);
  }
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

/** Bytes that are written to the socket go where frames go, in order. */
function write(chunk, encoding, callback) {
  native.sendRaw(this[kWebSocket][kHandle], chunk);
  callback();
}

/** The application has ended the socket: so ends the WebSocket. */
function endWebSocket(callback) {
  callback();
  this[kWebSocket].terminate();
}

/**
 * The idle timer of the socket: what the native connection receives and sends
 * does not pass through the socket, so it is asked first.
 */
function onTimeout() {
  if (this.destroyed || !(this.timeout > 0)) return;
  const idle = native.idle(this[kWebSocket][kHandle]);

  if (idle < 0) return;
  if (idle >= this.timeout) {
    this.emit('timeout');
    return;
  }
  setTimeout(callOnTimeout, this.timeout - idle, this).unref();
}

function callOnTimeout(socket) {
  socket._onTimeout();
}

/** What the socket does not know by itself any more. */
const NATIVE_PROPERTIES = {
  writableLength: {
    configurable: true,
    get() {
      return native.waiting(this[kWebSocket][kHandle]);
    },
  },
  writableNeedDrain: {
    configurable: true,
    get() {
      return this.writableLength > this.writableHighWaterMark;
    },
  },
};

/**
 * Leaves the socket with a handle that stands for the native connection. To
 * everybody who holds it, it is open until it is destroyed, which is when the
 * WebSocket ends: the HTTP server counts it until then, and its 'close'
 * listeners run then.
 *
 * @param {net.Socket} socket
 * @param {number} connection handle of the native connection
 */
function hollow(socket, connection) {
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
  Object.defineProperties(socket, NATIVE_PROPERTIES);
  socket._write = write;
  socket._writev = null;
  socket._final = endWebSocket;
  socket._onTimeout = onTimeout;
  // The kernel has no way to send a reset for what is somebody else's.
  socket.resetAndDestroy = socket.destroy;
  socket._handle = new NativeHandle(connection, handle);
  handle.close();
}

/**
 * Takes a connection over: natively from the 101 response on.
 *
 * @param {http.IncomingMessage} req
 * @param {net.Socket} socket
 * @param {Buffer} head what came behind the request
 * @param {Buffer} response
 * @param {number[]} options of the connection: see nativeOptions()
 * @return {number} the handle of the native connection
 * @throws {Error} libuv's error, for example EMFILE; the socket is unchanged
 */
function takeDescriptor(req, socket, head, response, options) {
  const handle = socket._handle;

  // The order loses nothing: no more reading, what was read, the kernel's.
  handle.readStop();
  const early = readEarly(socket, head);
  const connection = native.adopt(handle.fd, early, response, ...options);

  part(req, socket);
  hollow(socket, connection);
  return connection;
}

module.exports = {
  assertIsDetachable,
  earlierResponse,
  hasDescriptor,
  hasEarlierRequest,
  hasUnsentBytes,
  part,
  takeDescriptor,
};
