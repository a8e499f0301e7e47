'use strict';

// http-proxy in front of a server on the module under test.

const assert = require('node:assert');
const http = require('node:http');
const httpProxy = require('http-proxy');
const WebSocketClient = require('ws');

const { once } = require('../helpers/events');
const {
  TLS,
  cleanUp,
  collect,
  createServer,
  engine,
  listen,
  onCleanup,
} = require('./support');

const MESSAGES = 200;

/** A server, and a proxy on plain HTTP in front of it. */
async function serve(scheme) {
  const server = createServer[scheme]((req, res) => res.end('plain'));
  const wss = new engine.WebSocketServer({ server });
  wss.on('connection', (ws) => ws.on('error', () => {}));
  const target = { host: '127.0.0.1', port: await listen(server) };
  if (scheme === 'wss') Object.assign(target, { protocol: 'https:' });
  const proxy = httpProxy.createProxyServer({
    secure: false,
    target,
    ws: true,
    xfwd: true,
  });
  proxy.on('error', () => {});
  const front = http.createServer((req, res) => proxy.web(req, res));
  front.on('upgrade', (req, socket, head) => proxy.ws(req, socket, head));
  onCleanup(() => proxy.close());
  const port = await listen(front);
  const open = async (options) => {
    const connection = once(wss, 'connection');
    const client = new WebSocketClient(`ws://127.0.0.1:${port}/path?q=1`, {
      ca: TLS.cert,
      ...options,
    });
    onCleanup(() => client.terminate());
    client.on('error', () => {});
    const [ws, req] = await connection;
    if (client.readyState !== WebSocketClient.OPEN) await once(client, 'open');
    return { client, req, ws };
  };
  return { open, wss };
}

for (const scheme of ['ws', 'wss']) {
  describe(`http-proxy in front of ${scheme}:`, () => {
    afterEach(cleanUp);

    it('passes the request on with its headers', async () => {
      const { open } = await serve(scheme);
      const { req } = await open({ headers: { 'X-Mine': 'yes' } });
      assert.strictEqual(req.url, '/path?q=1');
      assert.strictEqual(req.headers['x-mine'], 'yes');
      assert.match(req.headers['x-forwarded-for'], /127\.0\.0\.1/);
    });

    it('carries messages of all sizes both ways in order', async () => {
      const { open } = await serve(scheme);
      const { client, ws } = await open();
      const sizes = [0, 1, 125, 126, 65535, 65536, 1048576];
      const texts = Array.from({ length: MESSAGES }, (_, i) => `message ${i}`);
      const wanted = [
        ...sizes.map((size) => [true, size]),
        ...texts.map((text) => [false, text]),
      ];
      const describeMessage = (data, isBinary) => [
        isBinary,
        isBinary ? data.length : data.toString(),
      ];
      for (const [from, to] of [
        [client, ws],
        [ws, client],
      ]) {
        const all = collect(to, 'message', wanted.length, describeMessage);
        for (const size of sizes) from.send(Buffer.alloc(size, 'x'));
        for (const text of texts) from.send(text);
        assert.deepStrictEqual(await all, wanted);
      }
    });

    it('passes the close of the server through', async () => {
      const { open } = await serve(scheme);
      const { client, ws } = await open();
      const closed = [once(client, 'close'), once(ws, 'close')];
      ws.close(4321, 'from the server');
      for (const [code, reason] of await Promise.all(closed)) {
        assert.deepStrictEqual(
          [code, reason.toString()],
          [4321, 'from the server'],
        );
      }
    });

    it('passes the close of the client through', async () => {
      const { open } = await serve(scheme);
      const { client, ws } = await open();
      const closed = [once(client, 'close'), once(ws, 'close')];
      client.close(3210, 'from the client');
      for (const [code, reason] of await Promise.all(closed)) {
        assert.deepStrictEqual(
          [code, reason.toString()],
          [3210, 'from the client'],
        );
      }
    });

    it('tells the server of a client that resets', async () => {
      const { open, wss } = await serve(scheme);
      const { client, ws } = await open();
      const closed = once(ws, 'close');
      client._socket.resetAndDestroy();
      assert.strictEqual((await closed)[0], 1006);
      assert.strictEqual(wss.clients.size, 0);
    });

    it('tells the client of a server that terminates', async () => {
      const { open } = await serve(scheme);
      const { client, ws } = await open();
      const closed = once(client, 'close');
      ws.terminate();
      assert.strictEqual((await closed)[0], 1006);
    });
  });
}
