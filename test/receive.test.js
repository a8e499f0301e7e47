'use strict';

const assert = require('node:assert');

const { encodeFrame } = require('./helpers/frame');
const { once, record } = require('./helpers/events');
const { isWs } = require('./helpers/implementation');
const { MODES, closeServers, createConnection } = require('./helpers/server');

/** The end of all streams of frames below: a pong with the payload "end". */
const END = '8a8300000000656e64';

/** Bytes that differ from those at every other place nearby. */
function pattern(length) {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 7 + (i >> 8)) & 0xff;
  return bytes;
}

/** Waits for the pong "end" and returns what was logged before it. */
function untilEnd(ws, log) {
  return new Promise((resolve) => {
    ws.on('pong', (data) => {
      if (data.toString() === 'end') resolve(log.slice(0, -1));
    });
  });
}

/** Sends hex or bytes in one write and returns the log of all events. */
async function receive({ client, ws }, bytes) {
  const log = record(ws);
  const end = untilEnd(ws, log);
  client.write(bytes);
  client.write(END);
  return end;
}

const SEQUENCES = [
  ['a text message', '818337fa213d 5195 4e', [['text', 'foo']]],
  ['an empty text message', '818037fa213d', [['text', '']]],
  ['a binary message', '828337fa213d 37fb23', [['binary', '000102']]],
  ['an empty binary message', '828037fa213d', [['binary', '']]],
  [
    'a text message in three fragments',
    '018100000000 66 008100000000 6f 808100000000 6f',
    [['text', 'foo']],
  ],
  [
    'a binary message in three fragments with masks of their own',
    '028100000000 00 0081ff000000 fe 80810f000000 0d',
    [['binary', '000102']],
  ],
  [
    'a message whose fragments are all empty',
    '018000000000 008000000000 808000000000',
    [['text', '']],
  ],
  [
    'a message with an empty fragment at each end',
    '018000000000 008100000000 66 808000000000',
    [['text', 'f']],
  ],
  [
    'control frames between fragments',
    '018100000000 66 898100000000 31 008100000000 6f 8a8100000000 32' +
      '808100000000 6f',
    [
      ['ping', '1'],
      ['pong', '2'],
      ['text', 'foo'],
    ],
  ],
  [
    'messages and control frames in turn',
    '818100000000 61 898000000000 828100000000 62 8a8000000000 818000000000',
    [
      ['text', 'a'],
      ['ping', ''],
      ['binary', '62'],
      ['pong', ''],
      ['text', ''],
    ],
  ],
  [
    'lengths that are not in their shortest form',
    '81fe0003 00000000 666f6f 81ff0000000000000003 00000000 626172' +
      '82fe0000 00000000 82ff0000000000000000 00000000',
    [
      ['text', 'foo'],
      ['text', 'bar'],
      ['binary', ''],
      ['binary', ''],
    ],
  ],
  [
    'a text of characters of one to four bytes',
    '818a00000000 24c2a2e282acf0908d88',
    [['text', '$\u00a2\u20ac\u{10348}']],
  ],
  [
    'a text of the noncharacters and a NUL',
    '818700000000 00efbfbeefbfbf',
    [['text', '\0\ufffe\uffff']],
  ],
  [
    'a text that starts with a byte order mark',
    '818400000000 efbbbf61',
    [['text', '\ufeffa']],
  ],
];

describe('A received message', () => {
  afterEach(closeServers);

  for (const mode of MODES) {
    it(`is emitted in the mode ${mode}`, async () => {
      const connection = await createConnection({ mode });
      assert.deepStrictEqual(await receive(connection, '818100000000 61'), [
        ['text', 'a'],
      ]);
    });
  }

  it('is a Buffer and a boolean, for text too', async () => {
    const { client, ws } = await createConnection();
    const calls = [];
    ws.on('message', function (...args) {
      assert.strictEqual(this, ws);
      calls.push(args);
    });
    const end = once(ws, 'pong');
    client.write('818100000000 61 828100000000 62 818000000000' + END);
    await end;
    assert.strictEqual(calls.length, 3);
    for (const args of calls) {
      assert.strictEqual(args.length, 2);
      assert.strictEqual(Buffer.isBuffer(args[0]), true);
      assert.strictEqual(Object.getPrototypeOf(args[0]), Buffer.prototype);
    }
    assert.deepStrictEqual(
      calls.map(([, isBinary]) => isBinary),
      [false, true, false],
    );
  });

  it('stays as it is when more arrives, and may be written to', async () => {
    const { client, ws } = await createConnection();
    const received = [];
    ws.on('message', (data) => {
      received.push([data, data.toString('hex')]);
      if (received.length % 3 === 0) {
        data.fill(0xee);
        received[received.length - 1][1] = data.toString('hex');
      }
    });
    const end = once(ws, 'pong');
    for (let i = 0; i < 3000; i++) {
      client.send({ opcode: 'binary', payload: Buffer.alloc(i % 200, i) });
    }
    client.write(END);
    await end;
    assert.strictEqual(received.length, 3000);
    received.forEach(([data, hex], i) => {
      assert.strictEqual(data.length, i % 200);
      assert.strictEqual(data.toString('hex'), hex);
    });
  });

  describe('that consists of frames', () => {
    for (const [what, hex, expected] of SEQUENCES) {
      const bytes = Buffer.from(hex.replace(/\s/g, ''), 'hex');

      it(`with ${what} is complete`, async () => {
        const connection = await createConnection();
        assert.deepStrictEqual(await receive(connection, hex), expected);
      });

      it(`with ${what}, one byte at a time, is complete`, async () => {
        const { client, ws } = await createConnection();
        const log = record(ws);
        const end = untilEnd(ws, log);
        await client.writeByteByByte(bytes);
        client.write(END);
        assert.deepStrictEqual(await end, expected);
      });

      it(`with ${what}, split anywhere, is complete`, async () => {
        const { client, ws } = await createConnection();
        const log = record(ws);
        const end = untilEnd(ws, log);
        const all = [];
        for (let i = 1; i < bytes.length; i++) {
          client.write(bytes.subarray(0, i));
          await new Promise(setImmediate);
          client.write(bytes.subarray(i));
          all.push(...expected);
        }
        client.write(END);
        assert.deepStrictEqual(await end, all);
      });
    }

    for (const length of [
      0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 33, 63, 65, 124, 125, 126, 127,
      128, 255, 256, 4095, 4097, 16383, 16385, 32768, 65535, 65536, 65537,
      131073, 1048576,
    ]) {
      for (const lengthBits of [7, 16, 64]) {
        if (lengthBits === 7 && length > 125) continue;
        if (lengthBits === 16 && length > 65535) continue;

        it(`of ${length} bytes with a length of ${lengthBits} bits is complete`, async () => {
          const payload = pattern(length);
          const { client, ws } = await createConnection();
          const message = once(ws, 'message');
          client.send({ opcode: 'binary', payload, lengthBits });
          const [data, isBinary] = await message;
          assert.strictEqual(isBinary, true);
          assert.strictEqual(data.length, length);
          assert.strictEqual(Buffer.compare(data, payload), 0);
        });
      }
    }

    it('of 8 MiB in fragments of many sizes is complete', async () => {
      const payload = pattern(8 * 1024 * 1024);
      const { client, ws } = await createConnection();
      const message = once(ws, 'message');
      let offset = 0;
      for (let size = 1; offset < payload.length; size = size * 3 + 1) {
        const fragment = payload.subarray(offset, offset + size);
        client.send({
          opcode: offset === 0 ? 'binary' : 'continuation',
          payload: fragment,
          fin: offset + size >= payload.length,
        });
        offset += size;
      }
      const [data] = await message;
      assert.strictEqual(Buffer.compare(data, payload), 0);
    });

    it('in one packet of a thousand is in its place', async () => {
      const connection = await createConnection();
      const frames = [];
      const expected = [];
      for (let i = 0; i < 1000; i++) {
        frames.push(encodeFrame({ opcode: 'text', payload: `${i}` }));
        expected.push(['text', `${i}`]);
      }
      assert.deepStrictEqual(
        await receive(connection, Buffer.concat(frames)),
        expected,
      );
    });

    it('of many sizes, in pieces of many sizes, is in its place', async () => {
      const { client, ws } = await createConnection();
      const received = [];
      ws.on('message', (data) => received.push(data));
      const end = once(ws, 'pong');
      const payloads = [];
      for (let i = 0; i < 200; i++) payloads.push(pattern((i * 611) % 20000));
      const bytes = Buffer.concat(
        payloads.map((payload) => encodeFrame({ opcode: 'binary', payload })),
      );
      let offset = 0;
      for (let i = 0; offset < bytes.length; i++) {
        const size = 1 + ((i * 7919) % 60000);
        client.write(bytes.subarray(offset, (offset += size)));
        if (i % 4 === 0) await new Promise(setImmediate);
      }
      client.write(END);
      await end;
      assert.strictEqual(received.length, payloads.length);
      payloads.forEach((payload, i) => {
        assert.strictEqual(Buffer.compare(received[i], payload), 0);
      });
    });
  });

  describe('without a listener', () => {
    it('is dropped', async () => {
      const { client, ws } = await createConnection();
      const end = once(ws, 'pong');
      client.write('818100000000 61' + END);
      await end;
      assert.deepStrictEqual(await receive({ client, ws }, '818100000000 62'), [
        ['text', 'b'],
      ]);
    });

    it('does not keep later ones from a listener added between', async () => {
      const { client, ws } = await createConnection();
      const texts = [];
      ws.once('message', () => {
        ws.on('message', (data) => texts.push(data.toString()));
      });
      const end = once(ws, 'pong');
      client.write('818100000000 61 818100000000 62 818100000000 63' + END);
      await end;
      assert.deepStrictEqual(texts, ['b', 'c']);
    });
  });

  describe('that is text', () => {
    const TEXT = '$\u00a2\u20ac\u{10348}';

    it('may have its characters split over fragments', async () => {
      const bytes = Buffer.from(TEXT);
      const connection = await createConnection();
      const frames = [];
      const expected = [];
      for (let i = 0; i <= bytes.length; i++) {
        frames.push(
          encodeFrame({
            opcode: 'text',
            payload: bytes.subarray(0, i),
            fin: false,
          }),
          encodeFrame({ opcode: 'continuation', payload: bytes.subarray(i) }),
        );
        expected.push(['text', TEXT]);
      }
      assert.deepStrictEqual(
        await receive(connection, Buffer.concat(frames)),
        expected,
      );
    });

    it('may have a fragment for each byte, with pings between', async () => {
      const bytes = Buffer.from(TEXT);
      const { client, ws } = await createConnection({ autoPong: false });
      const message = once(ws, 'message');
      for (let i = 0; i < bytes.length; i++) {
        client.send({
          opcode: i === 0 ? 'text' : 'continuation',
          payload: bytes.subarray(i, i + 1),
          fin: i === bytes.length - 1,
        });
        client.send({ opcode: 'ping' });
      }
      assert.strictEqual((await message)[0].toString(), TEXT);
    });

    for (const [what, hex] of [
      ['a stray continuation byte', '80'],
      ['a lead byte alone', 'c3'],
      ['three of four bytes', 'f09f98'],
      ['an overlong character of two bytes', 'c1bf'],
      ['an overlong character of three bytes', 'e09fbf'],
      ['an overlong character of four bytes', 'f08fbfbf'],
      ['the first surrogate', 'eda080'],
      ['the last surrogate', 'edbfbf'],
      ['the first code point beyond Unicode', 'f4908080'],
      ['a lead byte that none has', 'f5808080'],
      ['the byte fe', 'fe'],
      ['the byte ff', 'ff'],
    ]) {
      for (const where of ['start', 'middle', 'end']) {
        it(`is refused with ${what} at its ${where}`, async () => {
          const bytes = Buffer.from(hex, 'hex');
          const filler = Buffer.alloc(100, 'a');
          const payload = Buffer.concat([
            ...(where === 'start' ? [] : [filler]),
            bytes,
            ...(where === 'end' ? [] : [filler]),
          ]);
          const { client, ws } = await createConnection();
          const log = record(ws);
          client.send({ opcode: 'text', payload });
          await client.expect('880203ef');
          assert.deepStrictEqual(
            log.map(([event, , code]) => [event, code]),
            [['error', 'WS_ERR_INVALID_UTF8']],
          );
        });
      }
    }

    it('is refused when fragments that are valid alone are not together', async () => {
      const { client, ws } = await createConnection();
      const log = record(ws);
      client.write('018100000000 c3 808100000000 61');
      await client.expect('880203ef');
      assert.strictEqual(log[0][2], 'WS_ERR_INVALID_UTF8');
    });

    it('is not looked at with skipUTF8Validation', async () => {
      const { client, ws } = await createConnection({
        skipUTF8Validation: true,
      });
      const messages = [];
      ws.on('message', (...args) => messages.push(args));
      const end = once(ws, 'pong');
      client.write('818400000000 ceba8080 018100000000 c3 808100000000 ff');
      client.write(END);
      await end;
      assert.deepStrictEqual(messages, [
        [Buffer.from('ceba8080', 'hex'), false],
        [Buffer.from('c3ff', 'hex'), false],
      ]);
    });

    it('is not looked at when it is binary', async () => {
      const connection = await createConnection();
      assert.deepStrictEqual(await receive(connection, '828100000000 ff'), [
        ['binary', 'ff'],
      ]);
    });
  });

  describe('and maxPayload', () => {
    for (const maxPayload of [1, 125, 126, 65535, 65536, 100000]) {
      it(`of ${maxPayload} may have that many bytes in a frame`, async () => {
        const { client, ws } = await createConnection({ maxPayload });
        const lengths = [];
        ws.on('message', (data) => lengths.push(data.length));
        const end = once(ws, 'pong');
        const frame = encodeFrame({
          opcode: 'binary',
          payload: pattern(maxPayload),
        });
        client.write(Buffer.concat([frame, frame]));
        client.write(END);
        await end;
        assert.deepStrictEqual(lengths, [maxPayload, maxPayload]);
      });

      it(`of ${maxPayload} may have that many bytes in fragments`, async () => {
        const { client, ws } = await createConnection({ maxPayload });
        const lengths = [];
        ws.on('message', (data) => lengths.push(data.length));
        const end = once(ws, 'pong');
        const half = maxPayload >> 1;
        for (let i = 0; i < 2; i++) {
          client.send({ opcode: 'binary', payload: pattern(half), fin: false });
          client.send({
            opcode: 'continuation',
            payload: pattern(maxPayload - half),
          });
        }
        client.write(END);
        await end;
        assert.deepStrictEqual(lengths, [maxPayload, maxPayload]);
      });
    }

    it('of 1 may be followed by longer control frames', async () => {
      const connection = await createConnection({
        maxPayload: 1,
        autoPong: false,
      });
      assert.deepStrictEqual(
        await receive(
          connection,
          '018100000000 61 898200000000 6263 808000000000',
        ),
        [
          ['ping', 'bc'],
          ['text', 'a'],
        ],
      );
    });

    it('of 0 may declare any length', async () => {
      const { client, ws } = await createConnection({ maxPayload: 0 });
      const log = record(ws);
      const close = once(ws, 'close');
      client.write('82ff001fffffffffffff 00000000 616263');
      client.end();
      await close;
      assert.deepStrictEqual(log, [['close', 1006, '']]);
    });

    it('of the default may declare 100 MiB', async () => {
      const { client, ws } = await createConnection();
      const log = record(ws);
      const close = once(ws, 'close');
      client.write('82ff0000000006400000 00000000 616263');
      client.end();
      await close;
      assert.deepStrictEqual(log, [['close', 1006, '']]);
    });
  });
});

describe('A received ping', () => {
  afterEach(closeServers);

  for (const length of [0, 1, 4, 124, 125]) {
    it(`of ${length} bytes is answered with a pong of the same bytes`, async () => {
      const { client, ws } = await createConnection();
      const payload = pattern(length);
      const ping = once(ws, 'ping');
      client.send({ opcode: 'ping', payload });
      const args = await ping;
      assert.strictEqual(args.length, 1);
      assert.strictEqual(Buffer.isBuffer(args[0]), true);
      assert.strictEqual(Buffer.compare(args[0], payload), 0);
      const frame = await client.frame();
      assert.deepStrictEqual(frame, {
        fin: true,
        rsv: 0,
        opcode: 0xa,
        masked: false,
        lengthBits: 7,
        payload,
      });
    });
  }

  it('is answered before its listeners are called', async () => {
    const { client, ws } = await createConnection();
    ws.on('ping', () => ws.send('b'));
    client.write('898100000000 61');
    await client.expect('8a0161 810162');
  });

  // `ws` keeps the place of a pong among the answers to the messages of the
  // same packet; this package answers before any listener runs.
  it('in a packet with messages is answered between frames', async () => {
    const { client, ws } = await createConnection();
    ws.on('message', (data) => ws.send(data));
    client.write('828100000000 61 898100000000 62 828100000000 63');
    await client.expect(isWs ? '820161 8a0162 820163' : '8a0162 820161 820163');
  });

  it('is not answered with autoPong off', async () => {
    const { client, ws } = await createConnection({ autoPong: false });
    const log = record(ws);
    ws.on('message', () => ws.send('c'));
    client.write('898100000000 61 818100000000 62');
    await client.expect('810163');
    assert.deepStrictEqual(log, [
      ['ping', 'a'],
      ['text', 'b'],
    ]);
  });

  it('behind a message whose listener closes the connection gets no answer behind the close frame', async () => {
    const { client, ws } = await createConnection();
    const log = record(ws);
    const close = once(ws, 'close');
    ws.on('message', () => ws.close(1000));
    client.write('818100000000 61 898100000000 62 88820000000003e8');
    await client.expect(isWs ? '880203e8' : '8a0162 880203e8');
    assert.strictEqual((await client.ended()).length, 0);
    client.end();
    await close;
    assert.deepStrictEqual(log, [
      ['text', 'a'],
      ['ping', 'b'],
      ['close', 1000, ''],
    ]);
  });

  it('is not answered while the connection closes', async () => {
    const { client, ws } = await createConnection();
    const log = record(ws);
    const close = once(ws, 'close');
    ws.close();
    client.write('898100000000 61 88820000000003e8');
    await client.expect('8800');
    assert.strictEqual((await client.ended()).length, 0);
    client.end();
    await close;
    assert.deepStrictEqual(log, [
      ['ping', 'a'],
      ['close', 1000, ''],
    ]);
  });

  for (const [options, limit] of [
    [{}, 60],
    [{ maxPendingAutoPongs: 1 }, 1],
    [{ maxPendingAutoPongs: 5 }, 5],
  ]) {
    it(`is one of ${limit} in a packet, and all are answered`, async () => {
      const { client, ws } = await createConnection(options);
      client.write('898100000000 61'.repeat(limit));
      await client.expect('8a0161'.repeat(limit));
      assert.strictEqual(ws.readyState, ws.OPEN);
    });

    it(`is one of ${limit + 1} in a packet of a client that reads, which only ws terminates`, async () => {
      const { client, ws } = await createConnection(options);
      if (!isWs) {
        client.write('898100000000 61'.repeat(limit + 1));
        await client.expect('8a0161'.repeat(limit + 1));
        assert.strictEqual(ws.readyState, ws.OPEN);
        return;
      }
      const log = record(ws);
      const close = once(ws, 'close');
      client.write('898100000000 61'.repeat(limit + 1));
      await close;
      await client.expect('8a0161'.repeat(limit));
      assert.strictEqual((await client.ended()).length, 0);
      assert.deepStrictEqual(log, [
        ...Array(limit + 1).fill(['ping', 'a']),
        ['close', 1006, ''],
      ]);
    });
  }

  it('is one of many in a packet, and all are answered when maxPendingAutoPongs is 0', async () => {
    const { client, ws } = await createConnection({ maxPendingAutoPongs: 0 });
    client.write('898100000000 61'.repeat(1000));
    await client.expect('8a0161'.repeat(1000));
    assert.strictEqual(ws.readyState, ws.OPEN);
  });

  it('no longer counts against maxPendingAutoPongs once its pong is written', async () => {
    const { client } = await createConnection({ maxPendingAutoPongs: 1 });
    for (let i = 0; i < 10; i++) {
      client.write('898100000000 61');
      await client.expect('8a0161');
    }
  });

  it('is one of many from a client that does not read, which is terminated', async () => {
    const { client, ws } = await createConnection();
    const log = record(ws);
    const close = once(ws, 'close');
    const pings = encodeFrame({ opcode: 'ping', payload: pattern(125) });
    const packet = Buffer.concat(Array(50).fill(pings));
    client.socket.pause();
    for (let i = 0; i < 10000 && ws.readyState === ws.OPEN; i++) {
      await new Promise((resolve) => client.socket.write(packet, resolve));
    }
    assert.deepStrictEqual((await close)[0], 1006);
    assert.deepStrictEqual(log[log.length - 1], ['close', 1006, '']);
  });
});

describe('A received pong', () => {
  afterEach(closeServers);

  it('is emitted with its bytes', async () => {
    const { client, ws } = await createConnection();
    const pong = once(ws, 'pong');
    const payload = pattern(125);
    client.send({ opcode: 'pong', payload });
    const args = await pong;
    assert.strictEqual(args.length, 1);
    assert.strictEqual(Buffer.isBuffer(args[0]), true);
    assert.strictEqual(Buffer.compare(args[0], payload), 0);
  });

  it('answers ping()', async () => {
    const { client, ws } = await createConnection();
    const pong = once(ws, 'pong');
    ws.ping('foo');
    await client.expect('8903666f6f');
    client.write('8a8300000000666f6f');
    assert.strictEqual((await pong)[0].toString(), 'foo');
  });
});
