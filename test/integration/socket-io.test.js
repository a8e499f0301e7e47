'use strict';

// Socket.IO with the module under test as its `wsEngine`.

const assert = require('node:assert');
const { Server } = require('socket.io');
const { io } = require('socket.io-client');

const { once } = require('../helpers/events');
const {
  cleanUp,
  collect,
  createServer,
  engine,
  listen,
  onCleanup,
  requireOnEngine,
} = require('./support');

const CLIENTS = 100;
const MESSAGES = 20;

/** A Socket.IO server, and a function that connects clients to it. */
async function serve(scheme, options, ServerClass = Server) {
  const server = createServer[scheme]();
  const ioServer = new ServerClass(server, {
    wsEngine: engine.Server,
    ...options,
  });
  onCleanup(() => ioServer.close());
  const port = await listen(server);
  const httpScheme = scheme === 'wss' ? 'https' : 'http';
  const connect = (clientOptions) => {
    const client = io(`${httpScheme}://127.0.0.1:${port}`, {
      forceNew: true,
      reconnection: false,
      rejectUnauthorized: false,
      ...clientOptions,
    });
    onCleanup(() => client.disconnect());
    client.on('connect_error', (err) => {
      client.failure = err;
    });
    return client;
  };
  return { ioServer, connect };
}

/** Both ends of one connection, over a WebSocket from the start. */
async function connectPair({ ioServer, connect }, clientOptions) {
  const connection = once(ioServer, 'connection');
  const client = connect({ transports: ['websocket'], ...clientOptions });
  await Promise.race([
    once(client, 'connect'),
    once(client, 'connect_error').then(([err]) => {
      throw err;
    }),
  ]);
  const [socket] = await connection;
  return { client, socket };
}

for (const scheme of ['ws', 'wss']) {
  describe(`Socket.IO on ${scheme}:`, () => {
    afterEach(cleanUp);

    it('connects over a WebSocket alone', async () => {
      const { client, socket } = await connectPair(await serve(scheme));
      assert.strictEqual(client.io.engine.transport.name, 'websocket');
      assert.strictEqual(socket.conn.transport.name, 'websocket');
      assert.match(socket.handshake.address, /127\.0\.0\.1/);
    });

    it('upgrades from polling', async () => {
      const { ioServer, connect } = await serve(scheme);
      const connection = once(ioServer, 'connection');
      const client = connect();
      const [socket] = await connection;
      if (socket.conn.transport.name !== 'websocket') {
        await once(socket.conn, 'upgrade');
      }
      assert.strictEqual(socket.conn.transport.name, 'websocket');
      const received = once(socket, 'event');
      client.emit('event', 'after the upgrade');
      assert.deepStrictEqual(await received, ['after the upgrade']);
    });

    it('keeps the order of messages sent during the upgrade', async () => {
      const { ioServer, connect } = await serve(scheme);
      const connection = once(ioServer, 'connection');
      const client = connect();
      const fromServer = collect(client, 'number', MESSAGES);
      const [socket] = await connection;
      const fromClient = collect(socket, 'number', MESSAGES);
      const wanted = [];
      for (let i = 0; i < MESSAGES; i += 1) {
        wanted.push(i);
        client.emit('number', i);
        socket.emit('number', i);
        await new Promise(setImmediate);
      }
      assert.deepStrictEqual(await fromClient, wanted);
      assert.deepStrictEqual(await fromServer, wanted);
    });

    it('carries binary messages both ways', async () => {
      const { client, socket } = await connectPair(await serve(scheme));
      const bytes = Buffer.alloc(100000, 'binary \x00\xff', 'latin1');
      const atServer = once(socket, 'event');
      client.emit('event', { text: 'ä', bytes }, bytes.subarray(0, 3));
      const [{ text, bytes: whole }, start] = await atServer;
      assert.strictEqual(text, 'ä');
      assert.ok(whole.equals(bytes));
      assert.ok(start.equals(bytes.subarray(0, 3)));
      const atClient = once(client, 'event');
      socket.emit('event', whole, new Uint8Array([1, 2, 3]));
      const [back, typed] = await atClient;
      assert.ok(back.equals(bytes));
      assert.deepStrictEqual([...typed], [1, 2, 3]);
    });

    it('acknowledges events both ways', async () => {
      const { client, socket } = await connectPair(await serve(scheme));
      socket.on('add', (a, b, reply) => reply(a + b));
      client.on('join', (a, b, reply) => reply(Buffer.concat([a, b])));
      assert.strictEqual(
        await client.timeout(5000).emitWithAck('add', 2, 3),
        5,
      );
      const joined = await socket
        .timeout(5000)
        .emitWithAck('join', Buffer.from('a'), Buffer.from('b'));
      assert.strictEqual(joined.toString(), 'ab');
    });

    it('tells both ends why the server disconnects', async () => {
      const { client, socket } = await connectPair(await serve(scheme));
      const atClient = once(client, 'disconnect');
      const atServer = once(socket, 'disconnect');
      socket.disconnect(true);
      assert.strictEqual((await atClient)[0], 'io server disconnect');
      assert.strictEqual((await atServer)[0], 'server namespace disconnect');
    });

    it('tells both ends why the client disconnects', async () => {
      const { client, socket } = await connectPair(await serve(scheme));
      const atClient = once(client, 'disconnect');
      const atServer = once(socket, 'disconnect');
      client.disconnect();
      assert.strictEqual((await atClient)[0], 'io client disconnect');
      assert.strictEqual((await atServer)[0], 'client namespace disconnect');
    });

    it('tells both ends of a lost WebSocket', async () => {
      const { client, socket } = await connectPair(await serve(scheme));
      const atClient = once(client, 'disconnect');
      const atServer = once(socket, 'disconnect');
      socket.conn.transport.socket.terminate();
      assert.strictEqual((await atClient)[0], 'transport close');
      assert.strictEqual((await atServer)[0], 'transport close');
    });

    it('refuses a message over maxHttpBufferSize', async () => {
      const pair = await connectPair(
        await serve(scheme, { maxHttpBufferSize: 1000 }),
      );
      const atServer = once(pair.socket, 'disconnect');
      const atClient = once(pair.client, 'disconnect');
      pair.client.emit('event', 'x'.repeat(2000));
      assert.match((await atServer)[0], /^transport (error|close)$/);
      assert.strictEqual((await atClient)[0], 'transport close');
    });

    it('finds a client that is silent', async () => {
      const { client, socket } = await connectPair(
        await serve(scheme, { pingInterval: 50, pingTimeout: 50 }),
      );
      const atServer = once(socket, 'disconnect');
      const { ws } = client.io.engine.transport;
      onCleanup(() => ws.terminate());
      ws.pause();
      assert.strictEqual((await atServer)[0], 'ping timeout');
    });
  });
}

/** Socket.IO with its adapter, too, on the module under test. */
function loadOnEngine() {
  for (const name of Object.keys(require.cache)) {
    if (/node_modules\/(socket|engine)\.io/.test(name)) {
      delete require.cache[name];
    }
  }
  assert.strictEqual(typeof engine.Sender.frame, 'function');
  return requireOnEngine('socket.io').Server;
}

for (const [which, load] of [
  ['frames made by the Sender of ws', () => Server],
  ['frames made by the Sender of the module', loadOnEngine],
]) {
  describe(`A broadcast of Socket.IO with ${which}`, () => {
    afterEach(cleanUp);

    it(`reaches each of ${CLIENTS} clients once and in order`, async () => {
      const pairs = [];
      const server = await serve('ws', {}, load());
      for (let i = 0; i < CLIENTS; i += 1) {
        pairs.push(await connectPair(server));
      }
      const [outsider, ...members] = pairs;
      // Without it Socket.IO would quietly encode for each client.
      const { _sender } = outsider.socket.conn.transport.socket;
      assert.strictEqual(typeof _sender.sendFrame, 'function');
      const other = [];
      outsider.client.on('number', (value) => other.push(value));
      for (const { socket } of members) socket.join('room');
      const logs = members.map(({ client }) => {
        const log = [];
        client.on('number', (value) => log.push(value));
        return log;
      });
      const all = pairs.map(({ client }) => once(client, 'end'));
      const wanted = Array.from({ length: MESSAGES }, (_, i) => `message ${i}`);
      for (const text of wanted)
        server.ioServer.to('room').emit('number', text);
      server.ioServer.emit('end', Buffer.from('binary'));
      for (const [bytes] of await Promise.all(all)) {
        assert.strictEqual(bytes.toString(), 'binary');
      }
      for (const log of logs) assert.deepStrictEqual(log, wanted);
      assert.deepStrictEqual(other, []);
    });
  });
}
