'use strict';

// Peers that leave at any step, shut one direction, read or answer nothing, or
// vanish without a word.

const assert = require('node:assert');

const { WebSocket, betterThanWs, isWs } = require('./helpers/implementation');
const { OFFER, deflate, offering } = require('./helpers/deflate');
const { once } = require('./helpers/events');
const { closePayload, encodeFrame } = require('./helpers/frame');
const {
  LOST,
  Scene,
  closeScenes,
  expectEcho,
  leave,
  until,
} = require('./helpers/scene');

const CLOSE = encodeFrame({
  opcode: 'close',
  payload: closePayload(1000, 'bye'),
});

const CLEAN = [
  ['close', 1000, 'bye'],
  ['end', true],
];

/** What the server is told if its answer could not be sent. */
const UNANSWERED = [
  ['close', 1000, 'bye'],
  ['end', false],
];

const MESSAGE = Buffer.alloc(512 * 1024, 'a');
const MESSAGES = 32;

/** How a client leaves. */
const WAYS = {
  FIN: (client) => client.end(),
  'a reset': (client) => client.reset(),
};

afterEach(closeScenes);

/** 300 KiB, which is inflated on a thread. */
const LARGE = Buffer.alloc(300 * 1024);
const LARGE_FRAME = encodeFrame({
  opcode: 'binary',
  rsv: 4,
  payload: deflate(LARGE),
});

function text(payload) {
  return encodeFrame({ opcode: 'text', payload });
}

/** Runs all functions of a table at the same time, each with its own path. */
function runAll(table, run) {
  const paths = Object.entries(table).map(([name, step], i) =>
    run(step, `/${name.replace(/ /g, '-')}`, i),
  );
  return Promise.all(paths);
}

/** Sends more than kernels keep, and counts what the callbacks are called with. */
function sendMuch(ws, count = MESSAGES) {
  const results = { count, sent: 0, failed: 0 };
  for (let i = 0; i < count; i++) {
    ws.send(MESSAGE, { compress: false }, (err) => {
      if (err) results.failed += 1;
      else results.sent += 1;
    });
  }
  return results;
}

function expectAllCalled({ count, sent, failed }) {
  assert.strictEqual(sent + failed, count);
}

describe('A client that leaves', () => {
  /**
   * What happens before it leaves in a closing handshake, and what the server
   * is told.
   */
  const CLOSING = {
    async 'behind the close frame of the server that it has not read'({ ws }) {
      ws.close();
      return LOST;
    },
    async 'behind the close frame of the server'({ client, ws }) {
      ws.close();
      await client.frame();
      return LOST;
    },
    async 'within its answer'({ client, ws }) {
      ws.close();
      await client.frame();
      client.write(CLOSE.subarray(0, 8));
      return LOST;
    },
    async 'behind its answer'({ client, ws }) {
      ws.close();
      await client.frame();
      client.write(CLOSE);
      return CLEAN;
    },
    async 'behind its answer and the FIN of the server'({ client, ws }) {
      ws.close();
      await client.frame();
      client.write(CLOSE);
      await client.ended();
      return CLEAN;
    },
    async 'while close frames cross'({ client, ws }) {
      ws.close();
      client.write(CLOSE);
      return CLEAN;
    },
    async 'right behind its close frame'({ client }, way) {
      client.write(CLOSE);
      return way === 'FIN' ? CLEAN : UNANSWERED;
    },
    async 'behind the answer of the server'({ client }) {
      client.write(CLOSE);
      await client.frame();
      return CLEAN;
    },
    async 'behind the answer and the FIN of the server'({ client }) {
      client.write(CLOSE);
      await client.ended();
      return CLEAN;
    },
    async 'behind an answer that waits for what was sent before'(
      { client, ws },
      way,
    ) {
      client.socket.pause();
      sendMuch(ws);
      client.write(CLOSE);
      await until(() => ws.readyState === WebSocket.CLOSING);
      setImmediate(() => client.socket.resume());
      return way === 'FIN' ? CLEAN : UNANSWERED;
    },
    async 'behind a message that a thread inflates'({ client }, way) {
      client.write(Buffer.concat([LARGE_FRAME, CLOSE]));
      const message = ['binary', LARGE.toString('hex')];
      // For `ws` the FIN comes first.
      const isAnswered = way === 'FIN' && !isWs;
      return [message, ...(isAnswered ? CLEAN : UNANSWERED)];
    },
  };

  /** What a client sends, and the event in which it leaves. */
  const EVENTS = {
    message: [text('foo'), ['text', 'foo']],
    ping: [encodeFrame({ opcode: 'ping', payload: 'foo' }), ['ping', 'foo']],
    pong: [encodeFrame({ opcode: 'pong', payload: 'foo' }), ['pong', 'foo']],
  };

  for (const [way, go] of Object.entries(WAYS)) {
    it(`by ${way} at any step of the closing handshake ends as far as that came`, async () => {
      const scene = await Scene.create();
      const expected = new Map();
      await runAll(CLOSING, async (step, path) => {
        const connection = await scene.openDirectly({
          path,
          ...offering(OFFER),
        });
        expected.set(path, await step(connection, way));
        const { plain } = connection.client;
        const closed = once(plain, 'close');
        go(connection.client);
        await closed;
      });
      await scene.rest();
      for (const [path, events] of expected) {
        const log = scene.logs.get(path);
        assert.deepStrictEqual({ path, log }, { path, log: events });
      }
    });

    it(`by ${way} in a listener takes no call amiss there`, async () => {
      const scene = await Scene.create();
      const results = [];
      await runAll(EVENTS, async ([bytes, event], path) => {
        const { client, log, ws } = await scene.openDirectly({ path });
        ws.on(event[0] === 'text' ? 'message' : event[0], () => {
          go(client);
          results.push(sendMuch(ws, 2));
          ws.ping();
          ws.close(1000);
          ws.send('late', (err) => assert.ok(err));
        });
        const closed = [ws, client.plain].map((end) => once(end, 'close'));
        client.write(bytes);
        await Promise.all(closed);
        assert.deepStrictEqual(log, [event, ...LOST]);
      });
      await scene.rest();
      assert.strictEqual(results.length, 3);
      results.forEach(expectAllCalled);
    });
  }
});

describe('A client of which nothing is heard', () => {
  /** Each has been sent what it does not take, or does not answer. */
  const PEERS = {
    'reads nothing'({ link, ws }) {
      link.down.stall();
      return sendMuch(ws);
    },
    'has vanished'({ link, ws }) {
      link.stall();
      return sendMuch(ws);
    },
    'has vanished, with nothing on its way'({ link }) {
      link.stall();
    },
    'answers nothing'() {},
  };

  /** Opens one of each, has `act` end them, and waits until they are gone. */
  async function endAll(scene, act) {
    const opened = await runAll(PEERS, async (prepare, path) => {
      const connection = await scene.open({ path });
      const results = prepare(connection);
      return { ...connection, results };
    });
    const closed = opened.map(({ ws }) => once(ws, 'close'));
    await act(opened);
    await Promise.all(closed);
    for (const { client, link, log, results } of opened) {
      assert.deepStrictEqual(log, LOST);
      client.socket.destroy();
      link.reset();
      await link.closed;
      if (!results) continue;
      expectAllCalled(results);
      betterThanWs(() => assert.ok(results.failed > 0));
    }
  }

  async function endEach(options, act) {
    const scene = await Scene.create(options);
    await endAll(scene, (opened) => opened.forEach(act));
    await scene.rest();
    return scene;
  }

  it('is ended by terminate() at once', async () => {
    await endEach({}, ({ ws }) => ws.terminate());
  });

  it('is ended by close() when closeTimeout is over', async () => {
    await endEach({ closeTimeout: 50 }, ({ ws }) => ws.close());
  });

  it('is ended by a reset that comes at last', async () => {
    await endEach({}, ({ link }) => link.reset());
  });

  if (isWs) return;

  it('is ended by the heartbeat', async () => {
    const { server } = await endEach({}, ({ ws }) =>
      ws.heartbeat({ interval: 20, timeout: 20 }),
    );
    assert.strictEqual(server.wss.stats().terminations.heartbeat, 4);
  });

  it('is ended by shutdown() when its time is over', async () => {
    const scene = await Scene.create();
    let result;
    await endAll(scene, () => {
      result = scene.server.wss.shutdown({ timeout: 50 });
      scene.other.client.send({ opcode: 'close' });
      scene.other.client.end();
    });
    assert.deepStrictEqual(await result, { closed: 1, terminated: 4 });
    const { wss } = scene.server;
    assert.strictEqual(wss.clients.size, 0);
    await until(() => wss.stats().connections.open === 0);
  });
});

describe('A client that was not heard of for a while', () => {
  it('has missed nothing, nor has the server', async () => {
    const scene = await Scene.create();
    const { client, link, log, ws } = await scene.open({ path: '/0' });
    link.stall();
    const results = sendMuch(ws);
    client.write(Buffer.concat([text('foo'), CLOSE]));
    await until(() => results.sent > 0);
    assert.ok(ws.bufferedAmount > 0);
    assert.deepStrictEqual(log, []);
    link.resume();
    for (let i = 0; i < MESSAGES; i++) {
      const { payload } = await client.frame();
      assert.strictEqual(Buffer.compare(payload, MESSAGE), 0);
    }
    assert.strictEqual((await client.frame()).opcode, 8);
    await leave(client, link);
    await scene.rest();
    assert.deepStrictEqual(log, [['text', 'foo'], ...CLEAN]);
    assert.strictEqual(results.sent, MESSAGES);
  });
});

describe('A client that shuts its direction', () => {
  it('while it is not read from has that told behind its messages', async () => {
    const scene = await Scene.create();
    const { client, log, ws } = await scene.openDirectly({ path: '/0' });
    ws.pause();
    client.write(text('foo'));
    client.end();
    await once(client.socket, 'finish');
    await expectEcho(scene.other);
    assert.deepStrictEqual(log, []);
    ws.resume();
    await client.closed();
    await scene.rest();
    assert.deepStrictEqual(log, [['text', 'foo'], ...LOST]);
  });

  if (isWs) return;

  const ACTIONS = {
    nothing() {},
    close: (ws) => ws.close(1000),
    heartbeat: (ws) => ws.heartbeat({ interval: 10, timeout: 10 }),
    pause: (ws) => ws.pause(),
    ping: (ws) => ws.ping(),
    send: (ws) => ws.send('foo'),
  };

  it('and reads nothing is ended when closeTimeout is over, whatever is done', async () => {
    const scene = await Scene.create({ closeTimeout: 50 });
    await runAll(ACTIONS, async (act, path) => {
      const { client, log, ws } = await scene.openDirectly({ path });
      const closed = once(ws, 'close');
      client.socket.pause();
      const results = sendMuch(ws);
      client.end();
      await until(() => ws.readyState === WebSocket.CLOSING);
      act(ws);
      await closed;
      client.socket.destroy();
      assert.deepStrictEqual(log, LOST);
      expectAllCalled(results);
      assert.ok(results.failed > 0);
    });
    await scene.rest();
    const { terminations } = scene.server.wss.stats();
    assert.strictEqual(terminations.closeTimeout, 6);
  });
});
