'use strict';

// Connections in every state that one can be in, over each transport, clients
// included, in one thread: what has to stand any end of that thread.

const { Blob } = require('node:buffer');
const { randomBytes } = require('node:crypto');

const { NO_TAKEOVER, deflate, offering } = require('../helpers/deflate');
const { once } = require('../helpers/events');
const { closePayload, encodeFrame } = require('../helpers/frame');
const { createHttpServer } = require('../helpers/http-server');
const { RawClient, upgradeRequest } = require('../helpers/raw-client');
const { until } = require('./scenarios');

const LARGE = 4 * 1024 * 1024;

/** So large that a thread compresses it, or inflates what it was made of. */
const FOR_A_THREAD = 32 * 1024;
const INFLATED_BY_A_THREAD = 512 * 1024;

/** Options of the WebSocketServer, and whether the HTTP server speaks TLS. */
const TRANSPORTS = {
  tcp: { options: {}, isTls: false },
  stream: { options: { transport: 'stream' }, isTls: false },
  tls: { options: {}, isTls: true },
};

/** WebSocketServers by the path of their requests. */
const SERVERS = {
  '/': { perMessageDeflate: true },
  '/hold': { holdUntilListening: true },
  '/shutdown': {},
  '/waiting': {
    verifyClient: ({ req }, callback) => {
      req.client.server.emit('waiting', callback);
    },
  },
};

const MESSAGE = '818100000000 61';

class EndlessBlob extends Blob {
  arrayBuffer() {
    return new Promise(() => {});
  }
}

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
    client.write(MESSAGE);
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

  async 'has a heartbeat that waits for an answer'({ client, ws }) {
    ws.heartbeat({ interval: 1, timeout: 60000 });
    await client.frame();
  },

  async 'is being closed by the server'({ client, ws }) {
    ws.close(1001, 'foo');
    await client.expect('880503e9666f6f');
  },

  async 'is being closed by the client'({ client }) {
    client.send({ opcode: 'close', payload: closePayload(1000) });
    await client.expect('880203e8');
  },

  async 'has failed'({ client, ws }) {
    ws.on('error', () => {});
    client.write('8380');
    await client.expect('880203ea');
  },

  'is sending a Blob, and a message behind it': ({ ws }) => {
    ws.send(new EndlessBlob(['foo']));
    ws.send('bar', () => {});
  },

  'is read by way of a stream': ({ client, ws, world }) => {
    const stream = world.package.createWebSocketStream(ws);
    stream.on('error', () => {});
    stream.write('foo');
    client.write(MESSAGE);
  },

  async 'is closed'({ client, ws }) {
    const close = once(ws, 'close');
    client.reset();
    await close;
  },
};

/** The same for those that need a server or a handshake of their own. */
const SPECIAL_STATES = {
  'is paused on bytes that came with its handshake': [
    { path: '/paused', head: Buffer.from(MESSAGE.replace(' ', ''), 'hex') },
    () => {},
  ],

  'is held, with messages behind the first one': [
    { path: '/hold' },
    async ({ client, wss }) => {
      client.write(MESSAGE.repeat(3));
      await until(() => wss.stats().messages.received === 1);
    },
  ],

  'is in a shutdown': [
    { path: '/shutdown' },
    async ({ client, wss }) => {
      wss.shutdown({ timeout: 60000 });
      await client.expect('880203e9');
    },
  ],
};

/** The same for those that keep threads busy, which come last. */
const BUSY_STATES = {
  'is compressing on a thread all the time': [
    offering('permessage-deflate'),
    async ({ client, ws }) => {
      const payload = randomBytes(FOR_A_THREAD);
      const send = (err) => err || ws.send(payload, send);
      send();
      await client.frame();
      client.discard();
    },
  ],

  'is inflating on a thread all the time': [
    offering(NO_TAKEOVER),
    async ({ client, ws }) => {
      const frame = encodeFrame({
        opcode: 'binary',
        rsv: 4,
        payload: deflate(Buffer.alloc(INFLATED_BY_A_THREAD)),
      });
      const message = once(ws, 'message');
      ws.on('message', () => client.write(frame));
      client.write(frame);
      await message;
    },
  ],
};

/** Those in which one is right after a call, in the same turn. */
const TRANSIENT_STATES = {
  'has sent': (ws) => ws.send('foo', () => {}),
  'has sent much': (ws) => ws.send(Buffer.alloc(LARGE), () => {}),
  'has closed': (ws) => ws.close(),
  'has terminated': (ws) => ws.terminate(),
  'has lost its socket': (ws, req) => req.socket.destroy(),
};

/** An HTTP server with WebSocketServers, over one transport. */
class Site {
  /**
   * @param {World} world
   * @param {string} transport a name of `TRANSPORTS`
   */
  constructor(world, transport) {
    this.world = world;
    this.transport = transport;
    this.servers = {};
    this.http = createHttpServer({}, TRANSPORTS[transport].isTls);
    this.http.on('upgrade', (req, socket, head) => {
      const wss = this.servers[req.url];
      wss.handleUpgrade(req, socket, head, (ws) => {
        wss.emit('connection', ws, req);
      });
    });
    for (const [path, options] of Object.entries(SERVERS)) {
      this.serve(path, options);
    }
    this.serve('/paused', {}).on('connection', (ws) => ws.pause());
  }

  async listen() {
    this.http.listen(0, '127.0.0.1');
    await once(this.http, 'listening');
    this.port = this.http.address().port;
  }

  /** Adds a WebSocketServer. */
  serve(path, options) {
    const wss = new this.world.package.WebSocketServer({
      noServer: true,
      ...TRANSPORTS[this.transport].options,
      ...options,
    });
    this.servers[path] = wss;
    return wss;
  }

  /** A client that has sent nothing yet. */
  async connect() {
    const { isTls } = TRANSPORTS[this.transport];
    const client = await RawClient.connect(this.port, isTls);
    this.world.clients.push(client);
    return client;
  }

  /** @param {object} [options] as for `RawClient.open()` */
  async open({ path = '/', ...options } = {}) {
    const wss = this.servers[path];
    const connection = once(wss, 'connection');
    const client = await this.connect();
    await client.handshake({ path, ...options });
    const [ws, req] = await connection;
    return { client, ws, req, wss, world: this.world };
  }

  /** Opens a connection in each state. */
  async openAll() {
    for (const bring of Object.values(STATES)) await bring(await this.open());
    for (const bytes of [Buffer.alloc(0), upgradeRequest().subarray(0, 20)]) {
      (await this.connect()).write(bytes);
    }
    const waiting = once(this.http, 'waiting');
    (await this.connect()).write(upgradeRequest({ path: '/waiting' }));
    await waiting;
    for (const bring of Object.values(TRANSIENT_STATES)) {
      const { ws, req } = await this.open();
      this.world.transient.push(() => bring(ws, req));
    }
    await this.openSpecial(SPECIAL_STATES);
  }

  async openSpecial(states) {
    for (const [options, bring] of Object.values(states)) {
      await bring(await this.open(options));
    }
  }

  close() {
    for (const wss of Object.values(this.servers)) {
      for (const ws of wss.clients || []) ws.terminate();
      wss.close();
    }
    this.http.close();
  }
}

/** Servers with connections, as the ends of `endings.js` get them. */
class World {
  /**
   * @param {object} module the package
   * @param {string[]} [transports] names of `TRANSPORTS`
   */
  constructor(module, transports = Object.keys(TRANSPORTS)) {
    this.package = module;
    this.clients = [];
    this.transient = [];
    this.sites = transports.map((transport) => new Site(this, transport));
  }

  async listen() {
    for (const site of this.sites) await site.listen();
  }

  async openAll() {
    for (const site of this.sites) await site.openAll();
    for (const site of this.sites) await site.openSpecial(BUSY_STATES);
  }

  /** All WebSockets of all servers. */
  get webSockets() {
    return this.sites.flatMap(({ servers }) =>
      Object.values(servers).flatMap((wss) => [...wss.clients]),
    );
  }

  /** Brings connections into the states that last no longer than a turn. */
  act() {
    for (const bring of this.transient.splice(0)) bring();
  }

  /** Ends all servers; the clients are gone before they can answer. */
  async shutdown() {
    const servers = this.sites.flatMap((site) => Object.values(site.servers));
    const ends = servers.map((wss) => wss.shutdown({ timeout: 1 }));
    for (const client of this.clients) client.socket.destroy();
    await Promise.all(ends);
  }

  /** Ends everything that keeps the thread running. */
  close() {
    for (const site of this.sites) site.close();
    for (const client of this.clients) client.socket.destroy();
  }
}

module.exports = { TRANSPORTS, World };
