'use strict';

// What the garbage collector gets, and what it must not: `node --expose-gc
// collect.js NAME...`. Nothing that has ended may be held by the package, and
// an open WebSocket lives without anybody who holds it.

const assert = require('node:assert');
const { Blob } = require('node:buffer');
const path = require('node:path');

const wsUpgrade = require(path.resolve(__dirname, '..', '..'));

const { deflate, offering } = require('../helpers/deflate');
const { once } = require('../helpers/events');
const { encodeFrame } = require('../helpers/frame');
const { destroyClients, upgradeRequest } = require('../helpers/raw-client');
const { loadInContext } = require('./contexts');
const { runScenarios, until } = require('./scenarios');
const { World } = require('./states');

/** Connections of each kind over each transport, and of those with much data. */
const CONNECTIONS = 10;
const LARGE_CONNECTIONS = 4;

/** Objects of other kinds, one after the other. */
const OBJECTS = 100;

/** More than the kernel takes for a client that does not read. */
const LARGE = 8 * 1024 * 1024;

const MIB = 1024 * 1024;

/** What a thread inflates. */
const COMPRESSED = deflate(Buffer.alloc(MIB));

const MESSAGE = '818100000000 61';
const ECHO = '820161';

class EndlessBlob extends Blob {
  arrayBuffer() {
    return new Promise(() => {});
  }
}

async function assertCollected(references) {
  assert.notStrictEqual(references.length, 0);
  const kept = () => references.filter((ref) => ref.deref() !== undefined);
  await until(
    () => {
      global.gc();
      return kept().length === 0;
    },
    () => `${kept().length} of ${references.length} are still there`,
  );
}

/** Each ends a connection in its own way, with what it needs for that. */
const ENDS = {
  'close() of the server': {
    async end({ client, ws }) {
      ws.close(1000, 'foo');
      await client.ended();
      client.end();
    },
  },

  'a close frame of the client': {
    async end({ client }) {
      client.write('88820000000003e8');
      await client.ended();
      client.end();
    },
  },

  'terminate()': { end: ({ ws }) => ws.terminate() },

  'a FIN without a close frame': { end: ({ client }) => client.end() },

  'a reset': { end: ({ client }) => client.reset() },

  'a reset while it was paused': {
    end: ({ client, ws }) => {
      ws.pause();
      client.reset();
    },
  },

  'a reset within a message': {
    end: ({ client }) => {
      client.write('018100000000 61');
      client.reset();
    },
  },

  'the end of its socket': { end: ({ req }) => req.socket.destroy() },

  'an error of the protocol': {
    async end({ client }) {
      client.write('8380');
      await client.ended();
      client.end();
    },
  },

  'a message that is too large': {
    options: { maxPayload: 1 },
    async end({ client }) {
      client.write('8182000000006161');
      await client.ended();
      client.end();
    },
  },

  'the heartbeat': {
    options: { heartbeat: { interval: 1, timeout: 1 } },
    end: () => {},
  },

  'its age': {
    options: { maxLifetime: 1, closeTimeout: 1 },
    end: () => {},
  },

  'the limit of what may wait': {
    count: LARGE_CONNECTIONS,
    options: { maxBackpressure: 1 },
    end: ({ client, ws }) => {
      client.socket.pause();
      ws.send(Buffer.alloc(LARGE));
      ws.send('foo', () => {});
    },
  },

  'terminate() while callbacks wait': {
    count: LARGE_CONNECTIONS,
    end: ({ client, ws }) => {
      client.socket.pause();
      ws.send(Buffer.alloc(LARGE), () => {});
      ws.send('foo', () => {});
      ws.terminate();
    },
  },

  'terminate() while a Blob is read': {
    end: ({ ws }) => {
      ws.send(new EndlessBlob(['foo']), () => {});
      ws.terminate();
    },
  },

  'terminate() while a thread compresses': {
    options: { perMessageDeflate: true },
    open: offering('permessage-deflate'),
    end: ({ ws }) => {
      ws.send(Buffer.alloc(MIB), () => {});
      setImmediate(() => ws.terminate());
    },
  },

  'a reset while a thread inflates': {
    options: { perMessageDeflate: true },
    open: offering('permessage-deflate'),
    end: ({ client }) => {
      client.send({
        opcode: 'binary',
        rsv: 4,
        payload: COMPRESSED,
      });
      client.reset();
    },
  },

  'a reset while messages are held': {
    options: { holdUntilListening: true, closeTimeout: 1 },
    end: ({ client }) => {
      client.write(MESSAGE.repeat(3));
      client.reset();
    },
  },

  'a reset of what is read by way of a stream': {
    end: ({ client, ws }) => {
      wsUpgrade.createWebSocketStream(ws).on('error', () => {});
      client.reset();
    },
  },

  'shutdown()': {
    end: ({ client, wss }) => {
      wss.shutdown({ timeout: 1 });
      client.discard();
    },
  },
};

/** Opens connections and has them end; nothing of them is kept here. */
async function openAndEnd(world, how) {
  const { options, open, end, count = CONNECTIONS } = how;
  const references = [];
  const openOne = async (site) => {
    const connection = await site.open({ path: '/collect', ...open });
    const { client, req, ws } = connection;
    ws.on('error', () => {});
    references.push(new WeakRef(ws), new WeakRef(req.socket));
    const close = once(ws, 'close');
    return async () => {
      await end(connection);
      await close;
      client.socket.destroy();
    };
  };
  for (const site of world.sites) {
    site.serve('/collect', { closeTimeout: 1000, ...options });
    const ends = [];
    for (let i = 0; i < count; i++) ends.push(await openOne(site));
    await Promise.all(ends.map((endOne) => endOne()));
  }
  return references;
}

/** Each leads to no WebSocket. */
const REFUSALS = {
  'no such version': {
    request: { headers: { 'Sec-WebSocket-Version': '99' } },
  },
  'no permission': { options: { verifyClient: () => false } },
  'too many connections': {
    options: { maxConnections: 1, verifyClient: (info, callback) => callback },
  },
  'a client that is gone meanwhile': {
    options: { verifyClient: ({ req }, callback) => callback && req },
    isReset: true,
  },
};

async function refuse(world, { options, request, isReset }) {
  const references = [];
  const clients = [];
  for (const site of world.sites) {
    const wss = site.serve('/collect', options);
    const ended = [];
    const handle = wss.handleUpgrade;
    const all = new Promise((resolve) => {
      wss.handleUpgrade = (req, socket, ...rest) => {
        references.push(new WeakRef(req), new WeakRef(socket));
        ended.push(once(socket, 'close'));
        handle.call(wss, req, socket, ...rest);
        if (ended.length === CONNECTIONS) resolve();
      };
    });
    for (let i = 0; i < CONNECTIONS; i++) {
      const client = await site.connect();
      client.write(upgradeRequest({ path: '/collect', ...request }));
      clients.push(client);
    }
    await all;
    for (const client of clients.splice(0)) {
      if (isReset || options?.maxConnections) client.reset();
      else client.socket.end();
    }
    await Promise.all(ended);
    delete wss.handleUpgrade;
  }
  return references;
}

/** A world of its own, whose servers are there until it is closed. */
async function inWorld(run) {
  const world = new World(wsUpgrade);
  await world.listen();
  const result = await run(world);
  world.clients = [];
  return { world, result };
}

const SCENARIOS = {};

for (const [name, how] of Object.entries(ENDS)) {
  SCENARIOS[`connections that have ended by ${name}`] = async () => {
    const { world, result } = await inWorld((w) => openAndEnd(w, how));
    await assertCollected(result);
    world.close();
  };
}

for (const [name, how] of Object.entries(REFUSALS)) {
  SCENARIOS[`requests that were refused: ${name}`] = async () => {
    const { world, result } = await inWorld((w) => refuse(w, how));
    await assertCollected(result);
    world.close();
  };
}

async function makeServers() {
  const references = [];
  const { world } = await inWorld(async ({ sites }) => {
    for (const site of sites) {
      for (const wss of Object.values(site.servers)) {
        references.push(new WeakRef(wss));
      }
      references.push(new WeakRef(site.http));
      await site.open();
    }
  });
  const closed = world.sites.map(({ http }) => once(http, 'close'));
  world.close();
  destroyClients();
  await Promise.all(closed);
  return references;
}

SCENARIOS['servers that are closed'] = async () =>
  assertCollected(await makeServers());

async function makeParts() {
  const { Receiver, Sender, PerMessageDeflate } = wsUpgrade;
  const references = [];
  for (let i = 0; i < OBJECTS; i++) {
    const receiver = new Receiver({ isServer: true });
    const message = once(receiver, 'message');
    receiver.write(encodeFrame({ opcode: 'text', payload: 'foo' }));
    await message;
    const deflater = new PerMessageDeflate({ isServer: true });
    deflater.accept([{}]);
    await new Promise((resolve) => {
      deflater.compress(Buffer.from('foo'), true, resolve);
    });
    const sender = new Sender({ write() {}, cork() {}, uncork() {} });
    sender.send('foo', { fin: true }, () => {});
    references.push(...[receiver, deflater, sender].map((o) => new WeakRef(o)));
  }
  return references;
}

SCENARIOS['Receivers, Senders and PerMessageDeflates'] = async () =>
  assertCollected(await makeParts());

/** Connections that nobody holds, and the server neither. */
async function openWithoutReferences(module) {
  const world = new World(module);
  const references = [];
  const counts = { closed: 0 };
  await world.listen();
  for (const site of world.sites) {
    const wss = site.serve('/collect', { clientTracking: false });
    references.push(new WeakRef(wss));
    for (let i = 0; i < CONNECTIONS; i++) {
      const { ws } = await site.open({ path: '/collect' });
      ws.on('message', (data) => ws.send(data));
      ws.on('close', () => (counts.closed += 1));
      references.push(new WeakRef(ws));
    }
  }
  const { clients } = world;
  world.clients = [];
  // Of the server, too, nothing is left but its connections.
  world.close();
  return { clients, counts, references };
}

async function assertLivesOn(module) {
  const { clients, counts, references } = await openWithoutReferences(module);
  for (let i = 0; i < 3; i++) {
    await new Promise(setImmediate);
    global.gc();
  }
  for (const client of clients) {
    client.write(MESSAGE);
    await client.expect(ECHO);
  }
  for (const client of clients) client.reset();
  await until(() => counts.closed === clients.length);
  assert.strictEqual(counts.closed, CONNECTIONS * 3);
  clients.length = 0;
  await assertCollected(references);
}

SCENARIOS['open WebSockets and their server, which nobody holds'] = () =>
  assertLivesOn(wsUpgrade);

SCENARIOS['the same in a vm context, which nobody holds'] = async () => {
  const references = [];
  await assertLivesOn(
    (() => {
      const module = loadInContext();
      references.push(new WeakRef(module), new WeakRef(module.WebSocketServer));
      return module;
    })(),
  );
  await assertCollected(references);
};

module.exports = { SCENARIOS };

if (require.main === module) runScenarios(SCENARIOS, process.argv.slice(2));
