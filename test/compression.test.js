'use strict';

// permessage-deflate (RFC 7692) over real sockets, against Node's own zlib.

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const path = require('node:path');
const { MessageChannel } = require('node:worker_threads');

const { isWs, transport } = require('./helpers/implementation');
const { EMPTY_BLOCKS } = require('./helpers/bombs');
const {
  Deflater,
  Inflater,
  NO_TAKEOVER,
  OFFER,
  deflate,
  inflate,
  offering,
  readMessage,
  sample,
} = require('./helpers/deflate');
const { once, record } = require('./helpers/events');
const { encodeFrame } = require('./helpers/frame');
const { RawClient, upgradeRequest } = require('./helpers/raw-client');
const {
  closeServers,
  createConnection,
  createServer,
} = require('./helpers/server');

const SIZES = [0, 1, 125, 126, 1024, 16383, 16384, 16385, 65536, 300000];
const RSV1 = 4;

afterEach(closeServers);

if (transport === 'tcp') {
  describe('A message that is sent when the connection has broken', () => {
    it('does not keep those that came before from being emitted', async () => {
      const { server } = await createConnection({ perMessageDeflate: true });
      const { client, ws } = await server.open(offering(OFFER));
      const count = 30;
      // All have to be read before the first is emitted, which they are not if
      // the memory that small messages share is used up among them.
      while (server.wss.stats().slab.used > 32 * 1024) {
        const message = once(ws, 'message');
        client.write(encodeFrame({ opcode: 2, payload: Buffer.alloc(8192) }));
        await message;
      }
      const log = record(ws);
      const closed = once(ws, 'close');
      ws.once('message', () => {
        // What it has not read makes a reset of its end.
        client.socket.pause();
        ws.send(Buffer.alloc(20000), { compress: false });
        client.socket.destroy();
        ws.send(Buffer.alloc(20000), { compress: false });
      });
      ws.on('message', () => ws.send('x'.repeat(2000)));
      client.write(
        Buffer.concat(
          Array.from({ length: count }, (_, i) =>
            encodeFrame({ opcode: 'text', payload: `${i}` }),
          ),
        ),
      );
      await closed;
      assert.deepStrictEqual(
        log.filter(([kind]) => kind === 'text').map(([, text]) => text),
        Array.from({ length: count }, (_, i) => `${i}`),
      );
    });
  });
}

describe('Compressed messages', () => {
  it('are inflated by zlib, with the context of those before', async () => {
    const { server } = await createConnection({
      perMessageDeflate: { threshold: 0 },
    });
    const { client, ws } = await server.open(offering(OFFER));
    const inflater = new Inflater();
    const lengths = [];
    for (let i = 0; i < 5; i++) {
      const message = sample('words', 2000);
      ws.send(message);
      const { payload, rsv, wire } = await readMessage(client, inflater);
      assert.deepStrictEqual(rsv, [RSV1]);
      assert.strictEqual(Buffer.compare(payload, message), 0);
      lengths.push(wire.length);
    }
    assert.ok(lengths[1] < lengths[0] / 5);
  });

  for (const zlibDeflateOptions of [
    { level: 6, memLevel: 1 },
    { level: 1, memLevel: 1 },
    { level: 1, strategy: 2 },
    { level: 0 },
    {},
  ]) {
    it(`may get longer with ${JSON.stringify(zlibDeflateOptions)}`, async () => {
      const { server } = await createConnection({
        perMessageDeflate: { threshold: 0, zlibDeflateOptions },
      });
      const { client, ws } = await server.open(offering(OFFER));
      const inflater = new Inflater();
      for (const size of [1, 100, 5000, 16384]) {
        // None of them has anything of those before.
        const whole = sample('random', size, 8 * size);
        const first = sample('random', size, 9 * size);
        const second = sample('random', size, 10 * size);
        ws.send(whole);
        ws.send(first, { fin: false });
        ws.send(second);
        for (const message of [whole, Buffer.concat([first, second])]) {
          const { payload } = await readMessage(client, inflater);
          assert.strictEqual(Buffer.compare(payload, message), 0);
        }
      }
    });
  }

  it('of zlib are inflated, with the context of those before', async () => {
    const { server } = await createConnection({ perMessageDeflate: true });
    const { client, ws } = await server.open(offering(OFFER));
    const deflater = new Deflater({ level: 9, memLevel: 9 });
    for (const size of SIZES) {
      const text = sample('text', size);
      const message = once(ws, 'message');
      client.send({
        opcode: 'text',
        rsv: RSV1,
        payload: await deflater.deflate(text),
      });
      const [data, isBinary] = await message;
      assert.strictEqual(isBinary, false);
      assert.strictEqual(Buffer.compare(data, text), 0);
    }
  });

  it('may come in fragments, with control frames between', async () => {
    const { server } = await createConnection({ perMessageDeflate: true });
    const { client, ws } = await server.open(offering(NO_TAKEOVER));
    const log = record(ws);
    const payload = deflate('foo'.repeat(100));
    const message = once(ws, 'message');
    client.send({
      opcode: 'text',
      rsv: RSV1,
      fin: false,
      payload: payload.subarray(0, 2),
    });
    client.send({ opcode: 'ping', payload: 'a' });
    client.send({ opcode: 'continuation', fin: false });
    client.send({ opcode: 'continuation', payload: payload.subarray(2) });
    await message;
    assert.deepStrictEqual(log, [
      ['ping', 'a'],
      ['text', 'foo'.repeat(100)],
    ]);
  });

  for (const offer of [OFFER, NO_TAKEOVER]) {
    it(`may be sent in fragments: ${offer}`, async () => {
      const { server } = await createConnection({
        perMessageDeflate: { threshold: 0 },
      });
      const { client, ws } = await server.open(offering(offer));
      const parts = [
        sample('words', 5000),
        sample('words', 40000, 9),
        Buffer.alloc(0),
        sample('words', 10),
      ];
      parts.forEach((part, i) => {
        ws.send(part, { fin: i === parts.length - 1 });
      });
      const inflater = new Inflater();
      const { payload, rsv } = await readMessage(client, inflater);
      assert.deepStrictEqual(rsv, [RSV1, 0, 0, 0]);
      assert.strictEqual(Buffer.compare(payload, Buffer.concat(parts)), 0);
    });
  }

  it('are sent plain below the threshold, or if nobody wants it', async () => {
    const { server } = await createConnection({ perMessageDeflate: true });
    const { client, ws } = await server.open(offering(NO_TAKEOVER));
    ws.send('x'.repeat(1023));
    ws.send('x'.repeat(2000), { compress: false });
    ws.send('x'.repeat(1024));
    for (const rsv of [0, 0, RSV1]) {
      assert.deepStrictEqual((await readMessage(client)).rsv, [rsv]);
    }
  });

  if (!isWs) {
    it('are sent plain if that is shorter', async () => {
      const { server } = await createConnection({ perMessageDeflate: true });
      const { client, ws } = await server.open(offering(NO_TAKEOVER));
      for (const size of [2000, 100000]) {
        const message = sample('random', size);
        ws.send(message);
        const { payload, rsv } = await readMessage(client);
        assert.deepStrictEqual(rsv, [0]);
        assert.strictEqual(Buffer.compare(payload, message), 0);
      }
    });
  }
});

describe('The order of what is sent', () => {
  it('is kept, whatever has to be compressed on a thread; a ping does not wait', async () => {
    const { server } = await createConnection({ perMessageDeflate: true });
    const { client, ws } = await server.open(offering(OFFER));
    const inflater = new Inflater();
    const calls = [];
    const large = sample('words', 1 << 20);
    ws.send('a', () => calls.push(1));
    ws.send(large, () => calls.push(2));
    ws.send('b', () => calls.push(3));
    ws.ping('c', false, () => calls.push(4));
    ws.send(large, () => calls.push(5));
    ws.close(1000, 'd');
    const sizes = [];
    for (let i = 0; i < 4; i++) {
      const { control, payload } = await readMessage(client, inflater);
      sizes.push(...control.map((frame) => frame.opcode), payload.length);
    }
    // A ping waits with `ws`, and is read before the last message then.
    const first = isWs ? [1, large.length, 1, 9] : [1, 9, large.length, 1];
    assert.deepStrictEqual(sizes, [...first, large.length]);
    const { opcode, payload } = await client.frame();
    assert.strictEqual(opcode, 8);
    assert.strictEqual(payload.toString('hex'), '03e864');
    assert.deepStrictEqual(calls, isWs ? [1, 2, 3, 4, 5] : [1, 4, 2, 3, 5]);
    assert.strictEqual(ws.bufferedAmount, 0);
  });
});

describe('Large messages', () => {
  it('may have a character wherever a string is cut', async () => {
    const { server } = await createConnection({ perMessageDeflate: true });
    const { client, ws } = await server.open(offering(OFFER));
    const inflater = new Inflater();
    for (const shift of [0, 1, 2]) {
      const text = 'x'.repeat(512 * 1024 - shift) + '\u{1f600}'.repeat(300000);
      ws.send(text);
      const { payload } = await readMessage(client, inflater);
      assert.strictEqual(payload.toString() === text, true);
    }
  });

  if (!isWs) {
    it('end the connection if their memory is transferred before they are read', async () => {
      const { server } = await createConnection({ perMessageDeflate: true });
      const { ws } = await server.open(offering(OFFER));
      const message = new Uint8Array(4 << 20);
      const close = once(ws, 'close');
      const [error] = await Promise.all([
        new Promise((resolve) => {
          ws.send(message, resolve);
          const { port1 } = new MessageChannel();
          port1.postMessage(message, [message.buffer]);
          port1.close();
        }),
        close,
      ]);
      assert.strictEqual(error instanceof Error, true);
      assert.strictEqual((await close)[0], 1006);
    });
  }
});

describe('What waits to be compressed', () => {
  it('is as long as it is then, whatever it said before', async () => {
    const { server } = await createConnection({ perMessageDeflate: true });
    const { client, ws } = await server.open(offering(OFFER));
    const inflater = new Inflater();
    ws.send('x'.repeat(16000));
    await readMessage(client, inflater);
    for (const size of [2000, 100000]) {
      for (const message of [Buffer.alloc(0), Buffer.from('foo')]) {
        ws.send({
          arrayBuffer: async () => Uint8Array.from(message).buffer,
          size,
          stream() {},
          type: '',
          [Symbol.toStringTag]: 'Blob',
        });
        const { payload } = await readMessage(client, inflater);
        assert.strictEqual(payload.toString(), message.toString());
      }
    }
  });

  for (const perMessageDeflate of [true, { threshold: 0 }]) {
    it(`is empty if its memory was transferred meanwhile: ${JSON.stringify(perMessageDeflate)}`, async () => {
      const { server } = await createConnection({ perMessageDeflate });
      const { client, ws } = await server.open(offering(OFFER));
      const inflater = new Inflater();
      const first = sample('words', 100000);
      for (const size of [2000, 100000]) {
        const message = new Uint8Array(size);
        const { port1 } = new MessageChannel();
        ws.send(first);
        ws.send(message);
        port1.postMessage(message, [message.buffer]);
        port1.close();
        for (const length of [first.length, 0]) {
          const { payload } = await readMessage(client, inflater);
          assert.strictEqual(payload.length, length);
        }
      }
    });
  }

  if (!isWs) {
    it('throws at once if its memory was transferred before', async () => {
      const { ws, server } = await createConnection({
        perMessageDeflate: { threshold: 0 },
      });
      const opened = await server.open(offering(OFFER));
      const message = new Uint8Array(2000);
      const { port1 } = new MessageChannel();
      port1.postMessage(message, [message.buffer]);
      port1.close();
      for (const target of [ws, opened.ws]) {
        assert.throws(() => target.send(message), TypeError);
      }
    });
  }
});

describe('The order of what is received', () => {
  it('is kept, whatever has to be inflated on a thread', async () => {
    const { server } = await createConnection({ perMessageDeflate: true });
    const { client, ws } = await server.open(offering(NO_TAKEOVER));
    const log = [];
    ws.on('message', (data) => log.push(data.length));
    ws.on('ping', () => log.push('ping'));
    const large = deflate(sample('words', 1 << 20));
    const close = once(ws, 'close');
    client.send({ opcode: 'binary', payload: 'a' });
    client.send({ opcode: 'binary', rsv: RSV1, payload: large });
    client.send({ opcode: 'ping' });
    client.send({ opcode: 'binary', payload: 'ab' });
    client.send({ opcode: 'binary', rsv: RSV1, payload: large });
    client.write('88820000000003e8');
    client.end();
    assert.strictEqual((await close)[0], 1000);
    assert.deepStrictEqual(log, [1, 1 << 20, 'ping', 2, 1 << 20]);
  });

  it('does not matter to a connection that ends meanwhile', async () => {
    const server = await createServer({ perMessageDeflate: true });
    for (const end of ['terminate', 'reset']) {
      const { client, ws } = await server.open(offering(NO_TAKEOVER));
      const close = once(ws, 'close');
      const large = sample('words', 1 << 20);
      const called = new Promise((resolve) => ws.send(large, resolve));
      client.send({ opcode: 'binary', rsv: RSV1, payload: deflate(large) });
      await new Promise(setImmediate);
      if (end === 'terminate') ws.terminate();
      else client.reset();
      assert.strictEqual((await close)[0], 1006);
      await called;
    }
    const { client, ws } = await server.open(offering(NO_TAKEOVER));
    ws.send('x'.repeat(2000));
    assert.strictEqual((await readMessage(client)).payload.length, 2000);
  });
});

/** Counts turns of the loop from now on, until `stop()`. */
class Turns {
  constructor(onTurn = () => {}) {
    this.count = 0;
    const next = () => {
      this.count++;
      onTurn();
      this.immediate = setImmediate(next);
    };
    this.immediate = setImmediate(next);
  }

  stop() {
    clearImmediate(this.immediate);
  }
}

describe('The loop goes on', () => {
  it('while blocks without content are inflated', async () => {
    const server = await createServer({ perMessageDeflate: true });
    const { client, ws } = await server.open(offering(NO_TAKEOVER));
    const message = once(ws, 'message');
    const ping = once(ws, 'ping');
    // They take a fifth of a second.
    const blocks = EMPTY_BLOCKS['blocks with codes of their own']();
    const payload = Buffer.concat(new Array(4).fill(blocks));
    client.send({ opcode: 'binary', rsv: RSV1, fin: false, payload });
    client.send({ opcode: 'ping' });
    client.send({ opcode: 'continuation' });
    await ping;
    const turns = new Turns();
    assert.strictEqual((await message)[0].length, 0);
    turns.stop();
    assert.ok(turns.count > 0, 'none between what came together');
  });

  it('while many messages that come at once are inflated', async () => {
    const server = await createServer({ perMessageDeflate: true });
    const { client, ws } = await server.open(offering(NO_TAKEOVER));
    const size = 200000;
    const count = 1000;
    const frame = encodeFrame({
      opcode: 'binary',
      rsv: RSV1,
      payload: deflate(Buffer.alloc(size)),
    });
    let received = 0;
    let inTurn = 0;
    let most = 0;
    const turns = new Turns(() => {
      inTurn = 0;
    });
    const done = new Promise((resolve) => {
      ws.on('message', (data) => {
        assert.strictEqual(data.length, size);
        most = Math.max(most, ++inTurn);
        if (++received === count) resolve();
      });
    });
    client.write(Buffer.concat(new Array(count).fill(frame)));
    await done;
    turns.stop();
    assert.ok(most < 20, `${most} messages of ${size} bytes in a turn`);
  });
});

describe('What is no compressed message', () => {
  const CASES = {
    'invalid data': {
      frames: [{ opcode: 'text', rsv: RSV1, payload: Buffer.from([0xff]) }],
      error: ['Error', 'Z_DATA_ERROR', 'invalid block type'],
      code: 1007,
    },
    'text that is no UTF-8': {
      frames: [
        { opcode: 'text', rsv: RSV1, payload: deflate(Buffer.from([0xff])) },
      ],
      error: [
        'Error',
        'WS_ERR_INVALID_UTF8',
        'Invalid WebSocket frame: invalid UTF-8 sequence',
      ],
      code: 1007,
    },
    'RSV1 of a continuation': {
      frames: [
        { opcode: 'text', rsv: RSV1, fin: false, payload: deflate('a') },
        { opcode: 'continuation', rsv: RSV1 },
      ],
      error: [
        'RangeError',
        'WS_ERR_UNEXPECTED_RSV_1',
        'Invalid WebSocket frame: RSV1 must be clear',
      ],
      code: 1002,
    },
    'more than maxPayload': {
      frames: [
        { opcode: 'binary', rsv: RSV1, payload: deflate(Buffer.alloc(2000)) },
      ],
      error: [
        'RangeError',
        'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH',
        'Max payload size exceeded',
      ],
      code: 1009,
    },
  };

  for (const [what, { frames, error, code }] of Object.entries(CASES)) {
    it(`${what}, ends the connection with ${code}`, async () => {
      const server = await createServer({
        maxPayload: 1000,
        perMessageDeflate: true,
      });
      const { client, ws } = await server.open(offering(NO_TAKEOVER));
      const log = record(ws);
      const close = once(ws, 'close');
      for (const frame of frames) client.send(frame);
      const { opcode, payload } = await client.frame();
      assert.strictEqual(opcode, 8);
      assert.strictEqual(payload.readUInt16BE(0), code);
      client.end();
      await close;
      assert.deepStrictEqual(log, [
        ['error', ...error],
        ['close', 1006, ''],
      ]);
    });
  }

  it('but lacks its tail, or has it, is one all the same', async () => {
    const { server } = await createConnection({ perMessageDeflate: true });
    const { client, ws } = await server.open(offering(NO_TAKEOVER));
    const log = record(ws);
    // RFC 7692, 7.2.3.1 and 7.2.3.4: with a block that has BFINAL set.
    for (const hex of ['f248cdc9c90700', 'f348cdc9c9070000']) {
      const message = once(ws, 'message');
      client.send({
        opcode: 'text',
        rsv: RSV1,
        payload: Buffer.from(hex, 'hex'),
      });
      await message;
    }
    assert.deepStrictEqual(log, [
      ['text', 'Hello'],
      ['text', 'Hello'],
    ]);
  });
});

describe('The negotiation of permessage-deflate', () => {
  const ANSWERS = [
    [true, OFFER, OFFER],
    [true, NO_TAKEOVER, NO_TAKEOVER],
    [true, 'foo', undefined],
    [false, OFFER, undefined],
    [
      { serverMaxWindowBits: 10, clientMaxWindowBits: 11 },
      `${OFFER}; client_max_window_bits`,
      `${OFFER}; client_max_window_bits=11; server_max_window_bits=10`,
    ],
    [
      { serverNoContextTakeover: true },
      `${OFFER}; server_max_window_bits="9"`,
      `${OFFER}; server_max_window_bits=9; server_no_context_takeover`,
    ],
    [
      { serverMaxWindowBits: false },
      `${OFFER}; server_max_window_bits=9, ${OFFER}`,
      OFFER,
    ],
  ];

  for (const [option, offer, answer] of ANSWERS) {
    it(`answers '${offer}' with '${answer}' for ${JSON.stringify(option)}`, async () => {
      const server = await createServer({ perMessageDeflate: option });
      const { client, ws } = await server.open(offering(offer));
      const match = /^Sec-WebSocket-Extensions: (.*)\r$/m.exec(client.response);
      assert.deepStrictEqual(
        match && match[1].split('; ').sort(),
        answer ? answer.split('; ').sort() : null,
      );
      assert.strictEqual(ws.extensions, answer ? OFFER : '');
    });
  }

  for (const offer of [
    `${OFFER}; foo`,
    `${OFFER}; server_max_window_bits=16`,
    `${OFFER}; server_no_context_takeover; server_no_context_takeover`,
    `${OFFER}; server_no_context_takeover=1`,
    `${OFFER};`,
    '',
  ]) {
    it(`refuses '${offer}' with 400`, async () => {
      const server = await createServer({ perMessageDeflate: true });
      const client = await server.connect();
      client.write(upgradeRequest(offering(offer)));
      assert.strictEqual(
        (await client.ended()).toString(),
        'HTTP/1.1 400 Bad Request\r\n' +
          'Connection: close\r\n' +
          'Content-Type: text/html\r\n' +
          'Content-Length: 55\r\n\r\n' +
          'Invalid or unacceptable Sec-WebSocket-Extensions header',
      );
      client.end();
    });
  }

  if (!isWs) {
    for (const [option, name] of [
      [{ serverMaxWindowBits: 16 }, 'serverMaxWindowBits'],
      [{ clientMaxWindowBits: 7 }, 'clientMaxWindowBits'],
      [{ zlibDeflateOptions: { level: 10 } }, 'zlibDeflateOptions.level'],
    ]) {
      it(`throws for ${JSON.stringify(option)}`, async () => {
        await assert.rejects(createServer({ perMessageDeflate: option }), {
          name: 'RangeError',
          message: new RegExp(`"${name}"`),
        });
      });
    }
  }
});

describe('A process with messages on threads', () => {
  for (const kind of ['main', 'worker']) {
    it(`ends when it should: ${kind}`, async () => {
      const child = spawn(
        process.execPath,
        [
          path.join(__dirname, 'helpers', 'deflate-server.js'),
          kind,
          JSON.stringify({ perMessageDeflate: true }),
        ],
        { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
      );
      const exit = once(child, 'exit');
      const [port] = await once(child, 'message');
      const busy = [];
      for (let i = 0; i < 3; i++) {
        busy.push(
          await RawClient.open(port, { path: '/deflate', ...offering(OFFER) }),
        );
      }
      const last = await RawClient.connect(port);
      last.write(upgradeRequest({ path: '/end' }));
      assert.deepStrictEqual(await exit, [7, null]);
    });
  }
});

describe('inflate() of the helpers', () => {
  it('is the inverse of deflate()', () => {
    const message = sample('words', 1000);
    assert.strictEqual(Buffer.compare(inflate(deflate(message)), message), 0);
  });
});
