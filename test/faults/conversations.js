'use strict';

// What a client and the server say to each other, step by step, so that the
// calls of the server are about the same each time. A conversation goes on
// until it is over or the connection ends; what comes before has to be right.

const assert = require('node:assert');
const { createHash } = require('node:crypto');

const {
  Inflater,
  NO_TAKEOVER,
  OFFER,
  deflate,
  inflate,
  offering,
  sample,
} = require('../helpers/deflate');
const { OPCODES, closePayload } = require('../helpers/frame');
const { RawClient, upgradeRequest } = require('../helpers/raw-client');
const { BLOB, CHUNK } = require('./constants');

const RSV1 = 4;

/** Compressed on the loop, and on a thread. */
const WORDS = sample('words', 2000).toString();
const MANY_WORDS = sample('words', 40000).toString();

/**
 * Of this, much comes out of the first few bytes: a thread inflates what is
 * behind them, and copies all of it to a Buffer.
 */
const MOST_WORDS = WORDS.repeat(150) + sample('words', 8000, 2000).toString();

const BYTES = sample('random', 256);
const MANY_BYTES = sample('random', 20000);

/** The connection has ended before the conversation was over. */
class Gone extends Error {}

function isText(payload) {
  return typeof payload === 'string';
}

/** The results of a function, which are the same each time. */
function memoize(compute) {
  const results = new Map();
  return (payload) => {
    if (!results.has(payload)) results.set(payload, compute(payload));
    return results.get(payload);
  };
}

const deflateOnce = memoize(deflate);
const digest = memoize((payload) =>
  createHash('sha1').update(payload).digest('hex'),
);

/** One connection of a client, and what is known of it. */
class Talk {
  #inflater;

  /**
   * @param {string} name by which the server reports it
   * @param {boolean} takesOver whether messages may refer to those before
   */
  constructor(name, takesOver) {
    this.name = name;
    this.takesOver = takesOver;
    this.#inflater = takesOver ? new Inflater() : { inflate };
    /** Digests of the messages that were sent. */
    this.sent = [];
    /** The status of the response. */
    this.status = undefined;
    /** The code of a close frame that came too early. */
    this.failedWith = undefined;
    this.isOver = false;
  }

  /**
   * @param {number} port
   * @param {boolean} isTls
   */
  async open(port, isTls) {
    const offer = this.takesOver ? OFFER : NO_TAKEOVER;
    this.client = await RawClient.connect(port, isTls);
    this.client.write(
      upgradeRequest({
        path: `/${this.name}`,
        headers: {
          ...offering(offer).headers,
          'Sec-WebSocket-Protocol': 'foo, bar',
        },
      }),
    );
    const head = await this.#read('responseHead');
    this.status = Number(head.slice(9, 12));
    if (this.status === 101) return;
    await this.#read('ended');
    this.client.end();
    throw new Gone();
  }

  /** Nothing more is said. */
  hangUp() {
    if (this.client !== undefined) this.client.socket.destroy();
  }

  ask(command) {
    this.sendMessage(`!${command}`);
  }

  sendMessage(payload, { compress = false } = {}) {
    this.#note(payload);
    this.client.send({
      opcode: isText(payload) ? 'text' : 'binary',
      rsv: compress ? RSV1 : 0,
      payload: compress ? deflateOnce(payload) : payload,
    });
  }

  /** A message in fragments, with a ping behind the first one. */
  sendFragments(pieces, ping) {
    this.#note(pieces.join(''));
    pieces.forEach((payload, i) => {
      const fin = i === pieces.length - 1;
      this.client.send({ opcode: i === 0 ? 1 : 0, fin, payload });
      if (i === 0) this.client.send({ opcode: 'ping', payload: ping });
    });
  }

  /** Sends a message and expects it back. */
  async echo(payload, options) {
    this.sendMessage(payload, options);
    await this.expectMessage(payload);
  }

  async expectMessage(expected) {
    const { opcode, payload } = await this.message();
    assert.strictEqual(opcode, isText(expected) ? 1 : 2, 'the type');
    // Comparing is quick where assert() is not.
    assert(
      Buffer.from(expected).equals(payload),
      `${payload.length} bytes that are not those that were sent`,
    );
  }

  async message() {
    const frames = [];
    do {
      const frame = await this.frame();
      assert(frame.opcode < OPCODES.close, `a frame ${frame.opcode}`);
      frames.push(frame);
    } while (!frames.at(-1).fin);
    const wire = Buffer.concat(frames.map((frame) => frame.payload));
    return {
      opcode: frames[0].opcode,
      payload:
        frames[0].rsv === RSV1 ? await this.#inflater.inflate(wire) : wire,
    };
  }

  async expectControl(opcode, payload) {
    const frame = await this.frame();
    assert.strictEqual(frame.opcode, OPCODES[opcode]);
    assert.strictEqual(frame.payload.toString(), payload);
  }

  /** The next frame; one that closes too early is the end. */
  async frame() {
    const frame = await this.#read('frame');
    if (frame.opcode !== OPCODES.close) return frame;
    this.failedWith = frame.payload.readUInt16BE(0);
    await this.#answerClose(frame.payload);
    throw new Gone();
  }

  /** The server closes the connection. */
  async expectClose(code, reason) {
    const { opcode, payload } = await this.#read('frame');
    assert.strictEqual(opcode, OPCODES.close);
    if (payload.readUInt16BE(0) !== code) {
      this.failedWith = payload.readUInt16BE(0);
    } else {
      assert.strictEqual(payload.toString('utf8', 2), reason);
    }
    await this.#answerClose(payload);
    if (this.failedWith !== undefined) throw new Gone();
  }

  /** The client closes the connection. */
  async close(code, reason) {
    const payload = closePayload(code, reason);
    this.client.send({ opcode: 'close', payload });
    const answer = await this.#read('frame');
    assert.strictEqual(answer.opcode, OPCODES.close);
    assert.deepStrictEqual(answer.payload, payload);
    await this.#end();
  }

  async #answerClose(payload) {
    this.client.send({ opcode: 'close', payload });
    await this.#end();
  }

  /** The server ends the connection with nothing more. */
  async #end() {
    const rest = await this.#read('closed');
    assert.strictEqual(rest.length, 0, 'bytes behind the close frame');
  }

  /** @returns {Promise<Buffer>} what comes before it */
  expectEnd() {
    return this.#read('closed');
  }

  /** The client takes nothing from the connection. */
  setReading(isReading) {
    if (isReading) this.client.socket.resume();
    else this.client.socket.pause();
  }

  #note(payload) {
    this.sent.push(digest(payload));
  }

  /** Ends with the server; what it takes for that is in RawClient. */
  async #read(what) {
    try {
      if (what === 'closed') {
        const rest = await this.client.ended().catch(() => Buffer.alloc(0));
        this.client.end();
        await this.client.closed();
        return rest;
      }
      return await this.client[what]();
    } catch (err) {
      if (!/^Waited for /.test(err.message)) throw err;
      throw new Gone();
    }
  }
}

/**
 * The conversations by name: what is said, and how it ends for the server.
 * `server.isBlocked()` waits until much waits to be sent.
 */
const CONVERSATIONS = {
  everything: {
    close: [1000, 'done'],
    async run(talk, server) {
      await talk.echo('small');
      await talk.echo(BYTES);
      talk.sendFragments(['in ', 'three ', 'fragments'], 'ping');
      await talk.expectControl('pong', 'ping');
      await talk.expectMessage('in three fragments');
      await talk.echo(WORDS, { compress: true });
      await talk.echo(MANY_WORDS, { compress: true });
      await talk.echo(MOST_WORDS, { compress: true });
      await talk.echo(MANY_BYTES);
      talk.ask('ping');
      await talk.expectControl('ping', 'from the server');
      talk.client.send({ opcode: 'pong', payload: 'from the client' });
      await talk.expectMessage('pong from the client');
      talk.ask('blob');
      await talk.expectMessage(BLOB);
      await talk.expectMessage('behind the Blob');
      await readBacklog(talk, server);
      await talk.close(1000, 'done');
    },
  },
  short: {
    close: [1000, 'done'],
    async run(talk) {
      await talk.echo(WORDS, { compress: true });
      await talk.close(1000, 'done');
    },
  },
  /** Leaves in the server's memory what the first one does. */
  large: {
    close: [1000, 'done'],
    async run(talk) {
      await talk.echo(WORDS, { compress: true });
      await talk.echo(MOST_WORDS, { compress: true });
      await talk.close(1000, 'done');
    },
  },
  heartbeat: {
    close: [1006, ''],
    async run(talk) {
      talk.ask('beat');
      const { opcode, payload } = await talk.frame();
      assert.strictEqual(opcode, OPCODES.ping);
      talk.client.send({ opcode: 'pong', payload });
      talk.ask('starve');
      await talk.expectEnd();
    },
  },
  close: {
    close: [4000, 'as it was asked for'],
    async run(talk) {
      talk.ask('close');
      await talk.expectClose(4000, 'as it was asked for');
    },
  },
  terminate: {
    close: [1006, ''],
    async run(talk) {
      talk.ask('terminate');
      await talk.expectMessage('before the end');
      assert.strictEqual((await talk.expectEnd()).length, 0);
    },
  },
  shutdown: {
    close: [1001, 'going'],
    async run(talk) {
      talk.ask('shutdown');
      await talk.expectClose(1001, 'going');
    },
  },
};

/** The client reads nothing until the server cannot send more. */
async function readBacklog(talk, server) {
  talk.setReading(false);
  talk.ask('backlog');
  await server.isBlocked();
  talk.setReading(true);
  let count = 0;
  for (;;) {
    const { opcode, payload } = await talk.message();
    if (opcode === OPCODES.text) {
      assert.strictEqual(payload.toString(), `drained ${count}`);
      return;
    }
    assert(CHUNK.equals(payload), 'bytes that are not those that were sent');
    count++;
  }
}

/**
 * Has a conversation, until it is over or the connection ends.
 *
 * @param {Talk} talk
 * @param {string} name
 * @param {object} server
 * @param {string} transport
 */
async function converse(talk, name, server, transport) {
  const { run } = CONVERSATIONS[name];
  try {
    await talk.open(server.ports[transport], transport === 'tls');
    await run(talk, server);
    talk.isOver = true;
  } catch (err) {
    if (!(err instanceof Gone)) throw err;
  } finally {
    talk.hangUp();
  }
}

module.exports = { CONVERSATIONS, Talk, converse };
