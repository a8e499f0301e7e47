'use strict';

// What waits to be sent: what send() tells about it, 'drain', the limit, and
// pings that do not wait.

const assert = require('node:assert');
const { inspect } = require('node:util');

const { WebSocketServer, transport } = require('./helpers/implementation');
const { once } = require('./helpers/events');
const { Random } = require('./helpers/random');
const {
  closeServers,
  createConnection,
  createServer,
} = require('./helpers/server');
const { OFFER, offering, sample } = require('./helpers/deflate');

const KIB = 1024;
const MIB = 1024 * 1024;

/** More than a kernel and a stream keep for a client that does not read. */
const MANY = 16 * MIB;

afterEach(closeServers);

function numbered(number, size) {
  const payload = Buffer.alloc(size, number & 255);
  payload.writeUInt32BE(number);
  return payload;
}

/** Sends until more than `size` bytes wait. Returns how many messages. */
function fill(ws, size, messageSize = 64 * KIB) {
  let count = 0;
  while (ws.bufferedAmount <= size) ws.send(numbered(count++, messageSize));
  return count;
}

/** Reads messages and control frames until the close frame, or so many. */
async function readAll(client, count = Infinity) {
  const messages = [];
  const control = [];
  while (messages.length < count) {
    const frame = await client.frame();
    if (frame.opcode === 8) return { messages, control, close: frame.payload };
    if (frame.opcode > 8) control.push({ frame, after: messages.length });
    else messages.push(frame);
  }
  return { messages, control };
}

describe('send()', () => {
  it('returns false from the first byte over highWaterMark on', async () => {
    const { ws } = await createConnection({ highWaterMark: 1020 });
    const results = [];
    for (let i = 0; i < 10; i++) results.push(ws.send('x'.repeat(100)));
    assert.deepStrictEqual(results, Array(10).fill(true));
    assert.strictEqual(ws.send(''), false);
    await once(ws, 'drain');
    assert.strictEqual(ws.bufferedAmount <= 1020, true);
  });

  it('returns false each time with a highWaterMark of 0', async () => {
    const { client, ws } = await createConnection({ highWaterMark: 0 });
    for (let i = 0; i < 3; i++) {
      assert.strictEqual(ws.send('a'), false);
      await once(ws, 'drain');
      assert.strictEqual(ws.bufferedAmount, 0);
      await client.expect('810161');
    }
  });

  it('returns true again as soon as little waits', async () => {
    const { client, ws } = await createConnection();
    client.socket.pause();
    fill(ws, MANY);
    assert.strictEqual(ws.send('a'), false);
    const drain = once(ws, 'drain');
    client.socket.resume();
    await drain;
    assert.strictEqual(ws.bufferedAmount <= 64 * KIB, true);
    assert.strictEqual(ws.send('a'), true);
  });

  it('brings one drain, which comes late enough', async () => {
    const { client, ws } = await createConnection({ highWaterMark: 100 * KIB });
    const amounts = [];
    ws.on('drain', () => amounts.push(ws.bufferedAmount));
    client.socket.pause();
    const count = fill(ws, MANY);
    const last = new Promise((resolve) => ws.send('last', resolve));
    client.socket.resume();
    await readAll(client, count + 1);
    await last;
    assert.strictEqual(amounts.length, 1);
    assert.strictEqual(amounts[0] <= 100 * KIB, true, `${amounts[0]}`);
  });

  it('brings drain where a thread compresses', async () => {
    const { server } = await createConnection({ perMessageDeflate: true });
    const { client, ws } = await server.open(offering(OFFER));
    assert.strictEqual(ws.send(sample('words', MIB)), false);
    assert.strictEqual(ws.bufferedAmount, MIB);
    await Promise.all([once(ws, 'drain'), client.frame()]);
    assert.strictEqual(ws.bufferedAmount, 0);
  });

  it('brings drain though a callback of another one throws', async () => {
    const { client, ws } = await createConnection();
    const error = new Error('of a callback');
    const uncaught = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    const caught = once(process, 'uncaughtException');
    try {
      client.socket.pause();
      fill(ws, MANY);
      ws.send('a', () => {
        throw error;
      });
      const drain = once(ws, 'drain');
      client.socket.resume();
      await drain;
      assert.strictEqual((await caught)[0], error);
    } finally {
      for (const listener of uncaught) {
        process.on('uncaughtException', listener);
      }
    }
  });

  it('counts for each connection that takes the place of another', async () => {
    const server = await createServer({ highWaterMark: 1000 });
    for (let i = 0; i < 5; i++) {
      const { client, ws } = await server.open();
      assert.strictEqual(ws.send('x'.repeat(900)), true);
      assert.strictEqual(ws.send('x'.repeat(900)), false);
      const close = once(ws, 'close');
      client.reset();
      await close;
      assert.strictEqual(ws.send('a'), false);
    }
  });

  it('counts for more connections than it began with', async () => {
    const server = await createServer({ highWaterMark: 1000 });
    const all = [];
    for (let i = 0; i < 150; i++) all.push((await server.open()).ws);
    for (const ws of all) {
      assert.strictEqual(ws.send('x'.repeat(600)), true);
      assert.strictEqual(ws.send('x'.repeat(600)), false);
    }
    await Promise.all(all.map((ws) => once(ws, 'drain')));
  });
});

describe('maxBackpressure', () => {
  const LIMIT = { maxBackpressure: MIB };

  /** Sends to a client that does not read until one is dropped. */
  async function overflow(options) {
    const { client, ws } = await createConnection({ ...LIMIT, ...options });
    const dropped = once(ws, 'dropped');
    const calls = [];
    let count = 0;
    let isDropped = false;
    client.socket.pause();
    ws.once('dropped', () => (isDropped = true));
    while (!isDropped) {
      for (let i = 0; i < 50 && ws.readyState === ws.OPEN; i++) {
        const number = count++;
        ws.send(numbered(number, 64 * KIB), (err) => calls.push([number, err]));
        assert.strictEqual(ws.bufferedAmount <= MIB, true);
      }
      await new Promise(setImmediate);
    }
    const [data, isBinary] = await dropped;
    return { client, ws, calls, count, data, isBinary };
  }

  function assertDropped(err) {
    assert.strictEqual(err.code, 'WSU_ERR_BACKPRESSURE');
    assert.strictEqual(
      err.message,
      'The message was dropped: with it, more than maxBackpressure ' +
        '(1048576 bytes) would wait to be sent',
    );
  }

  it('ends the connection by default, and calls back for each message', async () => {
    const { ws, calls, count, data, isBinary } = await overflow();
    if (ws.readyState !== ws.CLOSED) await once(ws, 'close');
    await new Promise(setImmediate);
    assert.strictEqual(ws._closeCode, 1006);
    assert.strictEqual(isBinary, true);
    assert.strictEqual(calls.length, count);
    const number = data.readUInt32BE();
    assertDropped(calls.find((call) => call[0] === number)[1]);
    assert.deepStrictEqual(
      calls.map((call) => call[0]).sort((a, b) => a - b),
      [...Array(count).keys()],
    );
  });

  it("closes with 1013 behind what was sent before, with 'close'", async () => {
    const { client, data } = await overflow({ onBackpressure: 'close' });
    client.socket.resume();
    const { messages, close } = await readAll(client);
    assert.strictEqual(close.readUInt16BE(), 1013);
    assert.deepStrictEqual(
      messages.map((frame) => frame.payload.readUInt32BE()),
      [...Array(data.readUInt32BE()).keys()],
    );
  });

  it("drops what is too much and sends the rest, with 'drop'", async () => {
    const { client, ws, calls, count } = await overflow({
      onBackpressure: 'drop',
    });
    client.socket.resume();
    ws.close();
    const { messages } = await readAll(client);
    client.send({ opcode: 8 });
    client.end();
    await once(ws, 'close');
    assert.strictEqual(calls.length, count);
    const failed = calls.filter((call) => call[1]);
    assert.strictEqual(failed.length > 0, true);
    for (const call of failed) assertDropped(call[1]);
    assert.deepStrictEqual(
      messages.map((frame) => frame.payload.readUInt32BE()),
      calls.filter((call) => !call[1]).map((call) => call[0]),
    );
  });

  it('drops messages of several fragments whole', async () => {
    const { client, ws } = await createConnection({
      maxBackpressure: 1000,
      onBackpressure: 'drop',
    });
    let dropped = 0;
    ws.on('dropped', () => dropped++);
    ws.send('x'.repeat(900));
    ws.send('a'.repeat(200), { fin: false });
    ws.send('b', { fin: false });
    await once(ws, 'dropped');
    ws.send('c');
    ws.send('d');
    await new Promise(setImmediate);
    assert.strictEqual(dropped, 3);
    const { messages } = await readAll(client, 2);
    assert.strictEqual(messages[0].payload.length, 900);
    assert.strictEqual(messages[1].payload.toString(), 'd');
  });

  it('ends the connection where a message cannot be dropped any more', async () => {
    const { ws } = await createConnection({
      maxBackpressure: 1000,
      onBackpressure: 'drop',
    });
    ws.send('x'.repeat(900), { fin: false });
    ws.send('x'.repeat(200));
    assert.strictEqual((await once(ws, 'close'))[0], 1006);
  });

  it('leaves a message of any size alone if little waits', async () => {
    const { client, ws } = await createConnection({
      highWaterMark: 10,
      maxBackpressure: 1000,
    });
    ws.send('x'.repeat(8));
    ws.send(numbered(1, 2 * MIB));
    const { messages } = await readAll(client, 2);
    assert.strictEqual(messages[1].payload.length, 2 * MIB);
  });

  it('is none with 0', async () => {
    const { client, ws } = await createConnection({ maxBackpressure: 0 });
    client.socket.pause();
    const count = fill(ws, 80 * MIB, MIB);
    client.socket.resume();
    assert.strictEqual((await readAll(client, count)).messages.length, count);
  });

  it('counts what a thread has still to compress', async () => {
    const { server } = await createConnection({
      ...LIMIT,
      onBackpressure: 'drop',
      perMessageDeflate: true,
    });
    const { ws } = await server.open(offering(OFFER));
    const large = sample('words', 600 * KIB);
    ws.send(large);
    ws.send(large);
    const [data] = await once(ws, 'dropped');
    assert.strictEqual(data, large);
  });

  const WRONG = [
    [
      { highWaterMark: '1' },
      TypeError,
      'The "highWaterMark" option must be a number of bytes, not string',
    ],
    [
      { highWaterMark: -1 },
      RangeError,
      'The "highWaterMark" option must not be negative: it is -1',
    ],
    [
      { maxBackpressure: {} },
      TypeError,
      'The "maxBackpressure" option must be a number of bytes, not object',
    ],
    [
      { maxBackpressure: NaN },
      TypeError,
      'The "maxBackpressure" option must be a number of bytes, not NaN',
    ],
    [
      { onBackpressure: 'ignore' },
      TypeError,
      'The "onBackpressure" option must be one of terminate, close, drop',
    ],
  ];
  it('is 64 MiB, with a mark at 64 KiB, if the options are not given', () => {
    for (const value of [undefined, null]) {
      const { options } = new WebSocketServer({
        noServer: true,
        highWaterMark: value,
        maxBackpressure: value,
        onBackpressure: value,
      });
      assert.strictEqual(options.highWaterMark, 64 * KIB);
      assert.strictEqual(options.maxBackpressure, 64 * MIB);
      assert.strictEqual(options.onBackpressure, 'terminate');
    }
  });

  for (const [options, type, message] of WRONG) {
    it(`throws for ${inspect(options)}`, () => {
      assert.throws(
        () => new WebSocketServer({ noServer: true, ...options }),
        (err) => err instanceof type && err.message === message,
      );
    });
  }
});

describe('Pings, pongs and close frames', () => {
  it('do not wait behind messages, save for the close frame', async () => {
    const { client, ws } = await createConnection();
    client.socket.pause();
    const count = fill(ws, MANY);
    for (let i = 0; i < 10; i++) {
      ws.ping(`${i}`);
      ws.pong(`${i}`);
    }
    ws.close(1000);
    client.socket.resume();
    const { messages, control, close } = await readAll(client);
    assert.strictEqual(messages.length, count);
    assert.strictEqual(close.readUInt16BE(), 1000);
    assert.deepStrictEqual(
      control.map(({ frame }) => [frame.opcode, frame.payload.toString()]),
      [...Array(20).keys()].map((i) => [9 + (i & 1), `${i >>> 1}`]),
    );
    for (const { after } of control) {
      assert.strictEqual(after < count - 60, true, `${after} of ${count}`);
    }
  });

  it('are not dropped where messages are', async () => {
    const { client, ws } = await createConnection({
      maxBackpressure: 4 * MIB,
      onBackpressure: 'drop',
    });
    client.socket.pause();
    for (let i = 0; i < 1000; i++) {
      ws.send(numbered(i, 64 * KIB));
      ws.ping(`${i}`);
    }
    ws.close();
    client.socket.resume();
    const { messages, control } = await readAll(client);
    assert.strictEqual(messages.length < 1000, true);
    assert.deepStrictEqual(
      control.map(({ frame }) => Number(frame.payload)),
      [...Array(1000).keys()],
    );
  });

  it('go between the fragments of a message', async () => {
    const { client, ws } = await createConnection();
    client.socket.pause();
    fill(ws, MANY);
    ws.send('a', { fin: false });
    ws.send(numbered(1, MIB), { fin: false });
    ws.ping('b');
    ws.send('c');
    ws.close();
    client.socket.resume();
    const { messages, control } = await readAll(client);
    assert.strictEqual(control.length, 1);
    assert.strictEqual(control[0].after < messages.length - 3, true);
  });
});

describe('Any order of calls', () => {
  /** What the client reads: numbers of messages and of pings, in order. */
  class Reader {
    constructor(client) {
      this.client = client;
      this.messages = [];
      this.pings = [];
    }

    async run() {
      for (;;) {
        const { opcode, payload, fin } = await this.client.frame();
        if (opcode === 8) return;
        if (opcode === 9) this.pings.push(Number(payload));
        else this.messages.push([payload.readUInt32BE(), fin]);
      }
    }
  }

  async function runRandomly(seed) {
    const random = new Random(seed);
    const { server } = await createConnection({ perMessageDeflate: true });
    const { client, ws } = await server.open(
      seed % 3 === 0 ? offering(OFFER) : undefined,
    );
    const reader = new Reader(client);
    const done = reader.run();
    const sent = [];
    const calls = [];
    let expectedCalls = 0;
    let pings = 0;
    let isFragmenting = false;
    let drains = 0;
    ws.on('drain', () => drains++);
    for (let step = 0; step < 120; step++) {
      const action = random.real();
      if (action < 0.5) {
        const number = sent.length;
        const fin = random.chance(0.7);
        const size = random.chance(0.1)
          ? random.integer(17 * KIB, MIB)
          : random.integer(4, 4 * KIB);
        const callback = random.chance(0.5)
          ? (err) => calls.push([number, err || null])
          : undefined;
        if (callback) expectedCalls++;
        sent.push([number, fin]);
        ws.send(numbered(number, size), { compress: false, fin }, callback);
        isFragmenting = !fin;
      } else if (action < 0.7) {
        ws.ping(`${pings++}`, false, (err) => calls.push([-1, err || null]));
        expectedCalls++;
      } else if (action < 0.8) {
        client.socket.pause();
      } else if (action < 0.9) {
        client.socket.resume();
      } else {
        await new Promise(setImmediate);
      }
    }
    if (isFragmenting) {
      sent.push([sent.length, true]);
      ws.send(numbered(sent.length - 1, 4), { compress: false });
    }
    const over = !ws.send(numbered(sent.length, 4), { compress: false });
    sent.push([sent.length, true]);
    ws.close();
    client.socket.resume();
    await done;
    client.send({ opcode: 8 });
    client.end();
    await once(ws, 'close');
    assert.deepStrictEqual(reader.messages, sent);
    assert.deepStrictEqual(reader.pings, [...Array(pings).keys()]);
    assert.strictEqual(calls.length, expectedCalls);
    assert.strictEqual(
      calls.every((call) => call[1] === null),
      true,
    );
    const order = calls.map((call) => call[0]).filter((n) => n >= 0);
    assert.deepStrictEqual(
      order,
      [...order].sort((a, b) => a - b),
    );
    if (over) assert.strictEqual(drains > 0, true);
  }

  for (let seed = 1; seed <= 12; seed++) {
    it(`brings whole frames in order and each callback once (${transport}, ${seed})`, () =>
      runRandomly(seed));
  }
});
