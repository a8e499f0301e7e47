'use strict';

// A TCP client that knows how to speak HTTP and WebSocket frames but decides
// nothing by itself: what a test writes is what is on the wire, and the FIN
// of the server is not answered before the test says so.

const assert = require('node:assert');
const net = require('node:net');
const tls = require('node:tls');

const { isTls } = require('./http-server');
const { PRE_SHARED } = require('./tls');
const { bytesNeeded, decodeFrame, encodeFrame } = require('./frame');

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';

const DEFAULT_HEADERS = {
  Host: 'localhost',
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Key': KEY,
  'Sec-WebSocket-Version': '13',
};

/**
 * Builds the bytes of an upgrade request.
 *
 * @param {object} [options]
 * @param {string} [options.method]
 * @param {string} [options.path]
 * @param {Object<string, string|string[]|undefined>} [options.headers] what
 *   replaces the default headers or comes after them; undefined removes one,
 *   an array makes a line for each element
 * @returns {Buffer}
 */
function upgradeRequest({ method = 'GET', path = '/', headers = {} } = {}) {
  const lines = [`${method} ${path} HTTP/1.1`];
  const all = Object.entries({ ...DEFAULT_HEADERS, ...headers });
  for (const [name, value] of all) {
    if (value === undefined) continue;
    for (const line of [].concat(value)) lines.push(`${name}: ${line}`);
  }
  return Buffer.from(lines.join('\r\n') + '\r\n\r\n', 'latin1');
}

function connected(socket, event) {
  return new Promise((resolve, reject) => {
    socket.once(event, resolve);
    socket.once('error', reject);
  });
}

/**
 * Connects a socket that allows half-open.
 *
 * @param {number|string} target a port of 127.0.0.1 or a path
 * @param {boolean} usesTls
 * @returns {Promise<{socket: net.Socket, plain: net.Socket}>} `plain` is what
 *   carries it, which is the same without TLS
 */
async function openSocket(target, usesTls) {
  const where =
    typeof target === 'number'
      ? { host: '127.0.0.1', port: target }
      : { path: target };
  const plain = net.connect({ ...where, allowHalfOpen: true });
  await connected(plain, 'connect');
  plain.setNoDelay(true);
  return { socket: usesTls ? await secure(plain) : plain, plain };
}

/**
 * Speaks TLS on a connected socket.
 *
 * @param {net.Socket} plain
 * @returns {Promise<tls.TLSSocket>}
 */
async function secure(plain) {
  const socket = tls.connect({
    socket: plain,
    allowHalfOpen: true,
    ...PRE_SHARED.client,
  });
  await connected(socket, 'secureConnect');
  return socket;
}

const openClients = new Set();

class RawClient {
  #pieces = [];
  #unread = Buffer.alloc(0);
  #unreadLength = 0;
  #waiting = new Set();
  #ended = false;
  #closed = false;

  /**
   * @param {net.Socket} socket a connected socket that allows half-open
   * @param {net.Socket} [plain] what carries it, if it is one of TLS
   */
  constructor(socket, plain = socket) {
    this.socket = socket;
    this.plain = plain;
    /** The response head of the handshake, set by `handshake()`. */
    this.response = undefined;
    /** The error that ended the connection, where there was one. */
    this.error = undefined;
    socket.on('data', (bytes) => {
      this.#pieces.push(bytes);
      this.#unreadLength += bytes.length;
      this.#wake();
    });
    socket.on('end', () => {
      this.#ended = true;
      this.#wake();
    });
    socket.on('error', (error) => {
      this.error = error;
    });
    socket.on('close', () => {
      openClients.delete(this);
      this.#closed = true;
      this.#wake();
    });
    openClients.add(this);
  }

  /**
   * Connects and sends nothing.
   *
   * @param {number|string} target a port of 127.0.0.1 or a path
   * @param {boolean} [usesTls] by default, as the transport of this run says
   * @returns {Promise<RawClient>}
   */
  static async connect(target, usesTls = isTls) {
    const { socket, plain } = await openSocket(target, usesTls);
    return new RawClient(socket, plain);
  }

  /**
   * Connects and completes the handshake.
   *
   * @param {number|string} target a port of 127.0.0.1 or a path
   * @param {object} [options] as for `upgradeRequest()`, and these:
   * @param {Buffer} [options.head] bytes that go out in the same packet
   * @param {boolean} [options.isTls] as for `connect()`
   * @returns {Promise<RawClient>}
   */
  static async open(target, { isTls: usesTls, ...options } = {}) {
    const client = await RawClient.connect(target, usesTls);
    await client.handshake(options);
    return client;
  }

  /** All bytes that were received and not yet read, as one buffer. */
  get unread() {
    if (this.#pieces.length > 0) {
      this.#unread = Buffer.concat([this.#unread, ...this.#pieces]);
      this.#pieces.length = 0;
    }
    return this.#unread;
  }

  /** @param {Buffer|string} bytes a buffer, or bytes in hex */
  write(bytes) {
    this.socket.write(
      typeof bytes === 'string'
        ? Buffer.from(bytes.replace(/\s/g, ''), 'hex')
        : bytes,
    );
  }

  /** @param {object} frame as for `encodeFrame()` */
  send(frame) {
    this.write(encodeFrame(frame));
  }

  /**
   * Writes every byte alone, each one turn of the event loop after the one
   * before it, so that a server in this process reads it alone. Stops where
   * the server has closed the connection.
   *
   * @param {Buffer} bytes
   */
  async writeByteByByte(bytes) {
    for (const byte of bytes) {
      if (this.#closed) return;
      await new Promise((resolve) => {
        this.socket.write(Buffer.from([byte]), () => setImmediate(resolve));
      });
    }
  }

  /** Sends an upgrade request and expects 101. */
  async handshake({ head, ...options } = {}) {
    const request = upgradeRequest(options);
    this.write(head ? Buffer.concat([request, head]) : request);
    this.response = await this.responseHead();
    assert.match(this.response, /^HTTP\/1\.1 101 /);
  }

  /**
   * Reads the head of an HTTP response.
   *
   * @returns {Promise<string>} with the empty line at its end
   */
  responseHead() {
    return this.#until('a response head', () => {
      const end = this.unread.indexOf('\r\n\r\n');
      return end < 0 ? undefined : this.#take(end + 4).toString('latin1');
    });
  }

  /**
   * Reads one frame.
   *
   * @returns {Promise<{fin: boolean, rsv: number, opcode: number,
   *   masked: boolean, lengthBits: number, payload: Buffer}>}
   */
  frame() {
    let needed = 2;
    return this.#until('a frame', () => {
      if (this.#unreadLength < needed) return undefined;
      needed = bytesNeeded(this.unread);
      if (this.#unreadLength < needed) return undefined;
      return decodeFrame(this.#take(needed));
    });
  }

  /**
   * Reads as many bytes as `hex` has and asserts that they are equal.
   *
   * @param {string} hex white space is ignored
   */
  async expect(hex) {
    const expected = hex.replace(/\s/g, '');
    const bytes = await this.bytes(expected.length / 2);
    assert.strictEqual(bytes.toString('hex'), expected);
  }

  /**
   * Reads exactly `count` bytes.
   *
   * @param {number} count
   * @returns {Promise<Buffer>}
   */
  bytes(count) {
    return this.#until(`${count} bytes`, () =>
      this.#unreadLength < count ? undefined : this.#take(count),
    );
  }

  /**
   * Waits for the FIN of the server and returns the bytes before it that
   * were not read yet.
   *
   * @returns {Promise<Buffer>}
   */
  ended() {
    return this.#until('FIN', () =>
      this.#ended ? this.#take(this.#unreadLength) : undefined,
    );
  }

  /**
   * Waits until the connection is gone, for whatever reason.
   *
   * @returns {Promise<Buffer>} the bytes that were not read yet
   */
  closed() {
    return this.#until(
      'the end',
      () => (this.#closed ? this.#take(this.#unreadLength) : undefined),
      () => this.#closed,
    );
  }

  /** Keeps nothing of what is received from now on. */
  discard() {
    this.socket.removeAllListeners('data');
    this.socket.resume();
  }

  /** Sends FIN. */
  end() {
    this.socket.end();
  }

  /** Sends RST. */
  reset() {
    this.plain.resetAndDestroy();
  }

  #take(count) {
    const taken = this.unread.subarray(0, count);
    this.#unread = this.#unread.subarray(count);
    this.#unreadLength -= count;
    return taken;
  }

  #until(what, attempt, isOver = () => this.#ended || this.#closed) {
    return new Promise((resolve, reject) => {
      const waiter = () => {
        const value = attempt();
        if (value === undefined && !isOver()) return;
        this.#waiting.delete(waiter);
        if (value !== undefined) {
          resolve(value);
          return;
        }
        const rest = this.unread.toString('hex') || 'nothing';
        const end = this.error ? this.error.code : 'the end';
        reject(new Error(`Waited for ${what}, received ${rest}, then ${end}`));
      };
      this.#waiting.add(waiter);
      waiter();
    });
  }

  #wake() {
    for (const waiter of this.#waiting) waiter();
  }
}

/** Destroys every client that is still connected. */
function destroyClients() {
  for (const client of openClients) client.socket.destroy();
}

module.exports = {
  ACCEPT,
  KEY,
  RawClient,
  destroyClients,
  openSocket,
  secure,
  upgradeRequest,
};
