'use strict';

// A server with connections to which something happens, all at the same time,
// and one to which nothing does, which has to be served as before.

const assert = require('node:assert');
const fs = require('node:fs');

const { betterThanWs } = require('./implementation');
const { record } = require('./events');
const { isTls } = require('./http-server');
const { closeProxies, createProxy } = require('./proxy');
const { closeServers, createServer } = require('./server');

/** The end of a connection without a close frame of the client. */
const LOST = [
  ['close', 1006, ''],
  ['end', false],
];

/** Waits until `condition` holds, which it looks at in each turn. */
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

/** Keeps a log of events, behind 'close' whether that was clean. */
function recordEnd(ws) {
  const log = record(ws);
  ws.addEventListener('close', ({ wasClean }) => log.push(['end', wasClean]));
  return log;
}

/** A server with the connections of a test, and one that has to stay. */
class Scene {
  /** By the path of the request: the events of a connection. */
  logs = new Map();

  /** By the path of the request: the server's end. */
  webSockets = new Map();

  /**
   * @param {object} [options] of WebSocketServer, and these:
   * @param {(ws: object) => void} [options.onConnection] is called for the
   *   connections of the test
   * @param {boolean} [options.isTlsForwarded] whether clients that connect by
   *   way of the proxy speak TLS themselves
   */
  static async create(options = {}) {
    const { isTlsForwarded, onConnection, ...others } = options;
    const scene = new Scene();
    scene.server = await createServer({
      perMessageDeflate: { threshold: 0 },
      ...others,
      onConnection: (ws, { url }) => {
        if (url === '/') {
          ws.on('message', (data) => ws.send(String(data)));
          return;
        }
        scene.#record(ws, url);
        if (onConnection) onConnection(ws);
      },
    });
    scene.proxy = await createProxy(scene.server, isTls && !isTlsForwarded);
    scene.other = await scene.server.open();
    scene.descriptors = countDescriptors();
    return scene;
  }

  /**
   * Connects a client by way of the proxy.
   *
   * @param {object} options as for `upgradeRequest()`
   * @returns {Promise<object>} `client` and `link`, and of the server's end
   *   `ws` and `log`
   */
  async open(options) {
    const { client, link } = await this.proxy.connect();
    await client.handshake(options);
    return { client, link, ...this.#find(options) };
  }

  /**
   * Connects a client to the server itself.
   *
   * @param {object} options as for `upgradeRequest()`
   * @returns {Promise<object>} as of `open()`, without `link`
   */
  async openDirectly(options) {
    const client = await this.server.connect();
    await client.handshake(options);
    return { client, ...this.#find(options) };
  }

  /** Waits for all to be gone, and expects that nothing is left of them. */
  async rest() {
    const { server } = this;
    const all = [...this.logs.values()];
    await until(async () => (await countConnections(server)) === 1);
    await until(() => countDescriptors() === this.descriptors);
    await until(() => all.every((log) => log.some(([name]) => name === 'end')));
    assert.deepStrictEqual([...server.wss.clients], [this.other.ws]);
    await betterThanWs(async () => {
      await until(() => server.wss.stats().connections.open === 1);
      assert.strictEqual(server.wss.stats().bufferedBytes, 0);
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

  #find({ path }) {
    return { log: this.logs.get(path), ws: this.webSockets.get(path) };
  }

  #record(ws, url) {
    assert.ok(!this.logs.has(url));
    this.logs.set(url, recordEnd(ws));
    this.webSockets.set(url, ws);
  }
}

/** Closes the end of the client behind that of the server. */
async function leave(client, link) {
  if (client.socket.readableEnded) client.end();
  else client.socket.on('end', () => client.end());
  await link.closed;
}

/** Closes all servers, proxies and clients. */
async function closeScenes() {
  await closeProxies();
  await closeServers();
}

module.exports = {
  LOST,
  Scene,
  closeScenes,
  expectEcho,
  leave,
  recordEnd,
  until,
};
