'use strict';

const assert = require('node:assert');
const { Blob } = require('node:buffer');

const { isWs } = require('../helpers/implementation');
const { once } = require('../helpers/events');
const {
  KINDS,
  TCP,
  createConnection,
  forEachKind,
} = require('./helpers/sockets');
const { describeValue, hasBlob } = require('./helpers/trace');

const NOT_DATA = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };

const TOO_LARGE = {
  name: 'RangeError',
  message: 'The data size must not be greater than 125 bytes',
};

const END = '8103656e64';

/** Bytes 0 to 15 in an ArrayBuffer of their own. */
function sixteen() {
  return Uint8Array.from({ length: 16 }, (_, i) => i).buffer;
}

function shared() {
  const buffer = new SharedArrayBuffer(4);
  new Uint8Array(buffer).set([1, 2, 3, 4]);
  return buffer;
}

/** Data, its bytes in hex, and the opcode of send(). */
const DATA = [
  ['a string', () => 'foo', '03666f6f', 0x81],
  ['an empty string', () => '', '00', 0x81],
  [
    'a string of one to four bytes a character',
    () => '$\u00a2\u20ac\u{10348}',
    '0a24c2a2e282acf0908d88',
    0x81,
  ],
  ['a string with a lone surrogate', () => 'a\ud800b', '0561efbfbd62', 0x81],
  ['a string of Latin-1', () => '\u00e9\u00ff', '04c3a9c3bf', 0x81],
  ['a number', () => 12.5, '0431322e35', 0x81],
  ['zero', () => 0, '0130', 0x81],
  ['a negative number', () => -1, '022d31', 0x81],
  ['NaN', () => NaN, '034e614e', 0x81],
  ['a Buffer', () => Buffer.from('foo'), '03666f6f', 0x82],
  ['an empty Buffer', () => Buffer.alloc(0), '00', 0x82],
  [
    'a part of a Buffer',
    () => Buffer.from('foobarbaz').subarray(3, 6),
    '03626172',
    0x82,
  ],
  ['a Uint8Array', () => new Uint8Array([1, 2, 3]), '03010203', 0x82],
  [
    'a Uint8Array on a part of an ArrayBuffer',
    () => new Uint8Array(sixteen(), 5, 3),
    '03050607',
    0x82,
  ],
  ['an Int8Array', () => new Int8Array([-1, 1]), '02ff01', 0x82],
  [
    'a Uint8ClampedArray',
    () => new Uint8ClampedArray([300, -3]),
    '02ff00',
    0x82,
  ],
  ['a Uint16Array', () => new Uint16Array([1, 2]), '0401000200', 0x82],
  [
    'a Uint16Array on a part of an ArrayBuffer',
    () => new Uint16Array(sixteen(), 2, 2),
    '0402030405',
    0x82,
  ],
  ['an Int32Array', () => new Int32Array([-2]), '04feffffff', 0x82],
  ['a Float32Array', () => new Float32Array([1]), '040000803f', 0x82],
  ['a Float64Array', () => new Float64Array([1]), '08000000000000f03f', 0x82],
  [
    'a BigUint64Array',
    () => new BigUint64Array([258n]),
    '080201000000000000',
    0x82,
  ],
  [
    'a DataView',
    () => new DataView(sixteen()),
    '10000102030405060708090a0b0c0d0e0f',
    0x82,
  ],
  [
    'a DataView on a part of an ArrayBuffer',
    () => new DataView(sixteen(), 3, 2),
    '020304',
    0x82,
  ],
  [
    'an ArrayBuffer',
    () => sixteen(),
    '10000102030405060708090a0b0c0d0e0f',
    0x82,
  ],
  ['an empty ArrayBuffer', () => new ArrayBuffer(0), '00', 0x82],
  ['a SharedArrayBuffer', () => shared(), '0401020304', 0x82],
  [
    'a Uint8Array on a SharedArrayBuffer',
    () => new Uint8Array(shared(), 1, 2),
    '020203',
    0x82,
  ],
  [
    'a DataView on a SharedArrayBuffer',
    () => new DataView(shared(), 2),
    '020304',
    0x82,
  ],
  [
    'a Buffer on a SharedArrayBuffer',
    () => Buffer.from(shared(), 3),
    '0104',
    0x82,
  ],
  ...(hasBlob
    ? [
        ['a Blob', () => new Blob(['foo', 'bar']), '06666f6f626172', 0x82],
        ['an empty Blob', () => new Blob([]), '00', 0x82],
      ]
    : []),
  ['an array of bytes', () => [1, 2, 300, '4'], '0401022c04', 0x82],
  ['an empty array', () => [], '00', 0x82],
  ['an object like an array', () => ({ length: 2, 0: 7 }), '020700', 0x82],
  ['the JSON of a Buffer', () => Buffer.from('foo').toJSON(), '03666f6f', 0x82],
  ['a String object', () => new String('foo'), '03666f6f', 0x82],
  [
    'an object with the primitive value of a string',
    () => ({ valueOf: () => 'foo' }),
    '03666f6f',
    0x82,
  ],
  [
    'an object that converts itself to a string',
    () => ({ [Symbol.toPrimitive]: () => 'foo' }),
    '03666f6f',
    0x82,
  ],
  ['null', () => null, '00', 0x82],
  ['undefined', () => undefined, '00', 0x82],
  ['false', () => false, '00', 0x82],
];

const INVALID_DATA = [
  ['true', () => true],
  ['a bigint', () => 1n],
  ['a symbol', () => Symbol('foo')],
  ['a plain object', () => ({})],
  ['a Map', () => new Map()],
  ['a Number object', () => new Number(1)],
  ['an Error', () => new Error('foo')],
];

const METHODS = { ping: '89', pong: '8a' };

const OPTIONS = [
  ['no options', undefined, 'foo', '8103666f6f'],
  ['null for options', null, 'foo', '8103666f6f'],
  ['empty options', {}, 'foo', '8103666f6f'],
  ['binary for a string', { binary: true }, 'foo', '8203666f6f'],
  ['binary: 1 for a string', { binary: 1 }, 'foo', '8203666f6f'],
  ['binary: undefined', { binary: undefined }, 'foo', '8103666f6f'],
  ['text for a Buffer', { binary: false }, Buffer.from('foo'), '8103666f6f'],
  [
    'binary: null for a Buffer',
    { binary: null },
    Buffer.from('foo'),
    '8103666f6f',
  ],
  ['text for an array', { binary: false }, [0x61], '810161'],
  ['compress', { compress: true }, 'foo', '8103666f6f'],
  ['fin: true', { fin: true }, 'foo', '8103666f6f'],
  ['mask: false', { mask: false }, 'foo', '8103666f6f'],
  ['unknown options', { foo: 1, rsv1: true, opcode: 8 }, 'foo', '8103666f6f'],
];

/** Resolves with the arguments of the callback that `call` is given. */
function called(call) {
  return new Promise((resolve) => {
    call((...args) => resolve(args.map(describeValue)));
  });
}

/** The first argument: what `ws` gives is null over some sockets. */
function assertSent(args) {
  assert.ok(args.length <= 1);
  assert.ok(args[0] === undefined || args[0] === null, `${args[0]}`);
}

/** The states in which nothing can be sent, and how to get there. */
const NOT_OPEN = {
  '2 (CLOSING)': (ws) => ws.close(),
  '3 (CLOSED)': async (ws) => {
    const close = once(ws, 'close');
    ws.terminate();
    await close;
  },
};

describe('Parity: sending', () => {
  forEachKind(KINDS, (kind) => {
    for (const [what, data, hex, opcode] of DATA) {
      it(`send() sends ${what}`, async () => {
        const { client, ws } = await createConnection(kind);
        assert.strictEqual(ws.send(data()), isWs ? undefined : true);
        ws.send('end');
        await client.expect(opcode.toString(16) + hex + END);
      });

      for (const [method, byte] of Object.entries(METHODS)) {
        it(`${method}() sends ${what}`, async () => {
          const { client, ws } = await createConnection(kind);
          assert.strictEqual(ws[method](data()), undefined);
          ws.send('end');
          await client.expect(byte + hex + END);
        });
      }
    }

    for (const [what, data] of INVALID_DATA) {
      for (const method of ['send', 'ping', 'pong']) {
        it(`${method}() throws for ${what}`, async () => {
          const { client, ws } = await createConnection(kind);
          const fail = () => assert.fail('must not be called');
          assert.throws(() => ws[method](data()), NOT_DATA);
          assert.throws(() => ws[method](data(), undefined, fail), NOT_DATA);
          ws.send('end');
          await client.expect(END);
        });
      }
    }

    for (const [what, options, data, hex] of OPTIONS) {
      it(`send() with ${what}`, async () => {
        const { client, ws } = await createConnection(kind);
        ws.send(data, options);
        ws.send('end');
        await client.expect(hex + END);
      });
    }

    for (const size of [
      0, 1, 125, 126, 127, 1023, 1024, 16383, 16384, 16385, 65535, 65536, 65537,
      200000,
    ]) {
      for (const [type, opcode] of [
        ['text', '81'],
        ['binary', '82'],
      ]) {
        it(`send() of ${size} bytes of ${type}`, async () => {
          const { client, ws } = await createConnection(kind);
          const data = Buffer.alloc(size, 'foobar');
          ws.send(type === 'text' ? data.toString() : data);
          const length = size.toString(16);
          await client.expect(
            opcode +
              (size < 126
                ? length.padStart(2, '0')
                : size < 65536
                  ? `7e${length.padStart(4, '0')}`
                  : `7f${length.padStart(16, '0')}`) +
              data.toString('hex'),
          );
        });
      }
    }

    it('send() with fin: undefined leaves the message open', async () => {
      const { client, ws } = await createConnection(kind);
      ws.send('foo', { fin: undefined });
      ws.send('end');
      await client.expect('0103666f6f 8003656e64');
    });

    it('send() of fragments continues the message of the first', async () => {
      const { client, ws } = await createConnection(kind);
      ws.send('foo', { fin: false });
      ws.send('', { fin: false });
      ws.ping('a');
      ws.send(Buffer.from('bar'), { fin: false, binary: true });
      ws.send('baz', { fin: true });
      ws.send(Buffer.from('qux'), { fin: false });
      ws.send('quux');
      ws.send('end');
      await client.expect(
        '0103666f6f 0000 890161 0003626172 800362617a' +
          '0203717578 800471757578' +
          END,
      );
    });

    for (const method of ['send', 'ping', 'pong']) {
      for (const payload of ['', 'foo', Buffer.from([1, 2, 3, 4, 5])]) {
        it(`${method}() of ${payload.length} bytes with mask`, async () => {
          const { client, ws } = await createConnection(kind);
          if (method === 'send') ws.send(payload, { mask: true });
          else ws[method](payload, true);
          const frame = await client.frame();
          assert.strictEqual(frame.masked, true);
          assert.strictEqual(frame.fin, true);
          assert.strictEqual(
            frame.payload.toString('hex'),
            Buffer.from(payload).toString('hex'),
          );
        });
      }
    }

    it('send() with mask leaves the data as it is', async () => {
      const { client, ws } = await createConnection(kind);
      const data = Buffer.from('foo');
      ws.send(data, { mask: true });
      await client.frame();
      assert.strictEqual(data.toString(), 'foo');
    });

    for (const data of ['foo', '', Buffer.from('foo'), Buffer.alloc(70000)]) {
      const what = `${typeof data} of ${data.length}`;

      it(`send() of ${what} calls back without an error, later`, async () => {
        const { ws } = await createConnection(kind);
        let isReturned = false;
        const args = await called((callback) => {
          ws.send(data, (...rest) => {
            assert.strictEqual(isReturned, true);
            callback(...rest);
          });
          isReturned = true;
        });
        assertSent(args);
      });
    }

    it('send() calls back as its second or third argument', async () => {
      const { ws } = await createConnection(kind);
      assertSent(await called((callback) => ws.send('foo', callback)));
      assertSent(await called((callback) => ws.send('foo', {}, callback)));
      assertSent(
        await called((callback) => ws.send('foo', undefined, callback)),
      );
    });

    for (const method of Object.keys(METHODS)) {
      it(`${method}() calls back as any of its arguments`, async () => {
        const { client, ws } = await createConnection(kind);
        assertSent(await called((callback) => ws[method](callback)));
        assertSent(await called((callback) => ws[method]('a', callback)));
        assertSent(
          await called((callback) => ws[method]('b', false, callback)),
        );
        assertSent(
          await called((callback) =>
            ws[method](undefined, undefined, callback),
          ),
        );
        const byte = METHODS[method];
        await client.expect(`${byte}00 ${byte}0161 ${byte}0162 ${byte}00`);
      });

      it(`${method}() sends 125 bytes`, async () => {
        const { client, ws } = await createConnection(kind);
        ws[method](Buffer.alloc(125, 'a'));
        await client.expect(`${METHODS[method]}7d${'61'.repeat(125)}`);
      });

      for (const [what, data] of [
        ['a Buffer of 126 bytes', Buffer.alloc(126)],
        ['a string of 126 characters', 'a'.repeat(126)],
        ['a string of 126 bytes', '\u20ac'.repeat(42)],
        ['an ArrayBuffer of 126 bytes', new ArrayBuffer(126)],
        ['a Uint16Array of 126 bytes', new Uint16Array(63)],
        ...(hasBlob
          ? [['a Blob of 126 bytes', new Blob([Buffer.alloc(126)])]]
          : []),
        ['an array of 126 bytes', new Array(126).fill(0)],
      ]) {
        it(`${method}() throws for ${what}`, async () => {
          const { client, ws } = await createConnection(kind);
          const fail = () => assert.fail('must not be called');
          assert.throws(() => ws[method](data, false, fail), TOO_LARGE);
          ws.send('end');
          await client.expect(END);
        });
      }
    }

    it('callbacks are called in the order of the calls', async () => {
      const { ws } = await createConnection(kind);
      const order = [];
      ws.send('a', () => order.push('text'));
      ws.ping('b', false, () => order.push('ping'));
      ws.send(Buffer.alloc(70000), () => order.push('large'));
      ws.send('', () => order.push('empty'));
      ws.pong(() => order.push('pong'));
      await new Promise((resolve) => ws.send('c', resolve));
      assert.deepStrictEqual(order, ['text', 'ping', 'large', 'empty', 'pong']);
    });

    it('a callback may send again', async () => {
      const { client, ws } = await createConnection(kind);
      ws.send('a', () => ws.send('b', () => ws.send('c')));
      await client.expect('810161810162810163');
    });

    if (hasBlob) {
      it('messages behind a Blob wait for it', async () => {
        const { client, ws } = await createConnection(kind);
        ws.send(new Blob(['foo']));
        ws.send('bar');
        ws.ping('baz');
        ws.close(1000);
        // A ping does not wait here.
        await client.expect(
          isWs
            ? '8203666f6f 8103626172 890362617a 880203e8'
            : '890362617a 8203666f6f 8103626172 880203e8',
        );
      });

      it('a Blob in a message of fragments', async () => {
        const { client, ws } = await createConnection(kind);
        ws.send(new Blob(['foo']), { fin: false });
        ws.send(new Blob(['bar']), { fin: false });
        ws.send('baz');
        await client.expect('0203666f6f 0003626172 800362617a');
      });

      it('a Blob as text', async () => {
        const { client, ws } = await createConnection(kind);
        ws.send(new Blob(['foo']), { binary: false });
        await client.expect('8103666f6f');
      });

      it('a Blob calls back when it is sent', async () => {
        const { ws } = await createConnection(kind);
        assertSent(
          await called((callback) => ws.send(new Blob(['foo']), callback)),
        );
      });

      it('a Blob of a connection that ends meanwhile calls back with an error', async () => {
        const { ws } = await createConnection(kind);
        const args = called((callback) => ws.send(new Blob(['foo']), callback));
        ws.terminate();
        assert.deepStrictEqual(await args, [
          [
            'Error',
            undefined,
            'The socket was closed while the blob was being read',
          ],
        ]);
      });

      it('bufferedAmount counts a Blob while it is read', async () => {
        const { ws } = await createConnection(kind);
        ws.send(new Blob(['foobar']));
        assert.strictEqual(ws.bufferedAmount, 6);
      });
    }

    for (const [state, reach] of Object.entries(NOT_OPEN)) {
      for (const method of ['send', 'ping', 'pong']) {
        const returned = method === 'send' && !isWs ? false : undefined;

        it(`${method}() in the state ${state} calls back with an error, later`, async () => {
          const { ws } = await createConnection(kind);
          await reach(ws);
          let isReturned = false;
          const args = await called((callback) => {
            const result = ws[method]('foo', undefined, (...rest) => {
              assert.strictEqual(isReturned, true);
              callback(...rest);
            });
            assert.strictEqual(result, returned);
            isReturned = true;
          });
          assert.deepStrictEqual(args, [
            ['Error', undefined, `WebSocket is not open: readyState ${state}`],
          ]);
        });

        it(`${method}() in the state ${state} without a callback does nothing`, async () => {
          const { ws } = await createConnection(kind);
          ws.on('error', () => assert.fail('must not be called'));
          await reach(ws);
          assert.strictEqual(ws[method]('foo'), returned);
          assert.strictEqual(ws[method](), returned);
        });
      }

      it(`in the state ${state} bufferedAmount grows by what is not sent`, async () => {
        const { client, ws } = await createConnection(kind);
        await reach(ws);
        if (ws.readyState === ws.CLOSING) await client.expect('8800');
        const before = ws.bufferedAmount;
        const amounts = [];
        for (const data of [
          'foo',
          '\u20ac',
          Buffer.from('ab'),
          new Uint16Array(2),
          new ArrayBuffer(3),
          12,
          [1, 2],
          ...(hasBlob ? [new Blob(['foo'])] : []),
          '',
          null,
          undefined,
        ]) {
          const previous = ws.bufferedAmount;
          ws.send(data);
          amounts.push(ws.bufferedAmount - previous);
        }
        ws.ping('foo');
        ws.pong(Buffer.alloc(200));
        assert.deepStrictEqual(amounts, [
          ...[3, 3, 2, 4, 3, 2, 2],
          ...(hasBlob ? [3] : []),
          ...[0, 0, 0],
        ]);
        const sum = hasBlob ? 22 : 19;
        assert.strictEqual(ws.bufferedAmount - before, sum + 203);
      });

      for (const method of ['ping', 'pong']) {
        it(`${method}() of more than 125 bytes in the state ${state} calls back with an error`, async () => {
          const { ws } = await createConnection(kind);
          await reach(ws);
          const args = await called((callback) =>
            ws[method](Buffer.alloc(126), callback),
          );
          assert.deepStrictEqual(args, [
            ['Error', undefined, `WebSocket is not open: readyState ${state}`],
          ]);
        });
      }
    }

    it('bufferedAmount counts what the peer does not read', async () => {
      const { client, ws } = await createConnection(kind);
      client.socket.pause();
      const data = Buffer.alloc(1 << 20);
      let last;
      for (let i = 0; i < 16; i++) {
        last = new Promise((resolve) => ws.send(data, resolve));
      }
      assert.ok(ws.bufferedAmount > 1 << 20);
      client.socket.resume();
      await last;
      assert.strictEqual(ws.bufferedAmount, 0);
    });

    it('bufferedAmount is 0 when all was taken', async () => {
      const { ws } = await createConnection(kind);
      assert.strictEqual(ws.bufferedAmount, 0);
      await new Promise((resolve) => ws.send('foo', resolve));
      assert.strictEqual(ws.bufferedAmount, 0);
    });

    it('bufferedAmount is 0 behind messages that will be taken', async () => {
      const { client, ws } = await createConnection(kind);
      // A stream of Node.js counts what it has not told to be written.
      const isCounted = isWs && kind !== TCP;
      for (const text of ['foo', 'bar', 'baz']) {
        assert.strictEqual(ws.bufferedAmount > 0, isCounted && text !== 'foo');
        ws.send(text);
      }
      assert.strictEqual(ws.bufferedAmount > 0, isCounted);
      await client.expect('8103666f6f' + '8103626172' + '810362617a');
    });

    for (const options of [true, 'binary', 5, '', false, []]) {
      it(`send() does not mind ${describeValue(options)} for options`, async () => {
        const { client, ws } = await createConnection(kind);
        await new Promise((resolve) => ws.send('foo', options, resolve));
        await client.expect('8103666f6f');
      });
    }

    for (const method of ['send', 'ping', 'pong']) {
      for (const callback of ['later', 5, {}]) {
        it(`${method}() throws for ${describeValue(callback)} as callback`, async () => {
          const { ws } = await createConnection(kind);
          assert.throws(
            () => ws[method]('foo', undefined, callback),
            TypeError,
          );
        });
      }
    }

    it('callbacks of what is not sent get an error when the connection ends', async () => {
      const { client, ws } = await createConnection(kind);
      client.socket.pause();
      const results = [];
      for (let i = 0; i < 4; i++) {
        ws.send(Buffer.alloc(1 << 22), (error) => results.push(error));
      }
      const close = once(ws, 'close');
      ws.terminate();
      await close;
      await new Promise(setImmediate);
      assert.strictEqual(results.length, 4);
      // What a socket has begun to send is no error to `ws`, and the code of
      // the others is that of the stream, which differs by Node's version.
      results.shift();
      for (const error of results) {
        assert.ok(error instanceof Error);
        assert.strictEqual(typeof error.code, 'string');
      }
    });
  });
});
