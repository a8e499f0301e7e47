'use strict';

// @fastify/websocket with the module under test in the place of its `ws`, and
// the way it hands an upgrade over, by hand.

const assert = require('node:assert');
const http = require('node:http');
const fastify = require('fastify');
const WebSocketClient = require('ws');

const { once } = require('../helpers/events');
const {
  TLS,
  cleanUp,
  createServer,
  engine,
  listen,
  onCleanup,
  refusal,
  requireOnEngine,
} = require('./support');

const plugin = requireOnEngine('@fastify/websocket');

function connect(url, protocols) {
  const ws = new WebSocketClient(url, protocols, { ca: TLS.cert });
  onCleanup(() => ws.terminate());
  return ws;
}

/** An application with an echo, a route that closes, and hooks. */
async function build(scheme, options) {
  const app = fastify(scheme === 'wss' ? { https: TLS } : {});
  onCleanup(() => app.close());
  /** How clients of the echo have closed. */
  app.decorate('closes', []);
  await app.register(plugin, options);
  onCleanup(() => app.websocketServer.clients.forEach((ws) => ws.terminate()));
  app.addHook('preValidation', async (request, reply) => {
    if (request.query.token === 'bad') await reply.code(401).send('no');
  });
  app.get('/echo/:name', { websocket: true }, (socket, request) => {
    socket.send(`hello ${request.params.name}`);
    socket.on('message', (data, isBinary) => {
      socket.send(data, { binary: isBinary });
    });
    socket.on('close', (code, reason) => {
      app.closes.push([code, reason.toString()]);
      app.server.emit('client closed');
    });
  });
  app.get('/close', { websocket: true }, (socket) => {
    socket.close(4001, 'a reason');
  });
  app.get('/throw', { websocket: true }, async () => {
    throw new Error('a broken handler');
  });
  app.get('/both', {
    handler: (request, reply) => reply.send({ plain: true }),
    wsHandler: (socket) => socket.send('a WebSocket'),
  });
  return app;
}

async function serve(scheme, options) {
  const app = await build(scheme, options);
  await app.listen({ port: 0, host: '127.0.0.1' });
  return { app, url: `${scheme}://localhost:${app.server.address().port}` };
}

for (const scheme of ['ws', 'wss']) {
  describe(`@fastify/websocket on ${scheme}:`, () => {
    afterEach(cleanUp);

    it('runs on the module under test', async () => {
      const { app } = await serve(scheme);
      assert.ok(app.websocketServer instanceof engine.WebSocketServer);
    });

    it('hands a route its WebSocket and its request', async () => {
      const { app, url } = await serve(scheme);
      const ws = connect(`${url}/echo/world`);
      const [greeting] = await once(ws, 'message');
      assert.strictEqual(greeting.toString(), 'hello world');
      const message = once(ws, 'message');
      ws.send(Buffer.from([0, 255]));
      const [data, isBinary] = await message;
      assert.strictEqual(isBinary, true);
      assert.deepStrictEqual([...data], [0, 255]);
      assert.strictEqual(app.websocketServer.clients.size, 1);
      const closed = once(app.server, 'client closed');
      ws.close(3000, 'bye');
      await closed;
      assert.deepStrictEqual(app.closes, [[3000, 'bye']]);
    });

    it('lets a hook refuse the upgrade', async () => {
      const { url } = await serve(scheme);
      const ws = connect(`${url}/echo/world?token=bad`);
      ws.on('error', () => {});
      assert.strictEqual(await refusal(ws), 401);
    });

    it('closes with the code and the reason of a route', async () => {
      const { url } = await serve(scheme);
      const [code, reason] = await once(connect(`${url}/close`), 'close');
      assert.deepStrictEqual([code, reason.toString()], [4001, 'a reason']);
    });

    it('terminates the WebSocket of a handler that throws', async () => {
      const { url } = await serve(scheme);
      const [code] = await once(connect(`${url}/throw`), 'close');
      assert.strictEqual(code, 1006);
    });

    it('answers a request and a WebSocket on one route', async () => {
      const { app, url } = await serve(scheme);
      const ws = connect(`${url}/both`);
      assert.strictEqual(
        (await once(ws, 'message'))[0].toString(),
        'a WebSocket',
      );
      const response = await app.inject('/both');
      assert.deepStrictEqual(response.json(), { plain: true });
    });

    it('selects a subprotocol', async () => {
      const { url } = await serve(scheme, {
        options: { handleProtocols: (protocols) => [...protocols].pop() },
      });
      const ws = connect(`${url}/echo/x`, ['first', 'second']);
      await once(ws, 'open');
      assert.strictEqual(ws.protocol, 'second');
    });

    it('ends the clients when the application is closed', async () => {
      const { app, url } = await serve(scheme);
      const ws = connect(`${url}/echo/x`);
      await once(ws, 'message');
      const closed = once(ws, 'close');
      await app.close();
      assert.strictEqual((await closed)[0], 1005);
    });
  });
}

describe('injectWS of @fastify/websocket', () => {
  afterEach(cleanUp);

  it('gives a client without a network', async () => {
    const app = await build('ws');
    await app.ready();
    let greeting;
    const ws = await app.injectWS(
      '/echo/injected',
      {},
      {
        onInit: (client) => {
          greeting = once(client, 'message');
        },
      },
    );
    onCleanup(() => ws.terminate());
    assert.strictEqual((await greeting)[0].toString(), 'hello injected');
    const message = once(ws, 'message');
    ws.send('message');
    const [data, isBinary] = await message;
    assert.deepStrictEqual([data.toString(), isBinary], ['message', false]);
    const closed = once(ws, 'close');
    ws.close(3001, 'bye');
    // The code that the server has sent back.
    assert.strictEqual((await closed)[0], 3001);
  });

  it('fails where a hook refuses', async () => {
    const app = await build('ws');
    await app.ready();
    await assert.rejects(app.injectWS('/echo/x?token=bad'), {
      message: 'Unexpected server response: 401',
    });
  });
});

for (const scheme of ['ws', 'wss']) {
  describe(`A response assigned to the socket on ${scheme}:`, () => {
    afterEach(cleanUp);

    async function serveAssigned() {
      const wss = new engine.WebSocketServer({ noServer: true });
      const server = createServer[scheme]();
      const responses = [];
      server.on('upgrade', (req, socket, head) => {
        const res = new http.ServerResponse(req);
        res.assignSocket(socket);
        responses.push(res);
        if (req.url === '/refused') {
          res.writeHead(403);
          res.end('no');
          res.on('finish', () => socket.destroy());
          return;
        }
        wss.handleUpgrade(req, socket, head, (ws) => {
          ws.on('message', (data) => ws.send(data.toString()));
        });
      });
      const url = `${scheme}://localhost:${await listen(server)}`;
      return { responses, url };
    }

    it('does not keep handleUpgrade from working', async () => {
      const { responses, url } = await serveAssigned();
      const ws = connect(url);
      await once(ws, 'open');
      const message = once(ws, 'message');
      ws.send('message');
      assert.strictEqual((await message)[0].toString(), 'message');
      const gone = once(responses[0], 'close');
      ws.close();
      await gone;
    });

    it('can refuse instead', async () => {
      const { url } = await serveAssigned();
      const ws = connect(`${url}/refused`);
      ws.on('error', () => {});
      assert.strictEqual(await refusal(ws), 403);
    });
  });
}
