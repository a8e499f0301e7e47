'use strict';

// The same connection over three kinds of sockets. A test gets a client that
// is a `RawClient`, and the WebSocket at the server's end.

const { EventEmitter } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const net = require('node:net');
const path = require('node:path');
const tls = require('node:tls');

const { once } = require('../../helpers/events');
const { WebSocketServer } = require('../../helpers/implementation');
const { RawClient, upgradeRequest } = require('../../helpers/raw-client');
const { duplexPair } = require('./duplex-pair');

const TCP = 'TCP';
const TLS = 'TLS';
const DUPLEX = 'a Duplex';

/** The kinds of sockets. */
const KINDS = [TCP, TLS, DUPLEX];

/** Those that come from a server that listens. */
const NETWORK_KINDS = [TCP, TLS];

const LOCAL_PORT = { host: '127.0.0.1', port: 0 };
const EMPTY = Buffer.alloc(0);

// A key that both ends know saves a certificate.
const PRE_SHARED = {
  ciphers: 'PSK-AES128-GCM-SHA256',
  maxVersion: 'TLSv1.2',
};
const PRE_SHARED_KEY = Buffer.alloc(16, 1);

/** A self-signed certificate, for what needs the peer to have one. */
function certificate() {
  const read = (name) => fs.readFileSync(path.join(__dirname, name));
  return { cert: read('certificate.pem'), key: read('key.pem') };
}

const running = new Set();
const clients = new Set();

class Client extends RawClient {
  #reset;

  /**
   * @param {Duplex} socket
   * @param {() => void} reset ends the connection as a peer that is gone
   */
  constructor(socket, reset) {
    super(socket);
    this.#reset = reset;
    clients.add(this);
    socket.on('close', () => clients.delete(this));
  }

  reset() {
    this.#reset();
  }
}

/** What an HTTP server makes of the bytes of `upgradeRequest()`. */
function parseRequest(options, socket) {
  const [line, ...lines] = upgradeRequest(options)
    .toString('latin1')
    .trimEnd()
    .split('\r\n');
  const [method, url] = line.split(' ');
  const headers = {};
  for (const header of lines) {
    const [, name, value] = /^([^:]*): *(.*)$/.exec(header);
    const key = name.toLowerCase();
    headers[key] = key in headers ? `${headers[key]}, ${value}` : value;
  }
  return { method, url, headers, socket };
}

class Server {
  #sockets = new Set();
  #webSockets = new Set();

  constructor(kind, options = {}) {
    const {
      mode = 'noServer',
      onUpgrade = upgrade,
      onRequest,
      onConnection,
      Class = WebSocketServer,
      httpOptions,
      tlsOptions,
      duplexOptions,
      ...wssOptions
    } = options;

    this.kind = kind;
    this.tlsOptions = tlsOptions;
    this.httpOptions = httpOptions;
    this.duplexOptions = duplexOptions;
    this.http = this.#createHttpServer(kind, mode);
    if (mode === 'port') {
      this.wss = new Class({ ...LOCAL_PORT, ...wssOptions });
    } else if (mode === 'server') {
      this.wss = new Class({ server: this.http, ...wssOptions });
    } else {
      this.wss = new Class({ noServer: true, ...wssOptions });
    }
    if (onRequest) {
      this.http.on('request', (req, res) => onRequest(req, res, this.wss));
    } else if (mode === 'noServer') {
      this.http.on('upgrade', (req, socket, head) =>
        onUpgrade(req, socket, head, this.wss),
      );
    }
    this.wss.on('connection', (ws) => {
      this.#webSockets.add(ws);
      ws.on('close', () => this.#webSockets.delete(ws));
    });
    if (onConnection) this.wss.on('connection', onConnection);
    running.add(this);
  }

  #createHttpServer(kind, mode) {
    if (mode === 'port') return null;
    if (kind === DUPLEX) return new EventEmitter();
    const server =
      kind === TCP
        ? http.createServer(this.httpOptions || {})
        : https.createServer({
            ...(this.tlsOptions || {
              ...PRE_SHARED,
              pskCallback: () => PRE_SHARED_KEY,
            }),
            ...this.httpOptions,
          });
    server.on(kind === TCP ? 'connection' : 'secureConnection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    return server;
  }

  async listen() {
    if (this.kind === DUPLEX) return;
    const emitter = this.http || this.wss;
    const listening = once(emitter, 'listening');
    if (this.http !== null) this.http.listen(LOCAL_PORT);
    await listening;
    this.port = emitter.address().port;
  }

  /** Connects a client over TCP or TLS that sends nothing. */
  async connect() {
    const socket = net.connect({
      host: '127.0.0.1',
      port: this.port,
      allowHalfOpen: true,
    });
    socket.setNoDelay(true);
    await once(socket, 'connect');
    const reset = () => socket.resetAndDestroy();
    if (this.kind === TCP) return new Client(socket, reset);

    const secure = tls.connect({
      ...(this.tlsOptions
        ? { ...this.tlsOptions, rejectUnauthorized: false }
        : {
            ...PRE_SHARED,
            pskCallback: () => ({ psk: PRE_SHARED_KEY, identity: 'foo' }),
          }),
      socket,
      allowHalfOpen: true,
      checkServerIdentity: () => undefined,
    });
    socket.on('error', () => {});
    await once(secure, 'secureConnect');
    return new Client(secure, reset);
  }

  /**
   * Connects a client that sends a request.
   *
   * @param {object} [options] as for `upgradeRequest()`, and `head`
   * @param {Buffer} [options.head] bytes that come in the same packet
   * @returns {Promise<Client>}
   */
  async request({ head, ...options } = {}) {
    if (this.kind !== DUPLEX) {
      const client = await this.connect();
      const bytes = upgradeRequest(options);
      client.write(head ? Buffer.concat([bytes, head]) : bytes);
      return client;
    }
    const [near, far] = duplexPair(this.duplexOptions);
    // As after an upgrade of an HTTP server, nobody listens for errors.
    const client = new Client(near, () => far.destroy(new ConnectionReset()));
    this.#sockets.add(far);
    far.on('close', () => this.#sockets.delete(far));
    this.http.emit('upgrade', parseRequest(options, far), far, head || EMPTY);
    return client;
  }

  /**
   * Sends a request and returns all that is answered before the end.
   *
   * @param {object} [options] as for `request()`
   * @returns {Promise<string>}
   */
  async answer(options) {
    const client = await this.request(options);
    const bytes = await client.ended();
    return bytes.toString('latin1');
  }

  /**
   * Connects a client and completes the handshake.
   *
   * @param {object} [options] as for `request()`
   * @returns {Promise<{client: Client, ws: object, req: object}>}
   */
  async open(options) {
    const connection = once(this.wss, 'connection');
    const client = await this.request(options);
    const [ws, req] = await connection;
    client.response = await client.responseHead();
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
      else if (this.kind === DUPLEX) resolve();
      else this.http.close(resolve);
    });
    if (this.http !== null) this.wss.close();
    await closed;
  }
}

class ConnectionReset extends Error {
  constructor() {
    super('read ECONNRESET');
    this.code = 'ECONNRESET';
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
 * @param {string} kind one of `KINDS`
 * @param {object} [options] options of WebSocketServer, and these:
 * @param {'noServer'|'server'|'port'} [options.mode]
 * @param {(req, socket, head, wss) => void} [options.onUpgrade] replaces the
 *   'upgrade' listener of the mode noServer
 * @param {(req, res, wss) => void} [options.onRequest] a listener of 'request'
 *   instead of one of 'upgrade'
 * @param {(ws, req) => void} [options.onConnection] a listener of 'connection'
 * @param {Function} [options.Class] a subclass of WebSocketServer
 * @param {object} [options.httpOptions] of the HTTP server
 * @param {object} [options.tlsOptions] instead of the pre-shared key
 * @param {object} [options.duplexOptions] of the streams in memory
 * @returns {Promise<Server>}
 */
async function createServer(kind, options) {
  const server = new Server(kind, options);
  await server.listen();
  return server;
}

/**
 * Creates a server with one connection.
 *
 * @param {string} kind one of `KINDS`
 * @param {object} [options] as for `createServer()`
 * @returns {Promise<{server: Server, client: Client, ws: object,
 *   req: object}>}
 */
async function createConnection(kind, options) {
  const server = await createServer(kind, options);
  return { server, ...(await server.open()) };
}

/** Closes all servers and destroys all clients. */
async function closeAll() {
  for (const client of clients) client.socket.destroy();
  await Promise.all([...running].map((server) => server.close()));
}

/**
 * Defines the same tests for several kinds of sockets.
 *
 * @param {string[]} kinds
 * @param {(kind: string) => void} define calls `it()`
 */
function forEachKind(kinds, define) {
  for (const kind of kinds) {
    describe(`over ${kind}`, () => {
      afterEach(closeAll);
      define(kind);
    });
  }
}

module.exports = {
  DUPLEX,
  KINDS,
  NETWORK_KINDS,
  TCP,
  TLS,
  certificate,
  closeAll,
  createConnection,
  createServer,
  forEachKind,
};
