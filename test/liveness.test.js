'use strict';

// The loop that finds dead connections, as the README has it, and the property
// isAlive that it is made of. Only the interval is shorter.

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const crypto = require('node:crypto');
const path = require('node:path');

const express = require('express');

const { WebSocket } = require('./helpers/implementation');
const { once, record } = require('./helpers/events');
const { encodeFrame } = require('./helpers/frame');
const {
  closeServers,
  createConnection,
  createServer,
} = require('./helpers/server');

const INTERVAL_MS = 200;

/**
 * Runs the loop until the server is closed.
 *
 * @param {WebSocketServer} wss
 * @param {() => void} onTick is called after each look at all clients
 */
function startLoop(wss, onTick) {
  const interval = setInterval(() => {
    wss.clients.forEach((ws) => {
      if (!ws.isAlive) {
        ws.terminate();
        return;
      }
      ws.isAlive = false;
      ws.ping();
    });
    onTick();
  }, INTERVAL_MS);
  wss.on('close', () => clearInterval(interval));
}

/** What the loop of the README asks of an application, for every 'upgrade'. */
function onUpgrade(req, socket, head, wss) {
  wss.handleUpgrade(req, socket, head, (ws) => {
    ws.isAlive = true;
    ws.on('pong', () => {
      ws.isAlive = true;
    });
    wss.emit('connection', ws, req);
  });
}

/** Has an Express route in place of the listener of 'upgrade'. */
function moveToRoute(server) {
  const app = express();
  app.get('/', (req) => {
    onUpgrade(req, req.socket, Buffer.alloc(0), server.wss);
  });
  server.http.removeAllListeners('upgrade');
  server.http.on('request', app);
}

/** Waits until `condition` holds, which it looks at in each turn. */
async function until(condition) {
  while (!condition()) await new Promise(setImmediate);
}

describe('The loop that terminates dead connections', () => {
  const children = new Set();

  afterEach(async () => {
    const exits = [...children].map((child) => once(child, 'exit'));
    for (const child of children) child.kill('SIGKILL');
    children.clear();
    await Promise.all(exits);
    await closeServers();
  });

  /** Connects a client of `ws` in a process of its own, which answers pings. */
  async function connectProcess(server) {
    const connection = once(server.wss, 'connection');
    const child = spawn(
      process.execPath,
      [path.join(__dirname, 'helpers', 'pong-client.js'), `${server.target}`],
      { stdio: ['ignore', 'inherit', 'inherit'] },
    );
    children.add(child);
    const [ws] = await connection;
    return { child, ws };
  }

  for (const place of ["a listener of 'upgrade'", 'an Express route']) {
    it(`terminates a stopped client after two intervals, and no other, in ${place}`, async () => {
      let ticks = 0;
      const server = await createServer({ onUpgrade });
      if (place === 'an Express route') moveToRoute(server);
      const [stopped, other] = [
        await connectProcess(server),
        await connectProcess(server),
      ];
      const log = record(stopped.ws);
      const close = once(stopped.ws, 'close');
      startLoop(server.wss, () => {
        ticks += 1;
      });
      await once(stopped.ws, 'pong');
      await once(stopped.ws, 'pong');
      stopped.child.kill('SIGSTOP');
      const stoppedAt = ticks;
      await close;
      assert.strictEqual(ticks - stoppedAt, 2);
      assert.deepStrictEqual(log, [
        ['pong', ''],
        ['pong', ''],
        ['close', 1006, ''],
      ]);

      await once(other.ws, 'pong');
      assert.strictEqual(other.ws.readyState, WebSocket.OPEN);
      assert.deepStrictEqual([...server.wss.clients], [other.ws]);
    });
  }

  it('terminates a client that does not answer after two intervals', async () => {
    let ticks = 0;
    const { server, client, ws } = await createConnection({ onUpgrade });
    const close = once(ws, 'close');
    startLoop(server.wss, () => {
      ticks += 1;
    });
    await client.expect('8900');
    assert.strictEqual((await client.ended()).length, 0);
    assert.strictEqual((await close)[0], 1006);
    assert.strictEqual(ticks, 2);
  });

  it('does not terminate a client that is in the middle of a long message', async () => {
    const PIECES = 8;
    const { server, client, ws } = await createConnection({
      onUpgrade,
      maxPayload: 0,
    });
    const silent = await server.open();
    const terminated = once(silent.ws, 'close');
    const payload = crypto.randomBytes(50 * 1024 * 1024);
    const message = encodeFrame({ opcode: 'binary', payload });
    const end = Promise.race([once(ws, 'message'), once(ws, 'close')]);
    startLoop(server.wss, () => {});

    const size = Math.ceil(message.length / PIECES);
    for (let i = 0; i < PIECES; i++) {
      // The client answers no ping: it sends the next piece instead.
      const frame = await client.frame();
      assert.strictEqual(frame.opcode, 9);
      client.write(message.subarray(i * size, (i + 1) * size));
    }
    assert.strictEqual((await terminated)[0], 1006);
    const [data] = await end;
    assert.strictEqual(Buffer.isBuffer(data), true);
    assert.strictEqual(Buffer.compare(data, payload), 0);
  });

  it('is the only one that an application needs', async () => {
    // Without a listener of 'pong': any byte counts.
    const { server, client, ws } = await createConnection();
    let ticks = 0;
    startLoop(server.wss, () => {
      ticks += 1;
    });
    while (ticks < 3) {
      await client.expect('8900');
      client.write('8a8000000000');
    }
    assert.strictEqual(ws.readyState, WebSocket.OPEN);
  });
});

describe('The property isAlive', () => {
  afterEach(closeServers);

  it('is true when the connection opens', async () => {
    const states = [];
    await createConnection({
      onUpgrade(req, socket, head, wss) {
        wss.handleUpgrade(req, socket, head, (ws) => {
          states.push(ws.isAlive);
          wss.emit('connection', ws, req);
        });
      },
      onConnection: (ws) => states.push(ws.isAlive),
    });
    assert.deepStrictEqual(states, [true, true]);
  });

  it('may be set', async () => {
    const { ws } = await createConnection();
    ws.isAlive = false;
    assert.strictEqual(ws.isAlive, false);
    ws.isAlive = true;
    assert.strictEqual(ws.isAlive, true);
    ws.isAlive = false;
    await new Promise(setImmediate);
    assert.strictEqual(ws.isAlive, false);
  });

  it('is that of one connection', async () => {
    const { server, client, ws } = await createConnection();
    const other = await server.open();
    ws.isAlive = false;
    other.ws.isAlive = false;
    client.write('81');
    await until(() => ws.isAlive);
    assert.strictEqual(other.ws.isAlive, false);
  });

  // Each byte comes alone, so most of them are no frame yet.
  for (const [what, bytes] of [
    ['a message', encodeFrame({ opcode: 'text', payload: 'foo' })],
    [
      'a message with a long length',
      encodeFrame({ opcode: 'text', payload: 'foo', lengthBits: 64 }),
    ],
    ['a pong', encodeFrame({ opcode: 'pong', payload: 'a' })],
    ['a ping', encodeFrame({ opcode: 'ping' })],
  ]) {
    it(`becomes true on each byte of ${what}`, async () => {
      const { client, ws } = await createConnection();
      for (const byte of bytes) {
        ws.isAlive = false;
        client.write(Buffer.from([byte]));
        await until(() => ws.isAlive);
      }
    });
  }

  for (const [event, hex] of [
    ['message', '818100000000 61'],
    ['ping', '898000000000'],
    ['pong', '8a8000000000'],
  ]) {
    it(`is true in a listener of '${event}'`, async () => {
      const { client, ws } = await createConnection();
      const states = [];
      ws.on(event, () => {
        states.push(ws.isAlive);
        ws.isAlive = false;
        states.push(ws.isAlive);
      });
      ws.isAlive = false;
      const come = once(ws, event);
      client.write(hex);
      await come;
      assert.deepStrictEqual(states, [true, false]);
      assert.strictEqual(ws.isAlive, false);
    });
  }

  it('stays false while nothing is received', async () => {
    const { server, client, ws } = await createConnection();
    const other = await server.open();
    ws.isAlive = false;
    ws.ping();
    await client.expect('8900');
    ws.send('foo');
    await client.expect('8103666f6f');
    const pong = once(other.ws, 'pong');
    other.client.write('8a8000000000');
    await pong;
    assert.strictEqual(ws.isAlive, false);
  });

  it('is true while the closing handshake is going on', async () => {
    const { client, ws } = await createConnection();
    ws.isAlive = false;
    ws.close();
    await client.expect('8800');
    assert.strictEqual(ws.isAlive, false);
    client.write('81');
    await until(() => ws.isAlive);
    assert.strictEqual(ws.readyState, WebSocket.CLOSING);
  });

  for (const [how, end] of Object.entries({
    'the closing handshake': ({ client }) => {
      client.write('888000000000');
      client.end();
    },
    FIN: ({ client }) => client.end(),
    'a reset': ({ client }) => client.reset(),
    'terminate()': ({ ws }) => ws.terminate(),
    'req.socket.destroy()': ({ req }) => req.socket.destroy(),
  })) {
    it(`is false once the connection was ended by ${how}`, async () => {
      const connection = await createConnection();
      const { ws } = connection;
      const state = new Promise((resolve) => {
        ws.on('close', () => resolve(ws.isAlive));
      });
      end(connection);
      assert.strictEqual(await state, false);
      assert.strictEqual(ws.isAlive, false);
    });
  }

  it('may be set once the connection has ended, which opens nothing', async () => {
    const { server, client, ws } = await createConnection();
    const close = once(ws, 'close');
    client.end();
    await close;
    const { ws: next } = await server.open();
    next.isAlive = false;
    ws.isAlive = true;
    assert.strictEqual(next.isAlive, false);
    assert.strictEqual(ws.readyState, WebSocket.CLOSED);
  });
});
