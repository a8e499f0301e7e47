'use strict';

const assert = require('node:assert');
const { Duplex, Readable, Writable, pipeline } = require('node:stream');

const { betterThanWs, modulePath } = require('./helpers/implementation');
const { once } = require('./helpers/events');
const { closePayload, encodeFrame } = require('./helpers/frame');
const { closeServers, createConnection } = require('./helpers/server');

const { createWebSocketStream } = require(modulePath);

const MIB = 1024 * 1024;

/**
 * Creates a connection with a stream of the server's end.
 *
 * @param {object} [options] of `createWebSocketStream()`
 */
async function createStream(options) {
  const connection = await createConnection();
  return {
    ...connection,
    stream: createWebSocketStream(connection.ws, options),
  };
}

/** Reads a stream to its end. */
async function readAll(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

/** Answers the close frame of the server and ends. */
async function answerClose(client) {
  const frame = await client.frame();
  assert.strictEqual(frame.opcode, 8);
  client.send({ opcode: 'close', payload: frame.payload });
  client.end();
}

/** Resolves with the error, if any, that a call of pipeline() ends with. */
function piped(...streams) {
  return new Promise((resolve) => pipeline(...streams, resolve));
}

describe('createWebSocketStream()', () => {
  afterEach(closeServers);

  it('returns a Duplex', async () => {
    const { stream } = await createStream();
    assert.ok(stream instanceof Duplex);
    assert.strictEqual(stream.readableObjectMode, false);
    assert.strictEqual(stream.writableObjectMode, false);
  });

  it('takes options of Duplex', async () => {
    const { stream } = await createStream({
      readableHighWaterMark: 7,
      writableHighWaterMark: 8,
      encoding: 'utf8',
    });
    assert.strictEqual(stream.readableHighWaterMark, 7);
    assert.strictEqual(stream.writableHighWaterMark, 8);
    assert.strictEqual(stream.readableEncoding, 'utf8');
  });

  it('never writes in object mode', async () => {
    const { stream } = await createStream({
      objectMode: true,
      writableObjectMode: true,
    });
    assert.strictEqual(stream.writableObjectMode, false);
    assert.strictEqual(stream.readableObjectMode, false);
  });

  it('leaves the options as they are', async () => {
    const options = Object.freeze({ objectMode: true });
    await createStream(options);
    assert.deepStrictEqual(options, { objectMode: true });
  });

  describe('reading', () => {
    it('gives the bytes of all messages', async () => {
      const { client, stream } = await createStream();
      const read = readAll(stream);
      client.send({ opcode: 'text', payload: 'foo' });
      client.send({ opcode: 'text' });
      client.send({ opcode: 'binary', payload: 'bar' });
      client.send({ opcode: 'close', payload: closePayload(1000) });
      await client.frame();
      client.end();
      stream.end();
      const chunks = await read;
      assert.ok(chunks.every(Buffer.isBuffer));
      assert.strictEqual(Buffer.concat(chunks).toString(), 'foobar');
    });

    it('gives each message as a chunk in object mode', async () => {
      const { client, stream } = await createStream({
        readableObjectMode: true,
      });
      const read = readAll(stream);
      client.send({ opcode: 'text', payload: 'foo' });
      client.send({ opcode: 'text' });
      client.send({ opcode: 'binary', payload: 'bar' });
      client.send({ opcode: 'close', payload: closePayload(1000) });
      await client.frame();
      client.end();
      stream.end();
      assert.deepStrictEqual(await read, ['foo', '', Buffer.from('bar')]);
    });

    it('gives strings with an encoding', async () => {
      const { client, stream } = await createStream({ encoding: 'utf8' });
      const data = once(stream, 'data');
      client.send({ opcode: 'binary', payload: '\u20ac' });
      assert.deepStrictEqual(await data, ['\u20ac']);
    });

    it('ends with the WebSocket', async () => {
      const { client, ws, stream } = await createStream();
      const ended = once(stream, 'end');
      stream.resume();
      client.send({ opcode: 'close', payload: closePayload(1000) });
      await client.frame();
      client.end();
      await ended;
      assert.strictEqual(ws.readyState, ws.CLOSED);
    });

    it('ends if the peer does so without a close frame', async () => {
      const { client, stream } = await createStream();
      const ended = once(stream, 'end');
      stream.resume();
      client.end();
      await ended;
    });

    it('pauses the WebSocket while nothing is read', async () => {
      const { client, ws, stream } = await createStream({
        readableHighWaterMark: 4,
      });
      const message = once(ws, 'message');
      client.send({ opcode: 'binary', payload: 'foobar' });
      await message;
      assert.strictEqual(ws.isPaused, true);
      assert.strictEqual(stream.read().toString(), 'foobar');
      assert.strictEqual(ws.isPaused, false);
    });

    it('stops a peer that sends more than is read', async () => {
      const { client, ws, stream } = await createStream();
      const payload = Buffer.alloc(MIB, 'a');
      const COUNT = 32;
      let received = 0;
      ws.on('message', (data) => (received += data.length));
      const message = once(ws, 'message');
      for (let i = 0; i < COUNT; i++) client.send({ opcode: 2, payload });
      await message;
      client.send({ opcode: 'ping', payload: 'end' });
      await new Promise((resolve) => setImmediate(resolve));
      assert.strictEqual(ws.isPaused, true);
      assert.ok(received < COUNT * MIB);
      assert.ok(client.socket.writableLength > 0);

      const pong = client.frame();
      stream.resume();
      assert.strictEqual((await pong).payload.toString(), 'end');
      assert.strictEqual(received, COUNT * MIB);
    });
  });

  describe('writing', () => {
    it('sends each chunk as a binary message', async () => {
      const { client, stream } = await createStream();
      stream.write('foo');
      stream.write(Buffer.from('bar'));
      stream.write(new Uint8Array([1, 2]));
      await client.expect('8203666f6f 8203626172 82020102');
    });

    it('sends strings as text if they are not decoded', async () => {
      const { client, stream } = await createStream({ decodeStrings: false });
      stream.cork();
      stream.write('foo');
      stream.write(Buffer.from('bar'));
      stream.uncork();
      await client.expect('8103666f6f 8203626172');
    });

    it('calls back when a chunk is sent', async () => {
      const { ws, stream } = await createStream();
      const error = await new Promise((resolve) =>
        stream.write('foo', resolve),
      );
      assert.ok(error === null || error === undefined);
      assert.strictEqual(ws.bufferedAmount, 0);
    });

    it('waits for a peer that does not read', async () => {
      const { client, ws, stream } = await createStream();
      const chunk = Buffer.alloc(16 * MIB);
      client.socket.pause();
      let isSent = false;
      stream.write(chunk, () => (isSent = true));
      assert.strictEqual(stream.writableNeedDrain, true);
      const drain = once(stream, 'drain');
      // Behind the flush of a turn.
      for (let i = 0; i < 3; i++) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      assert.strictEqual(isSent, false);
      assert.ok(ws.bufferedAmount > 0);
      client.socket.resume();
      await drain;
      assert.strictEqual(isSent, true);
      const frame = await client.frame();
      assert.strictEqual(frame.payload.length, chunk.length);
    });

    it('fails when the WebSocket is closed', async () => {
      const { client, stream } = await createStream();
      const ended = once(stream, 'end');
      stream.resume();
      client.end();
      await ended;
      const failed = once(stream, 'error');
      stream.write('foo');
      const [error] = await failed;
      assert.strictEqual(
        error.message,
        'WebSocket is not open: readyState 3 (CLOSED)',
      );
    });
  });

  describe('ending', () => {
    it('closes the WebSocket behind all that was written', async () => {
      const { client, stream } = await createStream();
      const events = [];
      for (const name of ['end', 'finish', 'close', 'error']) {
        stream.on(name, () => events.push(name));
      }
      const closed = once(stream, 'close');
      stream.resume();
      stream.write('foo');
      stream.end('bar');
      await client.expect('8203666f6f 8203626172');
      await answerClose(client);
      await closed;
      assert.deepStrictEqual(events.sort(), ['close', 'end', 'finish']);
    });

    it('still reads until the peer closes as well', async () => {
      const { client, stream } = await createStream();
      const read = readAll(stream);
      stream.end();
      const frame = await client.frame();
      assert.strictEqual(frame.opcode, 8);
      client.send({ opcode: 'text', payload: 'foo' });
      client.send({ opcode: 'close' });
      client.end();
      assert.strictEqual(Buffer.concat(await read).toString(), 'foo');
    });

    it('does nothing more when the WebSocket is closed', async () => {
      const { client, stream } = await createStream();
      const ended = once(stream, 'end');
      const closed = once(stream, 'close');
      stream.resume();
      client.end();
      await ended;
      stream.end();
      await closed;
      assert.strictEqual(stream.destroyed, true);
    });

    it('comes at once for a WebSocket that is closed', async () => {
      const { ws } = await createConnection();
      const closed = once(ws, 'close');
      ws.terminate();
      await closed;
      await betterThanWs(async () => {
        const stream = createWebSocketStream(ws);
        const end = once(stream, 'close');
        assert.deepStrictEqual(await readAll(stream.end()), []);
        await end;
      });
      assert.strictEqual(ws.readyState, ws.CLOSED);
    });
  });

  describe('destroying', () => {
    it('terminates the WebSocket and waits for its end', async () => {
      const { client, ws, stream } = await createStream();
      const events = [];
      ws.on('close', (code) => events.push(['ws', code]));
      stream.on('close', () => events.push(['stream']));
      const closed = once(stream, 'close');
      stream.destroy();
      assert.deepStrictEqual(events, []);
      await closed;
      assert.deepStrictEqual(events, [['ws', 1006], ['stream']]);
      await client.ended();
    });

    it('emits the error that it was given', async () => {
      const { stream } = await createStream();
      const failed = once(stream, 'error');
      const closed = once(stream, 'close');
      const error = new Error('foo');
      stream.destroy(error);
      assert.deepStrictEqual(await failed, [error]);
      await closed;
    });

    it('works while the WebSocket is paused', async () => {
      const { client, ws, stream } = await createStream({
        readableHighWaterMark: 1,
      });
      const message = once(ws, 'message');
      client.send({ opcode: 'binary', payload: 'foo' });
      await message;
      assert.strictEqual(ws.isPaused, true);
      const closed = once(stream, 'close');
      stream.destroy();
      await closed;
      assert.strictEqual(ws.readyState, ws.CLOSED);
    });

    it('works when the WebSocket is closed', async () => {
      const { ws, stream } = await createStream();
      const wsClosed = once(ws, 'close');
      ws.terminate();
      await wsClosed;
      const closed = once(stream, 'close');
      stream.destroy();
      await closed;
    });

    it('drops the messages that come behind', async () => {
      const { client, ws, stream } = await createStream();
      let chunks = 0;
      stream.on('data', () => {
        chunks++;
        stream.destroy();
      });
      const closed = once(ws, 'close');
      client.write(
        Buffer.concat([
          encodeFrame({ opcode: 'text', payload: 'foo' }),
          encodeFrame({ opcode: 'text', payload: 'bar' }),
        ]),
      );
      await closed;
      assert.strictEqual(chunks, 1);
    });
  });

  describe('errors of the WebSocket', () => {
    it('destroy the stream when it has closed', async () => {
      const { client, ws, stream } = await createStream();
      const events = [];
      ws.on('close', () => events.push('ws'));
      stream.on('error', (error) => events.push(error.code));
      const closed = once(stream, 'close');
      stream.resume();
      client.send({ opcode: 'text', rsv: 2 });
      await client.expect('880203ea');
      client.end();
      await closed;
      assert.deepStrictEqual(events, ['ws', 'WS_ERR_UNEXPECTED_RSV_2_3']);
    });

    it('let what was sent before reach the peer', async () => {
      const { client, ws, stream } = await createStream();
      stream.on('error', () => {});
      const closed = once(stream, 'close');
      client.socket.pause();
      stream.write(Buffer.alloc(16 * MIB));
      const failed = once(ws, 'error');
      client.send({ opcode: 'text', rsv: 2 });
      stream.resume();
      await failed;
      client.socket.resume();
      const frame = await client.frame();
      assert.strictEqual(frame.payload.length, 16 * MIB);
      await client.expect('880203ea');
      client.end();
      await closed;
    });

    it('reach the callback of a pipeline', async () => {
      const { client, stream } = await createStream();
      const end = piped(
        stream,
        new Writable({ write: (chunk, encoding, callback) => callback() }),
      );
      client.send({ opcode: 'text', rsv: 2 });
      await client.frame();
      client.end();
      assert.strictEqual((await end).code, 'WS_ERR_UNEXPECTED_RSV_2_3');
    });
  });

  describe('in a pipeline', () => {
    it('echoes all bytes', async () => {
      const { client, stream } = await createStream();
      const end = piped(stream, stream);
      const payload = Buffer.alloc(300 * 1024, 'foo');
      for (let i = 0; i < 8; i++) {
        client.send({ opcode: 'binary', payload });
        const frame = await client.frame();
        assert.ok(frame.payload.equals(payload));
      }
      client.send({ opcode: 'close', payload: closePayload(1000) });
      await client.frame();
      client.end();
      assert.strictEqual(await end, undefined);
    });

    it('sends a source and closes', async () => {
      const { client, stream } = await createStream();
      stream.resume();
      const end = piped(Readable.from(['foo', 'bar']), stream);
      await client.expect('8203666f6f 8203626172');
      await answerClose(client);
      assert.strictEqual(await end, undefined);
    });
  });
});
