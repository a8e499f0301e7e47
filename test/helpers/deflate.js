'use strict';

// The other end of permessage-deflate (RFC 7692) on Node's own zlib, so that
// what the implementation under test compresses is inflated by another one.

const zlib = require('node:zlib');

const { Random } = require('./random');

const { Z_MIN_CHUNK: MIN_CHUNK, Z_SYNC_FLUSH } = zlib.constants;

/** What ends a flushed block, and is left out of a message. */
const TAIL = Buffer.from('0000ffff', 'hex');

const OFFER = 'permessage-deflate';
const NO_TAKEOVER =
  'permessage-deflate; server_no_context_takeover; client_no_context_takeover';

/**
 * Options for `open()` that offer an extension.
 *
 * @param {string} offer
 * @returns {{headers: object}}
 */
function offering(offer) {
  return { headers: { 'Sec-WebSocket-Extensions': offer } };
}

/**
 * Compresses a message without what came before.
 *
 * @param {Buffer|string} message
 * @param {object} [options] of zlib
 * @returns {Buffer}
 */
function deflate(message, options = {}) {
  const bytes = zlib.deflateRawSync(message, {
    ...options,
    finishFlush: Z_SYNC_FLUSH,
  });
  return bytes.subarray(0, bytes.length - TAIL.length);
}

/**
 * Inflates a message that refers to none before it.
 *
 * @param {Buffer} bytes
 * @param {object} [options] of zlib
 * @returns {Buffer}
 */
function inflate(bytes, options = {}) {
  return zlib.inflateRawSync(Buffer.concat([bytes, TAIL]), {
    ...options,
    finishFlush: Z_SYNC_FLUSH,
  });
}

/** Takes the context over from message to message, in either direction. */
class Context {
  /** @param {zlib.DeflateRaw|zlib.InflateRaw} stream */
  constructor(stream) {
    this.stream = stream;
    this.pieces = [];
    stream.on('data', (piece) => this.pieces.push(piece));
    this.failed = new Promise((resolve, reject) => stream.on('error', reject));
    this.failed.catch(() => {});
  }

  /**
   * @param {Buffer} bytes
   * @param {number} [flush] one of zlib's kinds
   * @returns {Promise<Buffer>} what comes out for them, and came before them
   */
  run(bytes, flush = Z_SYNC_FLUSH) {
    const done = new Promise((resolve) => {
      this.stream.write(bytes);
      this.stream.flush(flush, () => {
        resolve(Buffer.concat(this.pieces.splice(0)));
      });
    });
    return Promise.race([done, this.failed]);
  }
}

/** Compresses the messages of a connection. */
class Deflater extends Context {
  /** @param {object} [options] of zlib */
  constructor(options) {
    super(zlib.createDeflateRaw(options));
  }

  /** @returns {Promise<Buffer>} */
  async deflate(message) {
    const bytes = await this.run(Buffer.from(message));
    return bytes.subarray(0, bytes.length - TAIL.length);
  }

  /** Goes on with another level and strategy. */
  change(level, strategy) {
    return new Promise((resolve, reject) => {
      this.stream.params(level, strategy, (err) => {
        if (err) reject(err);
        else resolve();
      });
    });
  }
}

/** Inflates the messages of a connection. */
class Inflater extends Context {
  /** @param {object} [options] of zlib */
  constructor(options) {
    super(zlib.createInflateRaw(options));
  }

  /** @returns {Promise<Buffer>} */
  inflate(bytes) {
    return this.run(Buffer.concat([bytes, TAIL]));
  }
}

/**
 * Inflates the messages of a connection, and nothing that refers to bytes
 * outside of a window. zlib itself looks no closer than its output buffer is
 * large, which is why that has the smallest size here.
 */
class StrictInflater {
  /**
   * @param {number} windowBits 8 to 15
   * @param {boolean} takesOver whether messages may refer to those before
   */
  constructor(windowBits, takesOver) {
    this.windowBits = windowBits;
    this.takesOver = takesOver;
    this.window = Buffer.alloc(0);
  }

  /**
   * @param {Buffer} bytes
   * @returns {Buffer}
   * @throws {Error} zlib's
   */
  inflate(bytes) {
    const message = inflate(bytes, {
      windowBits: this.windowBits,
      chunkSize: MIN_CHUNK,
      dictionary: this.window.length > 0 ? this.window : undefined,
    });
    if (this.takesOver) {
      this.window = Buffer.concat([this.window, message]).subarray(
        -(1 << this.windowBits),
      );
    }
    return message;
  }
}

/**
 * What a message stands for, whose blocks go on after one with BFINAL set
 * (RFC 7692, 7.2.3.4).
 *
 * @param {Buffer} bytes
 * @returns {Buffer}
 * @throws {Error} zlib's
 */
function inflateAll(bytes) {
  let rest = Buffer.concat([bytes, TAIL]);
  let message = Buffer.alloc(0);
  while (rest.length > 0) {
    const { buffer, engine } = zlib.inflateRawSync(rest, {
      dictionary: message.length > 0 ? message.subarray(-32768) : undefined,
      finishFlush: Z_SYNC_FLUSH,
      info: true,
    });
    message = Buffer.concat([message, buffer]);
    rest = rest.subarray(engine.bytesWritten);
  }
  return message;
}

/**
 * Reads the frames of one message, and control frames between them.
 *
 * @param {RawClient} client
 * @param {object} [inflater] has `inflate(bytes)`; by default none of its
 *   messages refers to another
 * @returns {Promise<{opcode: number, rsv: number[], control: object[],
 *   wire: Buffer, payload: Buffer}>} `rsv` of each fragment; `wire` are the
 *   bytes as they came
 */
async function readMessage(client, inflater = { inflate }) {
  const frames = [];
  const control = [];
  do {
    const frame = await client.frame();
    (frame.opcode >= 8 ? control : frames).push(frame);
  } while (frames.length === 0 || !frames[frames.length - 1].fin);
  const wire = Buffer.concat(frames.map((frame) => frame.payload));
  return {
    opcode: frames[0].opcode,
    rsv: frames.map((frame) => frame.rsv),
    control,
    wire,
    payload: frames[0].rsv === 4 ? await inflater.inflate(wire) : wire,
  };
}

const POOL_SIZE = 1 << 21;
const pools = {};

function pool(kind) {
  if (pools[kind]) return pools[kind];
  const random = new Random(7692);
  const bytes = Buffer.alloc(POOL_SIZE);
  if (kind === 'random') {
    for (let i = 0; i < POOL_SIZE; i++) bytes[i] = random.integer(0, 255);
  } else {
    const words = Array.from({ length: 500 }, () =>
      Array.from({ length: random.integer(2, 9) }, () =>
        kind === 'text'
          ? String.fromCodePoint(
              random.integer(...CHARACTERS[random.integer(0, 3)]),
            )
          : String.fromCharCode(random.integer(97, 122)),
      ).join(''),
    );
    for (let i = 0; i < POOL_SIZE - 64;) {
      i += bytes.write(`${words[random.integer(0, 499)]} `, i);
    }
  }
  pools[kind] = bytes;
  return bytes;
}

/** First and last code point of characters of one to four bytes. */
const CHARACTERS = [
  [0x61, 0x7a],
  [0x80, 0x7ff],
  [0x800, 0xd7ff],
  [0x10000, 0x10ffff],
];

/**
 * A message of exactly `size` bytes.
 *
 * @param {'random'|'words'|'text'} kind bytes that do not compress; words of
 *   ASCII; words with characters of one to four bytes
 * @param {number} size at most 1 MiB
 * @param {number} [offset] where it is cut from, at most 1 MiB
 * @returns {Buffer}
 */
function sample(kind, size, offset = 0) {
  const from = pool(kind);
  if (kind !== 'text') return from.subarray(offset, offset + size);
  let start = offset;
  let end = offset + size;
  while ((from[start] & 0xc0) === 0x80) start++;
  while ((from[end] & 0xc0) === 0x80) end--;
  const bytes = Buffer.alloc(size, 'x');
  from.copy(bytes, 0, start, Math.max(start, end));
  return bytes;
}

/** A message of 1 MiB that inflates to 1 GiB. */
function bomb() {
  const piece = deflate(Buffer.alloc(1 << 24), { level: 9 });
  return Buffer.concat(new Array(64).fill(Buffer.concat([piece, TAIL])));
}

module.exports = {
  Deflater,
  Inflater,
  NO_TAKEOVER,
  OFFER,
  StrictInflater,
  TAIL,
  bomb,
  deflate,
  inflate,
  inflateAll,
  offering,
  readMessage,
  sample,
};
