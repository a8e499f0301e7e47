'use strict';

// Express, with sessions in front of the upgrade, with the upgrade in a route,
// and with express-ws.

const assert = require('node:assert');
const http = require('node:http');
const net = require('node:net');
const express = require('express');
const session = require('express-session');
const WebSocketClient = require('ws');

const { once } = require('../helpers/events');
const { isWs } = require('../helpers/implementation');
const {
  TLS,
  cleanUp,
  collect,
  createServer,
  engine,
  listen,
  onCleanup,
  refusal,
  requireOnEngine,
} = require('./support');

const LIMIT_MS = 200;

function connect(url, options) {
  const ws = new WebSocketClient(url, { ca: TLS.cert, ...options });
  onCleanup(() => ws.terminate());
  return ws;
}

async function echo(ws, text) {
  const message = once(ws, 'message');
  ws.send(text);
  const [data, isBinary] = await message;
  assert.strictEqual(isBinary, false);
  assert.strictEqual(data.toString(), text);
}

/** Sends a request on a connection of its own and reads the response. */
function request(port, method, path, headers) {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, method, path, headers };
    const req = http.request({ ...options, agent: false }, (res) => {
      let body = '';
      res.setEncoding('utf8');
      res.on('data', (chunk) => {
        body += chunk;
      });
      res.on('end', () => {
        resolve({ status: res.statusCode, headers: res.headers, body });
      });
    });
    req.on('error', reject);
    req.end();
  });
}

describe('Express with sessions in front of the upgrade', () => {
  afterEach(cleanUp);

  async function serve() {
    const parseSession = session({
      saveUninitialized: false,
      secret: 'a secret',
      resave: false,
    });
    const sockets = new Map();
    const app = express();
    app.use(parseSession);
    app.post('/login', (req, res) => {
      req.session.userId = 'user 1';
      res.send({ result: 'OK' });
    });
    app.delete('/logout', (req, res) => {
      const ws = sockets.get(req.session.userId);
      req.session.destroy(() => {
        if (ws) ws.close();
        res.send({ result: 'OK' });
      });
    });
    const server = http.createServer(app);
    const wss = new engine.WebSocketServer({
      clientTracking: false,
      noServer: true,
    });
    server.on('upgrade', (req, socket, head) => {
      const ignore = () => {};
      socket.on('error', ignore);
      parseSession(req, {}, () => {
        if (!req.session.userId) {
          socket.write('HTTP/1.1 401 Unauthorized\r\n\r\n');
          socket.destroy();
          return;
        }
        socket.removeListener('error', ignore);
        wss.handleUpgrade(req, socket, head, (ws) => {
          wss.emit('connection', ws, req);
        });
      });
    });
    wss.on('connection', (ws, req) => {
      const { userId } = req.session;
      sockets.set(userId, ws);
      ws.on('error', () => {});
      ws.on('message', (message) => ws.send(`${message} of ${userId}`));
      ws.on('close', () => {
        sockets.delete(userId);
        wss.emit('client closed');
      });
    });
    const port = await listen(server);
    return { port, sockets, wss };
  }

  async function login(port) {
    const { headers } = await request(port, 'POST', '/login');
    return headers['set-cookie'][0].split(';')[0];
  }

  it('refuses a client without a session', async () => {
    const { port } = await serve();
    const ws = connect(`ws://127.0.0.1:${port}`);
    ws.on('error', () => {});
    assert.strictEqual(await refusal(ws), 401);
  });

  it('gives the WebSocket the session of its client', async () => {
    const { port, sockets, wss } = await serve();
    const headers = { Cookie: await login(port) };
    const ws = connect(`ws://127.0.0.1:${port}`, { headers });
    await once(ws, 'open');
    const message = once(ws, 'message');
    ws.send('message');
    assert.strictEqual((await message)[0].toString(), 'message of user 1');
    const closed = once(ws, 'close');
    const closedAtServer = once(wss, 'client closed');
    const out = await request(port, 'DELETE', '/logout', headers);
    assert.strictEqual(out.body, '{"result":"OK"}');
    assert.strictEqual((await closed)[0], 1005);
    await closedAtServer;
    assert.strictEqual(sockets.size, 0);
  });
});

describe('Express with the upgrade in a route', () => {
  afterEach(cleanUp);

  async function serve(options) {
    const app = express();
    const wss = new engine.WebSocketServer({ noServer: true });
    app.use(
      session({ saveUninitialized: true, secret: 'a secret', resave: false }),
    );
    app.get('/ws/:name', (req, res) => {
      if (req.params.name === 'refused') {
        res.status(403).send('no');
        return;
      }
      wss.handleUpgrade(req, req.socket, Buffer.alloc(0), (ws) => {
        ws.on('error', (err) => wss.emit('failure', err));
        ws.on('message', (data, isBinary) => {
          ws.send(data, { binary: isBinary });
        });
        ws.send(req.params.name);
      });
    });
    app.get('/plain', (req, res) => res.send('plain'));
    const server = http.createServer(options, app);
    const port = await listen(server);
    return { port, server, wss };
  }

  it('gives the route its parameters, and echoes', async () => {
    const { port } = await serve();
    const ws = connect(`ws://127.0.0.1:${port}/ws/first`);
    const [name] = await once(ws, 'message');
    assert.strictEqual(name.toString(), 'first');
    await echo(ws, 'ä'.repeat(100000));
    const closed = once(ws, 'close');
    ws.close(4000, 'reason');
    const [code, reason] = await closed;
    assert.deepStrictEqual([code, reason.toString()], [4000, 'reason']);
  });

  it('lets the route refuse', async () => {
    const { port } = await serve();
    const ws = connect(`ws://127.0.0.1:${port}/ws/refused`);
    ws.on('error', () => {});
    assert.strictEqual(await refusal(ws), 403);
    const plain = await request(port, 'GET', '/plain');
    assert.strictEqual(plain.body, 'plain');
  });

  // With `ws` the 408 arrives in the connection on Node.js 18 and later.
  if (!isWs) {
    it('keeps the connection past the request timeout', async () => {
      const { port, server } = await serve({
        connectionsCheckingInterval: LIMIT_MS / 4,
        headersTimeout: LIMIT_MS,
        requestTimeout: LIMIT_MS,
      });
      const ws = connect(`ws://127.0.0.1:${port}/ws/name`);
      const ended = [];
      ws.on('error', (err) => ended.push(err));
      ws.on('close', (code) => ended.push(code));
      await once(ws, 'message');
      // A request that is never complete shows that the server has checked.
      const slow = net.connect(port, '127.0.0.1');
      onCleanup(() => slow.destroy());
      slow.write('GET / HTTP/1.1\r\nHost: localhost\r\n');
      const [answer] = await once(slow, 'data');
      assert.match(answer.toString(), /^HTTP\/1\.1 408 /);
      await echo(ws, 'still there');
      assert.deepStrictEqual(ended, []);
      assert.ok(server.listening);
    });
  }
});

for (const scheme of ['ws', 'wss']) {
  describe(`express-ws on ${scheme}:`, () => {
    afterEach(cleanUp);

    async function serve() {
      const expressWs = requireOnEngine('express-ws');
      const app = express();
      const server = createServer[scheme](app);
      const { getWss } = expressWs(app, server);
      app.use((req, res, next) => {
        req.fromMiddleware = 'seen';
        next();
      });
      app.ws('/echo', (ws, req) => {
        ws.send(req.fromMiddleware);
        ws.on('message', (message) => ws.send(message.toString()));
      });
      const wss = getWss();
      onCleanup(() => wss.close());
      const port = await listen(server);
      return { url: `${scheme}://localhost:${port}`, wss };
    }

    it('runs the middleware and the route of a WebSocket', async () => {
      const { url, wss } = await serve();
      const ws = connect(`${url}/echo`);
      const messages = await collect(ws, 'message', 1, String);
      assert.deepStrictEqual(messages, ['seen']);
      await echo(ws, 'message');
      assert.ok(wss instanceof engine.Server);
      assert.strictEqual(wss.clients.size, 1);
    });

    it('closes a WebSocket without a route', async () => {
      const { url } = await serve();
      const ws = connect(`${url}/nowhere`);
      assert.strictEqual((await once(ws, 'close'))[0], 1005);
    });
  });
}
