'use strict';

// The heartbeat that is built in, with intervals of parts of a second. That it
// keeps its times is shown by test/native/test_liveness.c, on a simulated clock.

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const { Duplex } = require('node:stream');

const { WebSocket, WebSocketServer } = require('./helpers/implementation');
const { once, record } = require('./helpers/events');
const {
  closeServers,
  createConnection,
  createServer,
} = require('./helpers/server');

const PING = 9;
const PONG = 10;

const FAST = { interval: 100, timeout: 100 };

/** Has a client answer pings until its connection ends. */
async function answerPings(client) {
  for (;;) {
    const { opcode, payload } = await client.frame().catch(() => ({}));
    if (opcode === undefined) return;
    if (opcode === PING) client.send({ opcode: 'pong', payload });
  }
}

/** Waits for the end of so many sweeps; the sum of what they have done. */
function sweeps(wss, count) {
  return new Promise((resolve) => {
    const sum = { pinged: 0, terminated: 0 };
    wss.on('heartbeat', function onHeartbeat({ alive, pinged, terminated }) {
      sum.alive = alive;
      sum.pinged += pinged;
      sum.terminated += terminated;
      count -= 1;
      if (count > 0) return;
      wss.removeListener('heartbeat', onHeartbeat);
      resolve(sum);
    });
  });
}

/** Waits until `condition` holds, which it looks at in each turn. */
async function until(condition) {
  while (!condition()) await new Promise(setImmediate);
}

/** Sends until the kernels at both ends are full. */
async function fill(ws) {
  const message = Buffer.alloc(1024 * 1024);
  let before;

  do {
    before = ws.bufferedAmount;
    ws.send(message);
    await new Promise(setImmediate);
  } while (ws.bufferedAmount < before + message.length);
}

describe('The heartbeat', () => {
  afterEach(closeServers);

  it('is off by default', async () => {
    const { client, ws } = await createConnection();
    const other = await createConnection({ heartbeat: FAST });
    answerPings(other.client);
    await sweeps(other.server.wss, 6);
    assert.strictEqual(client.unread.length, 0);
    assert.strictEqual(ws.isAlive, true);
    assert.strictEqual(ws.latency, NaN);
  });

  it('pings a silent client again and again', async () => {
    const { client, ws } = await createConnection({ heartbeat: FAST });
    for (let i = 0; i < 3; i++) {
      const { opcode, fin, masked, payload } = await client.frame();
      assert.deepStrictEqual([opcode, fin, masked], [PING, true, false]);
      assert.strictEqual(ws.isAlive, false);
      client.send({ opcode: 'pong', payload });
    }
    await client.frame();
    assert.strictEqual(ws.readyState, WebSocket.OPEN);
  });

  it('terminates a client that does not answer', async () => {
    const openedAt = Date.now();
    const { client, ws } = await createConnection({ heartbeat: FAST });
    const log = record(ws);
    assert.strictEqual((await client.frame()).opcode, PING);
    assert.strictEqual((await client.ended()).length, 0);
    if (ws.readyState !== WebSocket.CLOSED) await once(ws, 'close');
    assert.ok(Date.now() - openedAt >= FAST.interval + FAST.timeout);
    assert.deepStrictEqual(log, [['close', 1006, '']]);
    assert.strictEqual(ws.isAlive, false);
    assert.strictEqual(ws.latency, NaN);
  });

  it('terminates every frozen client among others, and none other', async () => {
    const server = await createServer({ heartbeat: FAST });
    const states = [];
    const ends = [];
    let terminated = 0;
    server.wss.on('heartbeat', (counts) => {
      terminated += counts.terminated;
    });
    for (let i = 0; i < 50; i++) {
      const isFrozen = i % 5 === 2;
      const { client, ws } = await server.open();
      if (isFrozen) ends.push(once(ws, 'close'));
      else answerPings(client);
      states.push({ isFrozen, ws });
    }
    await Promise.all(ends);
    const { alive } = await sweeps(server.wss, 6);
    for (const { isFrozen, ws } of states) {
      assert.strictEqual(ws.readyState === WebSocket.CLOSED, isFrozen);
    }
    assert.strictEqual(terminated, ends.length);
    assert.strictEqual(alive, states.length - ends.length);
    assert.strictEqual(server.wss.clients.size, alive);
  });

  it('takes any byte for an answer', async () => {
    const { client, ws } = await createConnection({ heartbeat: FAST });
    for (let i = 0; i < 3; i++) {
      assert.strictEqual((await client.frame()).opcode, PING);
      // The first bytes of a frame that never becomes whole.
      client.write(i === 0 ? '82' : i === 1 ? 'fe' : '01');
      await until(() => ws.isAlive);
    }
    assert.strictEqual(ws.latency, NaN);
  });

  it('does not ping a client that is sending', async () => {
    const { server, client, ws } = await createConnection({
      heartbeat: { interval: 200, timeout: 100 },
    });
    client.write('82ff 0000000000100000 00000000');
    const timer = setInterval(() => client.write('00'), 10);
    const silent = await server.open();
    answerPings(silent.client);
    const { pinged } = await sweeps(server.wss, 6);
    clearInterval(timer);
    assert.ok(pinged > 0);
    assert.strictEqual(client.unread.length, 0);
    assert.strictEqual(ws.isAlive, true);
    assert.strictEqual(ws.readyState, WebSocket.OPEN);
  });

  it('terminates a client that reads nothing, behind all that waits for it', async () => {
    const { client, ws } = await createConnection({ heartbeat: FAST });
    client.socket.pause();
    const log = record(ws);
    const close = once(ws, 'close');
    await fill(ws);
    assert.ok(ws.bufferedAmount > 0);
    await close;
    assert.deepStrictEqual(log, [['close', 1006, '']]);
  });

  it('keeps a client that reads what was sent long ago', async () => {
    const { client, ws } = await createConnection({ heartbeat: FAST });
    const message = Buffer.alloc(256 * 1024);
    const end = Date.now() + 4 * (FAST.interval + FAST.timeout);
    const events = record(ws);
    const done = new Promise((resolve, reject) => {
      const send = (err) => {
        if (err) reject(err);
        else if (Date.now() > end) resolve();
        else ws.send(message, send);
      };
      // So many that there is never nothing to wait for.
      for (let i = 0; i < 64; i++) send();
    });
    client.socket.on('data', () => {
      client.socket.pause();
      setImmediate(() => client.socket.resume());
    });
    await done;
    assert.deepStrictEqual(events, []);
    assert.strictEqual(ws.readyState, WebSocket.OPEN);
  });

  it('does not count the time in which the connection is paused', async () => {
    const { server, client, ws } = await createConnection({ heartbeat: FAST });
    ws.pause();
    const other = await server.open();
    answerPings(other.client);
    await sweeps(server.wss, 6);
    assert.strictEqual(ws.readyState, WebSocket.OPEN);
    ws.resume();
    const close = once(ws, 'close');
    assert.strictEqual((await client.frame()).opcode, PING);
    assert.strictEqual((await close)[0], 1006);
  });

  it('does not count the time in which the event loop stands still', async () => {
    const { server, client, ws } = await createConnection({ heartbeat: FAST });
    answerPings(client);
    for (let i = 0; i < 3; i++) {
      let counts;
      do [counts] = await once(server.wss, 'heartbeat');
      while (counts.pinged === 0);
      // The client, in the same process, cannot answer before this is over.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
    }
    await sweeps(server.wss, 4);
    assert.strictEqual(ws.readyState, WebSocket.OPEN);
  });

  it('stops when the closing handshake begins', async () => {
    const { server, client, ws } = await createConnection({ heartbeat: FAST });
    ws.close();
    const other = await server.open();
    answerPings(other.client);
    await client.expect('8800');
    await sweeps(server.wss, 6);
    assert.strictEqual(client.unread.length, 0);
    assert.strictEqual(ws.readyState, WebSocket.CLOSING);
  });

  it('leaves the process free to end', async () => {
    const script = `
      const { WebSocket } = require('.');
      const { Duplex } = require('stream');
      const stream = new Duplex({ read() {}, write() {} });
      const ws = new WebSocket(null);
      ws.setSocket(stream, Buffer.alloc(0), {});
      ws.heartbeat(true);
    `;
    const child = spawn(process.execPath, ['-e', script], {
      cwd: require('node:path').join(__dirname, '..'),
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    assert.deepStrictEqual(await once(child, 'exit'), [0, null]);
  });
});

describe("The event 'heartbeat'", () => {
  afterEach(closeServers);

  it('counts what a sweep has done', async () => {
    const { server, client } = await createConnection({ heartbeat: FAST });
    answerPings(client);
    const log = [];
    server.wss.on('heartbeat', (counts) => log.push(counts));
    await sweeps(server.wss, 1);
    const frozen = await server.open();
    if (frozen.ws.readyState !== WebSocket.CLOSED)
      await once(frozen.ws, 'close');
    await sweeps(server.wss, 1);
    assert.deepStrictEqual(log[0], { alive: 1, pinged: 1, terminated: 0 });
    assert.strictEqual(
      log.filter(({ terminated }) => terminated === 1).length,
      1,
    );
    for (const { alive, pinged, terminated } of log) {
      assert.ok(alive >= 1 && alive <= 2);
      assert.ok(pinged <= alive);
      assert.ok(terminated <= 1);
    }
    assert.strictEqual(log[log.length - 1].alive, 1);
  });

  it('is about one server', async () => {
    const first = await createConnection({ heartbeat: FAST });
    answerPings(first.client);
    const second = await createConnection({ heartbeat: FAST });
    let terminated = 0;
    second.server.wss.on('heartbeat', (counts) => {
      terminated += counts.terminated;
    });
    await once(second.ws, 'close');
    assert.strictEqual(terminated, 1);
    assert.strictEqual((await sweeps(first.server.wss, 4)).terminated, 0);
  });

  it('comes before the end of those that it counts', async () => {
    const { server, ws } = await createConnection({ heartbeat: FAST });
    const log = [];
    server.wss.on('heartbeat', ({ terminated }) => log.push(terminated));
    ws.on('close', () => log.push('close'));
    await once(ws, 'close');
    assert.deepStrictEqual(log.slice(-2), [1, 'close']);
  });

  it('lets a listener close the server and terminate its clients', async () => {
    const { server, ws } = await createConnection({ heartbeat: FAST });
    const closed = once(server.wss, 'close');
    server.wss.on('heartbeat', () => {
      server.wss.close();
      for (const client of server.wss.clients) client.terminate();
    });
    await once(ws, 'close');
    await closed;
  });
});

describe("Pongs that answer the heartbeat's pings", () => {
  afterEach(closeServers);

  it("are not emitted as 'pong'", async () => {
    const { server, client, ws } = await createConnection({ heartbeat: FAST });
    const log = record(ws);
    answerPings(client);
    await sweeps(server.wss, 5);
    assert.deepStrictEqual(log, []);
  });

  it('leave those of ping() to be emitted', async () => {
    const { client, ws } = await createConnection({ heartbeat: FAST });
    const log = record(ws);
    const pong = once(ws, 'pong');
    ws.ping('foo');
    let frame;
    do {
      frame = await client.frame();
      client.send({ opcode: 'pong', payload: frame.payload });
    } while (frame.payload.toString() !== 'foo');
    await pong;
    assert.deepStrictEqual(log, [['pong', 'foo']]);
  });

  it('tell the latency', async () => {
    const { server, client, ws } = await createConnection({ heartbeat: FAST });
    assert.strictEqual(ws.latency, NaN);
    const { payload } = await client.frame();
    const from = process.hrtime.bigint();
    client.send({ opcode: 'pong', payload });
    await once(server.wss, 'heartbeat');
    const most = Number(process.hrtime.bigint() - from) / 1e6 + FAST.timeout;
    assert.ok(ws.latency > 0 && ws.latency < most, `${ws.latency} ms`);
  });

  it('may be anything else, and tell nothing then', async () => {
    const { client, ws } = await createConnection({ heartbeat: FAST });
    await client.frame();
    client.send({ opcode: PONG, payload: 'foo' });
    assert.strictEqual((await once(ws, 'pong'))[0].toString(), 'foo');
    assert.strictEqual(ws.isAlive, true);
    assert.strictEqual(ws.latency, NaN);
  });
});

describe('heartbeat() of a connection', () => {
  afterEach(closeServers);

  it('begins one without that of the server', async () => {
    const { server, client, ws } = await createConnection();
    const beat = once(server.wss, 'heartbeat');
    const close = once(ws, 'close');
    ws.heartbeat(FAST);
    assert.strictEqual((await client.frame()).opcode, PING);
    assert.deepStrictEqual(await beat, [
      { alive: 1, pinged: 1, terminated: 0 },
    ]);
    assert.strictEqual((await close)[0], 1006);
  });

  it('ends it', async () => {
    const { server, client, ws } = await createConnection({ heartbeat: FAST });
    ws.heartbeat(false);
    const other = await server.open();
    answerPings(other.client);
    const { alive } = await sweeps(server.wss, 6);
    assert.strictEqual(alive, 1);
    assert.strictEqual(client.unread.length, 0);
    assert.strictEqual(ws.isAlive, true);
  });

  it('returns to that of the server', async () => {
    const { client, ws } = await createConnection({ heartbeat: FAST });
    ws.heartbeat(false);
    ws.heartbeat(true);
    assert.strictEqual((await client.frame()).opcode, PING);
  });

  it('gives one connection other times', async () => {
    const { server, client, ws } = await createConnection({ heartbeat: true });
    const other = await server.open();
    const close = once(ws, 'close');
    ws.heartbeat(FAST);
    assert.strictEqual((await client.frame()).opcode, PING);
    await close;
    assert.strictEqual(other.client.unread.length, 0);
    assert.strictEqual(other.ws.readyState, WebSocket.OPEN);
  });

  it('does nothing once the connection has ended', async () => {
    const { client, ws } = await createConnection({ heartbeat: FAST });
    const close = once(ws, 'close');
    client.end();
    await close;
    ws.heartbeat(FAST);
    ws.heartbeat(false);
  });

  it('works on any stream', async () => {
    const written = [];
    const stream = new Duplex({
      read() {},
      write(chunk, encoding, callback) {
        written.push(chunk.toString('hex'));
        callback();
      },
    });
    const ws = new WebSocket(null);
    ws.setSocket(stream, Buffer.alloc(0), {});
    ws.heartbeat(FAST);
    // The heartbeat keeps no process going, and neither does this stream.
    const timer = setInterval(() => {}, 1000);
    const [code] = await once(ws, 'close');
    clearInterval(timer);
    assert.strictEqual(code, 1006);
    assert.deepStrictEqual(written, ['89087773759d00000001']);
  });
});

describe('idleTimeout', () => {
  afterEach(closeServers);

  it('closes a client without messages, though it answers pings', async () => {
    const { client, ws } = await createConnection({
      heartbeat: FAST,
      idleTimeout: 500,
    });
    let pings = 0;
    let frame;
    while ((frame = await client.frame()).opcode === PING) {
      pings += 1;
      client.send({ opcode: 'pong', payload: frame.payload });
    }
    assert.ok(pings > 0);
    assert.strictEqual(frame.opcode, 8);
    assert.strictEqual(frame.payload.toString('hex'), '03e9');
    assert.strictEqual(ws.readyState, WebSocket.CLOSING);
    const close = once(ws, 'close');
    client.write('888200000000 03e9');
    client.end();
    assert.strictEqual((await close)[0], 1001);
  });

  it('does not close a client that sends messages, or a long one', async () => {
    const { server, client, ws } = await createConnection({ idleTimeout: 200 });
    const timers = [setInterval(() => client.write('818100000000 61'), 10)];
    const uploading = await server.open();
    uploading.client.write('82ff 0000000000100000 00000000');
    timers.push(setInterval(() => uploading.client.write('00'), 10));
    for (let i = 0; i < 2; i++) {
      const idle = await server.open();
      await idle.client.expect('880203e9');
    }
    timers.forEach(clearInterval);
    assert.strictEqual(ws.readyState, WebSocket.OPEN);
    assert.strictEqual(uploading.ws.readyState, WebSocket.OPEN);
  });
});

describe('maxLifetime', () => {
  afterEach(closeServers);

  it('closes a client, whatever it sends', async () => {
    const { client, ws } = await createConnection({ maxLifetime: 200 });
    let messages = 0;
    ws.on('message', () => {
      messages += 1;
    });
    const timer = setInterval(() => client.write('818100000000 61'), 10);
    await client.expect('880203e9');
    clearInterval(timer);
    assert.ok(messages > 0);
  });

  it('closes a paused connection', async () => {
    const { client, ws } = await createConnection({ maxLifetime: 100 });
    ws.pause();
    await client.expect('880203e9');
  });
});

describe('Options of the heartbeat', () => {
  const range = 'a whole number of milliseconds from';
  const max = 2 ** 31 - 1;

  for (const [options, name, message] of [
    [
      { heartbeat: 30000 },
      'TypeError',
      'The "heartbeat" option must be true, false, or an object such as ' +
        '{ interval: 30000, timeout: 10000 }, in milliseconds',
    ],
    [
      { heartbeat: { interval: 0 } },
      'RangeError',
      `The "heartbeat.interval" option must be ${range} 1 to ${max}; ` +
        'use heartbeat: false for none',
    ],
    [
      { heartbeat: { timeout: '10s' } },
      'TypeError',
      `The "heartbeat.timeout" option must be ${range} 1 to ${max}; ` +
        'use heartbeat: false for none',
    ],
    [
      { idleTimeout: -1 },
      'RangeError',
      `The "idleTimeout" option must be ${range} 0 to ${max}; ` +
        '0 means no limit',
    ],
    [
      { maxLifetime: 1.5 },
      'RangeError',
      `The "maxLifetime" option must be ${range} 0 to ${max}; ` +
        '0 means no limit',
    ],
  ]) {
    it(`are refused if they are ${JSON.stringify(options)}`, () => {
      assert.throws(() => new WebSocketServer({ noServer: true, ...options }), {
        name,
        message,
      });
    });
  }

  for (const value of [undefined, null, 1, 'on']) {
    it(`may not be ${value} for one connection`, async () => {
      const { ws } = await createConnection();
      assert.throws(() => ws.heartbeat(value), {
        name: 'TypeError',
        message: /^The "heartbeat" option must be true, false, or an object/,
      });
      await closeServers();
    });
  }

  for (const value of [[], { intervall: 5 }]) {
    it(`may not be ${JSON.stringify(value)}`, () => {
      assert.throws(
        () => new WebSocketServer({ noServer: true, heartbeat: value }),
        {
          name: 'TypeError',
          message: Array.isArray(value)
            ? /^The "heartbeat" option must be true, false, or an object/
            : 'The "heartbeat" option has no option "intervall": it has ' +
              'interval, timeout',
        },
      );
    });
  }

  it('may be left out, or undefined or null', () => {
    for (const value of [undefined, null]) {
      new WebSocketServer({
        noServer: true,
        heartbeat: value,
        idleTimeout: value,
        maxLifetime: value,
      });
    }
  });
});
