'use strict';

// What networks do to connections: they cut them at any byte, and hand on
// bytes in pieces of any size. A case is one connection by way of a proxy; those
// of a test are there at the same time, on one server.

const assert = require('node:assert');
const { WebSocket: WsClient } = require('ws');

const { isWs, transport } = require('./helpers/implementation');
const { OFFER, deflate, offering } = require('./helpers/deflate');
const { once } = require('./helpers/events');
const { closePayload, encodeFrame } = require('./helpers/frame');
const { isTls } = require('./helpers/http-server');
const { Random, chooseSeed } = require('./helpers/random');
const { RawClient, secure, upgradeRequest } = require('./helpers/raw-client');
const {
  LOST,
  Scene,
  closeScenes,
  leave,
  recordEnd,
} = require('./helpers/scene');

const seed = chooseSeed();

/** How a connection is cut: the method of a link, and what that sends. */
const CUTS = { end: 'FIN', reset: 'a reset' };

const COMPRESSED = deflate('compressed');

/** What a client sends before that, and the event that it brings. */
const BEFORE = [{ opcode: 'text', payload: 'before' }, ['text', 'before']];

/** What a client sends: frames, each with the event that it brings. */
const MESSAGES = {
  'a message': [[{ opcode: 'text', payload: 'foo' }, ['text', 'foo']]],
  'a message whose length has 16 bits': [
    [{ opcode: 2, lengthBits: 16, payload: 'a' }, ['binary', '61']],
  ],
  'a message whose length has 64 bits': [
    [{ opcode: 2, lengthBits: 64, payload: 'a' }, ['binary', '61']],
  ],
  'a message in fragments, with a ping between': [
    [{ opcode: 'text', fin: false, payload: 'ab' }],
    [{ opcode: 'ping', payload: 'c' }, ['ping', 'c']],
    [{ opcode: 'continuation', fin: false }],
    [{ opcode: 'continuation', payload: 'd' }, ['text', 'abd']],
  ],
  'a compressed message': [
    [{ opcode: 'text', rsv: 4, payload: COMPRESSED }, ['text', 'compressed']],
  ],
  'a compressed message in fragments': [
    [{ opcode: 1, rsv: 4, fin: false, payload: COMPRESSED.subarray(0, 3) }],
    [{ opcode: 0, payload: COMPRESSED.subarray(3) }, ['text', 'compressed']],
  ],
  'a pong': [[{ opcode: 'pong', payload: 'a' }, ['pong', 'a']]],
  'a close frame': [
    [
      { opcode: 'close', payload: closePayload(1000, 'bye') },
      ['close', 1000, 'bye'],
    ],
  ],
};

/**
 * Expects the events of a connection that was cut.
 *
 * @param {any[][]} log
 * @param {any[][]} events of what had passed
 * @param {'end'|'reset'} method how it was cut
 * @param {boolean} mayLose whether the last of the events may be missing
 */
function expectEvents(log, events, method, mayLose) {
  const isClosed = events.some(([name]) => name === 'close');
  // A reset may come before the close frame is answered, or after it.
  const end = method === 'end' ? ['end', true] : log[log.length - 1];
  const complete = isClosed ? [...events, end] : [...events, ...LOST];
  const isShort = mayLose && log.length < complete.length;
  assert.deepStrictEqual(
    log,
    isShort ? [...events.slice(0, log.length - 2), ...LOST] : complete,
  );
}

/**
 * @param {{bytes: Buffer, event: any[]|undefined}[]} frames
 * @param {number} count of their bytes
 * @returns {any[][]} the events of those of which all bytes are there
 */
function eventsWithin(frames, count) {
  const events = [];
  let end = 0;
  for (const { bytes, event } of frames) {
    end += bytes.length;
    if (end <= count && event) events.push(event);
  }
  return events;
}

/** FIN and a reset in turn. */
function cutOf(position) {
  return position % 2 === 0 ? 'end' : 'reset';
}

/**
 * The positions within HTTP: every byte where Node.js reads it from a plain
 * socket, a quarter of them where the same HTTP comes another way.
 */
function httpPositions(last) {
  const isEach = transport === 'tcp';
  return range(0, last).filter((position) => isEach || position % 8 < 2);
}

/** Every number from `first` to `last`. */
function range(first, last) {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

afterEach(async function () {
  if (this.currentTest.state === 'failed') console.log(`TEST_SEED=${seed}`);
  await closeScenes();
});

/** Options for the request of a case; all requests have the same length. */
function caseOptions(number) {
  const path = `/${String(number).padStart(3, '0')}`;
  return { path, ...offering(OFFER) };
}

describe('A connection that is cut on the way to the server', () => {
  it('within the request, by FIN and by a reset in turn, is no WebSocket', async () => {
    const scene = await Scene.create();
    const { length } = upgradeRequest(caseOptions(0));
    await Promise.all(
      httpPositions(length - 1).map(async (position) => {
        const { client, link } = await scene.proxy.connect();
        link.cutAfter('up', position, cutOf(position));
        client.write(upgradeRequest(caseOptions(position)));
        await leave(client, link);
      }),
    );
    await scene.rest();
    assert.strictEqual(scene.logs.size, 0);
  });

  /** Sends the bytes with the handshake in one packet, or after it. */
  async function sendCut(scene, method, position, bytes, isTogether) {
    const { client, link } = await scene.proxy.connect();
    const options = caseOptions(position);
    const request = upgradeRequest(options);
    link.cutAfter('up', request.length + position, method);
    if (isTogether) {
      client.write(Buffer.concat([request, bytes]));
    } else {
      await client.handshake(options);
      client.write(bytes);
    }
    await leave(client, link);
  }

  for (const [method, what] of Object.entries(CUTS)) {
    for (const [where, message] of Object.entries(MESSAGES)) {
      it(`within ${where}, by ${what}, has lost that and nothing else`, async () => {
        const scene = await Scene.create();
        const frames = [BEFORE, ...message].map(([frame, event]) => ({
          bytes: encodeFrame(frame),
          event,
        }));
        const bytes = Buffer.concat(frames.map((frame) => frame.bytes));
        const isTogether = (position) =>
          (position % 2 === 0) === (method === 'end');
        const positions = range(frames[0].bytes.length, bytes.length);
        await Promise.all(
          positions.map((position) =>
            sendCut(scene, method, position, bytes, isTogether(position)),
          ),
        );
        await scene.rest();
        for (const position of positions) {
          // A reset keeps the 101 from being sent, then nothing is received.
          const mayLose = method === 'reset' && (isWs || isTogether(position));
          const log = scene.logs.get(caseOptions(position).path);
          expectEvents(log, eventsWithin(frames, position), method, mayLose);
        }
      });
    }
  }

  if (isTls) {
    it('within a record of TLS, by FIN and by a reset in turn, has lost its message', async () => {
      const scene = await Scene.create({ isTlsForwarded: true });
      const [frame] = BEFORE;
      // A header, a nonce, the frame and a tag (RFC 5288, 3).
      const recordLength = 5 + 8 + encodeFrame(frame).length + 16;
      await Promise.all(
        range(0, recordLength).map(async (position) => {
          const { socket: plain, link } = await scene.proxy.dial();
          const client = new RawClient(await secure(plain), plain);
          await client.handshake(caseOptions(position));
          const { forwarded } = link.up;
          link.cutAfter('up', forwarded + position, cutOf(position));
          client.send(frame);
          await leave(client, link);
        }),
      );
      await scene.rest();
      for (const position of range(0, recordLength)) {
        const log = scene.logs.get(caseOptions(position).path);
        const events = position === recordLength ? [BEFORE[1]] : [];
        const method = cutOf(position);
        expectEvents(log, events, method, isWs && method === 'reset');
      }
    });
  }
});

describe('A connection that is cut on the way to the client', () => {
  /** What the server sends, as events of a client. */
  const SENT = [
    ['text', 'foo'],
    ['ping', 'a'],
    ['binary', '61'.repeat(200)],
    ['close', 1000, 'bye'],
  ];

  function converse(ws) {
    ws.send('foo', { compress: false });
    ws.ping('a');
    ws.send(Buffer.alloc(200, 'a'));
    ws.close(1000, 'bye');
  }

  /**
   * Reads what the server sends.
   *
   * @returns {Promise<{bytes: Buffer, event: any[]|undefined}[]>} the
   *   response, then the frames
   */
  async function readUncut(scene) {
    const { client } = await scene.proxy.connect();
    await client.handshake(caseOptions(999));
    const pieces = [{ bytes: Buffer.from(client.response, 'latin1') }];
    for (const event of SENT) {
      const [first, second] = await client.bytes(2);
      const rest = await client.bytes(second);
      const bytes = Buffer.concat([Buffer.from([first, second]), rest]);
      pieces.push({ bytes, event });
    }
    client.end();
    await client.closed();
    return pieces;
  }

  function lengthOf(pieces) {
    return pieces.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  /** Expects that the server has heard of nothing but the end. */
  function expectLoss({ logs }) {
    for (const log of logs.values()) {
      const events = log.filter(([name]) => name !== 'pong');
      assert.deepStrictEqual(events, LOST);
    }
  }

  it('by FIN and by a reset in turn, is lost for the server', async () => {
    const scene = await Scene.create({ onConnection: converse });
    const pieces = await readUncut(scene);
    const all = Buffer.concat(pieces.map(({ bytes }) => bytes));
    const positions = httpPositions(all.length);
    await Promise.all(
      positions.map(async (position) => {
        const { client, link } = await scene.proxy.connect();
        const method = cutOf(position);
        link.cutAfter('down', position, method);
        client.write(upgradeRequest(caseOptions(position)));
        client.socket.on('end', () => client.end());
        const bytes = await client.closed();
        await link.closed;
        if (method === 'end') assert.strictEqual(bytes.length, position);
        assert.deepStrictEqual(bytes, all.subarray(0, bytes.length));
      }),
    );
    await scene.rest();
    expectLoss(scene);
  });

  for (const [method, what] of Object.entries(CUTS)) {
    it(`by ${what}, brings a client of ws what was whole`, async () => {
      const scene = await Scene.create({ onConnection: converse });
      const pieces = await readUncut(scene);
      const positions = range(pieces[0].bytes.length, lengthOf(pieces) - 1);
      await Promise.all(
        positions.map(async (position) => {
          const { socket, link } = await scene.proxy.dial();
          link.cutAfter('down', position, method);
          const { path } = caseOptions(position);
          const client = new WsClient(`ws://127.0.0.1${path}`, {
            createConnection: () => socket,
          });
          const log = recordEnd(client);
          await Promise.all([once(client, 'close'), link.closed]);
          const events = eventsWithin(pieces, position);
          expectEvents(log, events, method, method === 'reset');
        }),
      );
      await scene.rest();
      expectLoss(scene);
    });

    it(`by ${what}, while much is sent, calls each callback once`, async () => {
      const results = [];
      const scene = await Scene.create({
        onConnection: function send(ws) {
          if (ws.readyState !== ws.OPEN) return;
          const number = results.push(0) - 1;
          ws.send(Buffer.alloc(3000, number), { compress: false }, () => {
            results[number] += 1;
          });
          setImmediate(send, ws);
        },
      });
      const response = 129 + OFFER.length;
      const random = new Random(seed);
      await Promise.all(
        range(0, 9).map(async (number) => {
          const { client, link } = await scene.proxy.connect();
          const length = random.integer(response, 100000);
          link.cutAfter('down', length, method);
          client.write(upgradeRequest(caseOptions(number)));
          await leave(client, link);
        }),
      );
      await scene.rest();
      expectLoss(scene);
      assert.ok(results.length > 10);
      assert.ok(results.every((count) => count === 1));
    });
  }
});

describe('A network that hands on', () => {
  /** All that a client may send, and the events of it. */
  const FRAMES = Object.values(MESSAGES).flat();
  const EVENTS = FRAMES.map(([, event]) => event).filter(Boolean);

  for (const [what, makeLength] of [
    ['single bytes', () => () => 1],
    ['pieces', (random) => () => random.logUniform(40) + 1],
  ]) {
    it(`${what} changes nothing for the server`, async () => {
      const scene = await Scene.create();
      const random = new Random(seed);
      await Promise.all(
        range(0, 4).map(async (number) => {
          const { client, link } = await scene.proxy.connect();
          link.up.split(makeLength(random));
          const bytes = FRAMES.map(([frame]) => encodeFrame(frame));
          const request = upgradeRequest(caseOptions(number));
          client.write(Buffer.concat([request, ...bytes]));
          await leave(client, link);
        }),
      );
      await scene.rest();
      for (const log of scene.logs.values()) {
        assert.deepStrictEqual(log, [...EVENTS, ['end', true]]);
      }
    });

    it(`${what} changes nothing for a client of ws`, async () => {
      const scene = await Scene.create({
        onConnection: (ws) => {
          ws.on('message', (data, binary) => ws.send(data, { binary }));
        },
      });
      const random = new Random(seed);
      await Promise.all(
        range(0, 4).map(async (number) => {
          const { socket, link } = await scene.proxy.dial();
          link.up.split(makeLength(random));
          link.down.split(makeLength(random));
          const { path } = caseOptions(number);
          const client = new WsClient(`ws://127.0.0.1${path}`, {
            createConnection: () => socket,
            perMessageDeflate: { threshold: 20 },
          });
          const log = recordEnd(client);
          await once(client, 'open');
          const messages = range(1, 10).map(() =>
            Buffer.alloc(random.logUniform(300), 'abc'),
          );
          for (const message of messages) client.send(message);
          client.close(1000, 'bye');
          await Promise.all([once(client, 'close'), link.closed]);
          assert.deepStrictEqual(log, [
            ...messages.map((message) => ['binary', message.toString('hex')]),
            ['close', 1000, 'bye'],
            ['end', true],
          ]);
        }),
      );
      await scene.rest();
    });
  }
});
