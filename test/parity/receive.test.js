'use strict';

const assert = require('node:assert');

const { betterThanWs, isWs } = require('../helpers/implementation');
const { closePayload, encodeFrame } = require('../helpers/frame');
const { once } = require('../helpers/events');
const {
  KINDS,
  createConnection,
  createServer,
  forEachKind,
} = require('./helpers/sockets');
const { describeValue, hasBlob, trace } = require('./helpers/trace');

const END = { opcode: 'text', payload: 'end' };

function text(payload, options) {
  return { opcode: 'text', payload, ...options };
}

function binary(hex, options) {
  return { opcode: 'binary', payload: Buffer.from(hex, 'hex'), ...options };
}

function more(payload, options) {
  return { opcode: 'continuation', payload, ...options };
}

const NOT_LAST = { fin: false };

/** Frames, and the arguments of the events of the messages. */
const MESSAGES = [
  ['text', [text('foo')], [['message', 'Buffer 666f6f', false]]],
  ['empty text', [text('')], [['message', 'Buffer ', false]]],
  ['binary', [binary('00ff')], [['message', 'Buffer 00ff', true]]],
  ['empty binary', [binary('')], [['message', 'Buffer ', true]]],
  [
    'text of one to four bytes a character',
    [text('$\u00a2\u20ac\u{10348}')],
    [['message', 'Buffer 24c2a2e282acf0908d88', false]],
  ],
  ['text with a zero', [text('a\0b')], [['message', 'Buffer 610062', false]]],
  [
    'binary that is no UTF-8',
    [binary('ff80fe')],
    [['message', 'Buffer ff80fe', true]],
  ],
  [
    'text in two fragments',
    [text('foo', NOT_LAST), more('bar')],
    [['message', 'Buffer 666f6f626172', false]],
  ],
  [
    'binary in three fragments',
    [binary('01', NOT_LAST), more('2', NOT_LAST), more('3')],
    [['message', 'Buffer 013233', true]],
  ],
  [
    'empty fragments',
    [text('', NOT_LAST), more('', NOT_LAST), more('')],
    [['message', 'Buffer ', false]],
  ],
  [
    'empty fragments around others',
    [text('', NOT_LAST), more('a', NOT_LAST), more('')],
    [['message', 'Buffer 61', false]],
  ],
  [
    'a character in two fragments',
    [
      text(Buffer.from('e282', 'hex'), NOT_LAST),
      more(Buffer.from('ac', 'hex')),
    ],
    [['message', 'Buffer e282ac', false]],
  ],
  [
    'a ping in a message of fragments',
    [text('a', NOT_LAST), { opcode: 'ping', payload: 'p' }, more('b')],
    [
      ['ping', 'Buffer 70'],
      ['message', 'Buffer 6162', false],
    ],
  ],
  [
    'a pong in a message of fragments',
    [binary('aa', NOT_LAST), { opcode: 'pong', payload: 'p' }, more('b')],
    [
      ['pong', 'Buffer 70'],
      ['message', 'Buffer aa62', true],
    ],
  ],
  ['an empty ping', [{ opcode: 'ping' }], [['ping', 'Buffer ']]],
  ['an empty pong', [{ opcode: 'pong' }], [['pong', 'Buffer ']]],
  [
    'a ping of 125 bytes',
    [{ opcode: 'ping', payload: 'a'.repeat(125) }],
    [['ping', `Buffer ${'61'.repeat(125)}`]],
  ],
  [
    'a pong of 125 bytes',
    [{ opcode: 'pong', payload: 'a'.repeat(125) }],
    [['pong', `Buffer ${'61'.repeat(125)}`]],
  ],
  [
    'a length in more bytes than it needs',
    [text('foo', { lengthBits: 16 }), text('bar', { lengthBits: 64 })],
    [
      ['message', 'Buffer 666f6f', false],
      ['message', 'Buffer 626172', false],
    ],
  ],
  [
    'a masking key of zeros',
    [text('foo', { mask: Buffer.alloc(4) })],
    [['message', 'Buffer 666f6f', false]],
  ],
  [
    'several messages of both types',
    [text('a'), binary('62'), text('c')],
    [
      ['message', 'Buffer 61', false],
      ['message', 'Buffer 62', true],
      ['message', 'Buffer 63', false],
    ],
  ],
];

const BINARY_TYPES = {
  nodebuffer: {
    whole: 'Buffer 666f6f',
    fragmented: 'Buffer 666f6f',
    empty: 'Buffer ',
  },
  arraybuffer: {
    whole: 'ArrayBuffer 666f6f',
    fragmented: 'ArrayBuffer 666f6f',
    empty: 'ArrayBuffer ',
  },
  fragments: {
    whole: ['Buffer 666f6f'],
    fragmented: ['Buffer 66', 'Buffer 6f6f'],
    empty: [],
  },
  ...(hasBlob && {
    blob: {
      whole: 'Blob of 3 bytes of the type ""',
      fragmented: 'Blob of 3 bytes of the type ""',
      empty: 'Blob of 0 bytes of the type ""',
    },
  }),
};

const P = 'Invalid WebSocket frame: ';

/**
 * What, frames or bytes, code, class, code of the error, its message, and
 * options.
 */
const ERRORS = [
  [
    'a control frame without FIN',
    [{ opcode: 'ping', fin: false }],
    1002,
    'RangeError',
    'WS_ERR_EXPECTED_FIN',
    `${P}FIN must be set`,
  ],
  [
    'a close frame without FIN',
    [{ opcode: 'close', fin: false }],
    1002,
    'RangeError',
    'WS_ERR_EXPECTED_FIN',
    `${P}FIN must be set`,
  ],
  ...['text', 'binary', 'ping', 'pong', 'close'].map((opcode) => [
    `a ${opcode} frame without a mask`,
    [{ opcode, mask: false }],
    1002,
    'RangeError',
    'WS_ERR_EXPECTED_MASK',
    `${P}MASK must be set`,
  ]),
  ...[0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535].map(
    (code) => [
      `a close frame of the code ${code}`,
      [{ opcode: 'close', payload: closePayload(code) }],
      1002,
      'RangeError',
      'WS_ERR_INVALID_CLOSE_CODE',
      `${P}invalid status code ${code}`,
    ],
  ),
  [
    'a close frame of one byte',
    [{ opcode: 'close', payload: 'a' }],
    1002,
    'RangeError',
    'WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH',
    `${P}invalid payload length 1`,
  ],
  ...['ping', 'pong', 'close'].flatMap((opcode) => [
    [
      `a ${opcode} frame of 126 bytes`,
      [{ opcode, payload: Buffer.alloc(126) }],
      1002,
      'RangeError',
      'WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH',
      `${P}invalid payload length 126`,
    ],
    [
      `a ${opcode} frame with a length of 64 bits`,
      [{ opcode, payload: '', lengthBits: 64 }],
      1002,
      'RangeError',
      'WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH',
      `${P}invalid payload length 127`,
    ],
  ]),
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode) => [
    `the opcode ${opcode}`,
    [{ opcode }],
    1002,
    'RangeError',
    'WS_ERR_INVALID_OPCODE',
    `${P}invalid opcode ${opcode}`,
  ]),
  [
    'a continuation of nothing',
    [more('a')],
    1002,
    'RangeError',
    'WS_ERR_INVALID_OPCODE',
    `${P}invalid opcode 0`,
  ],
  [
    'text in a message of fragments',
    [text('a', NOT_LAST), text('b')],
    1002,
    'RangeError',
    'WS_ERR_INVALID_OPCODE',
    `${P}invalid opcode 1`,
  ],
  [
    'binary in a message of fragments',
    [text('a', NOT_LAST), binary('62')],
    1002,
    'RangeError',
    'WS_ERR_INVALID_OPCODE',
    `${P}invalid opcode 2`,
  ],
  ...[
    ['text', [text('a', { rsv: 4 })]],
    ['a continuation', [text('a', NOT_LAST), more('b', { rsv: 4 })]],
    ['a ping', [{ opcode: 'ping', rsv: 4 }]],
    ['a close frame', [{ opcode: 'close', rsv: 4 }]],
  ].map(([what, frames]) => [
    `RSV1 of ${what}`,
    frames,
    1002,
    'RangeError',
    'WS_ERR_UNEXPECTED_RSV_1',
    `${P}RSV1 must be clear`,
  ]),
  ...[1, 2, 3, 5, 6, 7].map((rsv) => [
    `the bits ${rsv} of RSV1 to RSV3`,
    [text('a', { rsv })],
    1002,
    'RangeError',
    'WS_ERR_UNEXPECTED_RSV_2_3',
    `${P}RSV2 and RSV3 must be clear`,
  ]),
  ...[
    ['text', [text(Buffer.from('ff', 'hex'))]],
    ['text that ends in a character', [text(Buffer.from('e282', 'hex'))]],
    ['text with a surrogate', [text(Buffer.from('eda080', 'hex'))]],
    ['text with an overlong form', [text(Buffer.from('c080', 'hex'))]],
    ['text beyond U+10FFFF', [text(Buffer.from('f4908080', 'hex'))]],
    ['fragments', [text('a', NOT_LAST), more(Buffer.from('80', 'hex'))]],
    [
      'a close reason',
      [
        {
          opcode: 'close',
          payload: closePayload(1000, Buffer.from('ff', 'hex')),
        },
      ],
    ],
  ].map(([what, frames]) => [
    `invalid UTF-8 in ${what}`,
    frames,
    1007,
    'Error',
    'WS_ERR_INVALID_UTF8',
    `${P}invalid UTF-8 sequence`,
  ]),
  [
    'more than maxFragments',
    [text('a', NOT_LAST), more('b', NOT_LAST), more('c')],
    1008,
    'RangeError',
    'WS_ERR_TOO_MANY_BUFFERED_PARTS',
    'Too many message fragments',
    { maxFragments: 2 },
  ],
  [
    'more than maxFragments of which one is empty',
    [text('', NOT_LAST), more('', NOT_LAST), more('')],
    1008,
    'RangeError',
    'WS_ERR_TOO_MANY_BUFFERED_PARTS',
    'Too many message fragments',
    { maxFragments: 2 },
  ],
  [
    'a length of more than 2^53 - 1',
    [binary('', { declaredLength: 2n ** 53n, mask: Buffer.alloc(4) })],
    1009,
    'RangeError',
    'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH',
    'Unsupported WebSocket frame: payload length > 2^53 - 1',
  ],
  [
    'the largest length',
    [binary('', { declaredLength: 2n ** 64n - 1n, mask: Buffer.alloc(4) })],
    1009,
    'RangeError',
    'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH',
    'Unsupported WebSocket frame: payload length > 2^53 - 1',
  ],
  [
    'a length of more than the default of maxPayload',
    [binary('', { declaredLength: 100 * 1024 * 1024 + 1 })],
    1009,
    'RangeError',
    'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH',
    'Max payload size exceeded',
  ],
  [
    'a length of more than maxPayload',
    [text('abcd')],
    1009,
    'RangeError',
    'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH',
    'Max payload size exceeded',
    { maxPayload: 3 },
  ],
  [
    'fragments of more than maxPayload',
    [text('ab', NOT_LAST), more('cd')],
    1009,
    'RangeError',
    'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH',
    'Max payload size exceeded',
    { maxPayload: 3 },
  ],
];

function bytesOf(frames) {
  return Buffer.concat(frames.map(encodeFrame));
}

function withState(events, state) {
  return events.map((event) => [...event, state]);
}

/** Opens a connection whose events are in a log. */
async function open(kind, options) {
  const connection = await createConnection(kind, options);
  return { ...connection, log: trace(connection.ws) };
}

/** Sends frames in one packet, and waits for the message behind them. */
async function receive({ client, ws }, frames) {
  const end = new Promise((resolve) => {
    ws.on('message', (data, isBinary) => {
      if (!isBinary && data.toString() === 'end') resolve();
    });
  });
  client.write(bytesOf([...frames, END]));
  await end;
}

describe('Parity: receiving', () => {
  forEachKind(KINDS, (kind) => {
    for (const [what, frames, events] of MESSAGES) {
      const expected = withState(
        [...events, ['message', 'Buffer 656e64', false]],
        'OPEN',
      );

      it(`emits ${what}`, async () => {
        const connection = await open(kind);
        await receive(connection, frames);
        assert.deepStrictEqual(connection.log, expected);
      });

      it(`emits ${what} that comes byte by byte`, async () => {
        const { client, ws, log } = await open(kind);
        const end = new Promise((resolve) => {
          ws.on('message', (data) => {
            if (data.toString() === 'end') resolve();
          });
        });
        await client.writeByteByByte(bytesOf([...frames, END]));
        await end;
        assert.deepStrictEqual(log, expected);
      });
    }

    for (const size of [125, 126, 127, 65535, 65536, 65537, 1000000]) {
      it(`emits a message of ${size} bytes`, async () => {
        const { client, ws } = await createConnection(kind);
        const payload = Buffer.alloc(size, 'foobar');
        const message = once(ws, 'message');
        client.send({ opcode: 'binary', payload });
        const [data, isBinary] = await message;
        assert.strictEqual(isBinary, true);
        assert.ok(data.equals(payload));
      });
    }

    for (const [type, expected] of Object.entries(BINARY_TYPES)) {
      describe(`with the binaryType "${type}"`, () => {
        for (const [what, frames] of [
          ['whole', [binary('666f6f')]],
          ['fragmented', [binary('66', NOT_LAST), more('oo')]],
          ['empty', [binary('')]],
        ]) {
          it(`emits a ${what} binary message`, async () => {
            const connection = await open(kind);
            connection.ws.binaryType = type;
            assert.strictEqual(connection.ws.binaryType, type);
            await receive(connection, frames);
            assert.deepStrictEqual(connection.log[0], [
              'message',
              expected[what],
              true,
              'OPEN',
            ]);
          });
        }

        it('emits text as a Buffer', async () => {
          const connection = await open(kind);
          connection.ws.binaryType = type;
          await receive(connection, [text('foo')]);
          assert.deepStrictEqual(connection.log[0], [
            'message',
            'Buffer 666f6f',
            false,
            'OPEN',
          ]);
        });

        it('emits text of fragments as a Buffer', async () => {
          const connection = await open(kind);
          connection.ws.binaryType = type;
          await receive(connection, [text('f', NOT_LAST), more('oo')]);
          assert.deepStrictEqual(connection.log[0], [
            'message',
            'Buffer 666f6f',
            false,
            'OPEN',
          ]);
        });

        it('emits pings and pongs as Buffers', async () => {
          const connection = await open(kind);
          connection.ws.binaryType = type;
          await receive(connection, [
            { opcode: 'ping', payload: 'a' },
            { opcode: 'pong', payload: 'b' },
          ]);
          assert.deepStrictEqual(connection.log.slice(0, 2), [
            ['ping', 'Buffer 61', 'OPEN'],
            ['pong', 'Buffer 62', 'OPEN'],
          ]);
        });
      });
    }

    it('has Blobs with the bytes of the message, or no binaryType "blob" on Node.js 16', async () => {
      const { client, ws } = await createConnection(kind);
      ws.binaryType = 'blob';
      const message = once(ws, 'message');
      client.write(bytesOf([binary('66', NOT_LAST), more('oo')]));
      const [data] = await message;
      assert.strictEqual(ws.binaryType, hasBlob ? 'blob' : 'nodebuffer');
      assert.strictEqual(
        Buffer.from(hasBlob ? await data.arrayBuffer() : data).toString(),
        'foo',
      );
    });

    it('emits by the binaryType at the time of the event', async () => {
      const connection = await open(kind);
      const { ws, log } = connection;
      ws.once('message', () => {
        ws.binaryType = 'arraybuffer';
      });
      await receive(connection, [binary('61'), binary('62')]);
      assert.deepStrictEqual(log.slice(0, 2), [
        ['message', 'Buffer 61', true, 'OPEN'],
        ['message', 'ArrayBuffer 62', true, 'OPEN'],
      ]);
    });

    for (const type of ['foo', '', undefined, null, 'constructor', 'Blob']) {
      it(`ignores ${JSON.stringify(type)} as binaryType`, async () => {
        const { ws } = await createConnection(kind);
        ws.binaryType = 'fragments';
        ws.binaryType = type;
        assert.strictEqual(ws.binaryType, 'fragments');
      });
    }

    for (const [
      what,
      frames,
      closeCode,
      name,
      code,
      message,
      options,
    ] of ERRORS) {
      it(`refuses ${what}`, async () => {
        const { client, ws, log } = await open(kind, options);
        const close = once(ws, 'close');
        client.write(bytesOf([...frames, END]));
        await client.expect(`8802${closeCode.toString(16).padStart(4, '0')}`);
        await client.ended();
        client.end();
        await close;
        assert.deepStrictEqual(log, [
          ['error', [name, code, message], 'CLOSING'],
          ['close', 1006, 'Buffer ', 'CLOSED'],
        ]);
      });
    }

    it('emits the messages before an error', async () => {
      const { client, ws, log } = await open(kind);
      const close = once(ws, 'close');
      client.write(bytesOf([text('foo'), { opcode: 3 }, text('bar')]));
      await client.expect('880203ea');
      await client.ended();
      client.end();
      await close;
      assert.deepStrictEqual(
        log.map(([event, , , state]) => [event, state]),
        [
          ['message', 'OPEN'],
          ['error', undefined],
          ['close', 'CLOSED'],
        ],
      );
    });

    it("emits 'close' with the peer's close frame behind an error", async () => {
      const { client, ws, log } = await open(kind);
      const close = once(ws, 'close');
      client.send({ opcode: 3 });
      await client.expect('880203ea');
      client.send({ opcode: 'close', payload: closePayload(1000) });
      await client.ended();
      client.end();
      await close;
      assert.deepStrictEqual(log[1], ['close', 1006, 'Buffer ', 'CLOSED']);
    });

    it('an error without a listener is thrown', async () => {
      const { client, ws } = await createConnection(kind);
      const listeners = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException');
      const thrown = once(process, 'uncaughtException');
      const close = once(ws, 'close');
      client.send({ opcode: 3 });
      const [error] = await thrown;
      for (const listener of listeners) {
        process.on('uncaughtException', listener);
      }
      assert.strictEqual(error.code, 'WS_ERR_INVALID_OPCODE');
      client.socket.destroy();
      ws.terminate();
      await close;
    });

    for (const maxPayload of [0, undefined, 3]) {
      it(`takes a message of 3 bytes with maxPayload ${maxPayload}`, async () => {
        const connection = await open(
          kind,
          maxPayload === undefined ? {} : { maxPayload },
        );
        await receive(connection, [text('a', NOT_LAST), more('bc')]);
        assert.deepStrictEqual(connection.log[0], [
          'message',
          'Buffer 616263',
          false,
          'OPEN',
        ]);
      });
    }

    it('counts maxPayload and maxFragments for each message', async () => {
      const connection = await open(kind, { maxPayload: 3, maxFragments: 2 });
      const message = [text('a', NOT_LAST), more('bc')];
      await receive(connection, [...message, ...message, ...message]);
      assert.strictEqual(connection.log.length, 4);
    });

    it('does not count control frames as fragments', async () => {
      const connection = await open(kind, { maxFragments: 2, maxPayload: 3 });
      await receive(connection, [
        text('a', NOT_LAST),
        { opcode: 'ping', payload: 'foobar' },
        { opcode: 'pong', payload: 'foobar' },
        more('bc'),
      ]);
      assert.deepStrictEqual(
        connection.log.map(([event]) => event),
        ['ping', 'pong', 'message', 'message'],
      );
    });

    it('takes any number of fragments with maxFragments 0', async () => {
      const connection = await open(kind, { maxFragments: 0 });
      const frames = [text('a', NOT_LAST)];
      for (let i = 0; i < 20000; i++) frames.push(more('', NOT_LAST));
      await receive(connection, [...frames, more('b')]);
      assert.strictEqual(connection.log[0][1], 'Buffer 6162');
    });

    for (const options of [{ maxBufferedChunks: 0 }, {}]) {
      it(`takes a message in many chunks with ${JSON.stringify(options)}`, async () => {
        const { client, ws, log } = await open(kind, options);
        const message = once(ws, 'message');
        await client.writeByteByByte(bytesOf([text('a'.repeat(300))]));
        await message;
        assert.strictEqual(log.length, 1);
      });
    }

    it('refuses a message in more than maxBufferedChunks', async () => {
      const { client, ws, log } = await open(kind, { maxBufferedChunks: 2 });
      const error = once(ws, 'error');
      await client.writeByteByByte(bytesOf([text('a'.repeat(100))]));
      await error;
      await client.expect('880203f0');
      assert.deepStrictEqual(log[0], [
        'error',
        [
          'RangeError',
          'WS_ERR_TOO_MANY_BUFFERED_PARTS',
          'Too many buffered chunks',
        ],
        'CLOSING',
      ]);
    });

    describe('with skipUTF8Validation', () => {
      it('emits text that is not UTF-8', async () => {
        const connection = await open(kind, { skipUTF8Validation: true });
        await receive(connection, [text(Buffer.from('ff80', 'hex'))]);
        assert.deepStrictEqual(connection.log[0], [
          'message',
          'Buffer ff80',
          false,
          'OPEN',
        ]);
      });

      it('takes a close reason that is not UTF-8', async () => {
        const { client, ws, log } = await open(kind, {
          skipUTF8Validation: true,
        });
        const close = once(ws, 'close');
        client.send({
          opcode: 'close',
          payload: closePayload(1000, Buffer.from('ff', 'hex')),
        });
        await client.expect('880303e8ff');
        await client.ended();
        client.end();
        await close;
        assert.deepStrictEqual(log, [['close', 1000, 'Buffer ff', 'CLOSED']]);
      });
    });

    describe('pings', () => {
      for (const autoPong of [undefined, true, false]) {
        it(`are ${autoPong === false ? 'not ' : ''}answered with autoPong ${autoPong}`, async () => {
          const connection = await open(
            kind,
            autoPong === undefined ? {} : { autoPong },
          );
          await receive(connection, [
            { opcode: 'ping', payload: 'foo' },
            { opcode: 'ping' },
          ]);
          connection.ws.send('end');
          await connection.client.expect(
            (autoPong === false ? '' : '8a03666f6f8a00') + '8103656e64',
          );
          assert.deepStrictEqual(connection.log.slice(0, 2), [
            ['ping', 'Buffer 666f6f', 'OPEN'],
            ['ping', 'Buffer ', 'OPEN'],
          ]);
        });
      }

      it('are not answered once the connection is closing', async () => {
        const { client, ws, log } = await open(kind);
        ws.close(1000);
        await client.expect('880203e8');
        const close = once(ws, 'close');
        client.write(
          bytesOf([
            { opcode: 'ping', payload: 'foo' },
            { opcode: 'close', payload: closePayload(1000) },
          ]),
        );
        assert.strictEqual((await client.ended()).length, 0);
        client.end();
        await close;
        assert.deepStrictEqual(log, [
          ['ping', 'Buffer 666f6f', 'CLOSING'],
          ['close', 1000, 'Buffer ', 'CLOSED'],
        ]);
      });

      it('in a listener of which a pong is sent by hand', async () => {
        const { client, ws } = await createConnection(kind, {
          autoPong: false,
        });
        ws.on('ping', (data) => ws.pong(data));
        client.send({ opcode: 'ping', payload: 'foo' });
        await client.expect('8a03666f6f');
      });
    });

    it('messages that come while it is closing are still emitted', async () => {
      const { client, ws, log } = await open(kind);
      ws.close(1000);
      await client.expect('880203e8');
      const close = once(ws, 'close');
      client.write(
        bytesOf([
          text('foo'),
          binary('00'),
          { opcode: 'pong', payload: 'p' },
          { opcode: 'close', payload: closePayload(1000) },
        ]),
      );
      await client.ended();
      client.end();
      await close;
      assert.deepStrictEqual(log, [
        ['message', 'Buffer 666f6f', false, 'CLOSING'],
        ['message', 'Buffer 00', true, 'CLOSING'],
        ['pong', 'Buffer 70', 'CLOSING'],
        ['close', 1000, 'Buffer ', 'CLOSED'],
      ]);
    });

    it('what comes behind a close frame is ignored', async () => {
      const { client, ws, log } = await open(kind);
      const close = once(ws, 'close');
      client.write(
        bytesOf([
          text('foo'),
          { opcode: 'close', payload: closePayload(3000, 'bar') },
          text('baz'),
          { opcode: 3 },
        ]),
      );
      await client.expect('88050bb8626172');
      await client.ended();
      client.end();
      await close;
      assert.deepStrictEqual(log, [
        ['message', 'Buffer 666f6f', false, 'OPEN'],
        ['close', 3000, 'Buffer 626172', 'CLOSED'],
      ]);
    });

    it('terminate() in a listener: `ws` goes on with what it has received', async () => {
      const { client, ws, log } = await open(kind);
      ws.once('message', () => ws.terminate());
      const close = once(ws, 'close');
      client.write(bytesOf([text('foo'), text('bar')]));
      await close;
      assert.deepStrictEqual(
        log,
        isWs
          ? [
              ['message', 'Buffer 666f6f', false, 'OPEN'],
              ['message', 'Buffer 626172', false, 'CLOSING'],
              ['close', 1006, 'Buffer ', 'CLOSED'],
            ]
          : [
              ['message', 'Buffer 666f6f', false, 'OPEN'],
              ['close', 1006, 'Buffer ', 'CLOSED'],
            ],
      );
    });

    it('pause() in a listener: what was received is still emitted, the rest on resume()', async () => {
      const { client, ws, log } = await open(kind);
      ws.once('message', () => ws.pause());
      const second = new Promise((resolve) => {
        ws.on('message', (data) => {
          if (data.toString() === 'bar') resolve();
        });
      });
      client.write(bytesOf([text('foo'), text('bar')]));
      await second;
      assert.strictEqual(ws.isPaused, true);
      await new Promise((resolve) => {
        client.socket.write(bytesOf([text('baz')]), resolve);
      });
      // Whatever the peer has sent is there after a few turns.
      for (let i = 0; i < 20; i++) await new Promise(setImmediate);
      assert.strictEqual(log.length, 2);
      const third = once(ws, 'message');
      ws.resume();
      assert.strictEqual(ws.isPaused, false);
      await third;
      assert.deepStrictEqual(log[2], [
        'message',
        'Buffer 62617a',
        false,
        'OPEN',
      ]);
    });

    it('pause() holds a peer back that sends a lot', async () => {
      const { client, ws } = await createConnection(kind);
      ws.pause();
      const frame = encodeFrame({
        opcode: 'binary',
        payload: Buffer.alloc(1 << 20),
      });
      let sent = 0;
      for (let i = 0; i < 32; i++) {
        client.socket.write(frame, () => (sent += 1));
      }
      for (let i = 0; i < 200; i++) await new Promise(setImmediate);
      assert.ok(sent < 32, `${sent} of 32 were taken`);
      let received = 0;
      const all = new Promise((resolve) => {
        ws.on('message', () => {
          received += 1;
          if (received === 32) resolve();
        });
      });
      ws.resume();
      await all;
    });

    it('a peer that writes 1 MiB at a time is read to the end', async () => {
      const { client, ws } = await createConnection(kind);
      const payload = Buffer.alloc(1 << 20);
      let received = 0;
      const all = new Promise((resolve) => {
        ws.on('message', () => {
          received += 1;
          if (received === 8) resolve();
        });
      });
      for (let i = 0; i < 8; i++) client.send({ opcode: 'binary', payload });
      await all;
    });

    it('several messages of a packet are emitted in one tick', async () => {
      const connection = await open(kind);
      const ticks = [];
      connection.ws.on('message', (data) => {
        ticks.push(data.toString());
        process.nextTick(() => ticks.push('tick'));
      });
      await receive(connection, [text('a'), text('b')]);
      await new Promise(setImmediate);
      assert.deepStrictEqual(ticks, ['a', 'b', 'end', 'tick', 'tick', 'tick']);
    });

    it('with allowSynchronousEvents: false each event has a tick of its own', async () => {
      const connection = await open(kind, { allowSynchronousEvents: false });
      const { ws } = connection;
      const ticks = [];
      for (const event of ['message', 'ping', 'pong']) {
        ws.on(event, (data) => {
          ticks.push(data.toString());
          process.nextTick(() => ticks.push('tick'));
          Promise.resolve().then(() => ticks.push('microtask'));
        });
      }
      await receive(connection, [
        text('a'),
        { opcode: 'ping', payload: 'b' },
        { opcode: 'pong', payload: 'c' },
        text('d', NOT_LAST),
        more('e'),
      ]);
      await new Promise(setImmediate);
      const names = ticks.filter((tick) => !/tick|microtask/.test(tick));
      assert.deepStrictEqual(names, ['a', 'b', 'c', 'de', 'end']);
      for (let i = 1; i < names.length; i++) {
        const before = ticks.slice(0, ticks.indexOf(names[i]));
        const count = before.filter((tick) => tick === 'microtask').length;
        assert.strictEqual(count, i, `microtasks before ${names[i]}`);
      }
    });

    it('with allowSynchronousEvents: false the close frame waits for the messages', async () => {
      const { client, ws, log } = await open(kind, {
        allowSynchronousEvents: false,
      });
      ws.on('message', (data) => ws.send(data));
      const close = once(ws, 'close');
      client.write(
        bytesOf([
          text('a'),
          text('b'),
          { opcode: 'close', payload: closePayload(1000) },
        ]),
      );
      await client.expect('820161820162880203e8');
      await client.ended();
      client.end();
      await close;
      assert.deepStrictEqual(log, [
        ['message', 'Buffer 61', false, 'OPEN'],
        ['message', 'Buffer 62', false, 'OPEN'],
        ['close', 1000, 'Buffer ', 'CLOSED'],
      ]);
    });

    it('a listener that is added later gets what comes from then on', async () => {
      const { client, ws } = await createConnection(kind);
      const first = once(ws, 'message');
      client.send(text('foo'));
      await first;
      const second = once(ws, 'message');
      client.send(text('bar'));
      assert.deepStrictEqual((await second).map(describeValue), [
        'Buffer 626172',
        false,
      ]);
    });

    it('a listener that throws: the other events are still emitted, in `ws` the connection hangs', async () => {
      const { client, ws } = await createConnection(kind);
      const listeners = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException');
      const thrown = once(process, 'uncaughtException');
      const log = [];
      ws.on('message', (data) => {
        log.push(data.toString());
        if (log.length === 1) throw new Error('foo');
      });
      client.write(bytesOf([text('a'), text('b')]));
      const [error] = await thrown;
      for (const listener of listeners) {
        process.on('uncaughtException', listener);
      }
      assert.strictEqual(error.message, 'foo');
      await betterThanWs(async () => {
        client.send(text('c'));
        while (log.length < 3) await once(ws, 'message');
        assert.deepStrictEqual(log, ['a', 'b', 'c']);
      });
    });

    describe('with maxPendingAutoPongs', () => {
      it('a peer that does not read them is terminated', async () => {
        const server = await createServer(kind, {
          maxPendingAutoPongs: 2,
          duplexOptions: { highWaterMark: 64 },
        });
        const { client, ws } = await server.open();
        client.socket.pause();
        // Fill what the sockets hold, so that pongs have to wait.
        ws.send(Buffer.alloc(1 << 24));
        const log = trace(ws);
        const close = once(ws, 'close');
        for (let i = 0; i < 3; i++) {
          client.send({ opcode: 'ping', payload: `${i}` });
        }
        await close;
        assert.deepStrictEqual(log[log.length - 1], [
          'close',
          1006,
          'Buffer ',
          'CLOSED',
        ]);
        assert.ok(
          log.every(([event]) => event === 'ping' || event === 'close'),
        );
      });

      it('a peer that reads them may send any number of pings', async () => {
        const { client } = await createConnection(kind, {
          maxPendingAutoPongs: 2,
        });
        for (let i = 0; i < 10; i++) {
          client.send({ opcode: 'ping' });
          await client.expect('8a00');
        }
      });
    });
  });
});
