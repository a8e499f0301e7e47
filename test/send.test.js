'use strict';

const assert = require('node:assert');

const { once } = require('./helpers/events');
const { closeServers, createConnection } = require('./helpers/server');

const NOT_DATA = {
  name: 'TypeError',
  code: 'ERR_INVALID_ARG_TYPE',
};

const TOO_LARGE = {
  name: 'RangeError',
  message: 'The data size must not be greater than 125 bytes',
};

const OPCODES = { send: 0x81, ping: 0x89, pong: 0x8a };

function pattern(length) {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 7 + (i >> 8)) & 0xff;
  return bytes;
}

/** Bytes 0 to 15 in an ArrayBuffer of their own. */
function sixteen() {
  return Uint8Array.from({ length: 16 }, (_, i) => i).buffer;
}

/** Resolves with the arguments of the callback that `call` is given. */
function called(call) {
  return new Promise((resolve) => call((...args) => resolve(args)));
}

const DATA = [
  ['a string', () => 'foo', '8103666f6f'],
  ['an empty string', () => '', '8100'],
  [
    'a string of characters of one to four bytes',
    () => '$\u00a2\u20ac\u{10348}',
    '810a24c2a2e282acf0908d88',
  ],
  ['a string with a lone surrogate', () => 'a\ud800b', '810561efbfbd62'],
  ['a string of Latin-1', () => '\u00e9\u00ff', '8104c3a9c3bf'],
  ['a number', () => 12.5, '810431322e35'],
  ['zero', () => 0, '810130'],
  ['NaN', () => NaN, '81034e614e'],
  ['a Buffer', () => Buffer.from('foo'), '8203666f6f'],
  ['an empty Buffer', () => Buffer.alloc(0), '8200'],
  [
    'a part of a Buffer',
    () => Buffer.from('foobarbaz').subarray(3, 6),
    '8203626172',
  ],
  ['a Uint8Array', () => new Uint8Array([1, 2, 3]), '8203010203'],
  [
    'a part of an ArrayBuffer as Uint8Array',
    () => new Uint8Array(sixteen(), 5, 3),
    '8203050607',
  ],
  ['an Int8Array', () => new Int8Array([-1, 1]), '8202ff01'],
  ['a Uint8ClampedArray', () => new Uint8ClampedArray([300, -3]), '8202ff00'],
  ['a Uint16Array', () => new Uint16Array([1, 2]), '820401000200'],
  [
    'a part of an ArrayBuffer as Uint16Array',
    () => new Uint16Array(sixteen(), 2, 2),
    '820402030405',
  ],
  ['a Float32Array', () => new Float32Array([1]), '82040000803f'],
  ['a Float64Array', () => new Float64Array([1]), '8208000000000000f03f'],
  [
    'a BigUint64Array',
    () => new BigUint64Array([258n]),
    '82080201000000000000',
  ],
  [
    'a DataView',
    () => new DataView(sixteen()),
    '8210000102030405060708090a0b0c0d0e0f',
  ],
  [
    'a part of an ArrayBuffer as DataView',
    () => new DataView(sixteen(), 3, 2),
    '82020304',
  ],
  ['an ArrayBuffer', () => sixteen(), '8210000102030405060708090a0b0c0d0e0f'],
  ['an empty ArrayBuffer', () => new ArrayBuffer(0), '8200'],
  [
    'a SharedArrayBuffer',
    () => {
      const shared = new SharedArrayBuffer(2);
      new Uint8Array(shared).fill(9);
      return shared;
    },
    '82020909',
  ],
  ['an array of bytes', () => [1, 2, 300, '4'], '82040102 2c04'],
  ['an empty array', () => [], '8200'],
  ['an object like an array', () => ({ length: 2, 0: 7 }), '82020700'],
  ['the JSON of a Buffer', () => Buffer.from('foo').toJSON(), '8203666f6f'],
  ['a String object', () => new String('foo'), '8203666f6f'],
  [
    'an object with the primitive value of a string',
    () => ({ valueOf: () => 'foo' }),
    '8203666f6f',
  ],
  ['null', () => null, '8200'],
  ['undefined', () => undefined, '8200'],
  ['false', () => false, '8200'],
];

const INVALID_DATA = [
  ['true', () => true],
  ['a bigint', () => 1n],
  ['a symbol', () => Symbol('foo')],
  ['a plain object', () => ({})],
  ['a Map', () => new Map()],
  ['a Number object', () => new Number(1)],
];

describe('send()', () => {
  afterEach(closeServers);

  for (const [what, data, hex] of DATA) {
    it(`sends ${what}`, async () => {
      const { client, ws } = await createConnection();
      assert.strictEqual(ws.send(data()), true);
      ws.send('end');
      await client.expect(hex + '8103656e64');
    });
  }

  for (const [what, data] of INVALID_DATA) {
    it(`throws for ${what}, and sends nothing`, async () => {
      const { client, ws } = await createConnection();
      const fail = () => assert.fail('must not be called');
      assert.throws(() => ws.send(data()), NOT_DATA);
      assert.throws(() => ws.send(data(), fail), NOT_DATA);
      assert.throws(() => ws.send(data(), {}, fail), NOT_DATA);
      ws.send('end');
      await client.expect('8103656e64');
    });
  }

  it('throws for a view on a detached ArrayBuffer, and sends nothing', async () => {
    const { client, ws } = await createConnection();
    const view = new Uint8Array(8);
    const { port1, port2 } = new MessageChannel();
    port1.postMessage(view.buffer, [view.buffer]);
    port1.close();
    port2.close();
    assert.throws(() => ws.send(view), TypeError);
    ws.send('end');
    await client.expect('8103656e64');
  });

  for (const [length, header] of [
    [0, '00'],
    [1, '01'],
    [124, '7c'],
    [125, '7d'],
    [126, '7e007e'],
    [127, '7e007f'],
    [128, '7e0080'],
    [255, '7e00ff'],
    [256, '7e0100'],
    [4096, '7e1000'],
    [65535, '7effff'],
    [65536, '7f0000000000010000'],
    [65537, '7f0000000000010001'],
    [1048576, '7f0000000000100000'],
    [16777217, '7f0000000001000001'],
  ]) {
    it(`sends ${length} bytes with the length ${header}`, async () => {
      const { client, ws } = await createConnection();
      const payload = pattern(length);
      ws.send(payload);
      ws.send('end');
      await client.expect('82' + header);
      const sent = await client.bytes(length);
      assert.strictEqual(Buffer.compare(sent, payload), 0);
      await client.expect('8103656e64');
    });

    it(`sends a string of ${length} bytes with the length ${header}`, async () => {
      const { client, ws } = await createConnection();
      const text = '\u20ac'.repeat(length / 3) + 'a'.repeat(length % 3);
      ws.send(text);
      ws.send('end');
      await client.expect('81' + header);
      const sent = await client.bytes(length);
      assert.strictEqual(sent.toString() === text, true);
      await client.expect('8103656e64');
    });
  }

  it('sends what was sent in its order, of all sizes', async () => {
    const { client, ws } = await createConnection();
    const payloads = [];
    for (let i = 0; i < 300; i++) payloads.push(pattern((i * 1733) % 100000));
    for (const payload of payloads) ws.send(payload);
    for (const payload of payloads) {
      const frame = await client.frame();
      assert.strictEqual(Buffer.compare(frame.payload, payload), 0);
    }
  });

  it('sends what is sent in different phases of the event loop in its order', async () => {
    const { client, ws } = await createConnection();
    const sent = [];
    const send = (text) => {
      sent.push(text);
      ws.send(text);
    };
    send('a');
    process.nextTick(send, 'b');
    Promise.resolve('c').then(send);
    await new Promise((resolve) => {
      setImmediate(() => {
        send('d');
        setTimeout(() => {
          send('e');
          resolve();
        }, 0);
      });
    });
    const received = [];
    for (let i = 0; i < 5; i++) {
      received.push((await client.frame()).payload.toString());
    }
    assert.deepStrictEqual(received, sent);
  });

  describe('with options', () => {
    for (const [what, data, options, hex] of [
      ['binary: true', 'foo', { binary: true }, '8203666f6f'],
      ['binary: false', Buffer.from('foo'), { binary: false }, '8103666f6f'],
      ['compress: true', 'foo', { compress: true }, '8103666f6f'],
      ['compress: false', 'foo', { compress: false }, '8103666f6f'],
      ['no property', 'foo', {}, '8103666f6f'],
      ['the value null', 'foo', null, '8103666f6f'],
      ['the value undefined', 'foo', undefined, '8103666f6f'],
    ]) {
      it(`sends as they say with ${what}`, async () => {
        const { client, ws } = await createConnection();
        const [error] = await called((callback) =>
          ws.send(data, options, callback),
        );
        assert.strictEqual(Boolean(error), false);
        await client.expect(hex);
      });
    }

    it('masks with mask: true', async () => {
      const { client, ws } = await createConnection();
      ws.send('foo', { mask: true });
      ws.send(pattern(126), { mask: true });
      const small = await client.frame();
      assert.strictEqual(small.masked, true);
      assert.strictEqual(small.payload.toString(), 'foo');
      const large = await client.frame();
      assert.strictEqual(large.masked, true);
      assert.strictEqual(Buffer.compare(large.payload, pattern(126)), 0);
    });

    it('leaves the data as they are when it masks', async () => {
      const { client, ws } = await createConnection();
      const data = Buffer.from('foobar');
      await called((callback) => ws.send(data, { mask: true }, callback));
      await client.frame();
      assert.strictEqual(data.toString(), 'foobar');
    });

    it('sends fragments with fin: false until one without', async () => {
      const { client, ws } = await createConnection();
      ws.send('a', { fin: false });
      ws.send('b', { fin: false });
      ws.send('c', { fin: true });
      ws.send(Buffer.from('d'), { fin: false });
      ws.send('', { fin: false });
      ws.send('e');
      ws.send('f');
      await client.expect('010161 000162 800163 020164 0000 800165 810166');
    });

    it('takes the type of the message from the first fragment', async () => {
      const { client, ws } = await createConnection();
      ws.send('a', { fin: false });
      ws.send(Buffer.from('b'), { fin: false, binary: true });
      ws.send(Buffer.from('c'));
      await client.expect('010161 000162 800163');
    });

    it('sends control frames between fragments', async () => {
      const { client, ws } = await createConnection();
      ws.send('a', { fin: false });
      ws.ping('b');
      ws.pong('c');
      ws.send('d');
      await client.expect('010161 890162 8a0163 800164');
    });

    it('sends large fragments', async () => {
      const { client, ws } = await createConnection();
      const payload = pattern(70000);
      ws.send(payload, { fin: false });
      ws.send(payload);
      await client.expect('027f0000000000011170');
      assert.strictEqual(Buffer.compare(await client.bytes(70000), payload), 0);
      await client.expect('807f0000000000011170');
      assert.strictEqual(Buffer.compare(await client.bytes(70000), payload), 0);
    });
  });

  describe('with a callback', () => {
    it('calls it once, without an error, after it returned', async () => {
      const { client, ws } = await createConnection();
      let returned = false;
      const calls = [];
      const done = new Promise((resolve) => {
        ws.send('a', (error) => {
          assert.strictEqual(returned, true);
          calls.push(error);
        });
        ws.send('b', undefined, (error) => {
          calls.push(error);
          resolve();
        });
      });
      returned = true;
      await done;
      await client.expect('810161 810162');
      assert.deepStrictEqual(calls.map(Boolean), [false, false]);
    });

    it('calls all in the order of the calls', async () => {
      const { client, ws } = await createConnection();
      const order = [];
      const done = called((callback) => {
        ws.send('a', () => order.push(1));
        ws.ping('b', false, () => order.push(2));
        ws.send(pattern(200000), {}, () => order.push(3));
        ws.pong('c', false, () => order.push(4));
        ws.send('d', () => {
          order.push(5);
          callback();
        });
      });
      await done;
      assert.deepStrictEqual(order, [1, 2, 3, 4, 5]);
      await client.expect('810161 890162');
      await client.frame();
      await client.expect('8a0163 810164');
    });

    it('lets it send more', async () => {
      const { client, ws } = await createConnection();
      ws.send('a', () => ws.send('b', () => ws.send('c')));
      await client.expect('810161 810162 810163');
    });

    it('calls all once, with errors, when the connection is terminated before they were written', async () => {
      const { client, ws } = await createConnection();
      const errors = [];
      client.socket.pause();
      const done = called((callback) => {
        for (let i = 0; i < 40; i++) {
          ws.send(pattern(1048576), (error) => {
            errors.push(error);
            if (errors.length === 40) callback();
          });
        }
      });
      const close = once(ws, 'close');
      ws.terminate();
      await close;
      await done;
      assert.strictEqual(errors.length, 40);
      const first = errors.findIndex((error) => error instanceof Error);
      assert.notStrictEqual(first, -1);
      for (const error of errors.slice(first)) {
        assert.strictEqual(error instanceof Error, true);
      }
    });

    it('calls all once, with errors, when the client resets the connection before they were written', async () => {
      const { client, ws } = await createConnection();
      const errors = [];
      client.socket.pause();
      const done = called((callback) => {
        for (let i = 0; i < 40; i++) {
          ws.send(pattern(1048576), (error) => {
            errors.push(error);
            if (errors.length === 40) callback();
          });
        }
      });
      const close = once(ws, 'close');
      client.reset();
      await close;
      await done;
      assert.strictEqual(errors.length, 40);
      assert.strictEqual(errors[39] instanceof Error, true);
    });
  });

  describe('to a client that reads slowly', () => {
    it('keeps all messages, in order, and tells how much', async () => {
      const { client, ws } = await createConnection();
      assert.strictEqual(ws.bufferedAmount, 0);
      client.socket.pause();
      const payload = pattern(1048576);
      const order = [];
      const amounts = [];
      const done = called((callback) => {
        for (let i = 0; i < 32; i++) {
          ws.send(payload, (error) => {
            assert.strictEqual(Boolean(error), false);
            order.push(i);
            amounts.push(ws.bufferedAmount);
            if (i === 31) callback();
          });
        }
      });
      ws.ping('end');
      const before = ws.bufferedAmount;
      assert.strictEqual(before > 8 * 1048576, true, `${before}`);
      assert.strictEqual(before <= 32 * (1048576 + 10) + 5, true);
      client.socket.resume();
      const pings = [];
      for (let i = 0; i < 32;) {
        const frame = await client.frame();
        if (frame.opcode === 9) {
          assert.strictEqual(frame.payload.toString(), 'end');
          pings.push(i);
        } else {
          assert.strictEqual(Buffer.compare(frame.payload, payload), 0);
          i++;
        }
      }
      assert.strictEqual(pings.length, 1);
      assert.strictEqual(pings[0] < 32, true);
      await done;
      assert.deepStrictEqual(order, [...Array(32).keys()]);
      assert.strictEqual(amounts[31] < 1048576, true);
      for (let i = 1; i < 32; i++) {
        assert.strictEqual(amounts[i] <= amounts[i - 1], true);
      }
      await called((callback) => ws.send('', callback));
      assert.strictEqual(ws.bufferedAmount, 0);
    });

    it('keeps everything when it is called in a callback of another', async () => {
      const { client, ws } = await createConnection();
      const payload = pattern(300000);
      let sent = 0;
      client.socket.pause();
      (function next() {
        if (sent++ < 50) ws.send(payload, next);
        else ws.close(1000);
      })();
      client.socket.resume();
      for (let i = 0; i < 50; i++) {
        const frame = await client.frame();
        assert.strictEqual(Buffer.compare(frame.payload, payload), 0);
      }
      await client.expect('880203e8');
    });

    it('does not keep other clients waiting', async () => {
      const { server, client, ws } = await createConnection();
      const other = await server.open();
      client.socket.pause();
      for (let i = 0; i < 16; i++) ws.send(pattern(1048576));
      other.ws.send('foo');
      await other.client.expect('8103666f6f');
      assert.strictEqual(other.ws.bufferedAmount, 0);
    });
  });

  if (typeof Blob !== 'undefined') {
    describe('with a Blob', () => {
      it('sends its bytes', async () => {
        const { client, ws } = await createConnection();
        ws.send(new Blob(['foo', 'bar']));
        await client.expect('8206666f6f626172');
      });

      it('sends an empty one', async () => {
        const { client, ws } = await createConnection();
        ws.send(new Blob([]));
        await client.expect('8200');
      });

      it('sends a large one', async () => {
        const { client, ws } = await createConnection();
        const payload = pattern(300000);
        ws.send(new Blob([payload]));
        await client.expect('827f00000000000493e0');
        const sent = await client.bytes(payload.length);
        assert.strictEqual(Buffer.compare(sent, payload), 0);
      });

      it('sends it as text with binary: false', async () => {
        const { client, ws } = await createConnection();
        ws.send(new Blob(['foo']), { binary: false });
        await client.expect('8103666f6f');
      });

      it('keeps the order of messages, which pings and pongs overtake', async () => {
        const { client, ws } = await createConnection();
        ws.send('1');
        ws.send(new Blob(['2']));
        ws.send('3');
        ws.ping('4');
        ws.send(new Blob(['5']));
        ws.pong('6');
        ws.close(1000);
        await client.expect(
          '810131 890134 8a0136 820132 810133 820135 880203e8',
        );
      });

      it('sends fragments', async () => {
        const { client, ws } = await createConnection();
        ws.send(new Blob(['1']), { fin: false });
        ws.send(new Blob(['2']), { fin: false });
        ws.send('3');
        await client.expect('020131 000132 800133');
      });

      it('calls the callbacks in the order of the calls', async () => {
        const { ws } = await createConnection();
        const order = [];
        await called((callback) => {
          ws.send(new Blob(['1']), (error) => order.push([1, !error]));
          ws.send('2', (error) => order.push([2, !error]));
          ws.send(new Blob(['3']), (error) => {
            order.push([3, !error]);
            callback();
          });
        });
        assert.deepStrictEqual(order, [
          [1, true],
          [2, true],
          [3, true],
        ]);
      });

      it('counts its bytes, and those behind it, in bufferedAmount', async () => {
        const { ws } = await createConnection();
        await called((callback) => {
          ws.send(new Blob(['foobar']), callback);
          assert.strictEqual(ws.bufferedAmount, 6);
          ws.send('foo');
          assert.strictEqual(ws.bufferedAmount, 9);
        });
        await called((callback) => ws.send('', callback));
        assert.strictEqual(ws.bufferedAmount, 0);
      });

      it('calls back with an error when the connection is terminated first', async () => {
        const { client, ws } = await createConnection();
        const messages = [];
        const close = once(ws, 'close');
        await called((callback) => {
          ws.send(new Blob(['foo']), (error) => messages.push(error.message));
          ws.send('bar', (error) => {
            messages.push(error.message);
            callback();
          });
          ws.terminate();
        });
        await close;
        assert.deepStrictEqual(messages, [
          'The socket was closed while the blob was being read',
          'The socket was closed while the blob was being read',
        ]);
        assert.strictEqual((await client.ended()).length, 0);
      });
    });
  }
});

describe('ping() and pong()', () => {
  afterEach(closeServers);

  for (const name of ['ping', 'pong']) {
    const first = OPCODES[name].toString(16);

    it(`sends ${name}s with all kinds of data`, async () => {
      const { client, ws } = await createConnection();
      const fin = (hex) => first + hex;
      for (const [args, hex] of [
        [[], '00'],
        [[undefined], '00'],
        [[null], '00'],
        [[''], '00'],
        [['foo'], '03666f6f'],
        [['\u20ac'], '03e282ac'],
        [[0], '0130'],
        [[12], '023132'],
        [[Buffer.from('foo')], '03666f6f'],
        [[new Uint16Array([1, 2])], '0401000200'],
        [[new DataView(sixteen(), 3, 2)], '020304'],
        [[sixteen()], '10000102030405060708090a0b0c0d0e0f'],
        [[[1, 2]], '020102'],
      ]) {
        assert.strictEqual(ws[name](...args), undefined);
        await client.expect(fin(hex));
      }
    });

    it(`sends ${name}s of up to 125 bytes`, async () => {
      const { client, ws } = await createConnection();
      ws[name](pattern(125));
      await client.expect(first + '7d' + pattern(125).toString('hex'));
      ws[name]('\u20ac'.repeat(41) + 'ab');
      const frame = await client.frame();
      assert.strictEqual(frame.payload.length, 125);
    });

    it(`throws for ${name}s of 126 bytes, and sends nothing`, async () => {
      const { client, ws } = await createConnection();
      const fail = () => assert.fail('must not be called');
      assert.throws(() => ws[name](pattern(126)), TOO_LARGE);
      assert.throws(() => ws[name]('a'.repeat(126), false, fail), TOO_LARGE);
      assert.throws(() => ws[name]('\u20ac'.repeat(42)), TOO_LARGE);
      assert.throws(() => ws[name](new ArrayBuffer(126)), TOO_LARGE);
      assert.throws(() => ws[name](new Uint16Array(63)), TOO_LARGE);
      ws.send('end');
      await client.expect('8103656e64');
    });

    for (const [what, data] of INVALID_DATA) {
      it(`throws for a ${name} of ${what}, and sends nothing`, async () => {
        const { client, ws } = await createConnection();
        assert.throws(() => ws[name](data()), NOT_DATA);
        ws.send('end');
        await client.expect('8103656e64');
      });
    }

    it(`takes the callback of ${name}() in any place`, async () => {
      const { client, ws } = await createConnection();
      for (const [call, hex] of [
        [(callback) => ws[name](callback), '00'],
        [(callback) => ws[name]('a', callback), '0161'],
        [(callback) => ws[name]('a', false, callback), '0161'],
        [(callback) => ws[name]('a', undefined, callback), '0161'],
      ]) {
        const [error] = await called(call);
        assert.strictEqual(Boolean(error), false);
        await client.expect(first + hex);
      }
    });

    it(`masks ${name}s when asked to`, async () => {
      const { client, ws } = await createConnection();
      ws[name]('foo', true);
      const frame = await client.frame();
      assert.strictEqual(frame.masked, true);
      assert.strictEqual(frame.payload.toString(), 'foo');
    });

    if (typeof Blob !== 'undefined') {
      it(`sends ${name}s of a Blob`, async () => {
        const { client, ws } = await createConnection();
        ws[name](new Blob(['foo']));
        ws.send('a');
        await client.expect(first + '03666f6f 810161');
        assert.throws(() => ws[name](new Blob(['a'.repeat(126)])), TOO_LARGE);
      });
    }
  }
});

describe('send(), ping() and pong() on a WebSocket that is not open', () => {
  afterEach(closeServers);

  const METHODS = [
    ['send', (ws, data, callback) => ws.send(data, callback)],
    ['send', (ws, data, callback) => ws.send(data, {}, callback)],
    ['ping', (ws, data, callback) => ws.ping(data, false, callback)],
    ['ping', (ws, data, callback) => ws.ping(data, callback)],
    ['pong', (ws, data, callback) => ws.pong(data, false, callback)],
    ['pong', (ws, data, callback) => ws.pong(data, callback)],
  ];

  async function assertRefused(ws, state) {
    for (const [name, method] of METHODS) {
      let returned = false;
      const [error, ...rest] = await called((callback) => {
        const result = method(ws, 'foo', (...args) => {
          assert.strictEqual(returned, true, name);
          callback(...args);
        });
        assert.strictEqual(result, name === 'send' ? false : undefined);
        returned = true;
      });
      assert.strictEqual(rest.length, 0);
      assert.strictEqual(error.constructor, Error);
      assert.strictEqual(
        error.message,
        `WebSocket is not open: readyState ${state}`,
      );
    }
    ws.send('foo');
    ws.ping('foo');
    ws.pong('foo');
    ws.ping();
  }

  it('call back with an error, and send nothing, while it closes', async () => {
    const { client, ws } = await createConnection();
    ws.on('error', (error) => assert.fail(error));
    ws.close();
    await assertRefused(ws, '2 (CLOSING)');
    client.write('888000000000');
    await client.expect('8800');
    assert.strictEqual((await client.ended()).length, 0);
  });

  it('call back with an error after it closed', async () => {
    const { client, ws } = await createConnection();
    ws.on('error', (error) => assert.fail(error));
    const close = once(ws, 'close');
    client.write('888000000000');
    client.end();
    await close;
    await assertRefused(ws, '3 (CLOSED)');
  });

  it('call back with an error after it was terminated', async () => {
    const { ws } = await createConnection();
    ws.on('error', (error) => assert.fail(error));
    const close = once(ws, 'close');
    ws.terminate();
    const [error] = await called((callback) => ws.send('foo', callback));
    assert.strictEqual(
      error.message,
      'WebSocket is not open: readyState 2 (CLOSING)',
    );
    await close;
    await assertRefused(ws, '3 (CLOSED)');
  });

  it('throw for data that cannot be sent all the same', async () => {
    const { ws } = await createConnection();
    const close = once(ws, 'close');
    ws.terminate();
    await close;
    for (const [, data] of INVALID_DATA) {
      for (const [, method] of METHODS) {
        assert.throws(
          () => method(ws, data(), () => assert.fail('must not be called')),
          NOT_DATA,
        );
      }
    }
  });

  it('do not mind the size of a ping or pong', async () => {
    const { ws } = await createConnection();
    const close = once(ws, 'close');
    ws.terminate();
    await close;
    const [error] = await called((callback) =>
      ws.ping(pattern(126), false, callback),
    );
    assert.strictEqual(
      error.message,
      'WebSocket is not open: readyState 3 (CLOSED)',
    );
  });

  for (const state of ['CLOSING', 'CLOSED']) {
    it(`count the bytes in bufferedAmount when it is ${state}`, async () => {
      const { client, ws } = await createConnection();
      if (state === 'CLOSING') {
        ws.close();
        await client.expect('8800');
      } else {
        const close = once(ws, 'close');
        ws.terminate();
        await close;
      }
      assert.strictEqual(ws.readyState, ws[state]);
      assert.strictEqual(ws.bufferedAmount, 0);
      for (const [data, total] of [
        ['foo', 3],
        ['\u20ac', 6],
        [12, 8],
        [Buffer.alloc(5), 13],
        [new Uint16Array(3), 19],
        [new ArrayBuffer(2), 21],
        [new DataView(new ArrayBuffer(3), 1), 23],
        [[1, 2, 3], 26],
        [null, 26],
        [undefined, 26],
      ]) {
        ws.send(data);
        assert.strictEqual(ws.bufferedAmount, total);
      }
      ws.ping('foo');
      assert.strictEqual(ws.bufferedAmount, 29);
      ws.pong('foo');
      assert.strictEqual(ws.bufferedAmount, 32);
      ws.ping();
      assert.strictEqual(ws.bufferedAmount, 32);
      if (typeof Blob !== 'undefined') {
        ws.send(new Blob(['foo']));
        assert.strictEqual(ws.bufferedAmount, 35);
      }
    });
  }

  it('keep what was counted while it was closing', async () => {
    const { client, ws } = await createConnection();
    ws.close();
    ws.send('foo');
    const close = once(ws, 'close');
    client.write('888000000000');
    await client.ended();
    client.end();
    await close;
    assert.strictEqual(ws.bufferedAmount, 3);
  });
});
