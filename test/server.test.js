'use strict';

const assert = require('node:assert');
const EventEmitter = require('node:events');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');

const {
  WebSocket,
  WebSocketServer,
  modulePath,
} = require('./helpers/implementation');
const { once, record } = require('./helpers/events');
const { upgradeRequest } = require('./helpers/raw-client');
const {
  MODES,
  closeServers,
  createConnection,
  createServer,
} = require('./helpers/server');

const NO_SERVER = 'The server is operating in "noServer" mode';

/**
 * Lets the event loop turn often enough for anything that is ready to
 * happen: each round trip on a connection of its own takes several turns.
 */
async function roundTrips(server, count = 50) {
  const { client, ws } = await server.open();
  ws.on('message', (data) => ws.send(data));
  for (let i = 0; i < count; i++) {
    client.write('828100000000 61');
    await client.expect('820161');
  }
}

/** Closes a server and waits for the callback. */
function closed(server) {
  return new Promise((resolve) => server.close(resolve));
}

describe('The exports', () => {
  it('are the class WebSocket, which holds the others', () => {
    const exports = require(modulePath);
    assert.strictEqual(exports, WebSocket);
    assert.strictEqual(exports.WebSocket, WebSocket);
    assert.strictEqual(exports.WebSocketServer, WebSocketServer);
    assert.strictEqual(exports.Server, WebSocketServer);
    assert.strictEqual(WebSocket.name, 'WebSocket');
    assert.strictEqual(WebSocketServer.name, 'WebSocketServer');
  });

  it('are classes of event emitters', () => {
    assert.strictEqual(Object.getPrototypeOf(WebSocket), EventEmitter);
    assert.strictEqual(Object.getPrototypeOf(WebSocketServer), EventEmitter);
    assert.throws(() => WebSocketServer({ noServer: true }), TypeError);
  });
});

describe('new WebSocketServer()', () => {
  const ONE_OF = {
    name: 'TypeError',
    message:
      'One and only one of the "port", "server", or "noServer" options must ' +
      'be specified',
  };

  for (const [what, makeOptions] of [
    ['no options', () => undefined],
    ['the options null', () => null],
    ['empty options', () => ({})],
    ['noServer: false', () => ({ noServer: false })],
    ['a port and a server', () => ({ port: 0, server: http.createServer() })],
    ['a port and noServer', () => ({ port: 0, noServer: true })],
    [
      'a server and noServer',
      () => ({ server: http.createServer(), noServer: true }),
    ],
    [
      'a port, a server and noServer',
      () => ({ port: 0, server: http.createServer(), noServer: true }),
    ],
    ['a path alone', () => ({ path: '/foo' })],
  ]) {
    it(`throws with ${what}`, () => {
      assert.throws(() => new WebSocketServer(makeOptions()), ONE_OF);
    });
  }

  it('keeps the options with their defaults', () => {
    const options = new WebSocketServer({ noServer: true, path: '/foo' })
      .options;
    for (const [name, value] of Object.entries({
      autoPong: true,
      backlog: null,
      clientTracking: true,
      closeTimeout: 30000,
      handleProtocols: null,
      host: null,
      maxFragments: 16384,
      maxPayload: 104857600,
      maxPendingAutoPongs: 60,
      noServer: true,
      path: '/foo',
      port: null,
      server: null,
      skipUTF8Validation: false,
      verifyClient: null,
      WebSocket,
    })) {
      assert.strictEqual(options[name], value, name);
    }
  });

  it('does not change the options that it is given', () => {
    const options = Object.freeze({ noServer: true });
    const server = new WebSocketServer(options);
    assert.notStrictEqual(server.options, options);
  });

  it('makes an event emitter', () => {
    const server = new WebSocketServer({ noServer: true });
    assert.strictEqual(server instanceof EventEmitter, true);
    assert.deepStrictEqual(server.eventNames(), []);
  });

  it('may be extended', async () => {
    class Extended extends WebSocketServer {
      shouldHandle(req) {
        return req.url === '/foo';
      }
    }
    const server = new Extended({ noServer: true });
    assert.strictEqual(server.shouldHandle({ url: '/foo' }), true);
    assert.strictEqual(server.shouldHandle({ url: '/bar' }), false);
  });
});

describe('A server with a port', () => {
  afterEach(closeServers);

  it('emits "listening" and calls the callback', async () => {
    const steps = [];
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' }, () =>
      steps.push('callback'),
    );
    server.on('listening', () => steps.push('event'));
    assert.deepStrictEqual(steps, []);
    await once(server, 'listening');
    assert.deepStrictEqual(steps.sort(), ['callback', 'event']);
    await closed(server);
  });

  it('tells its address until it is closed', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    const address = server.address();
    assert.strictEqual(address.address, '127.0.0.1');
    assert.strictEqual(typeof address.port, 'number');
    const done = closed(server);
    assert.strictEqual(server.address(), null);
    await done;
    assert.strictEqual(server.address(), null);
  });

  it('answers requests that are no upgrade with 426', async () => {
    const server = await createServer({ mode: 'port' });
    const client = await server.connect();
    client.write(
      Buffer.from('GET / HTTP/1.1\r\nHost: foo\r\nConnection: close\r\n\r\n'),
    );
    const answer = (await client.ended()).toString();
    assert.strictEqual(
      answer.replace(/Date: .*\r\n/, ''),
      'HTTP/1.1 426 Upgrade Required\r\n' +
        'Content-Length: 16\r\n' +
        'Content-Type: text/plain\r\n' +
        'Connection: close\r\n' +
        '\r\n' +
        'Upgrade Required',
    );
  });

  it('emits "error" when the port is in use', async () => {
    const first = await createServer({ mode: 'port' });
    const server = new WebSocketServer({
      host: '127.0.0.1',
      port: first.target,
    });
    server.on('listening', () => assert.fail('must not listen'));
    const [error] = await once(server, 'error');
    assert.strictEqual(error.code, 'EADDRINUSE');
    assert.strictEqual(error.syscall, 'listen');
    assert.strictEqual(server.address(), null);
    await closed(server);
  });

  it('is free for another one after it was closed', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    const { port } = server.address();
    await closed(server);
    const next = new WebSocketServer({ port, host: '127.0.0.1' });
    await once(next, 'listening');
    assert.strictEqual(next.address().port, port);
    await closed(next);
  });

  it('waits in close() for its clients', async () => {
    const { server, client, ws } = await createConnection({ mode: 'port' });
    const steps = [];
    ws.on('close', () => steps.push('client'));
    server.wss.on('close', () => steps.push('event'));
    const done = closed(server.wss).then(() => steps.push('callback'));
    ws.send('foo');
    await client.expect('8103666f6f');
    assert.deepStrictEqual(steps, []);
    client.write('888000000000');
    await client.ended();
    client.end();
    await done;
    assert.deepStrictEqual(
      steps.filter((step) => step !== 'client'),
      ['event', 'callback'],
    );
  });

  it('refuses new connections once close() was called', async () => {
    const { server } = await createConnection({ mode: 'port' });
    server.wss.close();
    await assert.rejects(server.connect(), { code: 'ECONNREFUSED' });
  });
});

describe('A server on another server', () => {
  afterEach(closeServers);

  it('emits what the other emits', async () => {
    const other = http.createServer();
    const server = new WebSocketServer({ server: other });
    const listening = once(server, 'listening');
    other.listen(0, '127.0.0.1');
    await listening;
    const error = once(server, 'error');
    other.emit('error', new Error('foo'));
    assert.strictEqual((await error)[0].message, 'foo');
    assert.deepStrictEqual(server.address(), other.address());
    await closed(server);
    assert.strictEqual(other.listening, true);
    await closed(other);
  });

  it('leaves the listeners of the other as they were when it is closed', async () => {
    const other = http.createServer();
    const names = () =>
      ['listening', 'error', 'upgrade', 'request', 'close'].map((name) =>
        other.listenerCount(name),
      );
    const before = names();
    const server = new WebSocketServer({ server: other });
    assert.strictEqual(other.listenerCount('upgrade'), 1);
    await closed(server);
    assert.deepStrictEqual(names(), before);
  });

  it('leaves the other running, and its clients connected, when it is closed', async () => {
    const { server, client, ws } = await createConnection({ mode: 'server' });
    server.http.on('request', (req, res) => res.end('foo'));
    server.wss.close();
    assert.strictEqual(server.wss.address(), null);
    assert.strictEqual(server.http.listening, true);

    const plain = await server.connect();
    plain.write(
      Buffer.from('GET / HTTP/1.1\r\nHost: foo\r\nConnection: close\r\n\r\n'),
    );
    assert.match((await plain.ended()).toString(), /^HTTP\/1\.1 200 OK\r\n/);

    ws.send('foo');
    await client.expect('8103666f6f');
  });

  it('lets requests that are no upgrade pass', async () => {
    const server = await createServer({ mode: 'server' });
    server.http.on('request', (req, res) => res.end(req.url));
    const client = await server.connect();
    client.write(
      Buffer.from('GET /bar HTTP/1.1\r\nHost: f\r\nConnection: close\r\n\r\n'),
    );
    assert.match(
      (await client.ended()).toString(),
      /\r\n\r\n\/bar$|4\r\n\/bar/,
    );
  });

  if (process.platform !== 'win32') {
    it('works on a Unix socket', async () => {
      const name = `ws-upgrade-${process.pid}-${Date.now()}.sock`;
      const { server, client, ws } = await createConnection({
        mode: 'server',
        socketPath: path.join(os.tmpdir(), name),
      });
      assert.strictEqual(server.wss.address(), server.http.address());
      ws.on('message', (data) => ws.send(data));
      const payload = Buffer.alloc(200000, 'a');
      client.send({ opcode: 'binary', payload });
      const frame = await client.frame();
      assert.strictEqual(Buffer.compare(frame.payload, payload), 0);
      const close = once(ws, 'close');
      client.write('88820000000003e8');
      await client.expect('880203e8');
      client.end();
      assert.strictEqual((await close)[0], 1000);
    });
  }
});

describe('A server without a server', () => {
  it('has no address', async () => {
    const server = new WebSocketServer({ noServer: true });
    assert.throws(() => server.address(), {
      name: 'Error',
      message: NO_SERVER,
    });
    await closed(server);
    assert.throws(() => server.address(), {
      name: 'Error',
      message: NO_SERVER,
    });
  });
});

describe('The event "connection"', () => {
  afterEach(closeServers);

  for (const mode of MODES) {
    it(`has the WebSocket and the request in the mode ${mode}`, async () => {
      const calls = [];
      const server = await createServer({
        mode,
        onConnection: (...args) => calls.push(args),
      });
      await server.open({ path: '/foo?bar', headers: { 'X-Foo': 'bar' } });
      assert.strictEqual(calls.length, 1);
      assert.strictEqual(calls[0].length, 2);
      const [ws, req] = calls[0];
      assert.strictEqual(ws instanceof WebSocket, true);
      assert.strictEqual(ws instanceof EventEmitter, true);
      assert.strictEqual(req instanceof http.IncomingMessage, true);
      assert.strictEqual(req.url, '/foo?bar');
      assert.strictEqual(req.headers['x-foo'], 'bar');
      assert.strictEqual(req.socket.remoteAddress, '127.0.0.1');
    });
  }

  it('comes for each client', async () => {
    const sockets = new Set();
    const server = await createServer({
      mode: 'server',
      onConnection: (ws) => sockets.add(ws),
    });
    for (let i = 0; i < 20; i++) await server.open();
    assert.strictEqual(sockets.size, 20);
    assert.deepStrictEqual(server.wss.clients, sockets);
  });
});

describe('The property clients', () => {
  afterEach(closeServers);

  for (const mode of MODES) {
    it(`has those that are connected in the mode ${mode}`, async () => {
      const server = await createServer({ mode });
      assert.deepStrictEqual(server.wss.clients, new Set());
      const first = await server.open();
      const second = await server.open();
      assert.deepStrictEqual([...server.wss.clients], [first.ws, second.ws]);
      const close = once(first.ws, 'close');
      first.client.end();
      await close;
      assert.deepStrictEqual([...server.wss.clients], [second.ws]);
    });
  }

  it('may be looped over to terminate all', async () => {
    const server = await createServer();
    const closes = [];
    for (let i = 0; i < 5; i++) {
      const { ws } = await server.open();
      closes.push(once(ws, 'close'));
    }
    server.wss.clients.forEach((ws) => ws.terminate());
    for (const [code] of await Promise.all(closes)) {
      assert.strictEqual(code, 1006);
    }
    assert.strictEqual(server.wss.clients.size, 0);
  });

  it('is not there with clientTracking: false', async () => {
    const { server, client, ws } = await createConnection({
      clientTracking: false,
    });
    assert.strictEqual(server.wss.clients, undefined);
    ws.send('foo');
    await client.expect('8103666f6f');
  });
});

describe('close() of a server', () => {
  afterEach(closeServers);

  for (const mode of MODES) {
    it(`calls back and emits "close" later in the mode ${mode}`, async () => {
      const server = await createServer({ mode });
      const steps = [];
      server.wss.on('close', (...args) => steps.push(['event', ...args]));
      await new Promise((resolve) => {
        const result = server.wss.close((...args) => {
          steps.push(['callback', ...args]);
          resolve();
        });
        assert.strictEqual(result, undefined);
        assert.deepStrictEqual(steps, []);
      });
      assert.deepStrictEqual(steps, [['event'], ['callback']]);
    });

    it(`calls back with an error once it is closed in the mode ${mode}`, async () => {
      const server = await createServer({ mode });
      await closed(server.wss);
      const error = await closed(server.wss);
      assert.strictEqual(error.constructor, Error);
      assert.strictEqual(error.message, 'The server is not running');
    });

    it(`does not close the clients in the mode ${mode}, and waits for them`, async () => {
      const { server, client, ws } = await createConnection({ mode });
      const other = await server.open();
      const steps = [];
      ws.on('close', () => steps.push('first client'));
      other.ws.on('close', () => steps.push('second client'));
      const done = closed(server.wss).then(() => steps.push('server'));
      ws.on('message', (data) => ws.send(data));
      client.write('828100000000 61');
      await client.expect('820161');
      assert.deepStrictEqual(steps, []);

      client.end();
      await once(ws, 'close');
      other.ws.send('foo');
      await other.client.expect('8103666f6f');
      assert.deepStrictEqual(steps, ['first client']);

      const close = once(other.ws, 'close');
      other.client.end();
      await Promise.all([close, done]);
      assert.deepStrictEqual(steps.slice(1).sort(), [
        'second client',
        'server',
      ]);
    });
  }

  it('calls back twice when it is called twice before it is closed', async () => {
    const { server, ws } = await createConnection();
    const first = closed(server.wss);
    const second = closed(server.wss);
    ws.terminate();
    assert.deepStrictEqual(await Promise.all([first, second]), [
      undefined,
      undefined,
    ]);
  });

  it('needs no callback', async () => {
    const server = await createServer();
    const close = once(server.wss, 'close');
    server.wss.close();
    assert.deepStrictEqual(await close, []);
  });

  it('does not wait for clients with clientTracking: false', async () => {
    const { server, client, ws } = await createConnection({
      clientTracking: false,
    });
    await closed(server.wss);
    ws.send('foo');
    await client.expect('8103666f6f');
  });

  it('in a listener of "connection" leaves the client connected', async () => {
    const server = await createServer({
      onConnection() {
        server.wss.close();
      },
    });
    const { client, ws } = await server.open();
    ws.send('foo');
    await client.expect('8103666f6f');
  });
});

describe('The option WebSocket', () => {
  afterEach(closeServers);

  for (const mode of MODES) {
    it(`is the class of the clients in the mode ${mode}`, async () => {
      class Extended extends WebSocket {
        constructor(...args) {
          super(...args);
          this.foo = 'bar';
        }
        get baz() {
          return this.readyState;
        }
        send(data, ...rest) {
          super.send(`<${data}>`, ...rest);
        }
      }
      const { client, ws } = await createConnection({
        mode,
        WebSocket: Extended,
      });
      assert.strictEqual(ws.constructor, Extended);
      assert.strictEqual(ws instanceof WebSocket, true);
      assert.strictEqual(ws.foo, 'bar');
      assert.strictEqual(ws.baz, Extended.OPEN);
      ws.send('foo');
      await client.expect('81053c666f6f3e');
    });
  }
});

describe('pause() and resume()', () => {
  afterEach(closeServers);

  it('are told by isPaused', async () => {
    const { ws } = await createConnection();
    assert.strictEqual(ws.isPaused, false);
    assert.strictEqual(ws.pause(), undefined);
    assert.strictEqual(ws.isPaused, true);
    ws.pause();
    assert.strictEqual(ws.isPaused, true);
    assert.strictEqual(ws.resume(), undefined);
    assert.strictEqual(ws.isPaused, false);
    ws.resume();
    assert.strictEqual(ws.isPaused, false);
  });

  it('hold events back and let them go on in order', async () => {
    const { server, client, ws } = await createConnection();
    const log = record(ws);
    ws.pause();
    client.write('818100000000 61 898000000000');
    await roundTrips(server);
    client.write('818100000000 62');
    await roundTrips(server);
    assert.deepStrictEqual(log, []);
    const done = new Promise((resolve) => {
      ws.on('message', () => log.length === 3 && resolve());
    });
    ws.resume();
    await done;
    assert.deepStrictEqual(log, [
      ['text', 'a'],
      ['ping', ''],
      ['text', 'b'],
    ]);
  });

  it('stop a client that sends more than the buffers hold', async () => {
    const { server, client, ws } = await createConnection();
    const lengths = [];
    const payload = Buffer.alloc(1048576, 'a');
    const done = new Promise((resolve) => {
      ws.on('message', (data) => {
        lengths.push(data.length);
        if (lengths.length === 48) resolve();
      });
    });
    ws.pause();
    for (let i = 0; i < 48; i++) client.send({ opcode: 'binary', payload });
    await roundTrips(server, 200);
    assert.deepStrictEqual(lengths, []);
    const held = client.socket.writableLength;
    assert.strictEqual(held > 16 * 1048576, true, `${held}`);
    ws.resume();
    await done;
    assert.deepStrictEqual(lengths, Array(48).fill(1048576));
  });

  it('hold back that the client closes', async () => {
    const { server, client, ws } = await createConnection();
    const log = record(ws);
    const close = once(ws, 'close');
    ws.pause();
    client.write('818100000000 61 888500000000 03e8666f6f');
    client.end();
    await roundTrips(server);
    assert.deepStrictEqual(log, []);
    assert.strictEqual(ws.readyState, ws.OPEN);
    ws.resume();
    await close;
    assert.deepStrictEqual(log, [
      ['text', 'a'],
      ['close', 1000, 'foo'],
    ]);
  });

  it('may be called before and after the client sends FIN', async () => {
    const { server, client, ws } = await createConnection();
    const log = record(ws);
    const close = once(ws, 'close');
    ws.pause();
    client.end();
    await roundTrips(server);
    ws.resume();
    await close;
    assert.deepStrictEqual(log, [['close', 1006, '']]);
  });

  it('do not hold back what is sent', async () => {
    const { client, ws } = await createConnection();
    ws.pause();
    ws.send('foo');
    ws.ping();
    ws.close(1000);
    await client.expect('8103666f6f 8900 880203e8');
  });

  it('do not hold back terminate()', async () => {
    const { client, ws } = await createConnection();
    const log = record(ws);
    const close = once(ws, 'close');
    ws.pause();
    ws.terminate();
    await close;
    assert.deepStrictEqual(log, [['close', 1006, '']]);
    await client.ended();
  });

  it('in the callback of handleUpgrade hold back what came with the handshake', async () => {
    let log;
    const server = await createServer({
      onConnection(ws) {
        if (log !== undefined) return;
        log = record(ws);
        ws.pause();
      },
    });
    const { ws } = await server.open({
      head: Buffer.from('81810000000061', 'hex'),
    });
    await roundTrips(server);
    assert.deepStrictEqual(log, []);
    const message = once(ws, 'message');
    ws.resume();
    await message;
    assert.deepStrictEqual(log, [['text', 'a']]);
  });

  it('do nothing on a WebSocket that is closed', async () => {
    const { ws } = await createConnection();
    const close = once(ws, 'close');
    ws.terminate();
    await close;
    ws.pause();
    assert.strictEqual(ws.isPaused, false);
    ws.resume();
    assert.strictEqual(ws.isPaused, false);
  });

  it('leave other connections alone', async () => {
    const { server, ws } = await createConnection();
    ws.pause();
    await roundTrips(server, 1);
    const other = await server.open();
    assert.strictEqual(other.ws.isPaused, false);
  });
});

describe('A client that connects and does not upgrade', () => {
  afterEach(closeServers);

  it('does not disturb others when it goes away within its request', async () => {
    const { server, client, ws } = await createConnection();
    const request = upgradeRequest();
    for (const end of [1, 20, request.length - 1]) {
      const half = await server.connect();
      half.write(request.subarray(0, end));
      half.reset();
    }
    ws.send('foo');
    await client.expect('8103666f6f');
    assert.strictEqual(server.wss.clients.size, 1);
  });
});
