'use strict';

// WebSocketServer.shutdown(): the end of a server with all of its connections.

const assert = require('node:assert');
const { fork } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');

const { WebSocket } = require('./helpers/implementation');
const { inflate, offering, readMessage } = require('./helpers/deflate');
const { once, record } = require('./helpers/events');
const { closePayload, encodeFrame } = require('./helpers/frame');
const {
  RawClient,
  destroyClients,
  upgradeRequest,
} = require('./helpers/raw-client');
const { MODES, closeServers, createServer } = require('./helpers/server');

/** Answers the close frame of the server and its FIN. */
async function answerClose(client, code = 1001, reason = '') {
  const payload = closePayload(code, reason);
  const frame = await client.frame();
  assert.strictEqual(frame.opcode, 8);
  assert.deepStrictEqual(frame.payload, payload);
  client.send({ opcode: 'close', payload });
  await client.ended();
  client.end();
}

/** Sends a handshake and reads the status of the answer. */
async function requestStatus(server, client) {
  client.write(upgradeRequest());
  return (await client.responseHead()).split(' ')[1];
}

/** Opens `count` connections. */
async function openAll(server, count) {
  const list = [];
  for (let i = 0; i < count; i++) list.push(await server.open());
  return list;
}

describe('shutdown()', () => {
  afterEach(closeServers);

  for (const mode of MODES) {
    describe(`of a server with the option ${mode}`, () => {
      it('says 1001 to all clients and waits for their answers', async () => {
        const server = await createServer({ mode });
        const list = await openAll(server, 5);
        const logs = list.map(({ ws }) => record(ws));
        const closed = once(server.wss, 'close');
        const [result] = await Promise.all([
          server.wss.shutdown(),
          ...list.map(({ client }) => answerClose(client)),
        ]);
        assert.deepStrictEqual(result, { closed: 5, terminated: 0 });
        await closed;
        for (const log of logs) {
          assert.deepStrictEqual(log, [['close', 1001, '']]);
        }
        assert.strictEqual(server.wss.clients.size, 0);
      });

      it('refuses handshakes with 503 from then on', async () => {
        const server = await createServer({ mode });
        const [{ client }] = await openAll(server, 1);
        const late = await server.connect();
        const end = server.wss.shutdown();
        assert.strictEqual(await requestStatus(server, late), '503');
        const later = await server.connect();
        assert.strictEqual(await requestStatus(server, later), '503');
        await answerClose(client);
        assert.deepStrictEqual(await end, { closed: 1, terminated: 0 });
        assert.strictEqual(server.wss.stats().connections.refused, 2);
      });

      it('terminates those that do not answer in time', async () => {
        const server = await createServer({ mode });
        const [one, two] = await openAll(server, 2);
        const end = server.wss.shutdown({ timeout: 50 });
        await answerClose(one.client);
        assert.deepStrictEqual(await end, { closed: 1, terminated: 1 });
        assert.strictEqual(two.ws.readyState, WebSocket.CLOSED);
        assert.strictEqual(server.wss.stats().terminations.shutdown, 1);
        await two.client.ended();
      });

      it('finds connections without clientTracking', async () => {
        const server = await createServer({ mode, clientTracking: false });
        const list = await openAll(server, 2);
        assert.strictEqual(server.wss.clients, undefined);
        const closed = once(server.wss, 'close');
        const end = server.wss.shutdown({ timeout: 50 });
        await answerClose(list[0].client);
        assert.deepStrictEqual(await end, { closed: 1, terminated: 1 });
        await closed;
      });

      it('is over at once without a connection', async () => {
        const server = await createServer({ mode });
        const closed = once(server.wss, 'close');
        assert.deepStrictEqual(await server.wss.shutdown(), {
          closed: 0,
          terminated: 0,
        });
        await closed;
      });

      it('refuses what an asynchronous verifyClient looks at', async () => {
        const calls = [];
        const server = await createServer({
          mode,
          verifyClient: (info, callback) => {
            calls.push(callback);
            server.wss.emit('verifying');
          },
        });
        const list = [await server.connect(), await server.connect()];
        for (const client of list) {
          client.write(upgradeRequest());
          await once(server.wss, 'verifying');
        }
        server.wss.on('connection', () => assert.fail('It was refused.'));
        const end = server.wss.shutdown();
        for (const client of list) {
          assert.match(await client.responseHead(), /^HTTP\/1\.1 503 /);
        }
        calls[0](true);
        calls[1](false, 401);
        await end;
        assert.strictEqual(server.wss.stats().connections.refused, 2);
        assert.strictEqual(calls.length, 2);
      });
    });
  }

  it('keeps nothing of a client that is gone while it is looked at', async () => {
    const server = await createServer({
      verifyClient: (info, callback) =>
        server.wss.emit('verifying', info.req, callback),
    });
    const client = await server.connect();
    const verifying = once(server.wss, 'verifying');
    client.write(upgradeRequest());
    const [req] = await verifying;
    const closed = once(req.socket, 'close');
    client.reset();
    await closed;
    assert.deepStrictEqual(await server.wss.shutdown(), {
      closed: 0,
      terminated: 0,
    });
  });

  it('takes another code and a reason', async () => {
    const server = await createServer();
    const [{ client, ws }] = await openAll(server, 1);
    const closed = once(ws, 'close');
    const end = server.wss.shutdown({ code: 4000, reason: 'foo' });
    await answerClose(client, 4000, 'foo');
    await end;
    const [code, reason] = await closed;
    assert.strictEqual(code, 4000);
    assert.strictEqual(reason.toString(), 'foo');
  });

  const MISTAKES = [
    [
      { code: 1006 },
      'TypeError',
      'The "code" option must be a valid close code',
    ],
    [
      { code: '1001' },
      'TypeError',
      'The "code" option must be a valid close code',
    ],
    [
      { reason: 'a'.repeat(124) },
      'RangeError',
      'The message must not be greater than 123 bytes',
    ],
    [
      { reason: ['a'] },
      'TypeError',
      'The "reason" option must be a string or a Uint8Array, not [ \'a\' ]',
    ],
    [
      { reason: 5 },
      'TypeError',
      'The "reason" option must be a string or a Uint8Array, not 5',
    ],
    [
      { timeOut: 1 },
      'TypeError',
      'shutdown() has no option "timeOut": it has code, reason, timeout',
    ],
    [
      10000,
      'TypeError',
      'shutdown() takes an object such as { code: 1001, timeout: 5000 }, ' +
        'not 10000',
    ],
    [
      { timeout: '5s' },
      'TypeError',
      'The "timeout" option must be a number of milliseconds',
    ],
    [
      { timeout: -1 },
      'RangeError',
      'The "timeout" option must be from 0 to 2147483647 milliseconds, not -1',
    ],
    [
      { timeout: Infinity },
      'RangeError',
      'The "timeout" option must be from 0 to 2147483647 milliseconds, ' +
        'not Infinity',
    ],
  ];

  for (const [options, name, message] of MISTAKES) {
    it(`rejects ${JSON.stringify(options)} and changes nothing`, async () => {
      const server = await createServer();
      await assert.rejects(server.wss.shutdown(options), { name, message });
      const { client, ws } = await server.open();
      assert.strictEqual(ws.readyState, WebSocket.OPEN);
      const end = server.wss.shutdown();
      await answerClose(client);
      assert.deepStrictEqual(await end, { closed: 1, terminated: 0 });
    });
  }

  it('is joined by a second call, with the same promise', async () => {
    const server = await createServer();
    const [{ client }] = await openAll(server, 1);
    let count = 0;
    server.wss.on('close', () => {
      count += 1;
    });
    const end = server.wss.shutdown();
    assert.strictEqual(server.wss.shutdown({ timeout: 0 }), end);
    await answerClose(client);
    await end;
    assert.strictEqual(server.wss.shutdown(), end);
    assert.strictEqual(count, 1);
  });

  it('sends the close frame behind all that was sent before', async () => {
    const server = await createServer();
    const [{ client, ws }] = await openAll(server, 1);
    const large = Buffer.alloc(8 << 20, 1);
    const results = [];
    const keep = (err) => results.push(err);
    ws.send('a', keep);
    ws.send(large, keep);
    ws.send(Buffer.from('b'), keep);
    const end = server.wss.shutdown();
    ws.send('late', (err) => results.push(err.message));
    assert.deepStrictEqual((await client.frame()).payload, Buffer.from('a'));
    assert.ok((await client.frame()).payload.equals(large));
    assert.deepStrictEqual((await client.frame()).payload, Buffer.from('b'));
    await answerClose(client);
    assert.deepStrictEqual(await end, { closed: 1, terminated: 0 });
    assert.deepStrictEqual(results.sort(), [
      'WebSocket is not open: readyState 2 (CLOSING)',
      null,
      null,
      null,
    ]);
  });

  it('sends it behind what a thread compresses', async () => {
    const server = await createServer({ perMessageDeflate: true });
    const { client, ws } = await server.open(
      offering('permessage-deflate; server_no_context_takeover'),
    );
    const large = Buffer.alloc(1 << 20, 'foobar');
    ws.send(large);
    ws.send('bar');
    const end = server.wss.shutdown();
    const message = await readMessage(client, { inflate });
    assert.ok(message.payload.equals(large));
    assert.deepStrictEqual((await client.frame()).payload, Buffer.from('bar'));
    await answerClose(client);
    assert.deepStrictEqual(await end, { closed: 1, terminated: 0 });
  });

  it('emits what clients send before they answer', async () => {
    const server = await createServer();
    const [{ client, ws }] = await openAll(server, 1);
    const log = record(ws);
    const end = server.wss.shutdown();
    client.send({ opcode: 'text', payload: 'foo' });
    await answerClose(client);
    await end;
    assert.deepStrictEqual(log, [
      ['text', 'foo'],
      ['close', 1001, ''],
    ]);
  });

  it('closes connections whose messages wait for a listener', async () => {
    const server = await createServer({ holdUntilListening: true });
    const [{ client }] = await openAll(server, 1);
    client.write(encodeFrame({ opcode: 'text', payload: 'foo' }));
    const end = server.wss.shutdown();
    await answerClose(client);
    assert.deepStrictEqual(await end, { closed: 1, terminated: 0 });
  });

  it('waits for connections that are closing already', async () => {
    const server = await createServer();
    const [one, two] = await openAll(server, 2);
    one.ws.close(4000);
    two.ws.terminate();
    const end = server.wss.shutdown();
    await answerClose(one.client, 4000);
    assert.deepStrictEqual(await end, { closed: 1, terminated: 1 });
  });

  it('counts a client that is lost meanwhile as terminated', async () => {
    const server = await createServer();
    const [{ client }] = await openAll(server, 1);
    const end = server.wss.shutdown();
    client.reset();
    assert.deepStrictEqual(await end, { closed: 0, terminated: 1 });
  });

  for (const mode of MODES) {
    it(`goes on where close() has begun with the option ${mode}`, async () => {
      const server = await createServer({ mode });
      const [{ client }] = await openAll(server, 1);
      let count = 0;
      server.wss.on('close', () => {
        count += 1;
      });
      server.wss.close();
      const end = server.wss.shutdown();
      await answerClose(client);
      assert.deepStrictEqual(await end, { closed: 1, terminated: 0 });
      assert.strictEqual(count, 1);
    });
  }

  it('ends what a server that is closed has left', async () => {
    const server = await createServer({ clientTracking: false });
    const [{ client }] = await openAll(server, 1);
    const closed = once(server.wss, 'close');
    server.wss.close();
    await closed;
    const end = server.wss.shutdown();
    await answerClose(client);
    assert.deepStrictEqual(await end, { closed: 1, terminated: 0 });
  });

  it('is joined by close()', async () => {
    const server = await createServer();
    const [{ client }] = await openAll(server, 1);
    const end = server.wss.shutdown();
    const closed = new Promise((resolve) => server.wss.close(resolve));
    await answerClose(client);
    await end;
    assert.strictEqual(await closed, undefined);
  });

  it('goes together with close() of the HTTP server', async () => {
    for (const isFirst of [true, false]) {
      const server = await createServer({ mode: 'server' });
      const [{ client }] = await openAll(server, 1);
      let end = isFirst ? server.wss.shutdown() : null;
      const closed = new Promise((resolve) => server.http.close(resolve));
      end = end || server.wss.shutdown();
      await answerClose(client);
      assert.deepStrictEqual(await end, { closed: 1, terminated: 0 });
      await closed;
    }
  });

  it('leaves an HTTP server that was given as it is', async () => {
    const server = await createServer({ mode: 'server' });
    await server.wss.shutdown();
    assert.strictEqual(server.http.listening, true);
    assert.strictEqual(server.http.listenerCount('upgrade'), 0);
  });

  it('ends idle connections of an HTTP server of its own', async () => {
    const server = await createServer({ mode: 'port' });
    const socket = net.connect(server.target, '127.0.0.1');
    socket.on('error', () => {});
    const client = new RawClient(socket);
    client.write(Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'));
    await client.responseHead();
    const end = server.wss.shutdown({ timeout: 50 });
    assert.deepStrictEqual(await end, { closed: 0, terminated: 0 });
    assert.strictEqual(server.wss.address(), null);
  });

  it('ends a connection of it that has sent nothing, in time', async () => {
    const server = await createServer({ mode: 'port' });
    const accepted = once(server.wss._server, 'connection');
    const socket = net.connect(server.target, '127.0.0.1');
    socket.on('error', () => {});
    await accepted;
    await server.wss.shutdown({ timeout: 50 });
    socket.destroy();
  });
});

describe('shutdown() in the middle of traffic', () => {
  const CLIENTS = 2000;
  const BATCH = 50;
  const MESSAGES_BEFORE = 3;

  /** As many clients as there are descriptors for, in this process. */
  function countClients() {
    if (process.platform !== 'linux') return CLIENTS / 10;
    const limits = fs.readFileSync('/proc/self/limits', 'latin1');
    const [, soft] = /^Max open files\s+(\d+)/m.exec(limits) || [];
    return soft === undefined ? CLIENTS : Math.min(CLIENTS, soft - 200);
  }

  /**
   * Sends a message for each that comes, until the close frame does.
   *
   * @param {RawClient} client
   * @param {() => void} onMessage
   * @returns {Promise<{code: number, count: number}>} after `count` messages
   *   with the numbers from 0, in their order
   */
  async function talk(client, onMessage) {
    client.send({ opcode: 'text', payload: 'foo' });
    for (let count = 0; ; count++) {
      const { opcode, payload } = await client.frame();
      if (opcode === 8) {
        client.send({ opcode: 'close', payload });
        await client.ended();
        client.end();
        return { code: payload.readUInt16BE(), count };
      }
      assert.strictEqual(parseInt(payload, 10), count);
      client.send({ opcode: 'text', payload: 'foo' });
      onMessage();
    }
  }

  let child;

  afterEach(() => {
    child.kill('SIGKILL');
    destroyClients();
  });

  it('loses no message that was accepted before, and the process ends', async () => {
    child = fork(path.join(__dirname, 'helpers', 'shutdown-server.js'));
    const exit = once(child, 'exit');
    const [port] = await once(child, 'message');
    const count = countClients();
    const clients = [];
    while (clients.length < count) {
      const batch = Array.from(
        { length: Math.min(BATCH, count - clients.length) },
        (_, i) => RawClient.open(port, { path: `/${clients.length + i}` }),
      );
      clients.push(...(await Promise.all(batch)));
    }

    let left = count * MESSAGES_BEFORE;
    const report = once(child, 'message');
    const ends = await Promise.all(
      clients.map((client) =>
        talk(client, () => {
          left -= 1;
          if (left === 0) child.send('shutdown');
        }),
      ),
    );
    const [{ result, sent }] = await report;
    assert.deepStrictEqual(result, { closed: count, terminated: 0 });
    ends.forEach((end, i) => {
      assert.deepStrictEqual(end, { code: 1001, count: sent[`/${i}`] });
    });
    assert.deepStrictEqual(await exit, [0, null]);
  });
});
