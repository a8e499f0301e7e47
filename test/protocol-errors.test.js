'use strict';

const assert = require('node:assert');

const { once, record } = require('./helpers/events');
const {
  closeServers,
  createConnection,
  createServer,
} = require('./helpers/server');

const PREFIX = 'Invalid WebSocket frame: ';

/** The rows of the table: what ends a connection, and how it ends. */
const ERRORS = {
  fin: ['RangeError', 'WS_ERR_EXPECTED_FIN', `${PREFIX}FIN must be set`, 1002],
  mask: [
    'RangeError',
    'WS_ERR_EXPECTED_MASK',
    `${PREFIX}MASK must be set`,
    1002,
  ],
  rsv1: [
    'RangeError',
    'WS_ERR_UNEXPECTED_RSV_1',
    `${PREFIX}RSV1 must be clear`,
    1002,
  ],
  rsv23: [
    'RangeError',
    'WS_ERR_UNEXPECTED_RSV_2_3',
    `${PREFIX}RSV2 and RSV3 must be clear`,
    1002,
  ],
  opcode: (opcode) => [
    'RangeError',
    'WS_ERR_INVALID_OPCODE',
    `${PREFIX}invalid opcode ${opcode}`,
    1002,
  ],
  closeCode: (code) => [
    'RangeError',
    'WS_ERR_INVALID_CLOSE_CODE',
    `${PREFIX}invalid status code ${code}`,
    1002,
  ],
  controlLength: (length) => [
    'RangeError',
    'WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH',
    `${PREFIX}invalid payload length ${length}`,
    1002,
  ],
  utf8: [
    'Error',
    'WS_ERR_INVALID_UTF8',
    `${PREFIX}invalid UTF-8 sequence`,
    1007,
  ],
  fragments: [
    'RangeError',
    'WS_ERR_TOO_MANY_BUFFERED_PARTS',
    'Too many message fragments',
    1008,
  ],
  dataLength: [
    'RangeError',
    'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH',
    'Unsupported WebSocket frame: payload length > 2^53 - 1',
    1009,
  ],
  messageLength: [
    'RangeError',
    'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH',
    'Max payload size exceeded',
    1009,
  ],
};

const CLOSE_FRAMES = {
  1002: '880203ea',
  1007: '880203ef',
  1008: '880203f0',
  1009: '880203f1',
};

// The mask of all frames below is 00000000 unless said otherwise, so that
// the payloads can be read. Many end within the header, as the error must
// not wait for what follows.
const VIOLATIONS = [
  ['a fragmented ping', '0980', ERRORS.fin],
  ['a fragmented pong', '0a80', ERRORS.fin],
  ['a fragmented close', '0880', ERRORS.fin],

  ['a text frame without a mask', '8105', ERRORS.mask],
  ['a text frame of 126 bytes without a mask', '817e007e', ERRORS.mask],
  [
    'a text frame of 65536 bytes without a mask',
    '817f0000000000010000',
    ERRORS.mask,
  ],
  ['an empty binary frame without a mask', '8200', ERRORS.mask],
  ['a ping without a mask', '8900', ERRORS.mask],
  ['a close without a mask', '880203e8', ERRORS.mask],

  ['RSV1 on a text frame', 'c185', ERRORS.rsv1],
  ['RSV1 on an empty text frame', 'c180', ERRORS.rsv1],
  ['RSV1 on a binary frame', 'c285', ERRORS.rsv1],
  ['RSV1 on a ping', 'c980', ERRORS.rsv1],
  ['RSV1 on a pong', 'ca80', ERRORS.rsv1],
  ['RSV1 on a close', 'c882', ERRORS.rsv1],
  ['RSV1 on a continuation', '018000000000 c080', ERRORS.rsv1],
  ['RSV1 on a continuation that continues nothing', 'c080', ERRORS.rsv1],
  ['the letter H, as of "HTTP/1.1 408"', '485454502f312e31', ERRORS.rsv1],

  ['RSV2 on a text frame', 'a185', ERRORS.rsv23],
  ['RSV3 on a text frame', '9185', ERRORS.rsv23],
  ['RSV2 and RSV3 on a text frame', 'b185', ERRORS.rsv23],
  ['all RSV bits on a text frame', 'f185', ERRORS.rsv23],
  ['RSV2 on a ping', 'a980', ERRORS.rsv23],
  ['RSV3 on a close', '9882', ERRORS.rsv23],
  ['RSV3 on a continuation', '018000000000 9080', ERRORS.rsv23],

  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode) => [
    `the reserved opcode ${opcode}`,
    `8${opcode.toString(16)}80`,
    ERRORS.opcode(opcode),
  ]),
  ['a continuation that continues nothing', '8080', ERRORS.opcode(0)],
  [
    'a continuation after the last fragment',
    '018000000000 808000000000 8080',
    ERRORS.opcode(0),
    { before: [['text', '']] },
  ],
  [
    'a text frame within a fragmented message',
    '018000000000 8180',
    ERRORS.opcode(1),
  ],
  [
    'a binary frame within a fragmented message',
    '018000000000 8280',
    ERRORS.opcode(2),
  ],
  [
    'a first fragment within a fragmented message',
    '028000000000 0180',
    ERRORS.opcode(1),
  ],

  ['a ping of 126 bytes', '89fe007e', ERRORS.controlLength(126)],
  ['a ping that declares a 64-bit length', '89ff', ERRORS.controlLength(127)],
  ['a pong of 126 bytes', '8afe007e', ERRORS.controlLength(126)],
  ['a close of 126 bytes', '88fe007e', ERRORS.controlLength(126)],
  ['a close of one byte', '88810000000003', ERRORS.controlLength(1)],

  ...[0, 999, 1004, 1005, 1006, 1015, 1016, 1999, 2999, 5000, 65535].map(
    (code) => [
      `a close with the code ${code}`,
      `888200000000${code.toString(16).padStart(4, '0')}`,
      ERRORS.closeCode(code),
    ],
  ),

  ['text that is not UTF-8', '818400000000 ceba8080', ERRORS.utf8],
  ['text that ends within a character', '818100000000 c3', ERRORS.utf8],
  ['text with an overlong character', '818200000000 c0af', ERRORS.utf8],
  ['text with a surrogate', '818300000000 eda080', ERRORS.utf8],
  ['text beyond U+10FFFF', '818400000000 f4908080', ERRORS.utf8],
  ['text that is not UTF-8 under a mask', '818337fa213d c85a21', ERRORS.utf8],
  [
    'fragmented text that is not UTF-8',
    '018100000000 ce 808100000000 ff',
    ERRORS.utf8,
  ],
  [
    'fragmented text that ends within a character',
    '018100000000 61 808100000000 c3',
    ERRORS.utf8,
  ],
  [
    'a fragmented character with a whole one in its middle',
    '018100000000 c3 008100000000 61 808100000000 a9',
    ERRORS.utf8,
  ],
  ['a close reason that is not UTF-8', '888400000000 03e8 c328', ERRORS.utf8],

  ['a frame of 2^53 bytes', '82ff0020000000000000', ERRORS.dataLength],
  ['a frame of 2^63 bytes', '82ff8000000000000000', ERRORS.dataLength],
  [
    'a frame of 2^53 bytes without a limit',
    '82ff0020000000000000',
    ERRORS.dataLength,
    { options: { maxPayload: 0 } },
  ],

  ['a frame of 2^53 - 1 bytes', '82ff001fffffffffffff', ERRORS.messageLength],
  [
    'a frame of 100 MiB and one byte',
    '82ff0000000006400001',
    ERRORS.messageLength,
  ],
  [
    'a frame of one byte over maxPayload',
    '828b',
    ERRORS.messageLength,
    { options: { maxPayload: 10 } },
  ],
  [
    'a frame of one byte over a maxPayload of 126',
    '82fe007f',
    ERRORS.messageLength,
    { options: { maxPayload: 126 } },
  ],
  [
    'a frame of one byte over a maxPayload of 65536',
    '82ff0000000000010001',
    ERRORS.messageLength,
    { options: { maxPayload: 65536 } },
  ],
  [
    'a small frame that declares more than maxPayload in 64 bits',
    '82ff000000000000000b',
    ERRORS.messageLength,
    { options: { maxPayload: 10 } },
  ],
  [
    'fragments of one byte over maxPayload in sum',
    '028600000000 000102030405 0084 00000000 06070809 0081',
    ERRORS.messageLength,
    { options: { maxPayload: 10 } },
  ],

  [
    'more fragments than maxFragments',
    '018100000000 61 008100000000 62 008100000000 63 808100000000 64',
    ERRORS.fragments,
    { options: { maxFragments: 3 } },
  ],
  [
    'more empty fragments than maxFragments',
    '018000000000 008000000000 008000000000 008000000000',
    ERRORS.fragments,
    { options: { maxFragments: 3 } },
  ],
  [
    'more empty fragments than maxFragments after the first',
    '018100000000 61 008000000000 008000000000 808000000000',
    ERRORS.fragments,
    { options: { maxFragments: 3 } },
  ],
  [
    'more fragments than maxFragments with pings between them',
    '018100000000 61 8a8000000000 008100000000 62 8a8000000000 808100000000 63',
    ERRORS.fragments,
    {
      options: { maxFragments: 2 },
      before: [
        ['pong', ''],
        ['pong', ''],
      ],
    },
  ],
];

function bytesOf(hex) {
  return Buffer.from(hex.replace(/\s/g, ''), 'hex');
}

/** Asserts that the connection of `client` and `ws` still echoes. */
async function assertEcho({ client, ws }) {
  ws.once('message', (data) => ws.send(data));
  client.write('828300000000010203');
  await client.expect('8203010203');
}

describe('A violation of the protocol', () => {
  afterEach(closeServers);

  for (const [what, hex, expected, more = {}] of VIOLATIONS) {
    const { options, before = [] } = more;
    const [name, errorCode, message, closeCode] = expected;

    for (const [how, write] of [
      ['', (client) => client.write(bytesOf(hex))],
      [
        ', one byte at a time,',
        (client) => client.writeByteByByte(bytesOf(hex)),
      ],
    ]) {
      it(`by ${what}${how} ends the connection with ${closeCode} and ${errorCode}`, async () => {
        const server = await createServer(options);
        const other = await server.open();
        const otherLog = record(other.ws);
        const { client, ws } = await server.open();
        const log = record(ws);
        let error;
        ws.on('error', (value) => {
          error = value;
          assert.strictEqual(ws.readyState, ws.CLOSING);
        });
        const close = once(ws, 'close');

        const written = write(client);
        await client.expect(CLOSE_FRAMES[closeCode]);
        assert.strictEqual((await client.ended()).length, 0);
        await written;
        client.end();
        await close;

        assert.deepStrictEqual(log, [
          ...before,
          ['error', name, errorCode, message],
          ['close', 1006, ''],
        ]);
        assert.strictEqual(error.constructor, globalThis[name]);
        assert.strictEqual(ws.readyState, ws.CLOSED);
        assert.deepStrictEqual([...server.wss.clients], [other.ws]);
        assert.deepStrictEqual(otherLog, []);
        await assertEcho(other);
      });
    }
  }

  for (const [what, hex, expected, options] of [
    ['RSV2 before RSV1', 'e185', ERRORS.rsv23],
    ['RSV2 before the opcode', 'a385', ERRORS.rsv23],
    ['RSV1 before the opcode', 'c385', ERRORS.rsv1],
    ['RSV1 before FIN', '4985', ERRORS.rsv1],
    ['the opcode before the mask', '8305', ERRORS.opcode(3)],
    ['FIN before the length', '09fe', ERRORS.fin],
    ['the length of a ping before the mask', '897e', ERRORS.controlLength(126)],
    ['the mask before the payload length', '827f0020000000000000', ERRORS.mask],
    ['the mask before maxPayload', '820b', ERRORS.mask, { maxPayload: 10 }],
    [
      'maxPayload before maxFragments',
      '018100000000 61 008100000000 62',
      ERRORS.messageLength,
      { maxFragments: 1, maxPayload: 1 },
    ],
  ]) {
    it(`is reported for ${what} when a frame has both`, async () => {
      const { client, ws } = await createConnection(options);
      const log = record(ws);
      client.write(hex);
      await client.ended();
      assert.deepStrictEqual(log, [['error', ...expected.slice(0, 3)]]);
    });
  }

  it('comes after the messages before it and hides those after it', async () => {
    const { client, ws } = await createConnection();
    const log = record(ws);
    client.write('818100000000 61 898000000000 8380 818100000000 62');
    await client.expect('8a00 880203ea');
    await client.ended();
    assert.deepStrictEqual(log, [
      ['text', 'a'],
      ['ping', ''],
      ['error', ...ERRORS.opcode(3).slice(0, 3)],
    ]);
  });

  it('is reported once, whatever follows', async () => {
    const { client, ws } = await createConnection();
    const log = record(ws);
    const close = once(ws, 'close');
    client.write('8380 8380');
    await client.expect('880203ea');
    client.write('8380 818100000000 62 a185');
    await client.ended();
    client.end();
    await close;
    assert.deepStrictEqual(log, [
      ['error', ...ERRORS.opcode(3).slice(0, 3)],
      ['close', 1006, ''],
    ]);
  });

  it('in the packet of the handshake is reported as well', async () => {
    let log;
    let close;
    const server = await createServer({
      onConnection(ws) {
        log = record(ws);
        close = once(ws, 'close');
      },
    });
    const { client } = await server.open({ head: bytesOf('8380') });
    await client.expect('880203ea');
    await client.ended();
    client.end();
    await close;
    assert.deepStrictEqual(log, [
      ['error', ...ERRORS.opcode(3).slice(0, 3)],
      ['close', 1006, ''],
    ]);
  });

  it('is followed by "close" 1006 even when the client answers the close frame', async () => {
    const { client, ws } = await createConnection();
    const log = record(ws);
    const close = once(ws, 'close');
    client.write('8380');
    await client.expect('880203ea');
    client.write('88820000000003ea');
    client.end();
    await close;
    assert.deepStrictEqual(log.slice(1), [['close', 1006, '']]);
  });

  it('sends what was sent before it ahead of the close frame', async () => {
    const { client, ws } = await createConnection();
    record(ws);
    ws.on('message', () => ws.send('foo'));
    client.write('818000000000 8380');
    await client.expect('8103666f6f 880203ea');
    await client.ended();
  });

  it('refuses what a listener of "error" sends', async () => {
    const { client, ws } = await createConnection();
    const errors = [];
    ws.on('error', () => ws.send('foo', (error) => errors.push(error)));
    const close = once(ws, 'close');
    client.write('8380');
    await client.expect('880203ea');
    await client.ended();
    client.end();
    await close;
    assert.deepStrictEqual(
      errors.map((error) => error.message),
      ['WebSocket is not open: readyState 2 (CLOSING)'],
    );
  });

  it('lets a listener of "error" terminate the connection', async () => {
    const { client, ws } = await createConnection();
    const log = record(ws);
    ws.on('error', () => ws.terminate());
    const close = once(ws, 'close');
    client.write('8380');
    await close;
    await client.expect('880203ea');
    await client.ended();
    assert.deepStrictEqual(log.slice(1), [['close', 1006, '']]);
  });

  it('after close() was called is reported too', async () => {
    const { client, ws } = await createConnection();
    const log = record(ws);
    const close = once(ws, 'close');
    ws.close(1000);
    client.write('8380');
    await client.expect('880203e8');
    await client.ended();
    client.end();
    await close;
    assert.deepStrictEqual(log, [
      ['error', ...ERRORS.opcode(3).slice(0, 3)],
      ['close', 1006, ''],
    ]);
  });

  it('is not looked for after the close frame of the client', async () => {
    const { client, ws } = await createConnection();
    const log = record(ws);
    const close = once(ws, 'close');
    client.write('88820000000003e8 8380');
    await client.expect('880203e8');
    await client.ended();
    client.end();
    await close;
    assert.deepStrictEqual(log, [['close', 1000, '']]);
  });

  it('is not seen in as many fragments as maxFragments, message after message', async () => {
    const { client, ws } = await createConnection({
      maxFragments: 3,
    });
    const log = record(ws);
    const message = '018100000000 61 008000000000 808100000000 62';
    ws.on('message', () => log.length === 4 && ws.close());
    client.write(message + '818100000000 63' + message + message);
    await client.expect('8800');
    assert.deepStrictEqual(log, [
      ['text', 'ab'],
      ['text', 'c'],
      ['text', 'ab'],
      ['text', 'ab'],
    ]);
  });

  it('is not seen in any number of fragments when maxFragments is 0', async () => {
    const { client, ws } = await createConnection({ maxFragments: 0 });
    const message = once(ws, 'message');
    client.write('018000000000');
    client.write('008100000000 61'.repeat(20000));
    client.write('808000000000');
    assert.strictEqual((await message)[0].length, 20000);
  });

  it('is seen in more than 16384 fragments by default', async () => {
    const { client, ws } = await createConnection();
    const error = once(ws, 'error');
    client.write('018000000000' + '008000000000'.repeat(16384));
    assert.strictEqual((await error)[0].message, 'Too many message fragments');
    await client.expect('880203f0');
  });
});
