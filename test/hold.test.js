'use strict';

// The option holdUntilListening: messages that come before anybody listens.

const assert = require('node:assert');
const events = require('node:events');

const { WebSocket, WebSocketServer } = require('./helpers/implementation');
const { deflate, offering } = require('./helpers/deflate');
const { once, record } = require('./helpers/events');
const { closePayload, encodeFrame } = require('./helpers/frame');
const {
  closeServers,
  createConnection,
  createServer,
} = require('./helpers/server');

const { createWebSocketStream } = WebSocket;

const HOLDING = { holdUntilListening: true };

function text(payload) {
  return encodeFrame({ opcode: 'text', payload });
}

function ping(payload) {
  return encodeFrame({ opcode: 'ping', payload });
}

function close(code) {
  return encodeFrame({ opcode: 'close', payload: closePayload(code) });
}

/** Waits for some turns of the loop, in which all that may come has come. */
async function turns(count = 20) {
  for (let i = 0; i < count; i++) await new Promise(setImmediate);
}

/**
 * Writes messages, and waits until the server has received something of them
 * or, where nobody listens, holds them.
 */
async function write(client, ...frames) {
  await new Promise((resolve) => {
    client.socket.write(Buffer.concat(frames), resolve);
  });
  await turns();
}

/** Collects messages until there are `count`. */
function messages(ws, count) {
  return new Promise((resolve) => {
    const list = [];
    ws.on('message', (data) => {
      list.push(data.toString());
      if (list.length === count) resolve(list);
    });
  });
}

describe('The option holdUntilListening', () => {
  afterEach(closeServers);

  it('has to be a boolean', () => {
    for (const value of ['yes', 1, {}]) {
      assert.throws(
        () =>
          new WebSocketServer({ noServer: true, holdUntilListening: value }),
        {
          name: 'TypeError',
          message: 'The "holdUntilListening" option must be a boolean',
        },
      );
    }
    for (const value of [undefined, null, true, false]) {
      new WebSocketServer({ noServer: true, holdUntilListening: value });
    }
  });

  it('is off by default: what comes before a listener is lost, as in ws', async () => {
    const { client, ws } = await createConnection();
    await write(client, text('foo'), ping('bar'));
    await client.expect('8a03626172');
    const log = record(ws);
    client.write(text('baz'));
    await once(ws, 'message');
    assert.deepStrictEqual(log, [['text', 'baz']]);
  });

  it('keeps messages, and what comes behind them, in their order', async () => {
    const { client, ws } = await createConnection(HOLDING);
    await write(client, text('foo'), ping('bar'), text('baz'), close(4321));
    await write(client);
    assert.strictEqual(ws.readyState, WebSocket.OPEN);
    const log = record(ws);
    await client.expect('8a03626172 880210e1');
    client.end();
    await once(ws, 'close');
    assert.deepStrictEqual(log, [
      ['text', 'foo'],
      ['ping', 'bar'],
      ['text', 'baz'],
      ['close', 4321, ''],
    ]);
  });

  it('keeps messages that come in packets of their own', async () => {
    const { client, ws } = await createConnection(HOLDING);
    for (const payload of ['a', 'b', 'c']) await write(client, text(payload));
    assert.deepStrictEqual(await messages(ws, 3), ['a', 'b', 'c']);
  });

  it('keeps what has come with the handshake', async () => {
    const server = await createServer(HOLDING);
    const { client, ws } = await server.open({
      head: Buffer.concat([text('foo'), text('bar')]),
    });
    await write(client, text('baz'));
    assert.deepStrictEqual(await messages(ws, 3), ['foo', 'bar', 'baz']);
  });

  it('passes on what comes before the first message', async () => {
    const { client, ws } = await createConnection(HOLDING);
    const log = [];
    ws.on('ping', (data) => log.push(data.toString()));
    client.write(Buffer.concat([ping('1'), ping('2')]));
    await client.expect('8a0131 8a0132');
    await turns();
    assert.deepStrictEqual(log, ['1', '2']);
    client.write(close(1000));
    const [code] = await once(ws, 'close').then(
      (result) => result,
      client.end(),
    );
    assert.strictEqual(code, 1000);
  });

  const WAYS = {
    on: (ws) => new Promise((resolve) => ws.on('message', resolve)),
    once: (ws) => new Promise((resolve) => ws.once('message', resolve)),
    prependListener: (ws) =>
      new Promise((resolve) => ws.prependListener('message', resolve)),
    onmessage: (ws) =>
      new Promise((resolve) => {
        ws.onmessage = ({ data }) => resolve(data);
      }),
    addEventListener: (ws) =>
      new Promise((resolve) => {
        ws.addEventListener('message', ({ data }) => resolve(data));
      }),
    'events.once()': async (ws) => (await events.once(ws, 'message'))[0],
    'events.on()': async (ws) => {
      for await (const [data] of events.on(ws, 'message')) return data;
      return undefined;
    },
    'createWebSocketStream()': (ws) =>
      new Promise((resolve) => createWebSocketStream(ws).on('data', resolve)),
  };

  for (const [way, listen] of Object.entries(WAYS)) {
    it(`ends with a listener by ${way}`, async () => {
      const { client, ws } = await createConnection(HOLDING);
      await write(client, text('foo'));
      assert.strictEqual(String(await listen(ws)), 'foo');
    });
  }

  it('does nothing once somebody listens, even if nobody does later', async () => {
    const { client, ws } = await createConnection(HOLDING);
    const log = [];
    const listener = (data) => log.push(data.toString());
    ws.on('message', listener);
    ws.removeListener('message', listener);
    await write(client, text('foo'), ping());
    await client.expect('8a00');
    ws.on('message', listener);
    client.write(text('bar'));
    await once(ws, 'message');
    assert.deepStrictEqual(log, ['bar']);
    assert.strictEqual(ws.listenerCount('newListener'), 0);
  });

  it('is not for a class that listens from the start', async () => {
    const log = [];
    class Listening extends WebSocket {
      constructor(...args) {
        super(...args);
        this.on('message', (data) => log.push(data.toString()));
      }
    }
    const { client } = await createConnection({
      ...HOLDING,
      WebSocket: Listening,
    });
    client.write(Buffer.concat([text('foo'), ping()]));
    await client.expect('8a00');
    assert.deepStrictEqual(log, ['foo']);
  });

  it('lets listeners be added in the turn in which the first one is', async () => {
    const { client, ws } = await createConnection(HOLDING);
    await write(client, text('foo'), ping('bar'));
    const log = [];
    ws.on('message', () => log.push('first'));
    assert.deepStrictEqual(log, []);
    ws.on('message', () => log.push('second'));
    const [data] = await once(ws, 'ping');
    assert.deepStrictEqual(log, ['first', 'second']);
    assert.strictEqual(data.toString(), 'bar');
  });

  it('emits one event in a turn if allowSynchronousEvents is false', async () => {
    const { client, ws } = await createConnection({
      ...HOLDING,
      allowSynchronousEvents: false,
    });
    await write(client, ping('0'), text('a'), text('b'), ping('1'));
    const log = [];
    ws.on('message', (data) => {
      log.push(data.toString());
      process.nextTick(() => log.push('tick'));
      Promise.resolve().then(() => log.push('microtask'));
    });
    await once(ws, 'ping');
    assert.deepStrictEqual(log, [
      'a',
      'tick',
      'microtask',
      'b',
      'tick',
      'microtask',
    ]);
  });

  it('keeps a large message and one of fragments', async () => {
    const { client, ws } = await createConnection(HOLDING);
    ws.binaryType = 'fragments';
    await write(
      client,
      encodeFrame({ opcode: 'binary', payload: 'foo', fin: false }),
      encodeFrame({ opcode: 'continuation', payload: 'bar' }),
      encodeFrame({ opcode: 'binary', payload: Buffer.alloc(100000, 1) }),
    );
    const list = [];
    ws.on('message', (fragments) => list.push(fragments));
    await once(ws, 'message');
    while (list.length < 2) await turns(1);
    assert.deepStrictEqual(list[0].map(String), ['foo', 'bar']);
    assert.deepStrictEqual(list[1], [Buffer.alloc(100000, 1)]);
  });

  for (const size of [100, 1 << 20]) {
    it(`keeps a compressed message of ${size} bytes, and what is behind it`, async () => {
      const server = await createServer({
        ...HOLDING,
        perMessageDeflate: true,
      });
      const { client, ws } = await server.open(offering('permessage-deflate'));
      const payload = Buffer.alloc(size, 'foobar');
      await write(
        client,
        encodeFrame({ opcode: 'text', rsv: 4, payload: deflate(payload) }),
        text('bar'),
      );
      assert.deepStrictEqual(await messages(ws, 2), [`${payload}`, 'bar']);
    });
  }

  it('takes no more than it can hold', async () => {
    const { client, ws } = await createConnection(HOLDING);
    const frame = encodeFrame({
      opcode: 'binary',
      payload: Buffer.alloc(1000),
    });
    const count = 32 * 1024;
    client.write(Buffer.concat(Array(count).fill(frame)));
    // Until no byte has moved for many turns.
    for (let left = -1; left !== client.socket.bytesWritten;) {
      left = client.socket.bytesWritten;
      await turns(200);
    }
    assert.ok(client.socket.writableLength > 0);
    let received = 0;
    ws.on('message', (data) => {
      received += data.length;
    });
    while (received < count * 1000) await once(ws, 'message');
    assert.strictEqual(received, count * 1000);
  });

  it('lets close() complete the closing handshake', async () => {
    const { client, ws } = await createConnection(HOLDING);
    await write(client, text('foo'), text('bar'));
    ws.close(4000);
    await client.expect('88020fa0');
    client.write(close(4000));
    client.end();
    const [code] = await once(ws, 'close');
    assert.strictEqual(code, 4000);
    assert.strictEqual(ws.readyState, WebSocket.CLOSED);
  });

  it('lets terminate() end the connection, without messages', async () => {
    const { client, ws } = await createConnection(HOLDING);
    await write(client, text('foo'), text('bar'));
    ws.terminate();
    const log = record(ws);
    await once(ws, 'close');
    assert.deepStrictEqual(log, [['close', 1006, '']]);
  });

  it('delivers what a peer that is gone has sent, and then its end', async () => {
    const { client, ws } = await createConnection(HOLDING);
    await write(client, text('foo'), ping('bar'), text('baz'));
    client.end();
    await turns();
    assert.notStrictEqual(ws.readyState, WebSocket.CLOSED);
    const log = record(ws);
    await once(ws, 'close');
    assert.deepStrictEqual(log, [
      ['text', 'foo'],
      ['ping', 'bar'],
      ['text', 'baz'],
      ['close', 1006, ''],
    ]);
  });

  it('delivers what a peer that has reset its connection had sent', async () => {
    const { client, ws } = await createConnection(HOLDING);
    await write(client, text('foo'), text('bar'));
    client.reset();
    await turns();
    const log = record(ws);
    await once(ws, 'close');
    assert.deepStrictEqual(log, [
      ['text', 'foo'],
      ['text', 'bar'],
      ['close', 1006, ''],
    ]);
  });

  for (const [what, frames] of [
    ['a message', [text('foo'), text('bar')]],
    ['a ping and a message', [ping(''), text('foo'), text('bar')]],
  ]) {
    for (const end of ['end', 'reset']) {
      it(`ends after closeTimeout if ${what} and ${end}() come at once`, async () => {
        const { client, ws } = await createConnection({
          ...HOLDING,
          closeTimeout: 1,
        });
        const closed = once(ws, 'close');
        client.write(Buffer.concat(frames));
        client[end]();
        assert.strictEqual((await closed)[0], 1006);
      });
    }
  }

  it('ends after closeTimeout if the peer is gone and nobody listens', async () => {
    const { client, ws } = await createConnection({
      ...HOLDING,
      closeTimeout: 50,
    });
    await write(client, text('foo'), text('bar'));
    client.end();
    const [code] = await once(ws, 'close');
    assert.strictEqual(code, 1006);
    const log = record(ws);
    await turns();
    assert.deepStrictEqual(log, []);
  });

  it('holds messages of a paused WebSocket until it is resumed as well', async () => {
    const { client, ws } = await createConnection(HOLDING);
    ws.pause();
    await write(client, text('foo'));
    const log = record(ws);
    await turns();
    assert.deepStrictEqual(log, []);
    ws.resume();
    await once(ws, 'message');
    assert.deepStrictEqual(log, [['text', 'foo']]);
  });

  it('reports what breaks the protocol behind the messages before it', async () => {
    const { client, ws } = await createConnection(HOLDING);
    await write(client, text('foo'), Buffer.from('8380', 'hex'));
    const log = record(ws);
    await client.expect('880203ea');
    assert.deepStrictEqual(log.slice(0, 2), [
      ['text', 'foo'],
      [
        'error',
        'RangeError',
        'WS_ERR_INVALID_OPCODE',
        'Invalid WebSocket frame: invalid opcode 3',
      ],
    ]);
  });
});
