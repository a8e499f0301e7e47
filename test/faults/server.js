'use strict';

// The server whose calls fail, in a process of its own. It tells over IPC its
// ports, when much waits to be sent, and of each connection, when it is closed,
// what it was to the application. It answers each message with what is left of
// ended connections.

const { Blob } = require('node:buffer');
const { createHash } = require('node:crypto');
const http = require('node:http');
const https = require('node:https');

const { WebSocketServer } = require('../helpers/implementation');
const { PRE_SHARED } = require('../helpers/tls');
const { BACKLOG_MAX, BLOB, CHUNK, DEFLATE_THRESHOLD } = require('./constants');

const OPTIONS = {
  noServer: true,
  perMessageDeflate: { threshold: DEFLATE_THRESHOLD },
  heartbeat: { interval: 60000, timeout: 60000 },
  idleTimeout: 600000,
  handleProtocols: (protocols) => [...protocols].pop(),
};

/** Callbacks of send() and ping() that were not called yet. */
let pending = 0;

/** The server of the connection that has asked for its end. */
let ending = null;

function digest(data) {
  return createHash('sha1').update(data).digest('hex');
}

function describe(err) {
  return [err.name, err.code];
}

/** What the application does with one connection. */
class Application {
  constructor(ws, name, server) {
    this.ws = ws;
    this.server = server;
    this.report = { name, messages: [], errors: [], thrown: [], closes: [] };
    ws.on('message', (data, isBinary) => this.onMessage(data, isBinary));
    ws.on('pong', (data) => this.send(`pong ${data}`));
    ws.on('error', (err) => this.report.errors.push(describe(err)));
    ws.on('close', (code, reason) => {
      this.report.closes.push([code, reason.toString()]);
      if (this.report.closes.length === 1) setImmediate(() => this.tell());
      else this.tell();
    });
  }

  tell() {
    process.send({ kind: 'end', report: this.report });
  }

  onMessage(data, isBinary) {
    this.report.messages.push(digest(data));
    const text = isBinary ? '' : data.toString();
    if (text.startsWith('!')) this[text.slice(1)]();
    else this.send(data, { binary: isBinary, compress: !isBinary });
  }

  /** Calls a method that takes a callback, which is owed from then on. */
  call(method, ...args) {
    pending++;
    try {
      return this.ws[method](...args, () => pending--);
    } catch (err) {
      pending--;
      this.report.thrown.push(describe(err));
      return false;
    }
  }

  send(data, options = {}) {
    return this.call('send', data, options);
  }

  ping() {
    this.call('ping', 'from the server', false);
  }

  blob() {
    this.send(new Blob([BLOB]));
    this.send('behind the Blob');
  }

  backlog() {
    let count = 0;
    let isTaken;
    do {
      isTaken = this.send(CHUNK, { compress: false });
      count++;
    } while (isTaken && count < BACKLOG_MAX);
    if (isTaken) {
      this.send(`drained ${count}`);
      return;
    }
    this.ws.once('drain', () => this.send(`drained ${count}`));
    process.send({ kind: 'blocked' });
  }

  /** The client gets pings. */
  beat() {
    this.ws.heartbeat({ interval: 1, timeout: 60000 });
  }

  /** The client is to be found dead. */
  starve() {
    this.ws.heartbeat({ interval: 1, timeout: 1 });
  }

  close() {
    this.ws.close(4000, 'as it was asked for');
  }

  terminate() {
    this.send('before the end', { compress: false });
    this.ws.terminate();
  }

  shutdown() {
    ending = this.server;
    this.server.shutdown({ code: 1001, reason: 'going' }).then(() => {
      ending = null;
    });
  }
}

function accept(wss, req, socket, head) {
  wss.handleUpgrade(req, socket, head, (ws) => {
    new Application(ws, req.url.slice(1), wss);
  });
}

/** One of its own for each connection that ends it. */
function acceptToShutdown(options, req, socket, head) {
  let wss;
  try {
    wss = new WebSocketServer({ ...OPTIONS, ...options });
  } catch (err) {
    if (err.code !== 'ENOMEM') throw err;
    socket.end('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n');
    return;
  }
  accept(wss, req, socket, head);
}

function serve(server, options) {
  const wss = new WebSocketServer({ ...OPTIONS, ...options });
  server.on('upgrade', (req, socket, head) => {
    if (req.url.endsWith('-shutdown')) {
      acceptToShutdown(options, req, socket, head);
    } else {
      accept(wss, req, socket, head);
    }
  });
  server.on('error', (err) => process.send({ kind: 'error', code: err.code }));
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      resolve({ wss, port: server.address().port });
    });
  });
}

async function main() {
  const servers = {
    tcp: await serve(http.createServer(), {}),
    stream: await serve(http.createServer(), { transport: 'stream' }),
    tls: await serve(https.createServer(PRE_SHARED.server), {}),
  };
  const all = Object.values(servers).map(({ wss }) => wss);
  const countLeft = () => ({
    pending,
    isEnding: ending !== null,
    clients: all.map((wss) => wss.clients.size),
    connections: all.map((wss) => wss.stats().connections.open),
    handles: process
      ._getActiveHandles()
      .map((each) => each.constructor.name)
      .sort(),
  });
  process.on('disconnect', () => process.exit());
  process.on('message', ({ collects }) => {
    // What belongs to a server that has ended is freed with its objects.
    if (collects) global.gc();
    setImmediate(() => process.send({ kind: 'rest', left: countLeft() }));
  });
  const ports = Object.fromEntries(
    Object.entries(servers).map(([name, { port }]) => [name, port]),
  );
  process.send({ kind: 'ports', ports });
}

main();
