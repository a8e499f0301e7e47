'use strict';

// A TCP proxy that does to a connection what networks do: it cuts it, stalls,
// and forwards bytes in pieces. Clients connect to it without TLS; it speaks
// TLS to the server where the transport of this run is that, so that positions
// count the bytes of HTTP and WebSocket on each transport.

const net = require('node:net');

const { RawClient, openSocket } = require('./raw-client');
const { once } = require('./events');

const running = new Set();

/** One direction of a link. Reads no more than what it can forward. */
class Direction {
  #source;
  #target;
  #bytes = null;
  #isStalled = false;
  #isBusy = false;
  #hasEnded = false;
  #isOver = false;
  #limit = Infinity;
  #onLimit = null;
  #pieceLength = null;

  /**
   * @param {net.Socket} source
   * @param {net.Socket} target
   */
  constructor(source, target) {
    this.#source = source;
    this.#target = target;
    /** How many bytes were forwarded. */
    this.forwarded = 0;
    source.on('data', (bytes) => {
      if (this.#isOver) return;
      source.pause();
      this.#bytes = bytes;
      if (!this.#isStalled) this.#forward();
    });
    // This comes while the source is paused, too.
    source.on('end', () => {
      this.#hasEnded = true;
      if (!this.#isBusy) this.#goOn();
    });
  }

  /** Forwards nothing until `resume()`; the source is not read meanwhile. */
  stall() {
    this.#isStalled = true;
    this.#source.pause();
  }

  /** Goes on. */
  resume() {
    this.#isStalled = false;
    if (!this.#isBusy) this.#goOn();
  }

  /**
   * Forwards pieces, each one turn of the loop after the one before it.
   *
   * @param {() => number} pieceLength the length of the next one
   */
  split(pieceLength) {
    this.#pieceLength = pieceLength;
  }

  /**
   * @param {number} count of bytes, behind which nothing is forwarded
   * @param {() => void} callback called when the target has been given them
   */
  stopAfter(count, callback) {
    this.#limit = count;
    this.#onLimit = callback;
    if (count === this.forwarded) callback();
  }

  /** Forwards nothing more, and tells the target so. */
  end() {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#target.end();
    this.#source.resume();
  }

  #forward() {
    const size = Math.min(
      this.#bytes.length,
      this.#limit - this.forwarded,
      this.#pieceLength === null ? Infinity : this.#pieceLength(),
    );
    if (size === 0) return;
    const piece = this.#bytes.subarray(0, size);
    const rest = this.#bytes.subarray(size);
    this.#bytes = rest.length === 0 ? null : rest;
    this.#isBusy = true;
    this.forwarded += size;
    this.#target.write(piece, (err) => {
      this.#isBusy = false;
      if (err) return;
      if (this.forwarded === this.#limit) this.#onLimit();
      else if (this.#pieceLength === null) this.#goOn();
      else setImmediate(() => this.#goOn());
    });
  }

  #goOn() {
    if (this.#isStalled || this.#isOver) return;
    if (this.#bytes !== null) this.#forward();
    else if (this.#hasEnded) this.end();
    else this.#source.resume();
  }
}

/** A connection of a client that is forwarded to the server. */
class Link {
  #ends;

  /**
   * @param {net.Socket} near the end towards the client
   * @param {{socket: net.Socket, plain: net.Socket}} far towards the server
   */
  constructor(near, far) {
    this.#ends = [near, far.plain];
    /** What the client sends. */
    this.up = new Direction(near, far.socket);
    /** What the server sends. */
    this.down = new Direction(far.socket, near);
    /** Resolved when both ends are gone. */
    this.closed = Promise.all(this.#ends.map((end) => once(end, 'close')));
    for (const socket of [near, far.plain, far.socket]) {
      socket.on('error', () => this.reset());
    }
  }

  /** Ends both connections with FIN. What comes from now on is lost. */
  end() {
    this.up.end();
    this.down.end();
  }

  /** Ends both connections with RST. */
  reset() {
    for (const end of this.#ends) end.resetAndDestroy();
  }

  /** Forwards nothing in either direction: a peer that has vanished. */
  stall() {
    this.up.stall();
    this.down.stall();
  }

  /** Goes on in both directions. */
  resume() {
    this.up.resume();
    this.down.resume();
  }

  /**
   * Cuts the connection behind a byte.
   *
   * @param {'up'|'down'} direction whose bytes count
   * @param {number} count of the bytes that are forwarded before it
   * @param {'end'|'reset'} method
   */
  cutAfter(direction, count, method) {
    this[direction].stopAfter(count, () => {
      this.stall();
      this[method]();
    });
  }
}

class Proxy {
  #target;
  #isTls;
  #links = new Set();
  /** By the port of the client: who waits for it. */
  #expected = new Map();
  /** By the port of the client: it was accepted before it was asked for. */
  #accepted = new Map();

  constructor(target, isTls) {
    this.#target = target;
    this.#isTls = isTls;
    this.server = net.createServer({ allowHalfOpen: true }, (near) => {
      const resolve = this.#expected.get(near.remotePort);
      near.setNoDelay(true);
      this.#expected.delete(near.remotePort);
      if (resolve) resolve(near);
      else this.#accepted.set(near.remotePort, near);
    });
  }

  /** Waits until the proxy listens. */
  async listen() {
    const listening = once(this.server, 'listening');
    this.server.listen({ host: '127.0.0.1', port: 0 });
    await listening;
    running.add(this);
  }

  /**
   * Connects by way of the proxy.
   *
   * @returns {Promise<{socket: net.Socket, link: Link}>}
   */
  async dial() {
    const { port } = this.server.address();
    const { socket } = await openSocket(port, false);
    const near = await this.#accept(socket.localPort);
    const far = await openSocket(this.#target, this.#isTls);
    const link = new Link(near, far);
    this.#links.add(link);
    link.closed.then(() => this.#links.delete(link));
    return { socket, link };
  }

  /**
   * Connects a client that sends nothing by way of the proxy.
   *
   * @returns {Promise<{client: RawClient, link: Link}>}
   */
  async connect() {
    const { socket, link } = await this.dial();
    return { client: new RawClient(socket), link };
  }

  /** Resets what is still connected and waits until nothing is. */
  async close() {
    running.delete(this);
    for (const link of this.#links) link.reset();
    await new Promise((resolve) => this.server.close(resolve));
  }

  #accept(port) {
    const near = this.#accepted.get(port);
    this.#accepted.delete(port);
    if (near) return near;
    return new Promise((resolve) => this.#expected.set(port, resolve));
  }
}

/**
 * Puts a proxy before a server.
 *
 * @param {TestServer} server
 * @param {boolean} isTls whether the proxy speaks TLS to the server; if not,
 *   the client has to, where the server does
 * @returns {Promise<Proxy>}
 */
async function createProxy(server, isTls) {
  const proxy = new Proxy(server.target, isTls);
  await proxy.listen();
  return proxy;
}

/** Closes all proxies. */
async function closeProxies() {
  await Promise.all([...running].map((proxy) => proxy.close()));
}

module.exports = { closeProxies, createProxy };
