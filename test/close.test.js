'use strict';

const assert = require('node:assert');

const { WebSocket } = require('./helpers/implementation');
const { closePayload, encodeFrame } = require('./helpers/frame');
const { once, record } = require('./helpers/events');
const {
  closeServers,
  createConnection,
  createServer,
} = require('./helpers/server');

const VALID_CODES = [
  1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000,
  3999, 4000, 4999,
];

const INVALID_CODE = {
  name: 'TypeError',
  message: 'First argument must be a valid error code number',
};

const LONG_REASON = {
  name: 'RangeError',
  message: 'The message must not be greater than 123 bytes',
};

const INVALID_REASON = {
  name: 'TypeError',
  message: 'Second argument must be a string or a Uint8Array',
};

/** The hex of a close frame from the server. */
function closeFrame(code, reason) {
  return encodeFrame({
    opcode: 'close',
    payload: closePayload(code, reason),
    mask: false,
  }).toString('hex');
}

describe('The states of a WebSocket', () => {
  afterEach(closeServers);

  const STATES = { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 };

  it('have constants on the class and its instances', async () => {
    const { ws } = await createConnection();
    for (const [name, value] of Object.entries(STATES)) {
      for (const object of [WebSocket, WebSocket.prototype]) {
        const property = Object.getOwnPropertyDescriptor(object, name);
        assert.strictEqual(property.value, value);
        assert.strictEqual(property.enumerable, true);
        assert.strictEqual(property.writable, false);
        assert.strictEqual(property.configurable, false);
      }
      assert.strictEqual(ws[name], value);
    }
  });

  it('go from OPEN over CLOSING to CLOSED when the server closes', async () => {
    const { server, client, ws } = await createConnection();
    const close = once(ws, 'close');
    assert.strictEqual(ws.readyState, WebSocket.OPEN);
    ws.close();
    assert.strictEqual(ws.readyState, WebSocket.CLOSING);
    await client.expect('8800');
    assert.strictEqual(ws.readyState, WebSocket.CLOSING);
    client.write('888000000000');
    await client.ended();
    assert.strictEqual(ws.readyState, WebSocket.CLOSING);
    assert.strictEqual(server.wss.clients.has(ws), true);
    client.end();
    await close;
    assert.strictEqual(ws.readyState, WebSocket.CLOSED);
  });

  it('go from OPEN over CLOSING to CLOSED when the client closes', async () => {
    const { client, ws } = await createConnection();
    const close = once(ws, 'close');
    client.write('888000000000');
    await client.expect('8800');
    assert.strictEqual(ws.readyState, WebSocket.CLOSING);
    await client.ended();
    assert.strictEqual(ws.readyState, WebSocket.CLOSING);
    client.end();
    await close;
    assert.strictEqual(ws.readyState, WebSocket.CLOSED);
  });

  it('are CLOSED in listeners of "close", with the client no longer in clients', async () => {
    const { server, client, ws } = await createConnection();
    const states = new Promise((resolve) => {
      ws.on('close', () => {
        resolve([ws.readyState, server.wss.clients.has(ws)]);
      });
    });
    client.write('888000000000');
    client.end();
    assert.deepStrictEqual(await states, [WebSocket.CLOSED, false]);
  });

  it('cannot be assigned', async () => {
    const { ws } = await createConnection();
    assert.throws(() => {
      ws.readyState = 3;
    }, TypeError);
    assert.strictEqual(ws.readyState, WebSocket.OPEN);
  });
});

describe('The event "close"', () => {
  afterEach(closeServers);

  it('has a number and a Buffer as its arguments, and comes once', async () => {
    const { client, ws } = await createConnection();
    const calls = [];
    ws.on('close', function (...args) {
      assert.strictEqual(this, ws);
      calls.push(args);
    });
    client.write('888500000000 03e8666f6f');
    client.end();
    await once(ws, 'close');
    ws.close();
    ws.terminate();
    assert.strictEqual(calls.length, 1);
    assert.strictEqual(calls[0].length, 2);
    assert.strictEqual(calls[0][0], 1000);
    assert.strictEqual(Buffer.isBuffer(calls[0][1]), true);
    assert.strictEqual(Object.getPrototypeOf(calls[0][1]), Buffer.prototype);
    assert.strictEqual(calls[0][1].toString(), 'foo');
  });

  it('has an empty Buffer when there is no reason', async () => {
    for (const frame of ['888000000000', '88820000000003e8', '']) {
      const { client, ws } = await createConnection();
      const close = once(ws, 'close');
      client.write(frame);
      client.end();
      const [, reason] = await close;
      assert.strictEqual(Buffer.isBuffer(reason), true);
      assert.strictEqual(reason.length, 0);
    }
  });
});

describe('A close frame of the client', () => {
  afterEach(closeServers);

  for (const code of VALID_CODES) {
    it(`with the code ${code} is answered with that code`, async () => {
      const { client, ws } = await createConnection();
      const log = record(ws);
      const close = once(ws, 'close');
      client.send({ opcode: 'close', payload: closePayload(code) });
      await client.expect(closeFrame(code));
      assert.strictEqual((await client.ended()).length, 0);
      client.end();
      await close;
      assert.deepStrictEqual(log, [['close', code, '']]);
    });
  }

  it('without a code is answered without a code, and reported as 1005', async () => {
    const { client, ws } = await createConnection();
    const log = record(ws);
    const close = once(ws, 'close');
    client.write('888000000000');
    await client.expect('8800');
    assert.strictEqual((await client.ended()).length, 0);
    client.end();
    await close;
    assert.deepStrictEqual(log, [['close', 1005, '']]);
  });

  for (const [what, reason] of [
    ['a short reason', 'foo'],
    ['a reason that is not ASCII', '\u20ac\u{10348}'],
    ['a reason of 123 bytes', 'a'.repeat(123)],
  ]) {
    it(`with ${what} is answered with that reason`, async () => {
      const { client, ws } = await createConnection();
      const log = record(ws);
      const close = once(ws, 'close');
      const frame = encodeFrame({
        opcode: 'close',
        payload: closePayload(4321, reason),
      });
      await client.writeByteByByte(frame);
      await client.expect(closeFrame(4321, reason));
      assert.strictEqual((await client.ended()).length, 0);
      client.end();
      await close;
      assert.deepStrictEqual(log, [['close', 4321, reason]]);
    });
  }

  it('is looked at after the messages before it, and nothing after it is', async () => {
    const { client, ws } = await createConnection();
    const log = record(ws);
    const close = once(ws, 'close');
    client.write(
      '818100000000 61 88820000000003e8 818100000000 62 898000000000',
    );
    await client.expect('880203e8');
    assert.strictEqual((await client.ended()).length, 0);
    client.write('818100000000 63 88820000000003e9');
    client.end();
    await close;
    assert.deepStrictEqual(log, [
      ['text', 'a'],
      ['close', 1000, ''],
    ]);
  });

  it('ends a message that is not complete', async () => {
    const { client, ws } = await createConnection();
    const log = record(ws);
    const close = once(ws, 'close');
    client.write('018100000000 61 88820000000003e8');
    await client.expect('880203e8');
    client.end();
    await close;
    assert.deepStrictEqual(log, [['close', 1000, '']]);
  });

  it('is answered after what was sent before', async () => {
    const { client, ws } = await createConnection();
    ws.on('message', (data) => ws.send(data));
    client.write('828100000000 61 828100000000 62 888000000000');
    await client.expect('820161 820162 8800');
  });

  it('is answered once all that was sent before was read', async () => {
    const { client, ws } = await createConnection();
    const close = once(ws, 'close');
    client.socket.pause();
    const payload = Buffer.alloc(1048576, 'a');
    for (let i = 0; i < 16; i++) ws.send(payload);
    client.write('88820000000003e8');
    client.socket.resume();
    for (let i = 0; i < 16; i++) {
      const frame = await client.frame();
      assert.strictEqual(Buffer.compare(frame.payload, payload), 0);
    }
    await client.expect('880203e8');
    assert.strictEqual((await client.ended()).length, 0);
    client.end();
    assert.strictEqual((await close)[0], 1000);
  });

  it('may be followed by FIN at once', async () => {
    const { client, ws } = await createConnection();
    const close = once(ws, 'close');
    client.write('888500000000 03e8666f6f');
    client.end();
    const [code, reason] = await close;
    assert.strictEqual(code, 1000);
    assert.strictEqual(reason.toString(), 'foo');
    await client.expect('880503e8666f6f');
    assert.strictEqual((await client.ended()).length, 0);
  });

  it('may be followed by a reset', async () => {
    const { client, ws } = await createConnection();
    const log = record(ws);
    const close = once(ws, 'close');
    client.write('888500000000 03e8666f6f');
    await client.ended();
    client.reset();
    await close;
    assert.deepStrictEqual(log, [['close', 1000, 'foo']]);
  });

  it('that crosses that of the server is reported, and not answered again', async () => {
    const { client, ws } = await createConnection();
    const log = record(ws);
    const close = once(ws, 'close');
    ws.close(1000, 'foo');
    client.write('888500000000 03e9626172');
    await client.expect('880503e8666f6f');
    assert.strictEqual((await client.ended()).length, 0);
    client.end();
    await close;
    assert.deepStrictEqual(log, [['close', 1001, 'bar']]);
  });
});

describe('close()', () => {
  afterEach(closeServers);

  for (const code of VALID_CODES) {
    it(`sends the code ${code}`, async () => {
      const { client, ws } = await createConnection();
      assert.strictEqual(ws.close(code), undefined);
      await client.expect(closeFrame(code));
    });
  }

  for (const [what, args, hex] of [
    ['no code', [], '8800'],
    ['the code undefined', [undefined], '8800'],
    ['a reason but no code', [undefined, 'foo'], '8800'],
    ['an empty reason', [1000, ''], '880203e8'],
    ['a reason', [1000, 'foo'], '880503e8666f6f'],
    ['a reason that is not ASCII', [1000, '\u20ac'], '880503e8e282ac'],
    ['a Buffer as reason', [1000, Buffer.from('foo')], '880503e8666f6f'],
    ['an empty Buffer as reason', [1000, Buffer.alloc(0)], '880203e8'],
    [
      'a Uint8Array as reason',
      [1000, new Uint8Array([0x66, 0x6f])],
      '880403e8666f',
    ],
    [
      'a part of an ArrayBuffer as reason',
      [1000, new Uint8Array(Uint8Array.from([1, 2, 3, 4]).buffer, 1, 2)],
      '880403e80203',
    ],
    [
      'a reason of 123 bytes',
      [1000, 'a'.repeat(123)],
      '887d03e8' + '61'.repeat(123),
    ],
    [
      'a reason of 123 bytes in 41 characters',
      [1000, '\u20ac'.repeat(41)],
      '887d03e8' + 'e282ac'.repeat(41),
    ],
  ]) {
    it(`sends ${what}`, async () => {
      const { client, ws } = await createConnection();
      ws.close(...args);
      await client.expect(hex);
    });
  }

  for (const [what, args, expected] of [
    ...[
      0,
      1,
      999,
      1004,
      1005,
      1006,
      1015,
      1016,
      1100,
      1999,
      2000,
      2999,
      5000,
      65536,
      -1000,
      NaN,
      Infinity,
    ].map((code) => [`the code ${code}`, [code], INVALID_CODE]),
    ['the code null', [null], INVALID_CODE],
    ['the code "1000"', ['1000'], INVALID_CODE],
    ['the code true', [true], INVALID_CODE],
    ['an object as code', [{}], INVALID_CODE],
    [
      'an invalid code and a long reason',
      [5000, 'a'.repeat(124)],
      INVALID_CODE,
    ],
    ['a reason of 124 bytes', [1000, 'a'.repeat(124)], LONG_REASON],
    [
      'a reason of 126 bytes in 42 characters',
      [1000, '\u20ac'.repeat(42)],
      LONG_REASON,
    ],
    ['a Buffer of 124 bytes as reason', [1000, Buffer.alloc(124)], LONG_REASON],
    [
      'a Uint8Array of 124 bytes as reason',
      [1000, new Uint8Array(124)],
      LONG_REASON,
    ],
    [
      'a Uint16Array as reason',
      [1000, new Uint16Array([1, 2])],
      INVALID_REASON,
    ],
    ['a Float64Array as reason', [1000, new Float64Array(2)], INVALID_REASON],
    ['null as reason', [1000, null], { name: 'TypeError' }],
    ['an array as reason', [1000, [1]], { name: 'TypeError' }],
  ]) {
    it(`throws for ${what}, and the connection stays open`, async () => {
      const { client, ws } = await createConnection();
      assert.throws(() => ws.close(...args), expected);
      assert.strictEqual(ws.readyState, WebSocket.OPEN);
      ws.send('foo');
      ws.close(1000);
      await client.expect('8103666f6f 880203e8');
    });
  }

  it('reports the code and reason with which the client answers', async () => {
    const { client, ws } = await createConnection();
    const log = record(ws);
    const close = once(ws, 'close');
    ws.close(1000, 'foo');
    await client.expect('880503e8666f6f');
    client.write('888500000000 0fa0626172');
    assert.strictEqual((await client.ended()).length, 0);
    client.end();
    await close;
    assert.deepStrictEqual(log, [['close', 4000, 'bar']]);
  });

  it('reports 1005 when the client answers without a code', async () => {
    const { client, ws } = await createConnection();
    const log = record(ws);
    const close = once(ws, 'close');
    ws.close(1000);
    await client.expect('880203e8');
    client.write('888000000000');
    await client.ended();
    client.end();
    await close;
    assert.deepStrictEqual(log, [['close', 1005, '']]);
  });

  it('reports 1006 when the client answers with FIN', async () => {
    const { client, ws } = await createConnection();
    const log = record(ws);
    const close = once(ws, 'close');
    ws.close(1000);
    await client.expect('880203e8');
    client.end();
    assert.strictEqual((await client.ended()).length, 0);
    await close;
    assert.deepStrictEqual(log, [['close', 1006, '']]);
  });

  it('reports 1006 when the client answers with a reset', async () => {
    const { client, ws } = await createConnection();
    const log = record(ws);
    const close = once(ws, 'close');
    ws.close(1000);
    await client.expect('880203e8');
    client.reset();
    await close;
    assert.deepStrictEqual(log, [['close', 1006, '']]);
  });

  it('does not end the connection before the client answers', async () => {
    const { client, ws } = await createConnection();
    const log = record(ws);
    ws.close(1000);
    await client.expect('880203e8');
    const message = once(ws, 'message');
    client.write('818100000000 61');
    await message;
    const pong = once(ws, 'pong');
    client.write('8a8100000000 62');
    await pong;
    assert.deepStrictEqual(log, [
      ['text', 'a'],
      ['pong', 'b'],
    ]);
    assert.strictEqual(ws.readyState, WebSocket.CLOSING);
  });

  it('sends no second frame when it is called again', async () => {
    const { client, ws } = await createConnection();
    const log = record(ws);
    const close = once(ws, 'close');
    ws.close(1000);
    ws.close(1001);
    ws.close();
    await client.expect('880203e8');
    client.write('88820000000003e8');
    assert.strictEqual((await client.ended()).length, 0);
    ws.close(1001);
    client.end();
    await close;
    ws.close(1001);
    assert.deepStrictEqual(log, [['close', 1000, '']]);
  });

  it('does not look at its arguments when it is called again', async () => {
    const { ws } = await createConnection();
    const close = once(ws, 'close');
    ws.close(1000);
    ws.close(5000);
    ws.close('foo', null);
    ws.terminate();
    await close;
    ws.close(5000);
  });

  it('in a listener of "message" comes after what was sent before it', async () => {
    const { client, ws } = await createConnection();
    ws.on('message', (data) => {
      ws.send(data);
      ws.close(1000);
      ws.send(data);
    });
    client.write('828100000000 61');
    await client.expect('820161 880203e8');
    client.write('88820000000003e8');
    assert.strictEqual((await client.ended()).length, 0);
  });

  it('in a listener of "message" does not hide the messages behind it', async () => {
    const { client, ws } = await createConnection();
    const log = record(ws);
    const close = once(ws, 'close');
    ws.on('message', () => ws.close(1000));
    client.write(
      '818100000000 61 818100000000 62 8a8000000000 88820000000003e8',
    );
    await client.expect('880203e8');
    assert.strictEqual((await client.ended()).length, 0);
    client.end();
    await close;
    assert.deepStrictEqual(log, [
      ['text', 'a'],
      ['text', 'b'],
      ['pong', ''],
      ['close', 1000, ''],
    ]);
  });

  it('in the callback of handleUpgrade comes right after the handshake', async () => {
    const server = await createServer({
      onConnection: (ws) => ws.close(1013, 'foo'),
    });
    const { client } = await server.open();
    await client.expect('880503f5666f6f');
  });

  it('sends its frame after a backlog', async () => {
    const { client, ws } = await createConnection();
    const payload = Buffer.alloc(1048576, 'a');
    client.socket.pause();
    for (let i = 0; i < 16; i++) ws.send(payload);
    ws.close(1000);
    client.socket.resume();
    for (let i = 0; i < 16; i++) await client.frame();
    await client.expect('880203e8');
  });
});

describe('closeTimeout', () => {
  afterEach(closeServers);

  it('ends a connection whose client does not answer close()', async () => {
    const { client, ws } = await createConnection({ closeTimeout: 50 });
    const log = record(ws);
    const close = once(ws, 'close');
    ws.close(1000);
    await client.expect('880203e8');
    await close;
    assert.deepStrictEqual(log, [['close', 1006, '']]);
    assert.strictEqual(ws.readyState, WebSocket.CLOSED);
    assert.strictEqual((await client.ended()).length, 0);
  });

  it('ends a connection whose client answers close() but sends no FIN', async () => {
    const { client, ws } = await createConnection({ closeTimeout: 50 });
    const log = record(ws);
    const close = once(ws, 'close');
    ws.close(1000);
    client.write('888500000000 03e9666f6f');
    await close;
    assert.deepStrictEqual(log, [['close', 1001, 'foo']]);
  });

  it('ends a connection whose client closes but sends no FIN', async () => {
    const { client, ws } = await createConnection({ closeTimeout: 50 });
    const log = record(ws);
    const close = once(ws, 'close');
    client.write('888500000000 03e9666f6f');
    await close;
    assert.deepStrictEqual(log, [['close', 1001, 'foo']]);
  });

  it('ends a connection whose client does not react to an error', async () => {
    const { client, ws } = await createConnection({ closeTimeout: 50 });
    const log = record(ws);
    const close = once(ws, 'close');
    client.write('8380');
    await close;
    assert.deepStrictEqual(log.slice(1), [['close', 1006, '']]);
  });

  it('ends a connection whose client does not read', async () => {
    const { client, ws } = await createConnection({ closeTimeout: 50 });
    const close = once(ws, 'close');
    client.socket.pause();
    for (let i = 0; i < 32; i++) ws.send(Buffer.alloc(1048576));
    ws.close(1000);
    assert.strictEqual((await close)[0], 1006);
  });

  it('does not end a connection that is open', async () => {
    const { server, client, ws } = await createConnection({
      closeTimeout: 1,
    });
    const other = await server.open();
    const close = once(other.ws, 'close');
    other.ws.close();
    await close;
    assert.strictEqual(ws.readyState, WebSocket.OPEN);
    ws.send('foo');
    await client.expect('8103666f6f');
  });
});

describe('A connection that ends without a close frame', () => {
  afterEach(closeServers);

  for (const [what, end] of [
    ['FIN', (client) => client.end()],
    ['a reset', (client) => client.reset()],
  ]) {
    it(`by ${what} is reported as 1006 and no error`, async () => {
      const { client, ws } = await createConnection();
      const log = record(ws);
      const close = once(ws, 'close');
      end(client);
      await close;
      assert.deepStrictEqual(log, [['close', 1006, '']]);
      assert.strictEqual(ws.readyState, WebSocket.CLOSED);
    });

    for (const [where, hex] of [
      ['a header', '81'],
      ['a length', '81fe00'],
      ['a mask', '818500'],
      ['a payload', '818500000000 6162'],
      ['a message', '018100000000 61'],
    ]) {
      it(`by ${what} within ${where} is reported as 1006 and no error`, async () => {
        const { client, ws } = await createConnection();
        const log = record(ws);
        const ping = once(ws, 'ping');
        client.write('898000000000' + hex);
        await ping;
        const close = once(ws, 'close');
        end(client);
        await close;
        assert.deepStrictEqual(log, [
          ['ping', ''],
          ['close', 1006, ''],
        ]);
      });
    }

    it(`by ${what} leaves other connections alone`, async () => {
      const { server, client, ws } = await createConnection();
      const other = await server.open();
      const close = once(other.ws, 'close');
      end(other.client);
      await close;
      ws.send('foo');
      await client.expect('8103666f6f');
      assert.deepStrictEqual([...server.wss.clients], [ws]);
    });
  }

  it('by FIN is ended with FIN, without a close frame', async () => {
    const { client } = await createConnection();
    client.end();
    assert.strictEqual((await client.ended()).length, 0);
    await client.closed();
    assert.strictEqual(client.error, undefined);
  });

  it('by FIN is told after the messages before it', async () => {
    const { client, ws } = await createConnection();
    const log = record(ws);
    const close = once(ws, 'close');
    client.write('818100000000 61 818100000000 62');
    client.end();
    await close;
    assert.deepStrictEqual(log, [
      ['text', 'a'],
      ['text', 'b'],
      ['close', 1006, ''],
    ]);
  });

  it('by FIN gets what was sent before it', async () => {
    const { client, ws } = await createConnection();
    ws.on('message', (data) => ws.send(data));
    client.write('828100000000 61');
    client.end();
    await client.expect('820161');
    assert.strictEqual((await client.ended()).length, 0);
  });

  it('by FIN gets a backlog that it reads later', async () => {
    const { client, ws } = await createConnection();
    client.socket.pause();
    const payload = Buffer.alloc(1048576, 'a');
    for (let i = 0; i < 16; i++) ws.send(payload);
    client.end();
    client.socket.resume();
    for (let i = 0; i < 16; i++) {
      const frame = await client.frame();
      assert.strictEqual(Buffer.compare(frame.payload, payload), 0);
    }
    assert.strictEqual((await client.ended()).length, 0);
  });

  it('refuses what is sent after FIN was seen', async () => {
    const { client, ws } = await createConnection();
    const close = once(ws, 'close');
    client.end();
    await close;
    await new Promise((resolve) => {
      ws.send('foo', (error) => {
        assert.strictEqual(
          error.message,
          'WebSocket is not open: readyState 3 (CLOSED)',
        );
        resolve();
      });
    });
  });
});

describe('terminate()', () => {
  afterEach(closeServers);

  it('ends the connection at once, without a close frame, with 1006', async () => {
    const { client, ws } = await createConnection();
    const log = record(ws);
    const close = once(ws, 'close');
    assert.strictEqual(ws.terminate(), undefined);
    assert.strictEqual(ws.readyState, WebSocket.CLOSING);
    assert.deepStrictEqual(log, []);
    await close;
    assert.deepStrictEqual(log, [['close', 1006, '']]);
    assert.strictEqual(ws.readyState, WebSocket.CLOSED);
    assert.strictEqual((await client.ended()).length, 0);
  });

  it('may be called again at any time', async () => {
    const { ws } = await createConnection();
    const log = record(ws);
    const close = once(ws, 'close');
    ws.on('close', () => ws.terminate());
    ws.terminate();
    ws.terminate();
    await close;
    ws.terminate();
    assert.deepStrictEqual(log, [['close', 1006, '']]);
  });

  it('ends a connection whose client has not answered close()', async () => {
    const { client, ws } = await createConnection();
    const log = record(ws);
    const close = once(ws, 'close');
    ws.close(1000);
    await client.expect('880203e8');
    ws.terminate();
    assert.strictEqual(ws.readyState, WebSocket.CLOSING);
    await close;
    assert.deepStrictEqual(log, [['close', 1006, '']]);
    assert.strictEqual((await client.ended()).length, 0);
  });

  it('right after close() does not keep the close frame back', async () => {
    const { client, ws } = await createConnection();
    const log = record(ws);
    const close = once(ws, 'close');
    ws.close(1000);
    ws.terminate();
    await close;
    await client.expect('880203e8');
    assert.strictEqual((await client.ended()).length, 0);
    assert.deepStrictEqual(log, [['close', 1006, '']]);
  });

  it('after the close frame of the client keeps its code', async () => {
    const { client, ws } = await createConnection();
    const log = record(ws);
    const close = once(ws, 'close');
    client.write('888500000000 03e9666f6f');
    await client.expect('880503e9666f6f');
    await client.ended();
    assert.strictEqual(ws.readyState, WebSocket.CLOSING);
    ws.terminate();
    await close;
    assert.deepStrictEqual(log, [['close', 1001, 'foo']]);
  });

  it('ends a connection whose client does not read', async () => {
    const { client, ws } = await createConnection();
    const close = once(ws, 'close');
    client.socket.pause();
    for (let i = 0; i < 32; i++) ws.send(Buffer.alloc(1048576));
    ws.terminate();
    assert.strictEqual((await close)[0], 1006);
    assert.strictEqual(ws.readyState, WebSocket.CLOSED);
  });

  it('in the callback of handleUpgrade comes after the handshake', async () => {
    const closed = [];
    const server = await createServer({
      onConnection(ws) {
        ws.on('close', (code) => closed.push(code));
        ws.terminate();
      },
    });
    const { client, ws } = await server.open();
    if (closed.length === 0) await once(ws, 'close');
    assert.deepStrictEqual(closed, [1006]);
    assert.strictEqual((await client.ended()).length, 0);
  });

  it('leaves other connections alone', async () => {
    const { server, client, ws } = await createConnection();
    const other = await server.open();
    const close = once(other.ws, 'close');
    other.ws.terminate();
    await close;
    ws.send('foo');
    await client.expect('8103666f6f');
  });
});
