'use strict';

const assert = require('node:assert');
const { execFile } = require('node:child_process');
const path = require('node:path');
const { PassThrough, Writable } = require('node:stream');

const ws = require('ws');

const { betterThanWs, modulePath } = require('../helpers/implementation');
const { once } = require('../helpers/events');
const { closePayload, encodeFrame } = require('../helpers/frame');
const { closeServers, createConnection } = require('../helpers/server');

const { Receiver } = require(modulePath);

/** ms; what hangs fails then. */
const CHILD_TIMEOUT = 15000;

const EVERYTHING = [
  '8103666f6f', // the text "foo"
  '8203010203',
  '0103666f6f', // "foobarbaz" in fragments, a ping and a pong between
  '8903627573',
  '0003626172',
  '8a0179',
  '800362617a',
  '8100',
  '8200',
  '8900',
  '8109c3bce282acf09f9880', // characters of two, three and four bytes
  `827e0080${'00ff'.repeat(64)}`,
  '880703e8676f6f6421', // a close frame with 1000 and "good!"
].join('');

const EVERYTHING_LOG = [
  ['text', '666f6f'],
  ['binary', '010203'],
  ['ping', '627573'],
  ['pong', '79'],
  ['text', '666f6f62617262617a'],
  ['text', ''],
  ['binary', ''],
  ['ping', ''],
  ['text', 'c3bce282acf09f9880'],
  ['binary', '00ff'.repeat(64)],
  ['conclude', 1000, '676f6f6421'],
  ['finish'],
  ['close'],
];

/** What each binaryType makes of bytes, as it is logged. */
const BINARY_TYPES = {
  nodebuffer: (...parts) => parts.join(''),
  arraybuffer: (...parts) => ['ArrayBuffer', parts.join('')],
  fragments: (...parts) => ['list', ...parts],
};

/** `[name, code, message, statusCode]` of the error, by options and bytes. */
const ERRORS = [
  [{}, '0900', 'RangeError', 'EXPECTED_FIN', 'FIN must be set', 1002],
  [
    { isServer: true },
    '810161',
    'RangeError',
    'EXPECTED_MASK',
    'MASK must be set',
    1002,
  ],
  [
    {},
    '818100000000',
    'RangeError',
    'UNEXPECTED_MASK',
    'MASK must be clear',
    1002,
  ],
  [
    {},
    '880203ec',
    'RangeError',
    'INVALID_CLOSE_CODE',
    'invalid status code 1004',
    1002,
  ],
  [
    {},
    '897e',
    'RangeError',
    'INVALID_CONTROL_PAYLOAD_LENGTH',
    'invalid payload length 126',
    1002,
  ],
  [
    {},
    '880161',
    'RangeError',
    'INVALID_CONTROL_PAYLOAD_LENGTH',
    'invalid payload length 1',
    1002,
  ],
  [{}, '8300', 'RangeError', 'INVALID_OPCODE', 'invalid opcode 3', 1002],
  [{}, '8000', 'RangeError', 'INVALID_OPCODE', 'invalid opcode 0', 1002],
  [{}, 'c100', 'RangeError', 'UNEXPECTED_RSV_1', 'RSV1 must be clear', 1002],
  [
    {},
    'a100',
    'RangeError',
    'UNEXPECTED_RSV_2_3',
    'RSV2 and RSV3 must be clear',
    1002,
  ],
  [{}, '8101ff', 'Error', 'INVALID_UTF8', 'invalid UTF-8 sequence', 1007],
  [{}, '880303e8ff', 'Error', 'INVALID_UTF8', 'invalid UTF-8 sequence', 1007],
].map(([options, bytes, name, code, message, statusCode]) => [
  options,
  bytes,
  [name, `WS_ERR_${code}`, `Invalid WebSocket frame: ${message}`, statusCode],
]);

const LIMIT_ERRORS = [
  [
    {},
    '827f0020000000000000',
    [
      'RangeError',
      'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH',
      'Unsupported WebSocket frame: payload length > 2^53 - 1',
      1009,
    ],
  ],
  [
    { maxPayload: 2 },
    '8103',
    [
      'RangeError',
      'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH',
      'Max payload size exceeded',
      1009,
    ],
  ],
  [
    { maxPayload: 2 },
    '010161000162800163',
    [
      'RangeError',
      'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH',
      'Max payload size exceeded',
      1009,
    ],
  ],
  [
    { maxFragments: 2 },
    '010161000162800163',
    [
      'RangeError',
      'WS_ERR_TOO_MANY_BUFFERED_PARTS',
      'Too many message fragments',
      1008,
    ],
  ],
];

function hexOf(bytes) {
  return Buffer.from(bytes).toString('hex');
}

function describeData(data) {
  if (Buffer.isBuffer(data)) return hexOf(data);
  if (Array.isArray(data)) return ['list', ...data.map(hexOf)];
  return ['ArrayBuffer', hexOf(data)];
}

function statusCode(err) {
  const [key] = Object.getOwnPropertySymbols(err);
  assert.strictEqual(key.description, 'status-code');
  return err[key];
}

/** @returns {any[][]} a log of all events, which grows as they come */
function record(receiver) {
  const log = [];
  receiver
    .on('message', (data, isBinary) =>
      log.push([isBinary ? 'binary' : 'text', describeData(data)]),
    )
    .on('ping', (data) => log.push(['ping', describeData(data)]))
    .on('pong', (data) => log.push(['pong', describeData(data)]))
    .on('conclude', (code, reason) =>
      log.push(['conclude', code, describeData(reason)]),
    )
    .on('error', (err) =>
      log.push(['error', err.name, err.code, err.message, statusCode(err)]),
    )
    .on('finish', () => log.push(['finish']))
    .on('close', () => log.push(['close']));
  return log;
}

/** Waits until the stream has taken the bytes, or has failed. */
function write(receiver, bytes) {
  return new Promise((resolve) => {
    receiver.write(bytes, resolve);
  });
}

/**
 * Writes each chunk when the one before it is taken.
 *
 * @param {typeof Receiver} ReceiverClass
 * @param {object} options of the Receiver
 * @param {Array<Buffer|string>} chunks bytes or hex
 * @returns {Promise<any[][]>} the log of all events up to the end of a stream
 *   that ends with the last chunk
 */
async function receiveWith(ReceiverClass, options, chunks) {
  const receiver = new ReceiverClass(options);
  const log = record(receiver);
  const closed = once(receiver, 'close');
  for (const chunk of chunks) {
    // What is behind an error or a close frame is not for this stream.
    if (receiver.destroyed || receiver.writableEnded) break;
    await write(
      receiver,
      typeof chunk === 'string' ? Buffer.from(chunk, 'hex') : chunk,
    );
  }
  if (!receiver.destroyed && !receiver.writableEnded) receiver.end();
  await closed;
  return log;
}

const receive = receiveWith.bind(null, Receiver);

/** The same as receive(), but what every stream ends with is left out. */
async function messages(options, ...chunks) {
  const log = await receive(options, chunks);
  assert.deepStrictEqual(log.splice(-2), [['finish'], ['close']]);
  return log;
}

/** The bytes of EVERYTHING, as clients send them. */
function maskEverything() {
  const frames = [];
  let bytes = Buffer.from(EVERYTHING, 'hex');
  while (bytes.length > 0) {
    const isLong = bytes[1] === 126;
    const start = isLong ? 4 : 2;
    const end = start + (isLong ? bytes.readUInt16BE(2) : bytes[1]);
    frames.push(
      encodeFrame({
        fin: (bytes[0] & 0x80) !== 0,
        opcode: bytes[0] & 0x0f,
        payload: bytes.subarray(start, end),
      }),
    );
    bytes = bytes.subarray(end);
  }
  return Buffer.concat(frames);
}

function splitEvery(bytes, size) {
  const chunks = [];
  for (let i = 0; i < bytes.length; i += size) {
    chunks.push(bytes.subarray(i, i + size));
  }
  return chunks;
}

/** Pseudo-random integers below `bound`, the same for the same seed. */
function createRandom(seed) {
  let state = seed;
  return (bound) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}

/** Frames of some messages, some of them broken, in pieces. */
function randomChunks(random, isServer) {
  const mask = isServer ? undefined : false;
  const frames = [];
  for (let count = 1 + random(6); count > 0; count--) {
    const payload = Buffer.alloc([0, 1, 125, 126, 300, 70000][random(6)]);
    payload.fill(0x41 + random(26));
    const fragments = 1 + random(3);
    for (let i = 0; i < fragments; i++) {
      frames.push(
        encodeFrame({
          opcode: i === 0 ? 1 + random(2) : 'continuation',
          fin: i === fragments - 1,
          payload,
          mask,
        }),
      );
      if (random(4) === 0) {
        const control = payload.subarray(0, 125);
        frames.push(
          encodeFrame({ opcode: 9 + random(2), payload: control, mask }),
        );
      }
    }
  }
  if (random(2) === 0) {
    const payload = closePayload(1000 + random(16), 'bye');
    frames.push(encodeFrame({ opcode: 'close', payload, mask }));
  }
  const bytes = Buffer.concat(frames);
  if (random(2) === 0) bytes[random(bytes.length)] ^= 1 << random(8);
  return splitEvery(bytes, 1 + random(bytes.length));
}

/** Runs a function in a process of its own; resolves with its output. */
function runInChild(f, ...args) {
  const list = [modulePath, ...args].map((arg) => JSON.stringify(arg));
  const code = `(${f})(${list})`;
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      ['--expose-gc', '-e', code],
      { timeout: CHILD_TIMEOUT },
      (err, stdout, stderr) => {
        if (err) reject(new Error(stderr));
        else resolve(stdout);
      },
    );
  });
}

describe('Receiver', () => {
  it('is a Writable', () => {
    const receiver = new Receiver();
    assert.ok(receiver instanceof Writable);
    assert.strictEqual(Receiver.name, 'Receiver');
    assert.strictEqual(Receiver.length, 0);
  });

  describe('decodes', () => {
    it('everything in one chunk', async () => {
      assert.deepStrictEqual(await receive({}, [EVERYTHING]), EVERYTHING_LOG);
    });

    it('everything that is split anywhere', async () => {
      const bytes = Buffer.from(EVERYTHING, 'hex');
      for (let i = 1; i < bytes.length; i++) {
        assert.deepStrictEqual(
          await receive({}, [bytes.subarray(0, i), bytes.subarray(i)]),
          EVERYTHING_LOG,
          `split at ${i}`,
        );
      }
    });

    for (const size of [1, 2, 3, 7]) {
      it(`everything in chunks of ${size} bytes`, async () => {
        const bytes = Buffer.from(EVERYTHING, 'hex');
        assert.deepStrictEqual(
          await receive({}, splitEvery(bytes, size)),
          EVERYTHING_LOG,
        );
      });

      it(`everything of a client in chunks of ${size} bytes`, async () => {
        assert.deepStrictEqual(
          await receive({ isServer: true }, splitEvery(maskEverything(), size)),
          EVERYTHING_LOG,
        );
      });
    }

    for (const length of [125, 126, 16384, 16385, 65535, 65536, 1000000]) {
      it(`a message of ${length} bytes`, async () => {
        const payload = Buffer.alloc(length, 'abc');
        const frame = encodeFrame({ opcode: 'text', payload, mask: false });
        assert.deepStrictEqual(await messages({}, frame), [
          ['text', hexOf(payload)],
        ]);
      });
    }

    it('a Uint8Array and a string', async () => {
      const receiver = new Receiver();
      const log = record(receiver);
      await write(receiver, new Uint8Array([0x82, 1, 2]));
      receiver.end('0103', 'hex');
      await once(receiver, 'close');
      assert.deepStrictEqual(log, [['binary', '02'], ['finish'], ['close']]);
    });

    it('an empty chunk to nothing', async () => {
      assert.deepStrictEqual(await messages({}, '', '8101', '', '61'), [
        ['text', '61'],
      ]);
    });

    it('text that is not UTF-8 with skipUTF8Validation', async () => {
      assert.deepStrictEqual(
        await messages({ skipUTF8Validation: true }, '8101ff'),
        [['text', 'ff']],
      );
    });

    it('without changing the bytes, which ws does', async () => {
      const bytes = maskEverything();
      const copy = Buffer.from(bytes);
      await receive({ isServer: true }, [bytes]);
      betterThanWs(() => assert.deepStrictEqual(bytes, copy));
    });

    it('what is piped to it', async () => {
      const receiver = new Receiver();
      const log = record(receiver);
      const source = new PassThrough();
      source.pipe(receiver);
      for (const chunk of splitEvery(Buffer.from(EVERYTHING, 'hex'), 5)) {
        source.write(chunk);
      }
      source.end();
      await once(receiver, 'close');
      assert.deepStrictEqual(log, EVERYTHING_LOG);
    });
  });

  describe('binaryType', () => {
    for (const [binaryType, form] of Object.entries(BINARY_TYPES)) {
      it(`${binaryType} is the form of binary messages alone`, async () => {
        assert.deepStrictEqual(
          await messages(
            { binaryType },
            '820161',
            '020161',
            '00026263',
            '800164',
            '810161',
            '890161',
          ),
          [
            ['binary', form('61')],
            ['binary', form('61', '6263', '64')],
            ['text', '61'],
            ['ping', '61'],
          ],
        );
      });
    }

    if (typeof Blob !== 'undefined') {
      it('blob makes a Blob of binary messages', async () => {
        const receiver = new Receiver({ binaryType: 'blob' });
        const message = once(receiver, 'message');
        receiver.write(Buffer.from('8203010203', 'hex'));
        const [blob, isBinary] = await message;
        assert.ok(blob instanceof Blob);
        assert.strictEqual(hexOf(await blob.arrayBuffer()), '010203');
        assert.strictEqual(isBinary, true);
      });
    }
  });

  describe('fails', () => {
    for (const [options, bytes, error] of [...ERRORS, ...LIMIT_ERRORS]) {
      it(`for ${bytes} with ${JSON.stringify(options)}`, async () => {
        assert.deepStrictEqual(await receive(options, [bytes]), [
          ['error', ...error],
          ['close'],
        ]);
      });
    }

    it('behind the events before the error, and gives it to the callback', async () => {
      const receiver = new Receiver();
      const log = record(receiver);
      const closed = once(receiver, 'close');
      const err = await write(
        receiver,
        Buffer.from('8101618901628300810163', 'hex'),
      );
      assert.strictEqual(err.code, 'WS_ERR_INVALID_OPCODE');
      assert.strictEqual(receiver.destroyed, true);
      await closed;
      assert.deepStrictEqual(
        log.map(([name]) => name),
        ['text', 'ping', 'error', 'close'],
      );
    });

    it('when a frame comes in too many chunks', async () => {
      const log = await receive({ maxBufferedChunks: 2 }, [
        '8205',
        '01',
        '02',
        '03',
      ]);
      assert.deepStrictEqual(log, [
        [
          'error',
          'RangeError',
          'WS_ERR_TOO_MANY_BUFFERED_PARTS',
          'Too many buffered chunks',
          1008,
        ],
        ['close'],
      ]);
    });
  });

  describe('limits', () => {
    it('allow what reaches them', async () => {
      const options = { maxPayload: 3, maxFragments: 3, maxBufferedChunks: 2 };
      assert.deepStrictEqual(
        await messages(options, '010161', '000162', '8001', '63'),
        [['text', '616263']],
      );
    });

    for (const maxPayload of [0, -1, undefined, NaN]) {
      it(`are none with maxPayload ${maxPayload}`, async () => {
        assert.deepStrictEqual(await messages({ maxPayload }, '8103666f6f'), [
          ['text', '666f6f'],
        ]);
      });
    }
  });

  describe("'conclude'", () => {
    it('has 1005 and no reason for an empty close frame', async () => {
      assert.deepStrictEqual(await receive({}, ['8800']), [
        ['conclude', 1005, ''],
        ['finish'],
        ['close'],
      ]);
    });

    it('comes before the stream is ended', async () => {
      const receiver = new Receiver();
      const ended = new Promise((resolve) => {
        receiver.on('conclude', () => resolve(receiver.writableEnded));
      });
      receiver.write(Buffer.from('8800', 'hex'));
      assert.strictEqual(await ended, false);
      assert.strictEqual(receiver.writableEnded, true);
    });

    it('is the last event, whatever follows in the chunk', async () => {
      assert.deepStrictEqual(await receive({}, ['880003e88103666f6f8300']), [
        ['conclude', 1005, ''],
        ['finish'],
        ['close'],
      ]);
    });
  });

  describe('events', () => {
    it('are emitted before write() returns', () => {
      const receiver = new Receiver();
      const log = record(receiver);
      receiver.write(Buffer.from('810161890162', 'hex'));
      assert.deepStrictEqual(log, [
        ['text', '61'],
        ['ping', '62'],
      ]);
    });

    it('have a turn each without allowSynchronousEvents', async () => {
      const receiver = new Receiver({ allowSynchronousEvents: false });
      const log = [];
      for (const name of ['message', 'ping', 'pong']) {
        receiver.on(name, (data) => {
          log.push(`${name} ${data}`);
          process.nextTick(() => log.push(`tick after ${data}`));
        });
      }
      const written = write(
        receiver,
        Buffer.from('8101618901628a0163810164', 'hex'),
      );
      assert.deepStrictEqual(log, []);
      await written;
      assert.deepStrictEqual(log.slice(0, 7), [
        'message a',
        'tick after a',
        'ping b',
        'tick after b',
        'pong c',
        'tick after c',
        'message d',
      ]);
    });

    it('come in the same order without allowSynchronousEvents', async () => {
      const bytes = Buffer.from(EVERYTHING, 'hex');
      for (const size of [bytes.length, 20]) {
        assert.deepStrictEqual(
          await receive(
            { allowSynchronousEvents: false },
            splitEvery(bytes, size),
          ),
          EVERYTHING_LOG,
        );
      }
    });

    it('of what a listener writes come behind the others', async () => {
      const receiver = new Receiver();
      const log = [];
      receiver.on('message', (data) => {
        log.push(data.toString());
        if (log.length === 1) receiver.write(Buffer.from('810163', 'hex'));
      });
      receiver.write(Buffer.from('810161810162', 'hex'));
      await write(receiver, Buffer.from('810164', 'hex'));
      assert.deepStrictEqual(log, ['a', 'b', 'c', 'd']);
    });

    it('end with destroy() in a listener, which they do not in ws', async () => {
      const receiver = new Receiver();
      const log = record(receiver);
      receiver.on('message', () => receiver.destroy());
      receiver.write(Buffer.from('810161810162', 'hex'));
      await once(receiver, 'close');
      betterThanWs(() =>
        assert.deepStrictEqual(log, [['text', '61'], ['close']]),
      );
    });

    it('are all emitted if a listener throws, which hangs in ws', async () => {
      const output = await runInChild((implementation) => {
        const receiver = new (require(implementation).Receiver)();
        process.on('uncaughtException', (err) => console.log(err.message));
        receiver.on('message', (data) => {
          throw new Error(`message ${data}`);
        });
        receiver.on('conclude', () => {
          throw new Error('conclude');
        });
        receiver.on('close', () => console.log('close'));
        receiver.write(Buffer.from('810161', 'hex'));
        receiver.write(Buffer.from('8101628800', 'hex'));
      });
      betterThanWs(() =>
        assert.strictEqual(output, 'message a\nmessage b\nconclude\nclose\n'),
      );
    });
  });

  describe('within an event of a WebSocket', () => {
    afterEach(closeServers);

    it('decodes what is written to it', async () => {
      const { client, ws: socket } = await createConnection();
      const receiver = new Receiver();
      const log = record(receiver);
      socket.on('message', (data) => receiver.write(data));
      const bytes = Buffer.from(EVERYTHING, 'hex');
      const frames = splitEvery(bytes, 11).map((payload) =>
        encodeFrame({ opcode: 'binary', payload }),
      );
      const closed = once(receiver, 'close');
      client.write(Buffer.concat(frames));
      await closed;
      assert.deepStrictEqual(log, EVERYTHING_LOG);
    });

    it('calls back when it is decoded', async () => {
      const { client, ws: socket } = await createConnection();
      const receiver = new Receiver();
      const log = record(receiver);
      const written = new Promise((resolve) => {
        socket.on('message', (data) =>
          receiver.write(data, () => resolve(log.slice())),
        );
      });
      const payload = Buffer.from('810161890162', 'hex');
      client.write(encodeFrame({ opcode: 'binary', payload }));
      assert.deepStrictEqual(await written, [
        ['text', '61'],
        ['ping', '62'],
      ]);
    });
  });

  it('has the events of ws for random bytes', async () => {
    for (let seed = 1; seed <= 300; seed++) {
      const random = createRandom(seed);
      const options = {
        isServer: random(2) === 0,
        binaryType: Object.keys(BINARY_TYPES)[random(3)],
        maxPayload: [0, 0, 300, 70000][random(4)],
        maxFragments: [0, 0, 2][random(3)],
        skipUTF8Validation: true,
      };
      const chunks = randomChunks(random, options.isServer);
      assert.deepStrictEqual(
        await receive(
          options,
          chunks.map((chunk) => Buffer.from(chunk)),
        ),
        await receiveWith(ws.Receiver, options, chunks),
        `seed ${seed}`,
      );
    }
  });

  describe('extensions', () => {
    it('that are unknown change nothing', async () => {
      assert.deepStrictEqual(
        await messages({ extensions: { foo: {} } }, '810161'),
        [['text', '61']],
      );
    });

    it('throw with permessage-deflate, which ws has', () => {
      betterThanWs(() =>
        assert.throws(
          () => new Receiver({ extensions: { 'permessage-deflate': {} } }),
          { message: /does not support permessage-deflate/ },
        ),
      );
    });
  });

  describe('ends', () => {
    it('by end() within a frame', async () => {
      assert.deepStrictEqual(await messages({}, '8105', '61'), []);
    });

    it('by destroy(), with its error', async () => {
      const receiver = new Receiver();
      const error = once(receiver, 'error');
      await write(receiver, Buffer.from('8105', 'hex'));
      receiver.destroy(new Error('foo'));
      const [err] = await error;
      assert.strictEqual(err.message, 'foo');
    });

    it('with the process, which it does not keep alive', async () => {
      const output = await runInChild((implementation) => {
        global.receiver = new (require(implementation).Receiver)();
        global.receiver.write(Buffer.from('8105', 'hex'), () =>
          console.log('written'),
        );
      });
      assert.strictEqual(output, 'written\n');
    });
  });

  describe('memory', () => {
    /** The native module of this package; `ws` has none. */
    const native =
      betterThanWs(() => path.join(path.dirname(modulePath), 'native.js')) ||
      null;

    it('of Receivers that are dropped is freed', async () => {
      const output = await runInChild((implementation, nativePath) => {
        const { Receiver: ReceiverClass } = require(implementation);
        const COUNT = 1000;
        let collected = 0;
        global.registry = new FinalizationRegistry(() => collected++);

        const countOpen = () =>
          nativePath
            ? require(nativePath).sockets.filter((socket) => socket).length
            : 0;
        const collect = () => {
          global.gc();
          if (collected < COUNT || countOpen() > 0) setImmediate(collect);
          else console.log('collected');
        };

        for (let i = 0; i < COUNT; i++) {
          const receiver = new ReceiverClass();
          receiver.on('message', () => receiver.cork());
          receiver.write(Buffer.from('8101618105', 'hex'));
          global.registry.register(receiver);
        }
        console.log(nativePath ? countOpen() : COUNT);
        setImmediate(collect);
      }, native);
      assert.strictEqual(output, '1000\ncollected\n');
    });

    for (const [how, bytes] of [
      ['end()', null],
      ['destroy()', null],
      ['a close frame', '8800'],
      ['an error', '8300'],
    ]) {
      it(`of Receivers that end by ${how} is freed at once`, async () => {
        const output = await runInChild(
          (implementation, nativePath, method, hex) => {
            const { Receiver: ReceiverClass } = require(implementation);
            const receivers = new Set();

            const countOpen = () =>
              nativePath
                ? require(nativePath).sockets.filter((socket) => socket).length
                : 0;
            const wait = () => {
              if (receivers.size > 0 || countOpen() > 0) setImmediate(wait);
              else console.log('freed');
            };

            for (let i = 0; i < 10; i++) {
              const receiver = new ReceiverClass();
              receivers.add(receiver);
              receiver.on('error', () => {});
              receiver.on('close', () => receivers.delete(receiver));
              receiver.write(Buffer.from('810161', 'hex'), () => {
                if (hex === null) receiver[method.slice(0, -2)]();
                else receiver.write(Buffer.from(hex, 'hex'));
              });
            }
            wait();
          },
          native,
          how,
          bytes,
        );
        assert.strictEqual(output, 'freed\n');
      });
    }
  });
});
