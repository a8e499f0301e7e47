'use strict';

// Random messages that a server has to send back: of random size, type and
// fragmentation, with control frames between, written to the sockets in random
// pieces. What is written depends on nothing but the seed.

const assert = require('node:assert');

const { OPCODES, closePayload, encodeFrame } = require('./frame');
const { Random } = require('./random');
const { RawClient } = require('./raw-client');

const DEFAULT_MAX_SIZE = 200 * 1024;

/** Of one connection, so that the server never has to drop it. */
const MAX_BYTES_IN_FLIGHT = 512 * 1024;
const MAX_PINGS_IN_FLIGHT = 16;

const MAX_FRAGMENTS = 40;
const MAX_PIECE = 128 * 1024;
const MAX_SINGLE_BYTES = 40;

/** Bytes that payloads are cut from, as a multiple of the largest one. */
const POOL_FACTOR = 5;
const MIN_POOL_SIZE = 1024;

/** First and last code point of characters of one to four bytes. */
const CHARACTERS = [
  [0x20, 0x7e],
  [0x80, 0x7ff],
  [0x800, 0xd7ff],
  [0xe000, 0xffff],
  [0x10000, 0x10ffff],
];

/** Payloads are cut from these: random bytes, ASCII, and any characters. */
function makePools(random, maxSize) {
  const size = Math.max(MIN_POOL_SIZE, maxSize * POOL_FACTOR);
  const binary = Buffer.allocUnsafe(size);
  const ascii = Buffer.allocUnsafe(size);
  for (let i = 0; i < size; i++) {
    binary[i] = random.integer(0, 255);
    ascii[i] = random.integer(...CHARACTERS[0]);
  }
  const text = Buffer.alloc(size, ' ');
  for (let i = 0; i < size - 4;) {
    const range = CHARACTERS[random.integer(0, CHARACTERS.length - 1)];
    i += text.write(String.fromCodePoint(random.integer(...range)), i);
  }
  return { binary, ascii, text };
}

function isInsideCharacter(pool, position) {
  return position < pool.length && (pool[position] & 0xc0) === 0x80;
}

/** Cuts whole characters from a pool: `size` bytes, or up to three less. */
function cutText(pool, start, size) {
  let end = start + size;
  while (isInsideCharacter(pool, start)) start++;
  while (isInsideCharacter(pool, end)) end--;
  return pool.subarray(start, Math.max(start, end));
}

/**
 * Sends back each message, in one of the ways to send: as bytes, as a string,
 * or in two fragments. Its length decides which.
 *
 * @param {WebSocket} ws
 */
function echo(ws) {
  ws.on('message', (data, isBinary) => {
    if (data.length % 5 === 0) {
      const half = data.length >> 1;
      ws.send(data.subarray(0, half), { binary: isBinary, fin: false });
      ws.send(data.subarray(half), { binary: isBinary });
    } else if (data.length % 2 === 0 && !isBinary) {
      ws.send(data.toString());
    } else {
      ws.send(data, { binary: isBinary });
    }
  });
}

class TrafficClient {
  #random;
  #pools;
  #maxSize;
  #client;
  #messages = [];
  #pings = [];
  #bytesInFlight = 0;
  #resumeSending = () => {};

  constructor(client, random, pools, maxSize, stats) {
    this.#client = client;
    this.#random = random;
    this.#pools = pools;
    this.#maxSize = maxSize;
    this.stats = stats;
  }

  /** Sends `count` messages and waits until all have come back. */
  async run(count) {
    await Promise.all([this.#send(count), this.#receive(count)]);
  }

  async close() {
    this.#client.send({ opcode: 'close', payload: closePayload(1000) });
    await this.#client.expect('880203e8');
    assert.strictEqual((await this.#client.ended()).length, 0);
    this.#client.end();
  }

  async #send(count) {
    for (let i = 0; i < count; i++) {
      const message = this.#makeMessage();
      const frames = this.#makeFrames(message);
      while (
        this.#bytesInFlight > MAX_BYTES_IN_FLIGHT ||
        this.#pings.length > MAX_PINGS_IN_FLIGHT
      ) {
        await new Promise((resolve) => {
          this.#resumeSending = resolve;
        });
      }
      this.#messages.push(message);
      this.#bytesInFlight += message.payload.length;
      this.#pings.push(...frames.pings);
      await this.#writeInPieces(Buffer.concat(frames.bytes));
    }
  }

  #makeMessage() {
    const random = this.#random;
    const size = random.logUniform(this.#maxSize);
    const name = ['binary', 'ascii', 'text'][random.integer(0, 2)];
    const pool = this.#pools[name];
    const start = random.integer(0, pool.length - size);
    return name === 'binary'
      ? { opcode: 'binary', payload: pool.subarray(start, start + size) }
      : { opcode: 'text', payload: cutText(pool, start, size) };
  }

  /** Empty fragments, and cuts within characters, come by chance. */
  #makeFrames({ opcode, payload }) {
    const random = this.#random;
    const cuts = [0, payload.length];
    if (random.chance(0.5)) {
      const more = random.logUniform(MAX_FRAGMENTS - 1);
      for (let i = 0; i < more; i++) {
        cuts.push(random.integer(0, payload.length));
      }
      cuts.sort((a, b) => a - b);
    }
    const frames = { bytes: [], pings: [] };
    for (let i = 0; i + 1 < cuts.length; i++) {
      if (random.chance(0.1)) this.#addControlFrame(frames);
      frames.bytes.push(
        encodeFrame({
          opcode: i === 0 ? opcode : 'continuation',
          fin: i + 2 === cuts.length,
          payload: payload.subarray(cuts[i], cuts[i + 1]),
          mask: this.#makeMask(),
        }),
      );
    }
    return frames;
  }

  #addControlFrame({ bytes, pings }) {
    const random = this.#random;
    const opcode =
      random.chance(0.5) || pings.length === MAX_PINGS_IN_FLIGHT
        ? 'pong'
        : 'ping';
    const size = random.logUniform(125);
    const start = random.integer(0, MIN_POOL_SIZE - size);
    const payload = this.#pools.binary.subarray(start, start + size);
    if (opcode === 'ping') pings.push(payload);
    bytes.push(encodeFrame({ opcode, payload, mask: this.#makeMask() }));
  }

  #makeMask() {
    const mask = Buffer.allocUnsafe(4);
    mask.writeUInt32BE(this.#random.integer(0, 0xffffffff));
    return mask;
  }

  async #writeInPieces(bytes) {
    const random = this.#random;
    let position = 0;
    if (random.chance(0.1)) {
      const single = Math.min(
        bytes.length,
        1 + random.logUniform(MAX_SINGLE_BYTES),
      );
      for (; position < single; position++) {
        await this.#write(bytes.subarray(position, position + 1), true);
      }
    }
    while (position < bytes.length) {
      const size = 1 + random.logUniform(MAX_PIECE);
      const piece = bytes.subarray(position, position + size);
      await this.#write(piece, random.chance(0.5));
      position += size;
    }
  }

  /** With a turn behind it, a piece is likely to be received alone. */
  async #write(piece, withTurn) {
    this.stats.pieces += 1;
    this.stats.bytes += piece.length;
    const { socket } = this.#client;
    if (withTurn) {
      await new Promise((resolve) => {
        socket.write(piece, () => setImmediate(resolve));
      });
    } else if (!socket.write(piece)) {
      await new Promise((resolve) => socket.once('drain', resolve));
    }
  }

  async #receive(count) {
    let fragments = [];
    let opcode;
    while (count > 0 || this.#pings.length > 0) {
      const frame = await this.#client.frame();
      assert.strictEqual(frame.masked, false);
      assert.strictEqual(frame.rsv, 0);
      if (frame.opcode === OPCODES.pong) {
        this.#expectPong(frame.payload);
        continue;
      }
      if (fragments.length === 0) opcode = frame.opcode;
      else assert.strictEqual(frame.opcode, OPCODES.continuation);
      fragments.push(frame.payload);
      if (!frame.fin) continue;
      this.#expectMessage(opcode, Buffer.concat(fragments));
      fragments = [];
      count -= 1;
    }
  }

  #expectPong(payload) {
    assert.notStrictEqual(this.#pings.length, 0, 'a pong without a ping');
    assert.deepStrictEqual(payload, this.#pings.shift());
    this.stats.pings += 1;
    this.#resumeSending();
  }

  #expectMessage(opcode, payload) {
    const { messages } = this.stats;
    assert.notStrictEqual(this.#messages.length, 0, 'one message too many');
    const expected = this.#messages.shift();
    assert.strictEqual(opcode, OPCODES[expected.opcode]);
    assert.strictEqual(payload.length, expected.payload.length);
    if (Buffer.compare(payload, expected.payload) !== 0) {
      const at = payload.findIndex((byte, i) => byte !== expected.payload[i]);
      assert.fail(
        `Message ${messages} of ${payload.length} bytes differs at ${at}`,
      );
    }
    this.stats.messages += 1;
    this.#bytesInFlight -= payload.length;
    this.#resumeSending();
  }
}

/** Random traffic on several connections to a server that echoes. */
class RandomTraffic {
  #clients = [];
  #options;

  /**
   * @param {object} options
   * @param {number} options.seed an unsigned integer of 32 bits
   * @param {number} options.connections
   * @param {number} [options.maxSize] of a message, in bytes
   */
  constructor(options) {
    this.#options = options;
    /** What came back: messages and pings; what was written: the others. */
    this.stats = { messages: 0, pings: 0, bytes: 0, pieces: 0 };
  }

  /** @param {number|string} target a port of 127.0.0.1 or a path */
  async open(target) {
    const { seed, connections, maxSize = DEFAULT_MAX_SIZE } = this.#options;
    const random = new Random(seed);
    const pools = makePools(random, maxSize);
    for (let i = 0; i < connections; i++) {
      const client = await RawClient.open(target);
      const own = new Random(random.integer(0, 0xffffffff));
      this.#clients.push(
        new TrafficClient(client, own, pools, maxSize, this.stats),
      );
    }
  }

  /**
   * Sends messages on all connections at once and waits until all came back.
   *
   * @param {number} count
   * @throws {AssertionError} if one is lost or not as it was
   */
  async run(count) {
    const { length } = this.#clients;
    await Promise.all(
      this.#clients.map((client, i) =>
        client.run(Math.floor((count + i) / length)),
      ),
    );
  }

  /** Closes all connections with a closing handshake. */
  async close() {
    await Promise.all(this.#clients.map((client) => client.close()));
  }
}

module.exports = { RandomTraffic, echo };
