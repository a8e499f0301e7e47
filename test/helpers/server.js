'use strict';

// Servers for the suites. Whatever was created here is closed by
// `closeServers()`, which a suite calls after each test.

const { WebSocketServer } = require('./implementation');
const { createHttpServer, isTls, transportOptions } = require('./http-server');
const { RawClient, destroyClients } = require('./raw-client');
const { once } = require('./events');

/** The ways to run a WebSocketServer. */
const MODES = ['noServer', 'server', 'port'];

const LOCAL_PORT = { host: '127.0.0.1', port: 0 };

const running = new Set();

class TestServer {
  #sockets = new Set();
  #webSockets = new Set();

  /**
   * @param {object} [options] options of WebSocketServer, and these:
   * @param {'noServer'|'server'|'port'} [options.mode]
   * @param {(req, socket, head, wss) => void} [options.onUpgrade] replaces
   *   the 'upgrade' listener of the mode noServer
   * @param {(ws, req) => void} [options.onConnection] a listener of
   *   'connection'
   * @param {object} [options.httpOptions] options of `http.createServer()`
   * @param {string} [options.socketPath] where to listen instead of on a port
   */
  constructor(options = {}) {
    const {
      mode = 'noServer',
      onUpgrade = upgrade,
      onConnection,
      httpOptions = {},
      socketPath,
      ...others
    } = options;
    const wssOptions = { ...transportOptions, ...others };

    this.socketPath = socketPath;
    if (mode === 'port') {
      this.http = null;
      this.wss = new WebSocketServer({
        ...LOCAL_PORT,
        ...wssOptions,
      });
    } else {
      this.http = createHttpServer(httpOptions);
      this.http.on(isTls ? 'secureConnection' : 'connection', (socket) => {
        this.#sockets.add(socket);
        socket.on('close', () => this.#sockets.delete(socket));
      });
      if (mode === 'server') {
        this.wss = new WebSocketServer({ server: this.http, ...wssOptions });
      } else {
        this.wss = new WebSocketServer({ noServer: true, ...wssOptions });
        this.http.on('upgrade', (req, socket, head) =>
          onUpgrade(req, socket, head, this.wss),
        );
      }
    }
    this.wss.on('connection', (ws) => {
      this.#webSockets.add(ws);
      ws.on('close', () => this.#webSockets.delete(ws));
    });
    if (onConnection) this.wss.on('connection', onConnection);
    /** A server that makes its own HTTP server has none of TLS. */
    this.isTls = isTls && this.http !== null;
    running.add(this);
  }

  /** Waits until the server listens, on a free port of 127.0.0.1 or a path. */
  async listen() {
    const emitter = this.http || this.wss;
    const listening = once(emitter, 'listening');
    if (this.http !== null) this.http.listen(this.socketPath || LOCAL_PORT);
    await listening;
    /** What clients connect to: a port or a path. */
    this.target = this.socketPath || emitter.address().port;
  }

  /** Connects a client that sends nothing. */
  connect() {
    return RawClient.connect(this.target, this.isTls);
  }

  /**
   * Connects a client and completes the handshake.
   *
   * @param {object} [options] as for `RawClient.open()`
   * @returns {Promise<{client: RawClient, ws: object, req: object}>} `ws` is
   *   the server's end
   */
  async open(options) {
    const connection = once(this.wss, 'connection');
    const client = await RawClient.open(this.target, {
      isTls: this.isTls,
      ...options,
    });
    const [ws, req] = await connection;
    return { client, ws, req };
  }

  /** Terminates all connections and waits until nothing listens any more. */
  async close() {
    running.delete(this);
    for (const ws of [...this.#webSockets, ...(this.wss.clients || [])]) {
      ws.terminate();
    }
    for (const socket of this.#sockets) socket.destroy();
    const closed = new Promise((resolve) => {
      if (this.http === null) this.wss.close(resolve);
      else this.http.close(resolve);
    });
    if (this.http !== null) this.wss.close();
    await closed;
  }
}

function upgrade(req, socket, head, wss) {
  wss.handleUpgrade(req, socket, head, (ws) => {
    wss.emit('connection', ws, req);
  });
}

/**
 * Creates a server and waits until it listens.
 *
 * @param {object} [options] as for `TestServer`
 * @returns {Promise<TestServer>}
 */
async function createServer(options) {
  const server = new TestServer(options);
  await server.listen();
  return server;
}

/**
 * Creates a server with one connection.
 *
 * @param {object} [options] as for `TestServer`
 * @returns {Promise<{server: TestServer, client: RawClient, ws: object,
 *   req: object}>}
 */
async function createConnection(options) {
  const server = await createServer(options);
  return { server, ...(await server.open()) };
}

/** Closes all servers and destroys all clients. */
async function closeServers() {
  destroyClients();
  await Promise.all([...running].map((server) => server.close()));
}

module.exports = { MODES, closeServers, createConnection, createServer };
