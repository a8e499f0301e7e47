'use strict';

// How a connection leaves Node's HTTP server and becomes a WebSocket: in a
// listener of 'upgrade', in a request handler, and in an Express route. Much of
// this is particular to this package, so `ws` is not held against it.

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const crypto = require('node:crypto');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { Duplex } = require('node:stream');

const express = require('express');
const {
  WebSocket: WsClient,
  WebSocketServer: WsWebSocketServer,
} = require('ws');

const { isTls } = require('./helpers/http-server');
const { WebSocketServer, transport } = require('./helpers/implementation');
const { once, record } = require('./helpers/events');
const { encodeFrame } = require('./helpers/frame');
const {
  RawClient,
  destroyClients,
  upgradeRequest,
} = require('./helpers/raw-client');
const { closeServers, createServer } = require('./helpers/server');

const NODE_MAJOR = Number(process.versions.node.split('.')[0]);

/** With a stream it is Node's socket that reads and writes, as it is in `ws`. */
const isStream = transport !== 'tcp';

/** What a response is told; and a socket, in some of the ways to end. */
const UNTOLD = isStream
  ? ['res close', 'socket end', 'socket error']
  : ['res close', 'socket end'];

/**
 * Where applications call handleUpgrade(). Each gets an HTTP server and
 * `handle`, which it calls with the request, the socket, the head, and the
 * response where there is one.
 */
const PLACES = {
  "a listener of 'upgrade'"(server, handle) {
    server.on('upgrade', handle);
  },

  'a request handler'(server, handle) {
    server.on('request', (req, res) => {
      handle(req, req.socket, Buffer.alloc(0), res);
    });
  },

  'an Express route'(server, handle) {
    const app = express();
    app.get(['/', '/leaving'], (req, res) => {
      handle(req, req.socket, Buffer.alloc(0), res);
    });
    server.on('request', app);
  },
};

const [UPGRADE_PLACE, ...REQUEST_PLACES] = Object.keys(PLACES);

const PLAIN_REQUEST = Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');

/** The ways in which a connection ends, and the code that 'close' has. */
const ENDS = {
  'the closing handshake'({ client }) {
    client.write('88820000000003e8');
    client.end();
    return 1000;
  },
  FIN({ client }) {
    client.end();
    return 1006;
  },
  'a reset'({ client }) {
    client.reset();
    return 1006;
  },
  'terminate()'({ ws }) {
    ws.terminate();
    return 1006;
  },
};

function accept(wss, req, socket, head) {
  wss.handleUpgrade(req, socket, head, (ws) => {
    wss.emit('connection', ws, req);
  });
}

/**
 * Creates a server that takes connections over in one of the `PLACES`.
 *
 * @param {string} place
 * @param {object} [options] as for `createServer()`, and these:
 * @param {(wss, req, socket, head, res) => void} [options.handle] gets each
 *   upgrade request; it accepts by default
 * @param {(req, res) => void} [options.onPlain] gets the other requests
 * @param {(wss) => void} [options.prepare] is called before it listens
 */
async function serve(place, options = {}) {
  const { handle = accept, onPlain, prepare, ...others } = options;
  const server = await createServer(others);
  if (prepare) prepare(server.wss);
  server.http.removeAllListeners('upgrade');
  PLACES[place](server.http, (req, socket, head, res) => {
    if (req.headers.upgrade) handle(server.wss, req, socket, head, res);
    else onPlain(req, res);
  });
  if (place === UPGRADE_PLACE && onPlain) server.http.on('request', onPlain);
  return server;
}

/** Creates a server as `serve()` does, with one connection. */
async function serveOne(place, options) {
  const server = await serve(place, options);
  return { server, ...(await server.open()) };
}

/** Waits until `condition` holds, which it looks at in each turn. */
async function until(condition) {
  while (!(await condition())) await new Promise(setImmediate);
}

/** Lets the event loop turn often enough for anything that is ready. */
async function turns(count = 50) {
  for (let i = 0; i < count; i++) await new Promise(setImmediate);
}

/** Sends a message each way. */
async function assertEcho({ client, ws }) {
  const message = once(ws, 'message');
  client.send({ opcode: 'text', payload: 'echo' });
  const [data] = await message;
  assert.strictEqual(data.toString(), 'echo');
  ws.send(data);
  await client.expect('82046563686f');
}

function getConnections(server) {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => {
      if (error) reject(error);
      else resolve(count);
    });
  });
}

function addresses(socket) {
  return {
    remoteAddress: socket.remoteAddress,
    remotePort: socket.remotePort,
    remoteFamily: socket.remoteFamily,
    localAddress: socket.localAddress,
    localPort: socket.localPort,
    localFamily: socket.localFamily,
  };
}

/**
 * Keeps a log of what is emitted on the request, the socket and the response
 * of a connection: 'req close', for example.
 */
function recordHttp(log, req, socket, res) {
  const emitters = { req, socket, res };
  for (const [name, emitter] of Object.entries(emitters)) {
    if (emitter === undefined) continue;
    for (const event of ['aborted', 'error', 'end', 'close']) {
      emitter.on(event, () => log.push(`${name} ${event}`));
    }
  }
}

describe('The timeouts of an HTTP server', () => {
  const TIMEOUTS = {
    headersTimeout: 1000,
    requestTimeout: 1500,
    connectionsCheckingInterval: 200,
  };
  const CHAT_MS = 4000;
  const CHAT_PAUSE_MS = 20;

  const cleanups = [];

  afterEach(async () => {
    await Promise.all(cleanups.splice(0).map((cleanup) => cleanup()));
  });

  /** Serves an echo and connects a client of `ws` to it. */
  async function connect(Server, place, server) {
    const wss = new Server({ noServer: true });
    const sockets = new Set();
    const log = [];
    let req;
    server.on('connection', (socket) => sockets.add(socket));
    PLACES[place](server, (request, socket, head, res) => {
      req = request;
      recordHttp(log, req, socket, res);
      wss.handleUpgrade(req, socket, head, (ws) => {
        ws.on('message', (data) => ws.send(data));
        ws.on('close', (code) => log.push(`ws close ${code}`));
        ws.on('error', (error) => log.push(`ws ${error.code}`));
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanups.push(async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    });
    const client = new WsClient(`ws://127.0.0.1:${server.address().port}/`);
    await once(client, 'open');
    return { client, log, req };
  }

  /**
   * Exchanges messages, one after the other, for CHAT_MS.
   *
   * @returns {Promise<string>} 'alive', or the code of the client's error
   */
  function chat(client) {
    const startedAt = Date.now();
    return new Promise((resolve) => {
      let count = 0;
      client.on('error', (error) => resolve(error.code));
      client.on('close', (code) => resolve(`closed with ${code}`));
      client.on('message', (data) => {
        if (data.toString() !== `${count}`) {
          resolve(`received ${data} instead of ${count}`);
        } else if (Date.now() - startedAt > CHAT_MS) {
          resolve('alive');
        } else {
          count += 1;
          setTimeout(() => client.send(`${count}`), CHAT_PAUSE_MS);
        }
      });
      client.send('0');
    });
  }

  it('do not reach a WebSocket of a request handler, but do reach one of ws', async () => {
    const [ours, theirs] = await Promise.all(
      [WebSocketServer, WsWebSocketServer].map((Server) =>
        Promise.all(
          REQUEST_PLACES.map(async (place) => {
            const end = await connect(
              Server,
              place,
              http.createServer(TIMEOUTS),
            );
            return { ...end, outcome: await chat(end.client) };
          }),
        ),
      ),
    );
    for (const { outcome, log, req } of ours) {
      assert.strictEqual(outcome, 'alive');
      assert.deepStrictEqual(log, []);
      assert.strictEqual(req.aborted, false);
      assert.strictEqual(req.destroyed, false);
    }
    for (const { outcome } of theirs) {
      assert.strictEqual(
        outcome,
        NODE_MAJOR < 18 ? 'alive' : 'WS_ERR_UNEXPECTED_RSV_1',
      );
    }
  });

  for (const name of [
    'headersTimeout',
    'requestTimeout',
    'keepAliveTimeout',
    'timeout',
  ]) {
    it(`do not reach a silent WebSocket: ${name}`, async () => {
      const ends = await Promise.all(
        Object.keys(PLACES).map((place) => {
          const server = http.createServer({
            connectionsCheckingInterval: 50,
          });
          // Where one of these is larger it hides the other.
          server.headersTimeout = name === 'headersTimeout' ? 100 : 0;
          server.requestTimeout = 0;
          server[name] = 100;
          return connect(WebSocketServer, place, server);
        }),
      );
      // Silence is what these timeouts end.
      await new Promise((resolve) => setTimeout(resolve, 400));
      for (const { client, log, req } of ends) {
        assert.deepStrictEqual(log, []);
        assert.strictEqual(req.aborted, false);
        const message = once(client, 'message');
        client.send('foo');
        assert.strictEqual((await message)[0].toString(), 'foo');
      }
    });
  }
});

describe('The bytes before the takeover', () => {
  afterEach(closeServers);

  const STREAM = Buffer.concat([
    encodeFrame({ opcode: 'text', payload: 'foo' }),
    encodeFrame({ opcode: 'text', payload: 'ba', fin: false }),
    encodeFrame({ opcode: 'ping', payload: 'a' }),
    encodeFrame({ opcode: 'continuation', payload: 'r' }),
    encodeFrame({ opcode: 'binary', payload: 'b'.repeat(130) }),
    encodeFrame({ opcode: 'pong', payload: 'c' }),
  ]);
  const EVENTS = [
    ['text', 'foo'],
    ['ping', 'a'],
    ['text', 'bar'],
    ['binary', '62'.repeat(130)],
    ['pong', 'c'],
  ];

  /** Where the stream is cut: within and between its frames. */
  const CUTS = [0, 1, 6, 9, 10, 17, 24, 31, 33, 100, STREAM.length];

  function recordUntilPong(wss) {
    return new Promise((resolve) => {
      wss.on('connection', (ws) => {
        const log = record(ws);
        ws.on('pong', () => resolve(log));
      });
    });
  }

  it('arrive in order from the head, the buffer of the socket and the kernel', async () => {
    for (const [i, first] of CUTS.entries()) {
      for (const second of CUTS.slice(i)) {
        const inBuffer = STREAM.subarray(first, second);
        let client;
        const server = await serve(UPGRADE_PLACE, {
          async handle(wss, req, socket, head) {
            assert.strictEqual(head.length, first);
            client.write(inBuffer);
            await until(() => socket.readableLength === inBuffer.length);
            // A write reaches the kernel at once, the other end in a turn.
            client.write(STREAM.subarray(second));
            assert.strictEqual(socket.readableLength, inBuffer.length);
            accept(wss, req, socket, head);
          },
        });
        const log = recordUntilPong(server.wss);
        client = await server.connect();
        await client.handshake({ head: STREAM.subarray(0, first) });
        assert.deepStrictEqual(await log, EVENTS, `${first}, ${second}`);
        client.socket.destroy();
        await server.close();
      }
    }
  });

  for (const place of REQUEST_PLACES) {
    it(`arrive in order from the kernel in ${place}`, async () => {
      for (const cut of CUTS) {
        let client;
        const server = await serve(place, {
          handle(wss, req, socket, head) {
            client.write(STREAM.subarray(0, cut));
            accept(wss, req, socket, head);
            client.write(STREAM.subarray(cut));
          },
        });
        const log = recordUntilPong(server.wss);
        client = await server.connect();
        await client.handshake();
        assert.deepStrictEqual(await log, EVENTS, `${cut}`);
        client.socket.destroy();
        await server.close();
      }
    });
  }

  it('arrive whole when they are more than the socket buffers', async () => {
    const payload = crypto.randomBytes(400000);
    const stream = encodeFrame({ opcode: 'binary', payload });
    const cut = 1000;
    let client;
    const server = await serve(UPGRADE_PLACE, {
      async handle(wss, req, socket, head) {
        client.write(stream.subarray(cut));
        const limit = socket.readableHighWaterMark;
        await until(() => socket.readableLength >= limit);
        accept(wss, req, socket, head);
      },
    });
    const connection = once(server.wss, 'connection');
    client = await server.connect();
    client.write(Buffer.concat([upgradeRequest(), stream.subarray(0, cut)]));
    const [ws] = await connection;
    const [data] = await once(ws, 'message');
    assert.strictEqual(Buffer.compare(data, payload), 0);
  });
});

for (const place of Object.keys(PLACES)) {
  describe(`A connection that is taken over in ${place}`, () => {
    afterEach(closeServers);

    for (const [how, end] of Object.entries(ENDS)) {
      it(`keeps the addresses of its socket after its end by ${how}`, async () => {
        const connection = await serveOne(place);
        const { server, client, ws, req } = connection;
        const expected = {
          remoteAddress: '127.0.0.1',
          remotePort: client.socket.localPort,
          remoteFamily: 'IPv4',
          localAddress: '127.0.0.1',
          localPort: server.target,
          localFamily:
            'localFamily' in net.Socket.prototype ? 'IPv4' : undefined,
        };
        assert.deepStrictEqual(addresses(req.socket), expected);
        const closes = [once(ws, 'close'), once(req.socket, 'close')];
        end(connection);
        if (isStream) {
          // Node.js itself keeps those of the peer alone.
          for (const name of ['localAddress', 'localPort', 'localFamily']) {
            expected[name] = undefined;
          }
        }
        await closes[0];
        assert.deepStrictEqual(addresses(req.socket), expected);
        await closes[1];
        assert.deepStrictEqual(addresses(req.socket), expected);
      });

      it(`tells the listeners of its socket, once, of its end by ${how}`, async () => {
        const steps = [];
        const connection = await serveOne(place, {
          handle(wss, req, socket, head, res) {
            recordHttp(steps, req, socket, res);
            socket.once('close', () => steps.push('once'));
            accept(wss, req, socket, head);
            socket.prependListener('close', () => steps.push('prepended'));
            socket.on('close', () => steps.push('added'));
          },
        });
        const { ws, req } = connection;
        await assertEcho(connection);
        await turns();
        assert.deepStrictEqual(steps, []);
        assert.strictEqual(req.socket.destroyed, false);

        const closes = [once(ws, 'close'), once(req.socket, 'close')];
        const code = end(connection);
        assert.strictEqual((await closes[0])[0], code);
        await closes[1];
        await turns();
        assert.deepStrictEqual(
          steps.filter((step) => !UNTOLD.includes(step)),
          ['prepended', 'socket close', 'once', 'added'],
        );
        assert.strictEqual(req.aborted, false);
        assert.strictEqual(req.socket.destroyed, true);
      });

      it(`is counted by getConnections() until its end by ${how}`, async () => {
        const connection = await serveOne(place);
        const { server, ws } = connection;
        const other = await server.open();
        assert.strictEqual(await getConnections(server.http), 2);
        await assertEcho(connection);
        assert.strictEqual(await getConnections(server.http), 2);
        const close = once(ws, 'close');
        end(connection);
        await close;
        await until(async () => (await getConnections(server.http)) === 1);
        await assertEcho(other);
      });

      it(`lets server.close() wait for its end by ${how}`, async () => {
        const connection = await serveOne(place);
        const { server, ws } = connection;
        const steps = [];
        const close = once(ws, 'close');
        const closed = new Promise((resolve) => {
          server.http.close((error) => {
            steps.push('closed');
            resolve(error);
          });
        });
        await assertEcho(connection);
        await turns();
        assert.deepStrictEqual(steps, []);
        end(connection);
        assert.strictEqual(await closed, undefined);
        await close;
      });
    }

    it('takes one of maxConnections until it ends', async () => {
      const { server, client, ws } = await serveOne(place);
      server.http.maxConnections = 1;
      if (isTls) {
        await assert.rejects(server.connect(), /disconnected|ECONNRESET/);
      } else {
        const refused = await server.connect();
        assert.strictEqual((await refused.ended()).length, 0);
      }
      await assertEcho({ client, ws });
      const close = once(ws, 'close');
      ws.terminate();
      await close;
      await until(async () => (await getConnections(server.http)) === 0);
      await assertEcho(await server.open());
    });

    for (const name of ['closeIdleConnections', 'closeAllConnections']) {
      if (typeof http.Server.prototype[name] !== 'function') continue;
      it(`is not reached by ${name}()`, async () => {
        const server = await serve(place, {
          handle(wss, req, socket, head) {
            accept(wss, req, socket, head);
            server.http[name]();
            process.nextTick(() => server.http[name]());
          },
        });
        const connection = await server.open();
        await assertEcho(connection);
        server.http[name]();
        await assertEcho(connection);
      });
    }

    it('is not reached by server.close() right after it was taken over', async () => {
      const server = await serve(place, {
        handle(wss, req, socket, head) {
          accept(wss, req, socket, head);
          process.nextTick(() => server.http.close());
        },
      });
      await assertEcho(await server.open());
    });

    it('is ended with 1006 by req.socket.destroy()', async () => {
      const { client, ws, req } = await serveOne(place);
      const log = record(ws);
      const close = once(ws, 'close');
      req.socket.destroy();
      await close;
      assert.deepStrictEqual(log, [['close', 1006, '']]);
      assert.strictEqual((await client.ended()).length, 0);
    });

    it('is ended with 1006 by req.socket.destroy() with an error, which is not thrown', async () => {
      const { client, ws, req } = await serveOne(place);
      const log = record(ws);
      const close = once(ws, 'close');
      req.socket.destroy(new Error('foo'));
      await close;
      assert.deepStrictEqual(log, [['close', 1006, '']]);
      assert.strictEqual((await client.ended()).length, 0);
    });

    it('passes on what is written to its socket, in order', async () => {
      const connection = await serveOne(place);
      const { client, ws, req } = connection;
      ws.send('foo');
      req.socket.write(Buffer.from('8103626172', 'hex'));
      ws.send('baz');
      await client.expect('8103666f6f 8103626172 810362617a');
      await assertEcho(connection);
    });

    it('works on a Unix socket', async () => {
      const name = `ws-upgrade-${process.pid}-${Date.now()}.sock`;
      const { server, client, ws, req } = await serveOne(place, {
        socketPath: path.join(os.tmpdir(), name),
      });
      assert.strictEqual(req.socket.remoteAddress, undefined);
      await assertEcho({ client, ws });
      assert.strictEqual(await getConnections(server.http), 1);
      const closes = [once(ws, 'close'), once(req.socket, 'close')];
      client.write('88820000000003e8');
      await client.expect('880203e8');
      client.end();
      assert.strictEqual((await closes[0])[0], 1000);
      await closes[1];
      assert.strictEqual(await getConnections(server.http), 0);
    });
  });

  describe(`A client that leaves in ${place}`, () => {
    afterEach(closeServers);

    /** How it leaves, and the event by which its socket tells so. */
    const WAYS = {
      'a reset': [(client) => client.reset(), 'close'],
      FIN: [(client) => client.end(), 'end'],
    };

    /**
     * Each makes options for `serve()`, with which `leave` is called. That has
     * the client of a request for /leaving leave, and tells whether it did;
     * `event` is what its socket emits then.
     */
    const MOMENTS = {
      'right before handleUpgrade()': (leave) => ({
        handle(wss, req, socket, head) {
          leave(req);
          accept(wss, req, socket, head);
        },
      }),
      'well before handleUpgrade()': (leave, event) => ({
        async handle(wss, req, socket, head) {
          socket.on('error', () => {});
          if (leave(req)) await once(socket, event);
          accept(wss, req, socket, head);
        },
      }),
      'in verifyClient': (leave) => ({
        verifyClient({ req }) {
          leave(req);
          return true;
        },
      }),
      'right before verifyClient calls back': (leave) => ({
        verifyClient({ req }, callback) {
          setImmediate(() => {
            leave(req);
            callback(true);
          });
        },
      }),
      'well before verifyClient calls back': (leave, event) => ({
        async verifyClient({ req }, callback) {
          if (leave(req)) await once(req.socket, event);
          callback(true);
        },
      }),
      'well before verifyClient refuses it': (leave, event) => ({
        async verifyClient({ req }, callback) {
          const isLeaving = leave(req);
          if (isLeaving) await once(req.socket, event);
          callback(!isLeaving);
        },
      }),
      'in handleProtocols': (leave) => ({
        handleProtocols(protocols, req) {
          leave(req);
          return 'foo';
        },
      }),
      "in a listener of 'headers'": (leave) => ({
        prepare(wss) {
          wss.on('headers', (lines, req) => leave(req));
        },
      }),
      'in the callback of handleUpgrade()': (leave) => ({
        handle(wss, req, socket, head) {
          wss.handleUpgrade(req, socket, head, (ws) => {
            leave(req);
            wss.emit('connection', ws, req);
          });
        },
      }),
      'before much is sent': (leave) => ({
        handle(wss, req, socket, head) {
          wss.handleUpgrade(req, socket, head, (ws) => {
            wss.emit('connection', ws, req);
            if (!leave(req)) return;
            ws.send('foo');
            ws.send(Buffer.alloc(1000000));
            ws.ping();
          });
        },
      }),
    };

    const HEADERS = { 'Sec-WebSocket-Protocol': 'foo' };

    for (const [way, [leave, event]] of Object.entries(WAYS)) {
      for (const [when, makeOptions] of Object.entries(MOMENTS)) {
        it(`by ${way} ${when} ends nothing but its connection`, async () => {
          let client;
          const leaveIfAsked = ({ url }) => {
            if (url !== '/leaving') return false;
            leave(client);
            return true;
          };
          const server = await serve(place, makeOptions(leaveIfAsked, event));
          const other = await server.open({ headers: HEADERS });
          const logs = [];
          server.wss.on('connection', (ws) => logs.push(record(ws)));
          const accepted = once(server.http, 'connection');
          client = await server.connect();
          const [socket] = await accepted;
          const closed = once(socket, 'close');
          client.write(upgradeRequest({ path: '/leaving', headers: HEADERS }));
          await closed;
          // Who waits for long enough sees that it has gone.
          const isSeen = when.startsWith('well before');
          assert.strictEqual(logs.length, isSeen ? 0 : 1);
          for (const log of logs) {
            await until(() => log.length > 0);
            assert.deepStrictEqual(log, [['close', 1006, '']]);
          }
          assert.strictEqual(await getConnections(server.http), 1);
          assert.deepStrictEqual([...server.wss.clients], [other.ws]);
          await assertEcho(other);
          await assertEcho(await server.open({ headers: HEADERS }));
        });
      }
    }
  });

  describe(`An upgrade request with a body in ${place}`, () => {
    afterEach(closeServers);

    const ANSWER =
      'HTTP/1.1 400 Bad Request\r\n' +
      'Connection: close\r\n' +
      'Content-Type: text/html\r\n' +
      'Content-Length: 42\r\n\r\n' +
      'A WebSocket handshake must not have a body';

    // The body of seven bytes would be a frame.
    const FRAME = Buffer.from('81810000000061', 'hex');
    const CHUNKED = [Buffer.from('7\r\n'), FRAME, Buffer.from('\r\n')];

    for (const [what, headers, body] of [
      ['a length', { 'Content-Length': '7' }, [FRAME]],
      [
        'a length, of which a part came',
        { 'Content-Length': '7' },
        [FRAME.subarray(0, 2)],
      ],
      ['a length, of which nothing came', { 'Content-Length': '7' }, []],
      [
        'chunks',
        { 'Transfer-Encoding': 'chunked' },
        [...CHUNKED, Buffer.from('0\r\n\r\n')],
      ],
      [
        'chunks, of which a part came',
        { 'Transfer-Encoding': 'chunked' },
        CHUNKED,
      ],
      ['chunks, of which nothing came', { 'Transfer-Encoding': 'chunked' }, []],
    ]) {
      it(`of ${what}, is answered with 400 and nothing else`, async () => {
        const { server, client, ws } = await serveOne(place);
        server.wss.on('connection', () => assert.fail('must be refused'));
        const refused = await server.connect();
        refused.write(Buffer.concat([upgradeRequest({ headers }), ...body]));
        assert.strictEqual((await refused.ended()).toString(), ANSWER);
        await assertEcho({ client, ws });
      });
    }

    it('of a length of 0 is none', async () => {
      const server = await serve(place);
      await assertEcho(
        await server.open({ headers: { 'Content-Length': '0' } }),
      );
    });
  });

  describe(`A connection with earlier requests in ${place}`, () => {
    afterEach(closeServers);

    const REFUSED =
      'HTTP/1.1 400 Bad Request\r\n' +
      'Connection: close\r\n' +
      'Content-Type: text/html\r\n' +
      'Content-Length: 50\r\n\r\n' +
      'The response to an earlier request is not sent yet';

    const PIPELINED = Buffer.concat([PLAIN_REQUEST, upgradeRequest()]);

    /** Serves, and has the server emit 'refused' for each handshake that is. */
    async function serveRefusing(options) {
      const server = await serve(place, {
        ...options,
        handle(wss, ...args) {
          accept(wss, ...args);
          wss.emit('refused');
        },
      });
      return server;
    }

    async function assertAnswered(client) {
      assert.match(await client.responseHead(), /^HTTP\/1\.1 200 OK\r\n/);
      await client.expect('6f6e65');
    }

    it('works when they were answered', async () => {
      const server = await serve(place, {
        onPlain: (req, res) => res.end('one'),
      });
      const client = await server.connect();
      for (let i = 0; i < 3; i++) {
        client.write(PLAIN_REQUEST);
        await assertAnswered(client);
      }
      const connection = once(server.wss, 'connection');
      await client.handshake();
      const [ws] = await connection;
      await assertEcho({ client, ws });
    });

    it('works, or is refused, when one in its packet was answered at once', async () => {
      const server = await serve(place, {
        onPlain: (req, res) => res.end('one'),
      });
      const client = await server.connect();
      const connection = once(server.wss, 'connection');
      client.write(PIPELINED);
      await assertAnswered(client);
      const head = await client.responseHead();
      if (head.startsWith('HTTP/1.1 101 ')) {
        const [ws] = await connection;
        await assertEcho({ client, ws });
      } else {
        const body = await client.ended();
        assert.strictEqual(head + body.toString(), REFUSED);
      }
    });

    it('works when one is answered before verifyClient calls back', async () => {
      let earlier;
      const server = await serve(place, {
        onPlain: (req, res) => {
          earlier = res;
        },
        verifyClient(info, callback) {
          earlier.on('finish', () => callback(true));
          setImmediate(() => earlier.end('one'));
        },
      });
      const client = await server.connect();
      const connection = once(server.wss, 'connection');
      client.write(PIPELINED);
      await assertAnswered(client);
      assert.match(await client.responseHead(), /^HTTP\/1\.1 101 /);
      const [ws] = await connection;
      await assertEcho({ client, ws });
    });

    it('is refused when one was not answered', async () => {
      let earlier;
      const server = await serveRefusing({
        onPlain: (req, res) => {
          earlier = res;
        },
      });
      const client = await server.connect();
      const upgrade = once(server.wss, 'refused');
      client.write(PIPELINED);
      await upgrade;
      earlier.end('one');
      await assertAnswered(client);
      assert.strictEqual((await client.ended()).toString(), REFUSED);
      client.end();
      await client.closed();
      assert.strictEqual(server.wss.clients.size, 0);
      await assertEcho(await server.open());
    });

    it('is refused when one was answered in part', async () => {
      let earlier;
      const server = await serveRefusing({
        onPlain: (req, res) => {
          earlier = res;
          res.writeHead(200, { 'Content-Length': 6 });
          res.write('one');
        },
      });
      const client = await server.connect();
      client.write(PLAIN_REQUEST);
      await assertAnswered(client);
      const upgrade = once(server.wss, 'refused');
      client.write(upgradeRequest());
      await upgrade;
      earlier.end('two');
      await client.expect('74776f');
      assert.strictEqual((await client.ended()).toString(), REFUSED);
      client.end();
      await client.closed();
      assert.strictEqual(server.wss.clients.size, 0);
      await assertEcho(await server.open());
    });
  });
}

for (const place of REQUEST_PLACES) {
  describe(`A second handshake on a connection in ${place}`, () => {
    afterEach(closeServers);

    const SECOND = {
      'a valid one': upgradeRequest(),
      'one without a key': Buffer.from(
        'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n' +
          'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n',
      ),
    };

    /** Has a client send both, the second while the first one waits. */
    async function sendBoth(server, second) {
      const client = await server.connect();
      const connection = once(server.wss, 'connection');
      const bothWait = once(server.wss, 'waiting');
      client.write(upgradeRequest());
      await bothWait;
      client.write(second);
      assert.match(await client.responseHead(), /^HTTP\/1\.1 101 /);
      const [ws] = await connection;
      await until(() => server.wss.stats().connections.refused === 1);
      await assertEcho({ client, ws });
    }

    for (const [what, second] of Object.entries(SECOND)) {
      it(`does no harm if it is ${what}, and the handler is asynchronous`, async () => {
        const waiting = [];
        const server = await serve(place, {
          handle(wss, ...args) {
            waiting.push(args);
            wss.emit('waiting');
            if (waiting.length === 1) return;
            for (const each of waiting) accept(wss, ...each);
          },
        });
        await sendBoth(server, second);
      });
    }

    for (const isAccepted of [true, false]) {
      it(`does no harm if verifyClient ${isAccepted ? 'accepts' : 'refuses'} it later`, async () => {
        const waiting = [];
        const server = await serve(place, {
          verifyClient(info, callback) {
            waiting.push(callback);
            server.wss.emit('waiting');
            if (waiting.length === 1) return;
            waiting[0](true);
            waiting[1](isAccepted);
          },
        });
        await sendBoth(server, upgradeRequest());
      });
    }
  });
}

describe('Two servers with paths of their own on one HTTP server', () => {
  afterEach(closeServers);

  it('leave the connections of each other alone', async () => {
    const server = await createServer({ path: '/' });
    const other = new WebSocketServer({ server: server.http, path: '/other' });
    const connection = await server.open();
    await assertEcho(connection);
    assert.strictEqual(other.clients.size, 0);
    assert.strictEqual(other.stats().connections.refused, 0);
  });
});

describe('handleUpgrade()', () => {
  for (const socket of [undefined, null, 'socket']) {
    it(`throws if the socket is ${socket}`, () => {
      const wss = new WebSocketServer({ noServer: true });
      assert.throws(() => wss.handleUpgrade({}, socket), {
        name: 'TypeError',
        message: /^server\.handleUpgrade\(\) takes the request, its socket,/,
      });
    });
  }
});

describe('The descriptor of a connection', () => {
  afterEach(closeServers);

  if (process.platform === 'linux') {
    const countDescriptors = () => fs.readdirSync('/proc/self/fd').length;

    for (const place of Object.keys(PLACES)) {
      it(`is closed when the connection ends, in ${place}`, async () => {
        const server = await serve(place);
        // The first connection opens what stays open.
        await assertEcho(await server.open());
        destroyClients();
        await until(async () => (await getConnections(server.http)) === 0);
        const before = countDescriptors();
        for (const end of Object.values(ENDS)) {
          const connections = [await server.open(), await server.open()];
          const closes = connections.map(({ ws }) => once(ws, 'close'));
          connections.forEach(end);
          await Promise.all(closes);
        }
        destroyClients();
        await until(async () => (await getConnections(server.http)) === 0);
        await until(() => countDescriptors() === before);
      });
    }
  }

  it('is not inherited by child processes', async () => {
    const { client, ws } = await serveOne(UPGRADE_PLACE);
    const child = spawn(process.execPath, ['-e', 'process.stdin.resume()'], {
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    await once(child, 'spawn');
    ws.terminate();
    assert.strictEqual((await client.ended()).length, 0);
    assert.strictEqual(child.exitCode, null);
    const exit = once(child, 'exit');
    child.stdin.end();
    await exit;
  });
});

describe('The response to an upgrade request', () => {
  afterEach(closeServers);

  const WRITES = {
    'res.end()': (res) => res.end('x'),
    'res.end() with much': (res) => res.end(Buffer.alloc(1000000)),
    'res.write()': (res) => res.write('x'),
    'res.writeHead()': (res) => res.writeHead(200, { Foo: 'bar' }).end(),
    'res.flushHeaders()': (res) => res.flushHeaders(),
    'res.writeContinue()': (res) => res.writeContinue(),
    'res.writeProcessing()': (res) => res.writeProcessing(),
  };

  /** The ways to have one. */
  const RESPONSES = Object.fromEntries(
    REQUEST_PLACES.map((place) => [place, { place, prepareResponse: null }]),
  );
  RESPONSES["a listener of 'upgrade' with assignSocket()"] = {
    place: UPGRADE_PLACE,
    prepareResponse(req, socket) {
      const res = new http.ServerResponse(req);
      res.assignSocket(socket);
      return res;
    },
  };

  for (const [where, { place, prepareResponse }] of Object.entries(RESPONSES)) {
    async function serveWithResponse() {
      let response;
      const connection = await serveOne(place, {
        handle(wss, req, socket, head, res) {
          response = prepareResponse ? prepareResponse(req, socket) : res;
          accept(wss, req, socket, head);
        },
      });
      return { ...connection, res: response };
    }

    it(`does not disturb the WebSocket in ${where}`, async () => {
      const connection = await serveWithResponse();
      const { client, ws } = connection;
      await assertEcho(connection);
      const close = once(ws, 'close');
      client.write('88820000000003e8');
      await client.expect('880203e8');
      client.end();
      assert.strictEqual((await close)[0], 1000);
    });

    for (const [what, write] of Object.entries(WRITES)) {
      it(`does not reach the client by ${what} in ${where}`, async () => {
        const connection = await serveWithResponse();
        const { client, ws, res } = connection;
        ws.send('foo');
        write(res);
        ws.send('bar');
        await client.expect('8103666f6f 8103626172');
        await turns();
        await assertEcho(connection);
        const close = once(ws, 'close');
        client.write('88820000000003e8');
        await client.expect('880203e8');
        assert.strictEqual((await client.ended()).length, 0);
        client.end();
        assert.strictEqual((await close)[0], 1000);
      });
    }
  }

  it('does not reach the client when an Express route calls next()', async () => {
    const server = await createServer();
    server.http.removeAllListeners('upgrade');
    const app = express();
    app.set('env', 'test');
    app.get('/', (req, res, next) => {
      accept(server.wss, req, req.socket, Buffer.alloc(0));
      next();
    });
    server.http.on('request', app);
    const connection = await server.open();
    await turns();
    await assertEcho(connection);
  });
});

describe('A stream', () => {
  afterEach(closeServers);

  it('of any kind may be given to handleUpgrade()', async () => {
    const written = [];
    const duplex = new Duplex({
      read() {},
      write(chunk, encoding, callback) {
        written.push(chunk);
        callback();
      },
    });
    const { req } = await serveOne(UPGRADE_PLACE);
    const wss = new WebSocketServer({ noServer: true });
    const head = encodeFrame({ opcode: 'text', payload: 'foo' });
    const ws = await new Promise((resolve) => {
      wss.handleUpgrade(req, duplex, head, resolve);
    });
    const log = record(ws);
    duplex.push(encodeFrame({ opcode: 'binary', payload: 'bar' }));
    duplex.push(null);
    ws.send('baz');
    await once(ws, 'close');
    assert.deepStrictEqual(log, [
      ['text', 'foo'],
      ['binary', '626172'],
      ['close', 1006, ''],
    ]);
    const [response, ...frames] = written;
    assert.match(response.toString(), /^HTTP\/1\.1 101 .*\r\n\r\n$/s);
    assert.strictEqual(Buffer.concat(frames).toString('hex'), '810362617a');
  });

  it('is written to once in a turn', async () => {
    const lengths = [];
    const duplex = new Duplex({
      read() {},
      write(chunk, encoding, callback) {
        lengths.push(chunk.length);
        callback();
      },
    });
    const { req } = await serveOne(UPGRADE_PLACE);
    const wss = new WebSocketServer({ noServer: true });
    const ws = await new Promise((resolve) => {
      wss.handleUpgrade(req, duplex, Buffer.alloc(0), resolve);
    });
    for (let i = 0; i < 100; i++) ws.send('foo');
    await new Promise((resolve) => ws.send(Buffer.alloc(100000), resolve));
    assert.deepStrictEqual(lengths.slice(1), [100 * 5 + 10 + 100000]);
    ws.terminate();
  });

  it('that is full gets no more until it has room', async () => {
    const chunks = [];
    let proceed;
    const duplex = new Duplex({
      read() {},
      write(chunk, encoding, callback) {
        chunks.push(chunk.length);
        proceed = callback;
      },
    });
    const { req } = await serveOne(UPGRADE_PLACE);
    const wss = new WebSocketServer({ noServer: true });
    const ws = await new Promise((resolve) => {
      wss.handleUpgrade(req, duplex, Buffer.alloc(0), resolve);
    });
    proceed();
    chunks.length = 0;
    const calls = [];
    ws.send(Buffer.alloc(100000), () => calls.push(1));
    await turns();
    ws.send(Buffer.alloc(200000), () => calls.push(2));
    await turns();
    assert.deepStrictEqual(chunks, [100010]);
    assert.strictEqual(duplex.writableLength, 100010);
    assert.strictEqual(ws.bufferedAmount, 300020);
    assert.deepStrictEqual(calls, []);
    proceed();
    await turns();
    assert.deepStrictEqual(chunks, [100010, 200010]);
    assert.strictEqual(ws.bufferedAmount, 200010);
    assert.deepStrictEqual(calls, [1]);
    proceed();
    await turns();
    assert.strictEqual(ws.bufferedAmount, 0);
    assert.deepStrictEqual(calls, [1, 2]);
    ws.terminate();
  });

  it('is not read while the WebSocket is paused', async () => {
    let wanted = 0;
    const duplex = new Duplex({
      read() {
        wanted += 1;
      },
      write: (chunk, encoding, callback) => callback(),
    });
    const { req } = await serveOne(UPGRADE_PLACE);
    const wss = new WebSocketServer({ noServer: true });
    const ws = await new Promise((resolve) => {
      wss.handleUpgrade(req, duplex, Buffer.alloc(0), resolve);
    });
    const log = record(ws);
    ws.pause();
    await turns();
    wanted = 0;
    const frame = encodeFrame({ opcode: 'binary', payload: Buffer.alloc(999) });
    let count = 0;
    do count += 1;
    while (duplex.push(frame));
    await turns();
    assert.deepStrictEqual(log, []);
    assert.strictEqual(wanted, 0);
    ws.resume();
    await until(() => log.length === count);
    assert.notStrictEqual(wanted, 0);
    ws.terminate();
  });

  it('that is closed before its end is told as 1006, behind its messages', async () => {
    const duplex = new Duplex({
      read() {},
      write: (chunk, encoding, callback) => callback(),
    });
    const { req } = await serveOne(UPGRADE_PLACE);
    const wss = new WebSocketServer({ noServer: true });
    const ws = await new Promise((resolve) => {
      wss.handleUpgrade(req, duplex, Buffer.alloc(0), resolve);
    });
    const log = record(ws);
    duplex.push(encodeFrame({ opcode: 'text', payload: 'foo' }));
    duplex.destroy(new Error('bar'));
    await once(ws, 'close');
    assert.deepStrictEqual(log.pop(), ['close', 1006, '']);
  });
});

describe('A parser of a Node.js that is not known', () => {
  afterEach(closeServers);

  for (const place of REQUEST_PLACES) {
    it(`makes handleUpgrade() throw at once in ${place}`, async () => {
      let thrown;
      const server = await serve(place, {
        verifyClient: () => assert.fail('must not be called'),
        handle(wss, req, socket, head, res) {
          const [listener] = socket
            .listeners('data')
            .filter(({ name }) => name === 'bound socketOnData');
          Object.defineProperty(listener, 'name', { value: 'foo' });
          try {
            accept(wss, req, socket, head);
          } catch (error) {
            thrown = error;
          }
          res.end('one');
        },
      });
      const client = await server.connect();
      client.write(upgradeRequest());
      assert.match(await client.responseHead(), / 200 /);
      assert.strictEqual(thrown.code, 'WSU_ERR_UNSUPPORTED_SOCKET');
      assert.match(thrown.message, /server\.on\('upgrade'\)/);
    });
  }
});

// A stream needs no other descriptor than the one that it has.
const describeDescriptor = isStream ? () => {} : describe;

describeDescriptor('A process without a descriptor left', () => {
  const LIMIT = 64;
  const children = new Set();

  afterEach(async () => {
    destroyClients();
    const exits = [...children].map((child) => once(child, 'exit'));
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(exits);
    children.clear();
  });

  for (const place of ['upgrade', 'request']) {
    it(`answers with 503 and goes on, in a listener of '${place}'`, async () => {
      const child = spawn(
        'sh',
        [
          '-c',
          `ulimit -n ${LIMIT} && exec "$0" "$@"`,
          process.execPath,
          path.join(__dirname, 'helpers', 'exhausted-server.js'),
          place,
        ],
        {
          // Node.js reads these on a thread, whose descriptor becomes free.
          env: { ...process.env, NODE_EXTRA_CA_CERTS: '' },
          stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
        },
      );
      children.add(child);
      const [port] = await once(child, 'message');
      const client = await RawClient.open(port);

      const refused = await RawClient.connect(port);
      refused.write(upgradeRequest({ path: '/exhausted' }));
      assert.strictEqual(
        (await refused.ended()).toString(),
        'HTTP/1.1 503 Service Unavailable\r\n' +
          'Connection: close\r\n' +
          'Content-Type: text/html\r\n' +
          'Content-Length: 19\r\n\r\n' +
          'Service Unavailable',
      );
      refused.end();

      for (const each of [client, await RawClient.open(port)]) {
        each.write('828100000000 61');
        await each.expect('820161');
      }
    });
  }
});
