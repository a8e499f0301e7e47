'use strict';

// What a server tells of itself: stats() and the channels of
// diagnostics_channel.

const assert = require('node:assert');
const { channel } = require('node:diagnostics_channel');

const { WebSocket, transport } = require('./helpers/implementation');
const { deflate, offering } = require('./helpers/deflate');
const { once } = require('./helpers/events');
const { closePayload, encodeFrame } = require('./helpers/frame');
const { upgradeRequest } = require('./helpers/raw-client');
const {
  closeServers,
  createConnection,
  createServer,
} = require('./helpers/server');

const NONE = {
  connections: { open: 0, tcp: 0, stream: 0, accepted: 0, refused: 0 },
  messages: { received: 0, sent: 0 },
  payloadBytes: { received: 0, sent: 0 },
  wireBytes: { received: 0, sent: 0 },
  compression: {
    received: { bytes: 0, compressedBytes: 0 },
    sent: { bytes: 0, compressedBytes: 0 },
  },
  bufferedBytes: 0,
  pings: { received: 0, sent: 0 },
  pongs: { received: 0, sent: 0 },
  terminations: {
    application: 0,
    closeTimeout: 0,
    connectionLost: 0,
    maxPendingAutoPongs: 0,
    outOfMemory: 0,
    shutdown: 0,
    heartbeat: 0,
    backpressure: 0,
  },
  protocolErrors: {},
};

/** The kind of the transport of this run. */
const KIND = transport === 'tcp' ? 'tcp' : 'stream';

/** stats() without what all servers share. */
function read(wss) {
  const { ring, slab, ...stats } = wss.stats();
  assert.ok(ring.calls <= ring.events || ring.events === 0 || slab.count > 0);
  return stats;
}

async function until(condition) {
  while (!condition()) await new Promise(setImmediate);
}

/** Ends a connection by a closing handshake of the client. */
async function closeCleanly({ client, ws }) {
  const closed = once(ws, 'close');
  client.send({ opcode: 'close', payload: closePayload(1000) });
  client.end();
  await closed;
}

describe('stats()', () => {
  afterEach(closeServers);

  it('is all zero at first', async () => {
    const { wss } = await createServer();
    assert.deepStrictEqual(read(wss), NONE);
  });

  it('counts connections that are open, that were accepted and refused', async () => {
    const server = await createServer();
    const connection = await server.open();
    await server.open();
    const client = await server.connect();
    client.write(upgradeRequest({ headers: { 'Sec-WebSocket-Key': 'foo' } }));
    await client.responseHead();
    assert.deepStrictEqual(read(server.wss).connections, {
      ...NONE.connections,
      open: 2,
      [KIND]: 2,
      accepted: 2,
      refused: 1,
    });
    await closeCleanly(connection);
    const { connections, terminations } = read(server.wss);
    assert.deepStrictEqual(connections, {
      ...NONE.connections,
      open: 1,
      [KIND]: 1,
      accepted: 2,
      refused: 1,
    });
    assert.deepStrictEqual(terminations, NONE.terminations);
  });

  const REFUSALS = {
    'a path that is not its own': { path: '/foo' },
    'a synchronous verifyClient': { verifyClient: () => false },
    'an asynchronous verifyClient': {
      verifyClient: (info, callback) => callback(false),
    },
  };

  for (const [reason, options] of Object.entries(REFUSALS)) {
    it(`counts what is refused for ${reason}`, async () => {
      const server = await createServer(options);
      const client = await server.connect();
      client.write(upgradeRequest());
      await client.responseHead();
      assert.strictEqual(read(server.wss).connections.refused, 1);
    });
  }

  it("counts what is left to listeners of 'wsClientError'", async () => {
    const server = await createServer();
    const client = await server.connect();
    const refused = once(server.wss, 'wsClientError');
    client.write(upgradeRequest({ headers: { 'Sec-WebSocket-Key': 'foo' } }));
    const [, socket] = await refused;
    socket.destroy();
    assert.strictEqual(read(server.wss).connections.refused, 1);
  });

  it('counts messages and their bytes', async () => {
    const { server, client, ws } = await createConnection();
    const frames = [
      encodeFrame({ opcode: 'text', payload: 'foo' }),
      encodeFrame({ opcode: 'binary', payload: Buffer.alloc(1000) }),
      encodeFrame({ opcode: 'binary', payload: Buffer.alloc(100000) }),
      encodeFrame({ opcode: 'text', payload: 'foo', fin: false }),
      encodeFrame({ opcode: 'continuation', payload: 'bar' }),
      encodeFrame({ opcode: 'text' }),
    ];
    const bytes = Buffer.concat(frames);
    let count = 0;
    ws.on('message', () => {
      count += 1;
    });
    client.write(bytes);
    await until(() => count === 5);
    const received = read(server.wss);
    assert.deepStrictEqual(received.messages, { received: 5, sent: 0 });
    assert.deepStrictEqual(received.payloadBytes, {
      received: 101009,
      sent: 0,
    });
    assert.deepStrictEqual(received.wireBytes, {
      received: bytes.length,
      sent: 0,
    });

    ws.send('foo');
    ws.send(Buffer.alloc(1000));
    ws.send(Buffer.alloc(100000));
    ws.send('foo', { fin: false });
    ws.send('bar');
    ws.send('');
    ws.send('masked', { mask: true });
    await client.bytes(5 + 1004 + 100010 + 5 + 5 + 2 + 12);
    await until(() => read(server.wss).wireBytes.sent === 101043);
    const sent = read(server.wss);
    assert.deepStrictEqual(sent.messages, { received: 5, sent: 6 });
    assert.deepStrictEqual(sent.payloadBytes, {
      received: 101009,
      sent: 101015,
    });
  });

  it('counts pings and pongs, automatic ones as well', async () => {
    const { server, client, ws } = await createConnection();
    ws.ping('foo');
    ws.ping();
    ws.pong();
    client.send({ opcode: 'pong' });
    client.send({ opcode: 'ping' });
    client.send({ opcode: 'ping' });
    await client.bytes(5 + 2 + 2 + 2 + 2);
    await until(() => read(server.wss).pings.received === 2);
    const { messages, payloadBytes, pings, pongs } = read(server.wss);
    assert.deepStrictEqual(pings, { received: 2, sent: 2 });
    assert.deepStrictEqual(pongs, { received: 1, sent: 3 });
    assert.deepStrictEqual(messages, NONE.messages);
    assert.deepStrictEqual(payloadBytes, NONE.payloadBytes);
  });

  it('counts no pongs that are not sent', async () => {
    const { server, client, ws } = await createConnection({ autoPong: false });
    const ping = once(ws, 'ping');
    client.send({ opcode: 'ping' });
    await ping;
    assert.deepStrictEqual(read(server.wss).pongs, NONE.pongs);
  });

  for (const size of [2000, 1 << 20]) {
    it(`counts the bytes of compressed messages of ${size} bytes`, async () => {
      const server = await createServer({ perMessageDeflate: true });
      const { client, ws } = await server.open(
        offering('permessage-deflate; server_no_context_takeover'),
      );
      const payload = Buffer.alloc(size, 'foobar');
      const compressed = deflate(payload);
      const message = once(ws, 'message');
      client.send({ opcode: 'binary', rsv: 4, payload: compressed });
      await message;
      ws.send(payload);
      ws.send('short');
      const frame = await client.frame();
      await client.expect('810573686f7274');
      const { compression, messages, payloadBytes } = read(server.wss);
      assert.deepStrictEqual(compression, {
        received: { bytes: size, compressedBytes: compressed.length },
        sent: { bytes: size, compressedBytes: frame.payload.length },
      });
      assert.deepStrictEqual(messages, { received: 1, sent: 2 });
      assert.deepStrictEqual(payloadBytes, { received: size, sent: size + 5 });
    });
  }

  it('counts frames that were made before', async () => {
    const { server, client, ws } = await createConnection();
    for (const payload of ['foo', Buffer.alloc(100000)]) {
      const frame = WebSocket.Sender.frame(payload, {
        fin: true,
        mask: false,
        opcode: 2,
        readOnly: true,
        rsv1: false,
      });
      ws._sender.sendFrame(frame);
      await client.frame();
    }
    const { messages, payloadBytes } = read(server.wss);
    assert.deepStrictEqual(messages, { received: 0, sent: 2 });
    assert.deepStrictEqual(payloadBytes, { received: 0, sent: 100003 });
  });

  it('takes bytes that others write to the socket for no messages', async () => {
    const { server, client, req } = await createConnection();
    req.socket.write(Buffer.from('8103666f6f', 'hex'));
    await client.frame();
    assert.deepStrictEqual(read(server.wss).messages, NONE.messages);
  });

  it('adds up bufferedAmount', async () => {
    const server = await createServer();
    const connections = [await server.open(), await server.open()];
    for (const { client, ws } of connections) {
      client.socket.pause();
      ws.send(Buffer.alloc(16 << 20));
    }
    const { bufferedBytes } = read(server.wss);
    const amounts = connections.map(({ ws }) => ws.bufferedAmount);
    assert.ok(amounts[0] > 0 && amounts[1] > 0);
    assert.strictEqual(bufferedBytes, amounts[0] + amounts[1]);
    for (const { client } of connections) {
      client.socket.resume();
      await client.frame();
    }
    await until(() => read(server.wss).bufferedBytes === 0);
  });

  const CAUSES = {
    application: ({ ws }) => ws.terminate(),
    closeTimeout: ({ ws }) => ws.close(),
    maxPendingAutoPongs: ({ client }) => {
      client.socket.pause();
      const ping = encodeFrame({ opcode: 'ping', payload: Buffer.alloc(125) });
      client.write(Buffer.concat(Array(200000).fill(ping)));
    },
    connectionLost: ({ client, ws }) => {
      client.reset();
      ws.on('error', () => {});
    },
    backpressure: ({ client, ws }) => {
      client.socket.pause();
      for (let i = 0; i < 3; i++) ws.send(Buffer.alloc(16 << 20));
    },
  };

  for (const [cause, end] of Object.entries(CAUSES)) {
    it(`counts what ${cause} terminates`, async () => {
      const connection = await createConnection({
        closeTimeout: 50,
        maxBackpressure: 24 << 20,
      });
      const closed = once(connection.ws, 'close');
      end(connection);
      await closed;
      const { connections, terminations } = read(connection.server.wss);
      assert.deepStrictEqual(terminations, {
        ...NONE.terminations,
        [cause]: 1,
      });
      assert.strictEqual(connections.open, 0);
    });
  }

  const CLEAN_ENDS = {
    'a closing handshake of the client': closeCleanly,
    'a closing handshake of the server': async ({ client, ws }) => {
      const closed = once(ws, 'close');
      ws.close(1000);
      await client.expect('880203e8');
      client.send({ opcode: 'close', payload: closePayload(1000) });
      client.end();
      await closed;
    },
    'a FIN without one': async ({ client, ws }) => {
      const closed = once(ws, 'close');
      client.end();
      await closed;
    },
  };

  for (const [name, end] of Object.entries(CLEAN_ENDS)) {
    it(`counts no termination for ${name}`, async () => {
      const connection = await createConnection();
      await end(connection);
      const { terminations } = read(connection.server.wss);
      assert.deepStrictEqual(terminations, NONE.terminations);
    });
  }

  it('counts protocol errors by their code', async () => {
    const server = await createServer({ maxPayload: 100 });
    for (const bytes of ['8380', '8380', 'c180', '81fe0065']) {
      const { client, ws } = await server.open();
      const error = once(ws, 'error');
      client.write(bytes);
      await error;
    }
    assert.deepStrictEqual(read(server.wss).protocolErrors, {
      WS_ERR_INVALID_OPCODE: 2,
      WS_ERR_UNEXPECTED_RSV_1: 1,
      WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: 1,
    });
  });

  it('is that of one server', async () => {
    const one = await createConnection();
    const two = await createConnection();
    one.ws.send('foo');
    await one.client.frame();
    assert.strictEqual(one.server.wss.stats().messages.sent, 1);
    assert.strictEqual(two.server.wss.stats().messages.sent, 0);
    assert.strictEqual(two.server.wss.stats().connections.open, 1);
  });

  it('tells how the ring and the slab of the thread are used', async () => {
    const { server, client, ws } = await createConnection();
    const before = server.wss.stats();
    let count = 0;
    ws.on('message', () => {
      count += 1;
    });
    const frame = encodeFrame({
      opcode: 'binary',
      payload: Buffer.alloc(8000),
    });
    client.write(Buffer.concat(Array(20).fill(frame)));
    await until(() => count === 20);
    const { ring, slab } = server.wss.stats();
    assert.ok(ring.events >= before.ring.events + 20);
    assert.ok(ring.calls > before.ring.calls);
    assert.ok(ring.peak >= 1 && ring.peak <= ring.capacity);
    assert.ok(slab.count >= before.slab.count + 2);
    assert.ok(slab.used >= 0 && slab.used <= 65536);
  });

  it('goes on when the server is closed', async () => {
    const connection = await createConnection();
    connection.server.wss.close();
    connection.ws.send('foo');
    await connection.client.frame();
    const { connections, messages } = read(connection.server.wss);
    assert.strictEqual(connections.open, 1);
    assert.strictEqual(messages.sent, 1);
  });
});

describe('diagnostics_channel', () => {
  const subscriptions = [];

  function subscribe(name) {
    const log = [];
    const subscriber = (message) => log.push(message);
    channel(name).subscribe(subscriber);
    subscriptions.push([name, subscriber]);
    return log;
  }

  afterEach(async () => {
    for (const [name, subscriber] of subscriptions.splice(0)) {
      channel(name).unsubscribe(subscriber);
    }
    await closeServers();
  });

  it('tells of connections and of their ends', async () => {
    const opened = subscribe('ws-upgrade:connection');
    const ended = subscribe('ws-upgrade:close');
    const connection = await createConnection();
    const { server, ws, req } = connection;
    assert.strictEqual(opened.length, 1);
    assert.strictEqual(opened[0].server, server.wss);
    assert.strictEqual(opened[0].webSocket, ws);
    assert.strictEqual(opened[0].request, req);
    assert.deepStrictEqual(ended, []);
    await closeCleanly(connection);
    assert.strictEqual(ended.length, 1);
    assert.strictEqual(ended[0].server, server.wss);
    assert.strictEqual(ended[0].webSocket, ws);
    assert.strictEqual(ended[0].code, 1000);
    assert.deepStrictEqual(ended[0].reason, Buffer.alloc(0));
  });

  it('tells of errors', async () => {
    const log = subscribe('ws-upgrade:error');
    const { server, client, ws } = await createConnection();
    const error = once(ws, 'error');
    client.write('8380');
    const [err] = await error;
    assert.strictEqual(log.length, 1);
    assert.strictEqual(log[0].server, server.wss);
    assert.strictEqual(log[0].webSocket, ws);
    assert.strictEqual(log[0].error, err);
  });

  it('tells of handshakes that are refused', async () => {
    const log = subscribe('ws-upgrade:refused');
    const server = await createServer({ path: '/foo' });
    for (const options of [
      { headers: { 'Sec-WebSocket-Key': 'foo' } },
      { path: '/bar' },
    ]) {
      const client = await server.connect();
      client.write(upgradeRequest(options));
      await client.responseHead();
    }
    assert.deepStrictEqual(
      log.map(({ status, message }) => [status, message]),
      [
        [400, 'Missing or invalid Sec-WebSocket-Key header'],
        [400, 'Bad Request'],
      ],
    );
    assert.strictEqual(log[0].server, server.wss);
    assert.strictEqual(log[1].request.url, '/bar');
    assert.strictEqual(log[1].socket, log[1].request.socket);
  });
});
