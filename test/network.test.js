'use strict';

// What networks do to connections: they cut them at any byte, and hand on
// bytes in pieces of any size. A case is one connection by way of a proxy; those
// of a test are there at the same time, on one server.

const assert = require('node:assert');
const fs = require('node:fs');
const { WebSocket: WsClient } = require('ws');

const { betterThanWs } = require('./helpers/implementation');
const { OFFER, deflate, offering } = require('./helpers/deflate');
const { once, record } = require('./helpers/events');
const { closePayload, encodeFrame } = require('./helpers/frame');
const { isTls } = require('./helpers/http-server');
const { closeProxies, createProxy } = require('./helpers/proxy');
const { Random, chooseSeed } = require('./helpers/random');
const { RawClient, secure, upgradeRequest } = require('./helpers/raw-client');
const { closeServers, createServer } = require('./helpers/server');

/** How a connection is cut: the method of a link, and what that sends. */
const CUTS = { end: 'FIN', reset: 'a reset' };

const COMPRESSED = deflate('compressed');

/** What a client sends: frames, each with the event that it brings. */
const MESSAGES = {
  'a message': [[{ opcode: 'text', payload: 'foo' }, ['text', 'foo']]],
  'a message whose length has 16 bits': [
    [{ opcode: 2, lengthBits: 16, payload: 'a' }, ['binary', '61']],
  ],
  'a message whose length has 64 bits': [
    [{ opcode: 2, lengthBits: 64, payload: 'a' }, ['binary', '61']],
  ],
  'a message in fragments, with a ping between': [
    [{ opcode: 'text', fin: false, payload: 'ab' }],
    [{ opcode: 'ping', payload: 'c' }, ['ping', 'c']],
    [{ opcode: 'continuation', fin: false }],
    [{ opcode: 'continuation', payload: 'd' }, ['text', 'abd']],
  ],
  'a compressed message': [
    [{ opcode: 'text', rsv: 4, payload: COMPRESSED }, ['text', 'compressed']],
  ],
  'a compressed message in fragments': [
    [{ opcode: 1, rsv: 4, fin: false, payload: COMPRESSED.subarray(0, 3) }],
    [{ opcode: 0, payload: COMPRESSED.subarray(3) }, ['text', 'compressed']],
  ],
  'a pong': [[{ opcode: 'pong', payload: 'a' }, ['pong', 'a']]],
  'a close frame': [
    [
      { opcode: 'close', payload: closePayload(1000, 'bye') },
      ['close', 1000, 'bye'],
    ],
  ],
};

const LOST = [
  ['close', 1006, ''],
  ['end', false],
];

async function until(condition) {
  while (!(await condition())) await new Promise(setImmediate);
}

function countDescriptors() {
  return process.platform === 'linux'
    ? fs.readdirSync('/proc/self/fd').length
    : 0;
}

function countConnections({ http }) {
  return new Promise((resolve, reject) => {
    http.getConnections((err, count) => (err ? reject(err) : resolve(count)));
  });
}

/** Expects that a client gets its message back. */
async function expectEcho({ client }) {
  client.send({ opcode: 'text', payload: 'foo' });
  await client.expect('8103666f6f');
}

/** A server with the connections of a test, and one that has to stay. */
class Scene {
  /** By the path of the request: the events of a connection. */
  logs = new Map();

  /** @param {(ws: object) => void} [onConnection] for those of the test */
  static async create(onConnection = () => {}) {
    const scene = new Scene();
    scene.server = await createServer({
      perMessageDeflate: { threshold: 0 },
      onConnection: (ws, { url }) => {
        if (url === '/') {
          ws.on('message', (data) => ws.send(String(data)));
          return;
        }
        scene.#record(ws, url);
        onConnection(ws);
      },
    });
    scene.proxy = await createProxy(scene.server);
    scene.other = await scene.server.open();
    scene.descriptors = countDescriptors();
    return scene;
  }

  /** Waits for all to be gone, and expects that nothing is left of them. */
  async rest() {
    const { server, logs } = this;
    await until(async () => (await countConnections(server)) === 1);
    await until(() => countDescriptors() === this.descriptors);
    const all = [...logs.values()];
    await until(() => all.every((log) => log.some(([name]) => name === 'end')));
    assert.deepStrictEqual([...server.wss.clients], [this.other.ws]);
    betterThanWs(() => {
      const { bufferedBytes, connections } = server.wss.stats();
      assert.strictEqual(connections.open, 1);
      assert.strictEqual(bufferedBytes, 0);
    });
    await expectEcho(this.other);
    await expectEcho(await server.open());
    for (const log of all) {
      const closed = log.findIndex(([name]) => name === 'close');
      assert.deepStrictEqual(
        log.slice(closed + 1).map(([name]) => name),
        ['end'],
      );
    }
  }

  #record(ws, url) {
    const log = record(ws);
    this.logs.set(url, log);
    ws.addEventListener('close', ({ wasClean }) => log.push(['end', wasClean]));
  }
}

/** Closes the end of the client behind that of the server. */
async function leave(client, link) {
  client.socket.on('end', () => client.end());
  await link.closed;
}

/**
 * Expects the events of a connection that was cut.
 *
 * @param {any[][]} log
 * @param {any[][]} events of what had passed
 * @param {'end'|'reset'} method a reset may overtake what had passed
 */
function expectEvents(log, events, method) {
  const isClosed = events.some(([name]) => name === 'close');
  const complete = isClosed ? [...events, ['end', true]] : [...events, ...LOST];
  const isShort = method === 'reset' && log.length < complete.length;
  if (process.env.X && isShort) console.log('short', log, complete);
  assert.deepStrictEqual(
    log,
    isShort ? [...events.slice(0, log.length - 2), ...LOST] : complete,
  );
}

/** Every number from `first` to `last`. */
function range(first, last) {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

afterEach(async () => {
  await closeProxies();
  await closeServers();
});

describe('A connection that is cut on the way to the server', () => {
  /** The request of a case; all are of the same length. */
  function requestOf(position) {
    const path = `/${String(position).padStart(3, '0')}`;
    return { path, ...offering(OFFER) };
  }

  it('within the request, by FIN and by a reset in turn, is no WebSocket', async () => {
    const scene = await Scene.create();
    const { length } = upgradeRequest(requestOf(0));
    const positions = range(0, length - 1).filter((i) => !isTls || i % 4 < 2);
    await Promise.all(
      positions.map(async (position) => {
        const { client, link } = await scene.proxy.connect();
        const method = position % 2 === 0 ? 'end' : 'reset';
        link.cutAfter('up', position, method);
        client.write(upgradeRequest(requestOf(position)));
        await leave(client, link);
      }),
    );
    await scene.rest();
    assert.strictEqual(scene.logs.size, 0);
  });

  for (const [method, what] of Object.entries(CUTS)) {
    for (const [where, frames] of Object.entries(MESSAGES)) {
      it(`within ${where}, by ${what}, has lost that and nothing else`, async () => {
        const scene = await Scene.create();
        const before = [{ opcode: 'text', payload: 'before' }];
        const all = [[before[0], ['text', 'before']], ...frames];
        const encoded = all.map(([frame]) => encodeFrame(frame));
        const bytes = Buffer.concat(encoded);
        const ends = encoded.map(
          ((sum) => (frame) => (sum += frame.length))(0),
        );
        const positions = range(ends[0], bytes.length);
        await Promise.all(
          positions.map(async (position, i) => {
            const { client, link } = await scene.proxy.connect();
            const options = requestOf(position);
            const request = upgradeRequest(options);
            link.cutAfter('up', request.length + position, method);
            // With the handshake in one packet, or after it.
            if ((i % 2 === 0) === (method === 'end')) {
              client.write(Buffer.concat([request, bytes]));
            } else {
              await client.handshake(options);
              client.write(bytes);
            }
            await leave(client, link);
          }),
        );
        await scene.rest();
        for (const position of positions) {
          const log = scene.logs.get(requestOf(position).path);
          const events = all
            .filter(([, event], i) => event && ends[i] <= position)
            .map(([, event]) => event);
          expectEvents(log, events, method);
        }
      });
    }
  }
});
