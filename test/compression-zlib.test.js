'use strict';

// Random messages, of which Node's own zlib says what they stand for: what it
// has compressed in any way, what is broken, and what the server sends.

const assert = require('node:assert');
const zlib = require('node:zlib');

const { isWs } = require('./helpers/implementation');
const {
  Deflater,
  NO_TAKEOVER,
  OFFER,
  StrictInflater,
  deflate,
  inflateAll,
  offering,
  readMessage,
  sample,
} = require('./helpers/deflate');
const { Random, chooseSeed } = require('./helpers/random');
const { closeServers, createServer } = require('./helpers/server');

const {
  Z_BLOCK,
  Z_FINISH,
  Z_FULL_FLUSH,
  Z_NO_FLUSH,
  Z_PARTIAL_FLUSH,
  Z_SYNC_FLUSH,
} = zlib.constants;

const LEVELS = [-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
const STRATEGIES = [0, 1, 2, 3, 4];
const WINDOW_BITS = [8, 9, 10, 11, 12, 13, 14, 15];
const RSV1 = 4;

/** What may come between two pieces of a message. */
const FLUSHES = [
  Z_NO_FLUSH,
  Z_PARTIAL_FLUSH,
  Z_SYNC_FLUSH,
  Z_FULL_FLUSH,
  Z_BLOCK,
];

const KINDS = {
  noise: (random, size) => sample('random', size, random.integer(0, 1 << 20)),
  words: (random, size) => sample('words', size, random.integer(0, 1 << 20)),
  run: (random, size) => Buffer.alloc(size, random.integer(0, 255)),
  period(random, size) {
    const length = 1 + random.logUniform(40000);
    return Buffer.alloc(size, KINDS.noise(random, length));
  },
  letters(random, size) {
    const letters = random.integer(2, 40);
    return KINDS.noise(random, size).map((byte) => byte % letters);
  },
};

function makeMessageOf(random, size) {
  return KINDS[pick(random, Object.keys(KINDS))](random, size);
}

function makeMessage(random, maxSize) {
  return makeMessageOf(random, random.logUniform(maxSize));
}

function pick(random, list) {
  return list[random.integer(0, list.length - 1)];
}

/** Collects the messages of a WebSocket in their order. */
function inbox(ws) {
  const messages = [];
  const waiting = [];
  ws.on('message', (data) => {
    if (waiting.length > 0) waiting.shift()(data);
    else messages.push(data);
  });
  return () =>
    messages.length > 0
      ? Promise.resolve(messages.shift())
      : new Promise((resolve) => waiting.push(resolve));
}

const seed = chooseSeed();

afterEach(closeServers);

describe(`What zlib has compressed is inflated (TEST_SEED=${seed})`, () => {
  for (const windowBits of WINDOW_BITS) {
    it(`with ${windowBits} bits, of any level, strategy and memory`, async () => {
      const random = new Random(seed + windowBits);
      const server = await createServer({
        perMessageDeflate: { clientMaxWindowBits: windowBits },
      });
      for (const offer of [OFFER, NO_TAKEOVER]) {
        const { client, ws } = await server.open(
          offering(`${offer}; client_max_window_bits`),
        );
        const next = inbox(ws);
        for (const level of LEVELS) {
          for (const strategy of STRATEGIES) {
            const message = makeMessage(random, 50000);
            const memLevel = random.integer(1, 9);
            const options = { level, strategy, memLevel, windowBits };
            client.send({
              opcode: 'binary',
              rsv: RSV1,
              payload: deflate(message, options),
            });
            assert.ok(
              message.equals(await next()),
              `${JSON.stringify(options)}: ${message.length} bytes`,
            );
          }
        }
      }
    });

    it(`with ${windowBits} bits, flushed anyhow, in context`, async () => {
      const random = new Random(seed + windowBits);
      const server = await createServer({
        perMessageDeflate: { clientMaxWindowBits: windowBits },
      });
      const { client, ws } = await server.open(
        offering(`${OFFER}; client_max_window_bits`),
      );
      const next = inbox(ws);
      const deflater = new Deflater({
        level: pick(random, LEVELS),
        memLevel: random.integer(1, 9),
        windowBits,
      });
      for (let i = 0; i < 40; i++) {
        if (random.chance(0.2)) {
          await deflater.change(pick(random, LEVELS), pick(random, STRATEGIES));
        }
        const pieces = [];
        const payload = [];
        for (let more = random.logUniform(6); more > 0; more--) {
          pieces.push(makeMessage(random, 20000));
          payload.push(
            await deflater.run(
              pieces[pieces.length - 1],
              pick(random, FLUSHES),
            ),
          );
        }
        pieces.push(makeMessage(random, 20000));
        payload.push(await deflater.deflate(pieces[pieces.length - 1]));
        payload.forEach((bytes, n) => {
          client.send({
            opcode: n === 0 ? 'binary' : 'continuation',
            rsv: n === 0 ? RSV1 : 0,
            fin: n === payload.length - 1,
            payload: bytes,
          });
        });
        const message = Buffer.concat(pieces);
        assert.ok(
          message.equals(await next()),
          `message ${i} of ${message.length} bytes`,
        );
      }
    });
  }

  // `ws` leaves out what comes behind a last block.
  if (!isWs) {
    it('with a last block, and blocks behind that', async () => {
      const random = new Random(seed);
      const server = await createServer({ perMessageDeflate: true });
      const { client, ws } = await server.open(offering(NO_TAKEOVER));
      const next = inbox(ws);
      for (let i = 0; i < 100; i++) {
        const pieces = Array.from({ length: random.integer(1, 4) }, () =>
          makeMessage(random, 5000),
        );
        const blocks = pieces.map((piece) =>
          zlib.deflateRawSync(piece, { finishFlush: Z_FINISH }),
        );
        client.send({
          opcode: 'binary',
          rsv: RSV1,
          // RFC 7692, 7.2.3.4: the tail is to come behind a byte of zeros.
          payload: Buffer.concat([...blocks, Buffer.alloc(1)]),
        });
        assert.ok(Buffer.concat(pieces).equals(await next()), `message ${i}`);
      }
    });
  }
});

describe(`What is broken (TEST_SEED=${seed})`, () => {
  /** Changes some bits, or leaves something out. */
  function damage(random, bytes) {
    if (random.chance(0.3)) {
      const start = random.integer(0, bytes.length);
      const end = start + random.logUniform(bytes.length);
      return Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]);
    }
    const damaged = Buffer.from(bytes);
    for (let more = random.integer(1, 3); more > 0; more--) {
      damaged[random.integer(0, bytes.length - 1)] ^= 1 << random.integer(0, 7);
    }
    return damaged;
  }

  /** What zlib makes of it: a message, or an error. */
  function attempt(payload) {
    try {
      return inflateAll(payload);
    } catch (err) {
      return err;
    }
  }

  /** What the server makes of it, after which it has ended if it is an error. */
  function serve({ client, ws }, payload) {
    return new Promise((resolve) => {
      const settle = (result) => {
        ws.off('message', settle);
        ws.off('error', settle);
        resolve(result);
      };
      ws.on('message', settle);
      ws.on('error', settle);
      client.send({ opcode: 'binary', rsv: RSV1, payload });
    });
  }

  if (!isWs) {
    it('is inflated as far as zlib inflates it, or refused in its words', async () => {
      const random = new Random(seed);
      const server = await createServer({ perMessageDeflate: true });
      let connection = await server.open(offering(NO_TAKEOVER));
      const counts = { inflated: 0, refused: 0 };
      for (let i = 0; i < 300; i++) {
        const message = makeMessage(random, 3000);
        const level = pick(random, LEVELS);
        const strategy = pick(random, STRATEGIES);
        const payload = damage(random, deflate(message, { level, strategy }));
        const expected = attempt(payload);
        const result = await serve(connection, payload);
        const how = payload.toString('hex');
        if (Buffer.isBuffer(expected)) {
          assert.ok(Buffer.isBuffer(result), `${result.message}: ${how}`);
          assert.ok(result.equals(expected), how);
          counts.inflated++;
          continue;
        }
        assert.deepStrictEqual(
          [result.code, result.message],
          [expected.code, expected.message],
          how,
        );
        const frame = await connection.client.frame();
        assert.strictEqual(frame.payload.readUInt16BE(0), 1007);
        connection.client.end();
        connection = await server.open(offering(NO_TAKEOVER));
        counts.refused++;
      }
      assert.ok(counts.inflated > 30, `${counts.inflated} inflated`);
      assert.ok(counts.refused > 30, `${counts.refused} refused`);
    });
  }
});

describe(`What is sent (TEST_SEED=${seed})`, () => {
  /** @param {() => Buffer[]} makeParts makes the fragments of a message */
  async function expectInflates(options, count, makeParts) {
    const { serverMaxWindowBits, serverNoContextTakeover } = options;
    const server = await createServer({ perMessageDeflate: options });
    const { client, ws } = await server.open(offering(OFFER));
    const inflater = new StrictInflater(
      serverMaxWindowBits,
      !serverNoContextTakeover,
    );
    for (let i = 0; i < count; i++) {
      const parts = makeParts();
      parts.forEach((part, n) => {
        ws.send(part, { fin: n === parts.length - 1 });
      });
      const lengths = parts.map(({ length }) => length);
      const how = `${JSON.stringify(options)}: message ${i} of ${lengths}`;
      const { payload } = await readMessage(client, {
        inflate(bytes) {
          try {
            return inflater.inflate(bytes);
          } catch (cause) {
            throw new Error(`${how}: ${cause.message}`, { cause });
          }
        },
      });
      assert.ok(Buffer.concat(parts).equals(payload), how);
    }
    await server.close();
  }

  /** A message in one fragment or two, the first of `maxCut` bytes at most. */
  function cut(random, message, maxCut) {
    if (random.chance(0.8)) return [message];
    const at = random.integer(0, Math.min(maxCut, message.length));
    return [message.subarray(0, at), message.subarray(at)];
  }

  for (const serverMaxWindowBits of WINDOW_BITS) {
    it(`is inflated by zlib with ${serverMaxWindowBits} bits`, async () => {
      const random = new Random(seed + serverMaxWindowBits);
      for (const serverNoContextTakeover of [undefined, true]) {
        await expectInflates(
          { serverMaxWindowBits, serverNoContextTakeover, threshold: 0 },
          40,
          () => cut(random, makeMessage(random, 60000), 60000),
        );
      }
    });
  }

  /** Sizes that are compressed on the loop, and on a thread even if cut. */
  const SMALL_MAX = 1000;
  const LARGE_MIN = 16384 + 1 + SMALL_MAX;
  const LARGE_MORE = 40000;

  for (const level of LEVELS) {
    it(`is inflated by zlib at level ${level}, with any strategy`, async () => {
      const random = new Random(seed + level);
      const makeParts = () => {
        const size = random.chance(0.7)
          ? random.logUniform(SMALL_MAX)
          : LARGE_MIN + random.logUniform(LARGE_MORE);
        return cut(random, makeMessageOf(random, size), SMALL_MAX);
      };
      for (const strategy of STRATEGIES) {
        const options = {
          serverMaxWindowBits: pick(random, WINDOW_BITS),
          serverNoContextTakeover: random.chance(0.5) || undefined,
          threshold: 0,
          zlibDeflateOptions: {
            level,
            memLevel: random.integer(1, 9),
            strategy,
          },
        };
        await expectInflates(options, 12, makeParts);
      }
    });
  }
});

describe('The inflaters of the helpers', () => {
  it('refuse what refers to bytes before the window', () => {
    const half = sample('random', 3000);
    const bytes = deflate(Buffer.concat([half, half]), { level: 9 });
    assert.strictEqual(
      new StrictInflater(12, false).inflate(bytes).length,
      6000,
    );
    assert.throws(() => new StrictInflater(11, false).inflate(bytes), {
      message: 'invalid distance too far back',
    });
  });

  it('go on behind a last block', () => {
    const block = zlib.deflateRawSync('foo', { finishFlush: Z_FINISH });
    const bytes = Buffer.concat([block, block, Buffer.alloc(1)]);
    assert.strictEqual(inflateAll(bytes).toString(), 'foofoo');
  });
});
