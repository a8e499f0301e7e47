'use strict';

const assert = require('node:assert');
const { EventEmitter } = require('node:events');
const http = require('node:http');

const {
  WebSocket,
  WebSocketServer,
  isWs,
} = require('../helpers/implementation');
const { once } = require('../helpers/events');
const {
  DUPLEX,
  KINDS,
  TCP,
  TLS,
  createConnection,
  createServer,
  forEachKind,
} = require('./helpers/sockets');
const { describeValue } = require('./helpers/trace');

const SWITCHING_PROTOCOLS =
  'HTTP/1.1 101 Switching Protocols\r\n' +
  'Upgrade: websocket\r\n' +
  'Connection: Upgrade\r\n' +
  'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n';

const BAD_REQUEST =
  'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n' +
  'Content-Type: text/html\r\nContent-Length: 11\r\n\r\nBad Request';

const ONE_AND_ONLY_ONE = {
  name: 'TypeError',
  message:
    'One and only one of the "port", "server", or "noServer" options must be ' +
    'specified',
};

const MODES = {
  [TCP]: ['noServer', 'server', 'port'],
  [TLS]: ['noServer', 'server'],
  [DUPLEX]: ['noServer', 'server'],
};

/** Options that `ws` does not have. */
const ADDED_OPTIONS = [
  'allowedOrigins',
  'heartbeat',
  'highWaterMark',
  'holdUntilListening',
  'idleTimeout',
  'maxBackpressure',
  'maxConnections',
  'maxLifetime',
  'maxUpgradesPerSecond',
  'onBackpressure',
  'transport',
];

describe('Parity: a WebSocketServer', () => {
  for (const options of [
    undefined,
    {},
    { path: '/' },
    { port: 0, noServer: true },
    { port: 0, server: new EventEmitter() },
    { server: new EventEmitter(), noServer: true },
    { port: 0, server: new EventEmitter(), noServer: true },
    { port: null },
    { server: null },
    { noServer: false },
  ]) {
    it(`of the options ${options && Object.entries(options).map(([name, value]) => `${name} ${value && typeof value}`)} throws`, () => {
      assert.throws(() => new WebSocketServer(options), ONE_AND_ONLY_ONE);
    });
  }

  it('without new throws', () => {
    assert.throws(() => WebSocketServer({ noServer: true }), {
      name: 'TypeError',
      message:
        "Class constructor WebSocketServer cannot be invoked without 'new'",
    });
  });

  it('is an EventEmitter', () => {
    assert.ok(new WebSocketServer({ noServer: true }) instanceof EventEmitter);
  });

  it('has these options by default', () => {
    const { options } = new WebSocketServer({ noServer: true });
    const { WebSocket: Class, ...values } = options;
    assert.strictEqual(Class, WebSocket);
    // What is here and not in `ws` has no place in the comparison.
    if (!isWs) for (const name of ADDED_OPTIONS) delete values[name];
    assert.deepStrictEqual(
      Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1)),
      [
        ['allowSynchronousEvents', true],
        ['autoPong', true],
        ['backlog', null],
        ['clientTracking', true],
        ['closeTimeout', 30000],
        ['handleProtocols', null],
        ['host', null],
        ['maxBufferedChunks', 262144],
        ['maxFragments', 16384],
        ['maxPayload', 104857600],
        ['maxPendingAutoPongs', 60],
        ['noServer', true],
        ['path', null],
        ['perMessageDeflate', false],
        ['port', null],
        ['server', null],
        ['skipUTF8Validation', false],
        ['verifyClient', null],
      ],
    );
  });

  for (const value of [undefined, false, 0, true]) {
    it(`with clientTracking ${value} has ${value === undefined || value ? 'a Set of' : 'no'} clients`, () => {
      const wss = new WebSocketServer({
        noServer: true,
        ...(value === undefined ? {} : { clientTracking: value }),
      });
      if (value === undefined || value) {
        assert.ok(wss.clients instanceof Set);
        assert.strictEqual(wss.clients.size, 0);
      } else {
        assert.strictEqual(wss.clients, undefined);
        assert.strictEqual('clients' in wss, false);
      }
    });
  }

  it('address() in noServer mode throws', () => {
    assert.throws(() => new WebSocketServer({ noServer: true }).address(), {
      name: 'Error',
      message: 'The server is operating in "noServer" mode',
    });
  });

  it('address() in port mode is where it listens, and null once it is closed', async () => {
    const wss = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    await once(wss, 'listening');
    const address = wss.address();
    assert.deepStrictEqual(Object.keys(address).sort(), [
      'address',
      'family',
      'port',
    ]);
    assert.strictEqual(address.address, '127.0.0.1');
    await new Promise((resolve) => wss.close(resolve));
    assert.strictEqual(wss.address(), null);
  });

  it('address() in server mode is that of the server', async () => {
    const server = http.createServer();
    const wss = new WebSocketServer({ server });
    assert.strictEqual(wss.address(), null);
    server.listen(0, '127.0.0.1');
    await once(wss, 'listening');
    assert.deepStrictEqual(wss.address(), server.address());
    wss.close();
    server.close();
  });

  it('calls its second argument back when it listens', async () => {
    const args = await new Promise((resolve) => {
      const wss = new WebSocketServer({ host: '127.0.0.1', port: 0 }, function (
        ...rest
      ) {
        resolve(rest);
        wss.close();
      });
    });
    assert.deepStrictEqual(args, []);
  });

  it("emits 'error' when it cannot listen", async () => {
    const first = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    await once(first, 'listening');
    const { port } = first.address();
    const second = new WebSocketServer({ host: '127.0.0.1', port });
    const [error] = await once(second, 'error');
    assert.strictEqual(error.code, 'EADDRINUSE');
    first.close();
  });

  it("passes 'listening' and 'error' of its server on", () => {
    const server = new EventEmitter();
    const wss = new WebSocketServer({ server });
    const events = [];
    wss.on('listening', (...args) => events.push(['listening', ...args]));
    wss.on('error', (...args) => events.push(['error', ...args]));
    server.emit('listening');
    server.emit('error', 'foo');
    wss.close();
    assert.deepStrictEqual(events, [['listening'], ['error', 'foo']]);
    assert.deepStrictEqual(server.eventNames(), []);
  });

  it('answers other requests in port mode with 426', async () => {
    const wss = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    await once(wss, 'listening');
    const response = await new Promise((resolve) => {
      http.get({ port: wss.address().port, host: '127.0.0.1' }, resolve);
    });
    let body = '';
    for await (const chunk of response) body += chunk;
    assert.strictEqual(response.statusCode, 426);
    assert.strictEqual(response.headers['content-type'], 'text/plain');
    assert.strictEqual(response.headers['content-length'], '16');
    assert.strictEqual(body, 'Upgrade Required');
    await new Promise((resolve) => wss.close(resolve));
  });

  describe('close()', () => {
    it("emits 'close' and calls back, later, in this order", async () => {
      const wss = new WebSocketServer({ noServer: true });
      const order = [];
      wss.on('close', (...args) => order.push(['close', ...args]));
      await new Promise((resolve) => {
        const result = wss.close((...args) => {
          order.push(['callback', ...args]);
          resolve();
        });
        order.push(['returned', result]);
      });
      assert.deepStrictEqual(order, [
        ['returned', undefined],
        ['close'],
        ['callback'],
      ]);
    });

    it('a second time calls back while the first one goes on', async () => {
      const wss = new WebSocketServer({ noServer: true });
      const calls = [];
      wss.on('close', () => calls.push('close'));
      wss.close((error) => calls.push(['first', describeValue(error)]));
      await new Promise((resolve) => {
        wss.close((error) => {
          calls.push(['second', describeValue(error)]);
          resolve();
        });
      });
      assert.deepStrictEqual(calls, [
        'close',
        ['first', undefined],
        ['second', undefined],
      ]);
    });

    it('of one that is closed calls back with an error', async () => {
      const wss = new WebSocketServer({ noServer: true });
      await new Promise((resolve) => wss.close(resolve));
      const error = await new Promise((resolve) => wss.close(resolve));
      assert.deepStrictEqual(describeValue(error), [
        'Error',
        undefined,
        'The server is not running',
      ]);
    });

    it("of one that is closed emits 'close' once more", async () => {
      const wss = new WebSocketServer({ noServer: true });
      await new Promise((resolve) => wss.close(resolve));
      const close = once(wss, 'close');
      wss.close();
      assert.deepStrictEqual(await close, []);
    });

    it('leaves a server that it did not make open', async () => {
      const server = http.createServer();
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const wss = new WebSocketServer({ server });
      await new Promise((resolve) => wss.close(resolve));
      assert.strictEqual(server.listening, true);
      assert.strictEqual(server.listenerCount('upgrade'), 0);
      server.close();
    });
  });

  forEachKind(KINDS, (kind) => {
    for (const mode of MODES[kind]) {
      it(`in the mode ${mode} accepts a client`, async () => {
        const { client, ws, req, server } = await createConnection(kind, {
          mode,
        });
        assert.strictEqual(client.response, `${SWITCHING_PROTOCOLS}\r\n`);
        assert.ok(ws instanceof WebSocket);
        assert.strictEqual(req.method, 'GET');
        assert.deepStrictEqual([...server.wss.clients], [ws]);
      });
    }

    it("emits 'connection' with the WebSocket and the request", async () => {
      const calls = [];
      await createConnection(kind, {
        mode: 'server',
        onConnection: (...args) => calls.push(args),
      });
      const [[ws, req, ...rest]] = calls;
      assert.ok(ws instanceof WebSocket);
      assert.strictEqual(req.url, '/');
      assert.deepStrictEqual(rest, []);
    });

    it('close() leaves its clients open and waits for them', async () => {
      const { client, server, ws } = await createConnection(kind);
      let isClosed = false;
      const closed = once(server.wss, 'close').then(() => (isClosed = true));
      server.wss.close();
      await new Promise(setImmediate);
      assert.strictEqual(isClosed, false);
      assert.strictEqual(ws.readyState, ws.OPEN);
      ws.send('foo');
      await client.expect('8103666f6f');
      ws.terminate();
      await closed;
    });

    it('close() does not wait for its clients without clientTracking', async () => {
      const { client, server, ws } = await createConnection(kind, {
        clientTracking: false,
      });
      await new Promise((resolve) => server.wss.close(resolve));
      assert.strictEqual(ws.readyState, ws.OPEN);
      ws.send('foo');
      await client.expect('8103666f6f');
    });

    it('makes WebSockets of the class of the option WebSocket', async () => {
      class Foo extends WebSocket {
        foo() {
          return this.readyState;
        }
      }
      const { client, ws } = await createConnection(kind, { WebSocket: Foo });
      assert.strictEqual(ws.constructor, Foo);
      assert.strictEqual(ws.foo(), 1);
      ws.send('foo');
      await client.expect('8103666f6f');
    });

    it('makes WebSockets with new Class(null, undefined, options)', async () => {
      const calls = [];
      let server;
      class Foo extends WebSocket {
        constructor(...args) {
          super(...args);
          calls.push([
            args.length,
            args[0],
            args[1],
            args[2] === server.wss.options,
            this.readyState,
          ]);
        }
      }
      server = await createServer(kind, { WebSocket: Foo });
      await server.open();
      assert.deepStrictEqual(calls, [[3, null, undefined, true, 0]]);
    });

    describe('in a subclass', () => {
      it('shouldHandle() accepts and refuses', async () => {
        class Foo extends WebSocketServer {
          shouldHandle(req) {
            return req.url === '/foo';
          }
        }
        const server = await createServer(kind, { Class: Foo });
        assert.strictEqual(await server.answer(), BAD_REQUEST);
        const { client } = await server.open({ path: '/foo' });
        assert.strictEqual(client.response, `${SWITCHING_PROTOCOLS}\r\n`);
      });

      it('shouldHandle() may be set on an instance', async () => {
        const server = await createServer(kind);
        server.wss.shouldHandle = () => false;
        assert.strictEqual(await server.answer(), BAD_REQUEST);
      });

      it('shouldHandle() gets the request', async () => {
        const calls = [];
        class Foo extends WebSocketServer {
          shouldHandle(...args) {
            calls.push([args.length, args[0].url, super.shouldHandle(...args)]);
            return 1;
          }
        }
        const server = await createServer(kind, { Class: Foo, path: '/foo' });
        await server.open({ path: '/bar' });
        assert.deepStrictEqual(calls, [[1, '/bar', false]]);
      });

      it('handleUpgrade() is called in server mode', async () => {
        const calls = [];
        class Foo extends WebSocketServer {
          handleUpgrade(req, socket, head, callback) {
            calls.push(req.url);
            super.handleUpgrade(req, socket, head, (ws, request) => {
              ws.foo = 'bar';
              callback(ws, request);
            });
          }
        }
        const { ws } = await createConnection(kind, {
          Class: Foo,
          mode: 'server',
        });
        assert.deepStrictEqual(calls, ['/']);
        assert.strictEqual(ws.foo, 'bar');
      });

      it('completeUpgrade() is called with all that it needs', async () => {
        const calls = [];
        class Foo extends WebSocketServer {
          completeUpgrade(...args) {
            const [extensions, key, protocols, req, socket, head, callback] =
              args;
            calls.push([
              args.length,
              extensions,
              key,
              [...protocols],
              req.url,
              typeof socket.write,
              Buffer.isBuffer(head),
              typeof callback,
            ]);
            return super.completeUpgrade(...args);
          }
        }
        const server = await createServer(kind, { Class: Foo });
        const { client } = await server.open({
          headers: { 'Sec-WebSocket-Protocol': 'foo, bar' },
        });
        assert.strictEqual(
          client.response,
          `${SWITCHING_PROTOCOLS}Sec-WebSocket-Protocol: foo\r\n\r\n`,
        );
        assert.deepStrictEqual(calls, [
          [
            7,
            {},
            'dGhlIHNhbXBsZSBub25jZQ==',
            ['foo', 'bar'],
            '/',
            'function',
            true,
            'function',
          ],
        ]);
      });

      it('completeUpgrade() may be late', async () => {
        class Foo extends WebSocketServer {
          completeUpgrade(...args) {
            setImmediate(() => super.completeUpgrade(...args));
          }
        }
        const { client } = await createConnection(kind, { Class: Foo });
        assert.strictEqual(client.response, `${SWITCHING_PROTOCOLS}\r\n`);
      });
    });
  });
});
