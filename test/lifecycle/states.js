'use strict';

// Connections in every state that one can be in, clients included, in one
// thread: what has to stand any end of that thread.

const http = require('node:http');

const { once } = require('../helpers/events');
const { encodeFrame } = require('../helpers/frame');
const { RawClient, upgradeRequest } = require('../helpers/raw-client');

const LARGE = 4 * 1024 * 1024;

/** Each brings a new connection into a state, which is its name. */
const STATES = {
  'is open': () => {},

  'has a part of a header': ({ client }) => client.write('81'),

  'has a part of a message': ({ client }) =>
    client.write('018100000000 61 008500000000 62'),

  async 'has a part of a large message'({ client, ws }) {
    const frame = encodeFrame({
      opcode: 'binary',
      payload: Buffer.alloc(LARGE),
    });
    client.write(frame.subarray(0, LARGE / 2));
    ws.isAlive = false;
    await until(() => ws.isAlive);
  },

  'is paused': ({ client, ws }) => {
    ws.pause();
    client.write('818100000000 61');
  },

  'has a client that does not read': ({ client, ws }) => {
    client.socket.pause();
    for (let i = 0; i < 4; i++) ws.send(Buffer.alloc(LARGE), () => {});
  },

  'has a client that does not read and has sent FIN': ({ client, ws }) => {
    client.socket.pause();
    client.end();
    ws.send(Buffer.alloc(LARGE), () => {});
  },

  async 'is being closed by the server'({ client, ws }) {
    ws.close(1001, 'foo');
    await client.expect('880503e9666f6f');
  },

  async 'is being closed by the client'({ client }) {
    client.write('88820000000003e8');
    await client.expect('880203e8');
  },

  async 'has failed'({ client, ws }) {
    ws.on('error', () => {});
    client.write('8380');
    await client.expect('880203ea');
  },

  'is sending a Blob': ({ ws }) => {
    if (typeof Blob !== 'undefined') ws.send(new Blob(['foo']));
  },

  async 'is closed'({ client, ws }) {
    const close = once(ws, 'close');
    client.reset();
    await close;
  },
};

/** Those in which one is right after a call, in the same turn. */
const TRANSIENT_STATES = {
  'has sent': (ws) => ws.send('foo', () => {}),
  'has sent much': (ws) => ws.send(Buffer.alloc(LARGE), () => {}),
  'has closed': (ws) => ws.close(),
  'has terminated': (ws) => ws.terminate(),
  'has lost its socket': (ws, req) => req.socket.destroy(),
};

async function until(condition) {
  while (!condition()) await new Promise(setImmediate);
}

/** A server with connections, as the ends of `endings.js` get it. */
class World {
  /** @param {string} packageRoot where the package is loaded from */
  constructor(packageRoot) {
    const { WebSocketServer } = require(packageRoot);
    this.server = http.createServer();
    this.wss = new WebSocketServer({
      noServer: true,
      verifyClient: ({ req }, callback) => {
        if (req.url !== '/waiting') callback(true);
        else this.server.emit('waiting');
      },
    });
    /** WebSockets of which no test has made use. */
    this.spare = [];
    this.clients = [];
  }

  async listen() {
    const handle = (req, socket, head) => {
      this.wss.handleUpgrade(req, socket, head, (ws) => {
        this.wss.emit('connection', ws, req);
      });
    };
    this.server.on('upgrade', handle);
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = this.server.address().port;
  }

  async open() {
    const connection = once(this.wss, 'connection');
    const client = await RawClient.open(this.port);
    const [ws, req] = await connection;
    this.clients.push(client);
    return { client, ws, req };
  }

  /** Opens a connection in each state. */
  async openAll() {
    for (const bring of Object.values(STATES)) await bring(await this.open());
    for (const bytes of [Buffer.alloc(0), upgradeRequest().subarray(0, 20)]) {
      const client = await RawClient.connect(this.port);
      client.write(bytes);
      this.clients.push(client);
    }
    const waiting = once(this.server, 'waiting');
    const client = await RawClient.connect(this.port);
    client.write(upgradeRequest({ path: '/waiting' }));
    await waiting;
    this.clients.push(client);
    this.transient = [];
    for (const bring of Object.values(TRANSIENT_STATES)) {
      const { ws, req } = await this.open();
      this.transient.push(() => bring(ws, req));
    }
  }

  /** Brings connections into the states that last no longer than a turn. */
  act() {
    for (const bring of this.transient.splice(0)) bring();
  }

  /** Ends everything that keeps the thread running. */
  close() {
    for (const ws of this.wss.clients) ws.terminate();
    for (const client of this.clients) client.socket.destroy();
    this.wss.close();
    this.server.close();
  }
}

module.exports = { World };
