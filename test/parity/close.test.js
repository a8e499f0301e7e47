'use strict';

const assert = require('node:assert');

const { closePayload, encodeFrame } = require('../helpers/frame');
const { once } = require('../helpers/events');
const { isWs } = require('../helpers/implementation');
const { KINDS, createConnection, forEachKind } = require('./helpers/sockets');
const { describeValue, trace } = require('./helpers/trace');

const NOT_A_CODE = {
  name: 'TypeError',
  message: 'First argument must be a valid error code number',
};
const NOT_A_REASON = {
  name: 'TypeError',
  message: 'Second argument must be a string or a Uint8Array',
};
// Here `ws` passes on what Buffer.byteLength() has to say; ours is clearer.
const NO_STRING = isWs
  ? {
      name: 'TypeError',
      code: 'ERR_INVALID_ARG_TYPE',
      message: /^The "string" argument must be of type string /,
    }
  : NOT_A_REASON;
const REASON_TOO_LONG = {
  name: 'RangeError',
  message: 'The message must not be greater than 123 bytes',
};

const VALID_CODES = [
  1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000,
  3999, 4000, 4999,
];

const INVALID_CODES = [
  0,
  -1,
  1,
  999,
  1004,
  1005,
  1006,
  1015,
  1016,
  2000,
  2999,
  5000,
  65535,
  65536,
  NaN,
  Infinity,
  '1000',
  null,
  true,
  false,
  '',
  [],
  {},
  [1000],
];

function hex(code) {
  return code.toString(16).padStart(4, '0');
}

/** A connection whose events are in a log, and its end. */
async function open(kind, options) {
  const connection = await createConnection(kind, options);
  const { ws } = connection;
  return { ...connection, log: trace(ws), close: once(ws, 'close') };
}

/** Reads the FIN of the server and answers it. */
async function finish(client) {
  const rest = await client.ended();
  assert.strictEqual(rest.length, 0);
  client.end();
}

describe('Parity: closing', () => {
  forEachKind(KINDS, (kind) => {
    for (const code of VALID_CODES) {
      it(`close(${code}) sends it and takes the answer of the peer`, async () => {
        const { client, ws, log, close } = await open(kind);
        assert.strictEqual(ws.close(code), undefined);
        assert.strictEqual(ws.readyState, ws.CLOSING);
        await client.expect(`8802${hex(code)}`);
        client.send({ opcode: 'close', payload: closePayload(code, 'bye') });
        await finish(client);
        await close;
        assert.deepStrictEqual(log, [
          ['close', code, 'Buffer 627965', 'CLOSED'],
        ]);
      });

      it(`the peer's close frame of ${code} is answered with the same`, async () => {
        const { client, log, close } = await open(kind);
        client.send({ opcode: 'close', payload: closePayload(code) });
        await client.expect(`8802${hex(code)}`);
        await finish(client);
        await close;
        assert.deepStrictEqual(log, [['close', code, 'Buffer ', 'CLOSED']]);
      });
    }

    for (const code of INVALID_CODES) {
      it(`close(${typeof code} ${JSON.stringify(code)}) throws`, async () => {
        const { client, ws } = await createConnection(kind);
        assert.throws(() => ws.close(code), NOT_A_CODE);
        assert.throws(() => ws.close(code, 'foo'), NOT_A_CODE);
        assert.strictEqual(ws.readyState, ws.OPEN);
        ws.send('end');
        await client.expect('8103656e64');
      });
    }

    for (const [what, reason, bytes] of [
      ['undefined', undefined, ''],
      ['an empty string', '', ''],
      ['a string', 'foo', '666f6f'],
      ['a string of several bytes a character', '\u20ac', 'e282ac'],
      ['a Buffer', Buffer.from('foo'), '666f6f'],
      ['an empty Buffer', Buffer.alloc(0), ''],
      ['a Uint8Array', new Uint8Array([0x61, 0x62]), '6162'],
      ['bytes that are no UTF-8', Buffer.from('ff', 'hex'), 'ff'],
      ['123 bytes', 'a'.repeat(123), '61'.repeat(123)],
      ['123 bytes of 41 characters', '\u20ac'.repeat(41), 'e282ac'.repeat(41)],
      ['a number', 7, ''],
      ['an object', {}, ''],
      ['true', true, ''],
      ['an Error', new Error('foo'), ''],
    ]) {
      it(`close() with ${what} as reason`, async () => {
        const { client, ws } = await createConnection(kind);
        ws.close(1000, reason);
        const length = (2 + bytes.length / 2).toString(16).padStart(2, '0');
        await client.expect(`88${length}03e8${bytes}`);
      });
    }

    for (const [what, reason, error] of [
      ['124 bytes', 'a'.repeat(124), REASON_TOO_LONG],
      ['124 bytes in a Buffer', Buffer.alloc(124), REASON_TOO_LONG],
      ['126 bytes of 42 characters', '\u20ac'.repeat(42), REASON_TOO_LONG],
      ['a Uint16Array', new Uint16Array(1), NOT_A_REASON],
      ['a Float64Array', new Float64Array(1), NOT_A_REASON],
      ['an array', [1], NO_STRING],
      ['an object with a length', { length: 3 }, NO_STRING],
      ['a function', (a) => a, NO_STRING],
    ]) {
      it(`close() throws for ${what} as reason`, async () => {
        const { client, ws } = await createConnection(kind);
        assert.throws(() => ws.close(1000, reason), error);
        assert.strictEqual(ws.readyState, ws.OPEN);
        ws.send('end');
        await client.expect('8103656e64');
      });
    }

    it('close() sends an empty close frame', async () => {
      const { client, ws, log, close } = await open(kind);
      ws.close();
      await client.expect('8800');
      client.send({ opcode: 'close' });
      await finish(client);
      await close;
      assert.deepStrictEqual(log, [['close', 1005, 'Buffer ', 'CLOSED']]);
    });

    it('close(undefined, reason) sends an empty close frame', async () => {
      const { client, ws } = await createConnection(kind);
      ws.close(undefined, 'foo');
      await client.expect('8800');
    });

    it("the peer's close frame without a code is answered with one without", async () => {
      const { client, log, close } = await open(kind);
      client.send({ opcode: 'close' });
      await client.expect('8800');
      await finish(client);
      await close;
      assert.deepStrictEqual(log, [['close', 1005, 'Buffer ', 'CLOSED']]);
    });

    it("the peer's reason is answered with the same", async () => {
      const { client, log, close } = await open(kind);
      client.send({ opcode: 'close', payload: closePayload(4000, 'b\u20acr') });
      await client.expect('88070fa062e282ac72');
      await finish(client);
      await close;
      assert.deepStrictEqual(log, [
        ['close', 4000, 'Buffer 62e282ac72', 'CLOSED'],
      ]);
    });

    it('close() takes what the peer answers for the code', async () => {
      const { client, ws, log, close } = await open(kind);
      ws.close(1000, 'foo');
      await client.expect('880503e8666f6f');
      client.send({ opcode: 'close', payload: closePayload(4001, 'bar') });
      await finish(client);
      await close;
      assert.deepStrictEqual(log, [['close', 4001, 'Buffer 626172', 'CLOSED']]);
    });

    it('close() of both sides at once', async () => {
      const { client, ws, log, close } = await open(kind);
      client.send({ opcode: 'close', payload: closePayload(4001) });
      ws.close(4002);
      await client.expect('88020fa2');
      await finish(client);
      await close;
      assert.deepStrictEqual(log, [['close', 4001, 'Buffer ', 'CLOSED']]);
    });

    it('close() behind messages sends them first', async () => {
      const { client, ws } = await createConnection(kind);
      ws.send('foo');
      ws.send(Buffer.alloc(20000));
      ws.ping();
      ws.close(1000);
      await client.expect(
        `8103666f6f827e4e20${'00'.repeat(20000)}8900880203e8`,
      );
    });

    it('close() twice sends one close frame', async () => {
      const { client, ws, close } = await open(kind);
      ws.close(1000);
      ws.close(1001);
      ws.close(5);
      await client.expect('880203e8');
      client.send({ opcode: 'close', payload: closePayload(1000) });
      await finish(client);
      await close;
    });

    it('close(), terminate(), pause() and resume() of one that is closed do nothing', async () => {
      const { ws, close } = await open(kind);
      ws.terminate();
      await close;
      ws.close();
      ws.close(1, 2);
      ws.terminate();
      ws.pause();
      ws.resume();
      assert.strictEqual(ws.isPaused, false);
      assert.strictEqual(ws.readyState, ws.CLOSED);
    });

    it('close() in a message listener comes behind the answer', async () => {
      const { client, ws, close } = await open(kind);
      ws.on('message', (data) => {
        ws.send(data);
        ws.close(1000);
      });
      client.send({ opcode: 'binary', payload: 'foo' });
      await client.expect('8203666f6f880203e8');
      client.send({ opcode: 'close', payload: closePayload(1000) });
      await finish(client);
      await close;
    });

    it('the flags of close frames tell which way they went', async () => {
      const { client, ws, close } = await open(kind);
      const flags = [];
      const look = () =>
        flags.push([ws._closeFrameSent, ws._closeFrameReceived]);
      look();
      ws.close(1000);
      await client.expect('880203e8');
      look();
      ws.on('close', look);
      client.send({ opcode: 'close', payload: closePayload(1000) });
      await finish(client);
      await close;
      assert.deepStrictEqual(flags, [
        [false, false],
        [true, false],
        [true, true],
      ]);
    });

    it("the flags of close frames at the peer's close frame", async () => {
      const { client, ws, close } = await open(kind);
      const flags = [];
      ws.on('close', () =>
        flags.push([ws._closeFrameSent, ws._closeFrameReceived]),
      );
      client.send({ opcode: 'close' });
      await client.expect('8800');
      await finish(client);
      await close;
      assert.deepStrictEqual(flags, [[true, true]]);
    });

    it('terminate() ends the connection without a close frame', async () => {
      const { client, ws, log, close } = await open(kind);
      assert.strictEqual(ws.terminate(), undefined);
      assert.strictEqual(ws.readyState, ws.CLOSING);
      assert.strictEqual(log.length, 0, "'close' is emitted later");
      await close;
      await finish(client);
      assert.deepStrictEqual(log, [['close', 1006, 'Buffer ', 'CLOSED']]);
    });

    it('terminate() behind close() does not wait for the peer', async () => {
      const { client, ws, log, close } = await open(kind);
      ws.close(1000);
      await client.expect('880203e8');
      ws.terminate();
      await close;
      assert.deepStrictEqual(log, [['close', 1006, 'Buffer ', 'CLOSED']]);
    });

    it("terminate() behind the peer's close frame keeps its code", async () => {
      const { client, ws, log, close } = await open(kind);
      client.send({ opcode: 'close', payload: closePayload(4000, 'foo') });
      await client.expect('88050fa0666f6f');
      ws.terminate();
      await close;
      assert.deepStrictEqual(log, [['close', 4000, 'Buffer 666f6f', 'CLOSED']]);
    });

    it('terminate() of a paused connection', async () => {
      const { client, ws, log, close } = await open(kind);
      ws.pause();
      client.send({ opcode: 'text', payload: 'foo' });
      ws.terminate();
      await close;
      assert.deepStrictEqual(log[log.length - 1], [
        'close',
        1006,
        'Buffer ',
        'CLOSED',
      ]);
    });

    it("the peer's FIN without a close frame", async () => {
      const { client, log, close } = await open(kind);
      client.end();
      assert.strictEqual((await client.ended()).length, 0);
      await close;
      assert.deepStrictEqual(log, [['close', 1006, 'Buffer ', 'CLOSED']]);
    });

    it("the peer's FIN behind a message", async () => {
      const { client, log, close } = await open(kind);
      client.send({ opcode: 'text', payload: 'foo' });
      client.end();
      await close;
      assert.deepStrictEqual(log, [
        ['message', 'Buffer 666f6f', false, 'OPEN'],
        ['close', 1006, 'Buffer ', 'CLOSED'],
      ]);
    });

    it("the peer's FIN in a frame", async () => {
      const { client, log, close } = await open(kind);
      client.write(encodeFrame({ opcode: 'text', payload: 'foo' }).subarray(1));
      client.end();
      await close;
      assert.strictEqual(log[log.length - 1][0], 'close');
      assert.strictEqual(log[log.length - 1][1], 1006);
    });

    it("the peer's FIN in a message of fragments", async () => {
      const { client, log, close } = await open(kind);
      client.send({ opcode: 'text', payload: 'foo', fin: false });
      client.end();
      await close;
      assert.deepStrictEqual(log, [['close', 1006, 'Buffer ', 'CLOSED']]);
    });

    it("the peer's FIN behind its close frame", async () => {
      const { client, log, close } = await open(kind);
      client.send({ opcode: 'close', payload: closePayload(1000) });
      client.end();
      await close;
      assert.deepStrictEqual(log, [['close', 1000, 'Buffer ', 'CLOSED']]);
    });

    it("the peer's FIN instead of an answer to close()", async () => {
      const { client, ws, log, close } = await open(kind);
      ws.close(1000);
      await client.expect('880203e8');
      client.end();
      await close;
      assert.deepStrictEqual(log, [['close', 1006, 'Buffer ', 'CLOSED']]);
    });

    it("the peer's reset", async () => {
      const { client, log, close } = await open(kind);
      client.reset();
      await close;
      assert.deepStrictEqual(log, [['close', 1006, 'Buffer ', 'CLOSED']]);
    });

    it("the peer's reset while it is closing", async () => {
      const { client, ws, log, close } = await open(kind);
      ws.close(1000);
      await client.expect('880203e8');
      client.reset();
      await close;
      assert.deepStrictEqual(log, [['close', 1006, 'Buffer ', 'CLOSED']]);
    });

    it("the peer's reset behind a message", async () => {
      const { client, ws, log, close } = await open(kind);
      const message = once(ws, 'message');
      client.send({ opcode: 'text', payload: 'foo' });
      await message;
      client.reset();
      await close;
      assert.deepStrictEqual(log, [
        ['message', 'Buffer 666f6f', false, 'OPEN'],
        ['close', 1006, 'Buffer ', 'CLOSED'],
      ]);
    });

    for (const holder of ['req.socket', '_socket']) {
      it(`destroy() of ${holder}`, async () => {
        const { req, ws, log, close } = await open(kind);
        const socket = holder === '_socket' ? ws._socket : req.socket;
        socket.destroy();
        assert.strictEqual(socket.destroyed, true);
        await close;
        assert.deepStrictEqual(log, [['close', 1006, 'Buffer ', 'CLOSED']]);
      });

      it(`destroy() of ${holder} with an error does not emit it`, async () => {
        const { req, ws, log, close } = await open(kind);
        const socket = holder === '_socket' ? ws._socket : req.socket;
        socket.destroy(new Error('foo'));
        await close;
        assert.deepStrictEqual(log, [['close', 1006, 'Buffer ', 'CLOSED']]);
      });
    }

    it('end() of _socket', async () => {
      const { client, ws, log, close } = await open(kind);
      ws._socket.end();
      await finish(client);
      await close;
      assert.deepStrictEqual(log, [['close', 1006, 'Buffer ', 'CLOSED']]);
    });

    it('closeTimeout ends it if the peer does not answer', async () => {
      const { client, ws, log, close } = await open(kind, { closeTimeout: 20 });
      ws.close(1000);
      await client.expect('880203e8');
      await close;
      await client.ended();
      assert.deepStrictEqual(log, [['close', 1006, 'Buffer ', 'CLOSED']]);
    });

    it('closeTimeout ends it if the peer answers and does not end', async () => {
      const { client, ws, log, close } = await open(kind, { closeTimeout: 20 });
      ws.close(1000);
      await client.expect('880203e8');
      client.send({ opcode: 'close', payload: closePayload(4000) });
      await client.ended();
      await close;
      assert.deepStrictEqual(log, [['close', 4000, 'Buffer ', 'CLOSED']]);
    });

    it('closeTimeout ends it if the peer closes and does not end', async () => {
      const { client, log, close } = await open(kind, { closeTimeout: 20 });
      client.send({ opcode: 'close', payload: closePayload(4000) });
      await client.expect('88020fa0');
      await client.ended();
      await close;
      assert.deepStrictEqual(log, [['close', 4000, 'Buffer ', 'CLOSED']]);
    });

    it('closeTimeout ends it behind an error', async () => {
      const { client, log, close } = await open(kind, { closeTimeout: 20 });
      client.send({ opcode: 3 });
      await client.expect('880203ea');
      await client.ended();
      await close;
      assert.deepStrictEqual(
        log.map(([event, code]) => [event, event === 'close' ? code : 0]),
        [
          ['error', 0],
          ['close', 1006],
        ],
      );
    });

    it("a listener of 'close' finds it out of the clients", async () => {
      const { server, ws, close } = await open(kind);
      const sizes = [server.wss.clients.size];
      ws.on('close', () => sizes.push(server.wss.clients.size));
      ws.terminate();
      await close;
      assert.deepStrictEqual(sizes, [1, 0]);
    });

    it("the arguments of 'close' are a number and a Buffer, and this is the WebSocket", async () => {
      const { ws, close } = await open(kind);
      let self;
      ws.on('close', function () {
        self = this;
      });
      ws.terminate();
      const args = await close;
      assert.deepStrictEqual(args.map(describeValue), [1006, 'Buffer ']);
      assert.strictEqual(self, ws);
    });

    it('close() of a paused connection reads the answer once resumed', async () => {
      const { client, ws, log, close } = await open(kind);
      ws.pause();
      ws.close(1000);
      await client.expect('880203e8');
      client.send({ opcode: 'close', payload: closePayload(1000) });
      for (let i = 0; i < 20; i++) await new Promise(setImmediate);
      assert.strictEqual(log.length, 0);
      ws.resume();
      await finish(client);
      await close;
      assert.deepStrictEqual(log, [['close', 1000, 'Buffer ', 'CLOSED']]);
    });

    it('a message and the FIN of the peer while paused wait for resume()', async () => {
      const { client, ws, log, close } = await open(kind);
      ws.pause();
      client.send({ opcode: 'text', payload: 'foo' });
      client.end();
      for (let i = 0; i < 20; i++) await new Promise(setImmediate);
      assert.strictEqual(log.length, 0);
      ws.resume();
      await close;
      assert.deepStrictEqual(log, [
        ['message', 'Buffer 666f6f', false, 'OPEN'],
        ['close', 1006, 'Buffer ', 'CLOSED'],
      ]);
    });
  });
});
