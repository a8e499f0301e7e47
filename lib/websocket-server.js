'use strict';

const EventEmitter = require('events');
const http = require('http');
const { inspect } = require('util');

const WebSocket = require('./websocket');
const Admission = require('./admission');
const backpressure = require('./backpressure');
const Shutdown = require('./shutdown');
const native = require('./native');
const { publishConnection } = require('./diagnostics');
const {
  addHeaders,
  attempt,
  ignoreError,
  readRequest,
  refuse,
  reject,
  selectProtocol,
  verify,
} = require('./handshake');
const { EXTENSION, readDeflateOptions, useDeflate } = require('./deflate');
const { Heartbeat } = require('./heartbeat');
const { DEFAULTS, nativeOptions } = require('./options');
const {
  assertIsDetachable,
  hasDescriptor,
  hasEarlierRequest,
  hasUnsentBytes,
  part,
  takeDescriptor,
} = require('./takeover');
const { Stats } = require('./stats');
const { readStream } = require('./stream');
const { kWebSocket } = require('./constants');
const {
  kAdmission,
  kBeginClosing,
  kDeflateOptions,
  kEnd,
  kForget,
  kHandle,
  kHeartbeat,
  kIsClosed,
  kListeners,
  kOpen,
  kOpenStream,
  kOwnServer,
  kServer,
  kShutdown,
  kStats,
  kThreshold,
  kVerifying,
} = require('./symbols');

const RUNNING = 0;
const CLOSING = 1;
const CLOSED = 2;

const DEFAULT_OPTIONS = {
  ...DEFAULTS,
  allowedOrigins: null,
  backlog: null,
  clientTracking: true,
  handleProtocols: null,
  heartbeat: false,
  host: null,
  idleTimeout: 0,
  maxConnections: 0,
  maxLifetime: 0,
  maxUpgradesPerSecond: 0,
  noServer: false,
  path: null,
  perMessageDeflate: false,
  port: null,
  server: null,
  transport: 'auto',
  verifyClient: null,
  WebSocket,
};

const TRANSPORTS = ['auto', 'stream'];

function emitClose(server) {
  server._state = CLOSED;
  server.emit('close');
}

/** The requests that have become WebSockets. */
const upgraded = new WeakSet();

/**
 * Whether a socket has become a WebSocket by another request: a client may send
 * two on one connection, and to a request handler Node.js gives both.
 *
 * @param {http.IncomingMessage} req
 * @param {Duplex} socket
 * @return {boolean}
 * @throws {Error} if it has become one by this request: of two servers that
 *     listen to the same 'upgrade' event, for example
 */
function isTaken(req, socket) {
  if (!socket[kWebSocket]) return false;
  if (!upgraded.has(req)) return true;
  throw new Error(
    'server.handleUpgrade() was called more than once with the same socket, ' +
      'possibly due to a misconfiguration',
  );
}

/**
 * @param {*} socket
 * @throws {TypeError}
 */
function assertIsSocket(socket) {
  if (socket !== null && typeof socket === 'object') return;
  throw new TypeError(
    'server.handleUpgrade() takes the request, its socket, the first bytes ' +
      `behind the request, and a callback; the socket is ${inspect(socket)}`,
  );
}

/**
 * @param {*} Class
 * @throws {TypeError}
 */
function assertIsWebSocketClass(Class) {
  if (Class === WebSocket || Class?.prototype instanceof WebSocket) return;
  throw new TypeError(
    'The "WebSocket" option must be a class that extends the WebSocket of ' +
      `ws-upgrade, not ${inspect(Class)}`,
  );
}

/** Answers plain HTTP requests in port mode. */
function onRequest(req, res) {
  const body = http.STATUS_CODES[426];

  res.writeHead(426, {
    'Content-Length': body.length,
    'Content-Type': 'text/plain',
  });
  res.end(body);
}

function openStream(ws, req, socket, response, options) {
  ws[kOpenStream](socket, options);
  socket.write(response);
  part(req, socket);
}

function openDescriptor(ws, req, socket, head, response, options) {
  socket.setTimeout(0);
  const handle = takeDescriptor(
    req,
    socket,
    head,
    response,
    nativeOptions(options, true),
  );

  ws[kOpen](handle, socket, options);
}

/** Listens to an HTTP server. */
function attach(server, httpServer) {
  const listeners = {
    error: server.emit.bind(server, 'error'),
    listening: server.emit.bind(server, 'listening'),
    upgrade: (req, socket, head) => {
      server.handleUpgrade(req, socket, head, (ws) => {
        server.emit('connection', ws, req);
      });
    },
  };

  server._server = httpServer;
  server[kListeners] = listeners;
  for (const event of Object.keys(listeners)) {
    httpServer.on(event, listeners[event]);
  }
}

function detach(server) {
  const listeners = server[kListeners];

  for (const event of Object.keys(listeners)) {
    server._server.removeListener(event, listeners[event]);
  }
  server[kListeners] = {};
  server._server = null;
}

/**
 * A WebSocket server on an HTTP server.
 *
 * @extends EventEmitter
 */
class WebSocketServer extends EventEmitter {
  /**
   * Exactly one of `port`, `server` and `noServer` has to be given.
   *
   * @param {Object} options
   * @param {(string[]|Function)} [options.allowedOrigins] the sites whose pages
   *     may connect, or (origin, req), true if they may; 403 for others
   * @param {boolean} [options.allowSynchronousEvents=true] several events may
   *     be emitted in one turn of the loop
   * @param {boolean} [options.autoPong=true] answer pings with pongs
   * @param {number} [options.backlog=511] of the listening socket
   * @param {boolean} [options.clientTracking=true] keep `clients`
   * @param {number} [options.closeTimeout=30000] ms that a closing handshake
   *     may take
   * @param {Function} [options.handleProtocols] selects a subprotocol
   * @param {(boolean|Object)} [options.heartbeat=false] pings to silent
   *     clients; those that do not answer are terminated
   * @param {number} [options.heartbeat.interval=30000] ms of silence until a
   *     ping
   * @param {number} [options.heartbeat.timeout=10000] ms from there to the end
   * @param {number} [options.highWaterMark=65536] bytes waiting to be sent
   *     above which send() returns false
   * @param {boolean} [options.holdUntilListening=false] messages of a
   *     connection, and what comes behind them, wait for the first 'message'
   *     listener
   * @param {string} [options.host] to listen on
   * @param {number} [options.idleTimeout=0] ms without a message of the client,
   *     after which it is closed with 1001; 0: any
   * @param {number} [options.maxBackpressure=67108864] bytes that may wait to
   *     be sent; 0: any
   * @param {number} [options.maxBufferedChunks=262144] pieces that a frame may
   *     come in; 0: any
   * @param {number} [options.maxConnections=0] open ones; 503 for more; 0: any
   * @param {number} [options.maxFragments=16384] frames of a message; 0: any
   * @param {number} [options.maxLifetime=0] ms after which a client is closed
   *     with 1001; 0: any
   * @param {number} [options.maxPayload=104857600] bytes of a message; 0: any
   * @param {number} [options.maxPendingAutoPongs=60] pongs that the peer has
   *     not read; one more ends the connection; 0: any
   * @param {number} [options.maxUpgradesPerSecond=0] handshakes in a second,
   *     and at a time; 503 for more; 0: any
   * @param {boolean} [options.noServer=false] handleUpgrade() is called
   * @param {(boolean|Object)} [options.perMessageDeflate=false] compression
   *     (RFC 7692); see index.d.ts
   * @param {string} [options.onBackpressure='terminate'] what becomes of the
   *     connection when a message is dropped since too much waits: 'terminate',
   *     'close' (with 1013), or 'drop': nothing
   * @param {string} [options.path] the only path to accept
   * @param {number} [options.port] to listen on
   * @param {http.Server} [options.server] to attach to
   * @param {boolean} [options.skipUTF8Validation=false]
   * @param {string} [options.transport='auto'] 'auto' takes the descriptor of
   *     the socket where that is safe, 'stream' goes through the socket always
   * @param {Function} [options.verifyClient] accepts or refuses a request
   * @param {Function} [options.WebSocket] a subclass of WebSocket
   * @param {Function} [callback] a 'listening' listener, in port mode
   * @throws {TypeError} if none or more than one of the three is given
   */
  constructor(options, callback) {
    super();
    options = { ...DEFAULT_OPTIONS, ...options };
    if (options.transport == null) options.transport = 'auto';
    if (!TRANSPORTS.includes(options.transport)) {
      throw new TypeError(
        `The "transport" option must be one of ${TRANSPORTS.join(', ')}`,
      );
    }
    if (options.holdUntilListening == null) options.holdUntilListening = false;
    if (typeof options.holdUntilListening !== 'boolean') {
      throw new TypeError('The "holdUntilListening" option must be a boolean');
    }
    options.WebSocket ??= WebSocket;
    assertIsWebSocketClass(options.WebSocket);
    options.maxPayload |= 0;
    backpressure.checkOptions(options);

    const modes = [options.port != null, options.server, options.noServer];

    if (modes.filter(Boolean).length !== 1) {
      throw new TypeError(
        'One and only one of the "port", "server", or "noServer" options ' +
          'must be specified',
      );
    }
    if (options.clientTracking) {
      this.clients = new Set();
      this._shouldEmitClose = false;
    }
    this.options = options;
    this[kDeflateOptions] = readDeflateOptions(options.perMessageDeflate);
    this[kHeartbeat] = new Heartbeat(options);
    this[kAdmission] = new Admission(this, options);
    this._state = RUNNING;
    this[kStats] = new Stats();
    this[kShutdown] = null;
    /** Requests by socket that an asynchronous verifyClient looks at. */
    this[kVerifying] = new Map();
    this._server = null;
    this[kOwnServer] = null;
    this[kListeners] = {};
    if (options.port != null) {
      const server = http.createServer(onRequest);

      server.listen(options.port, options.host, options.backlog, callback);
      this[kOwnServer] = server;
      attach(this, server);
    } else if (options.server) {
      attach(this, options.server);
    }
  }

  /**
   * The address of the HTTP server.
   *
   * @return {(Object|string|null)} null once it is closed
   * @throws {Error} with `noServer`
   */
  address() {
    if (this.options.noServer) {
      throw new Error('The server is operating in "noServer" mode');
    }
    return this._server ? this._server.address() : null;
  }

  /**
   * Accepts no more connections. Those that are open stay; 'close' comes when
   * the last one has ended, if they are tracked.
   *
   * @param {Function} [callback] a 'close' listener, which gets an error if
   *     the server was closed already
   */
  close(callback) {
    if (this._state === CLOSED) {
      if (callback) {
        this.once('close', () =>
          callback(new Error('The server is not running')),
        );
      }
      process.nextTick(emitClose, this);
      return;
    }
    if (callback) this.once('close', callback);
    if (this[kBeginClosing]()) this[kEnd]();
  }

  /**
   * Ends the server and its connections: handshakes are refused with 503 from
   * now on, each client gets a close frame behind what was sent to it before,
   * and is terminated if it has not closed in time. 'close' comes when all have
   * ended, and the HTTP server of the option `port` as well.
   *
   * @param {Object} [options]
   * @param {number} [options.code=1001] see `WebSocket.close()`
   * @param {(string|Uint8Array)} [options.reason] at most 123 bytes of UTF-8
   * @param {number} [options.timeout=5000] ms that clients have to close
   * @return {Promise<Object>} how many clients have `closed` with a closing
   *     handshake, and how many were `terminated` or lost without one; the same
   *     promise for each call. Rejected with a TypeError or a RangeError for
   *     options that are none: nothing has changed then
   */
  shutdown(options) {
    if (this[kShutdown] === null) {
      try {
        this[kShutdown] = new Shutdown(this, options);
      } catch (err) {
        return Promise.reject(err);
      }
      this[kShutdown].begin();
    }
    return this[kShutdown].promise;
  }

  /**
   * What has happened since the server was made, counted by native code.
   *
   * @return {Object} see `ServerStats` in index.d.ts
   */
  stats() {
    return this[kStats].read(this);
  }

  /**
   * Whether a request is for this server.
   *
   * @param {http.IncomingMessage} req
   * @return {boolean}
   */
  shouldHandle(req) {
    if (!this.options.path) return true;
    const query = req.url.indexOf('?');
    const pathname = query === -1 ? req.url : req.url.slice(0, query);

    return pathname === this.options.path;
  }

  /**
   * Handles an HTTP upgrade request: in an 'upgrade' listener, or in a request
   * handler of a server that has no such listener.
   *
   * @param {http.IncomingMessage} req
   * @param {net.Socket} socket
   * @param {Buffer} head the first bytes behind the request
   * @param {Function} callback (ws, req), called before this returns unless
   *     `verifyClient` is asynchronous
   * @throws {Error} if the socket can't be taken over, or was already
   */
  handleUpgrade(req, socket, head, callback) {
    assertIsSocket(socket);
    // One that another server on the same HTTP server has taken by its path.
    if (upgraded.has(req) && !this.shouldHandle(req)) return;
    if (isTaken(req, socket)) {
      refuse(this, req, socket, native.refusals.PIPELINED);
      return;
    }
    // Node.js has removed its own, and a reset may come at any time.
    socket.on('error', ignoreError);
    if (this[kShutdown] !== null) {
      reject(this, req, socket, 503);
      return;
    }
    if (!this[kAdmission].admit(req, socket)) return;
    const request = attempt(this, req, socket, () =>
      readRequest(req, this[kDeflateOptions]),
    );

    if (request === undefined) return;
    const { refusal, protocols, extensions } = request;

    if (refusal) {
      refuse(this, req, socket, refusal);
      return;
    }
    // Behind the checks: what a peer sends must never end in an exception.
    assertIsDetachable(socket);
    if (!this.shouldHandle(req)) {
      reject(this, req, socket, 400);
      return;
    }
    if (protocols === null) {
      refuse(this, req, socket, native.refusals.PROTOCOL);
      return;
    }
    if (extensions === undefined) {
      refuse(this, req, socket, native.refusals.EXTENSIONS);
      return;
    }
    verify(this, req, socket, () => {
      this.completeUpgrade(
        extensions,
        req.headers['sec-websocket-key'],
        protocols,
        req,
        socket,
        head,
        callback,
      );
    });
  }

  /**
   * Takes the connection over, after all checks.
   *
   * @param {Object} extensions accepted ones by name
   * @param {string} key of the request
   * @param {Set<string>} protocols that the client offers
   * @param {http.IncomingMessage} req
   * @param {net.Socket} socket
   * @param {Buffer} head
   * @param {Function} callback (ws, req)
   * @throws {Error} if the socket was taken over already
   */
  completeUpgrade(extensions, key, protocols, req, socket, head, callback) {
    // The client may be gone after an asynchronous verifyClient.
    if (!socket.readable || !socket.writable) {
      socket.destroy();
      return;
    }
    if (isTaken(req, socket)) {
      refuse(this, req, socket, native.refusals.PIPELINED);
      return;
    }
    if (this._state > RUNNING) {
      reject(this, req, socket, 503);
      return;
    }
    if (hasEarlierRequest(req, socket)) {
      refuse(this, req, socket, native.refusals.PIPELINED);
      return;
    }
    const protocol = selectProtocol(protocols, req, this.options);
    const deflate = extensions[EXTENSION];
    const text = attempt(this, req, socket, () =>
      native.response(
        key,
        `${protocol}`,
        deflate && `Sec-WebSocket-Extensions: ${deflate.answer}\r\n`,
      ),
    );

    if (text === undefined) return;
    const response = addHeaders(this, text, req);
    const ws = new this.options.WebSocket(null, undefined, this.options);
    const usesStream =
      this.options.transport === 'stream' ||
      !hasDescriptor(socket) ||
      hasUnsentBytes(req, socket);
    const isOpen = attempt(this, req, socket, () => {
      if (usesStream) openStream(ws, req, socket, response, this.options);
      else openDescriptor(ws, req, socket, head, response, this.options);
      return true;
    });

    if (isOpen === undefined) return;
    upgraded.add(req);
    if (deflate !== undefined) {
      if (!useDeflate(ws[kHandle], deflate)) ws.terminate();
      ws._extensions = EXTENSION;
      ws[kThreshold] = deflate.options.threshold;
    }
    ws._protocol = protocol;
    ws[kServer] = this;
    this[kStats].join(ws);
    this[kHeartbeat].watch(ws);
    if (usesStream) readStream(socket, head);
    if (this.clients) this.clients.add(ws);
    ws.emit('open');
    publishConnection(this, ws, req);
    callback(ws, req);
  }

  get [kIsClosed]() {
    return this._state === CLOSED;
  }

  /** @return {boolean} false if the server is closing or closed already */
  [kBeginClosing]() {
    if (this._state !== RUNNING) return false;
    this._state = CLOSING;
    return true;
  }

  /** Leaves the HTTP server; 'close' comes behind the last connection. */
  [kEnd]() {
    detach(this);
    if (this[kOwnServer] !== null)
      this[kOwnServer].close(() => emitClose(this));
    else if (this.clients && this.clients.size > 0)
      this._shouldEmitClose = true;
    else process.nextTick(emitClose, this);
  }

  /** A WebSocket has ended. */
  [kForget](ws) {
    if (this.clients) {
      this.clients.delete(ws);
      if (this._shouldEmitClose && this.clients.size === 0) {
        process.nextTick(emitClose, this);
      }
    }
    if (this[kShutdown] !== null) this[kShutdown].forget(ws);
  }
}

module.exports = WebSocketServer;
