'use strict';

// Peers that leave at any step, shut one direction, read or answer nothing, or
// vanish without a word.

const assert = require('node:assert');

const { WebSocket, betterThanWs, isWs } = require('./helpers/implementation');
const { OFFER, deflate, offering } = require('./helpers/deflate');
const { once } = require('./helpers/events');
const { closePayload, encodeFrame } = require('./helpers/frame');
const { upgradeRequest } = require('./helpers/raw-client');
const {
  LOST,
  Scene,
  closeScenes,
  leave,
  recordEnd,
  until,
} = require('./helpers/scene');

const MIB = 1024 * 1024;

const CLOSE = encodeFrame({
  opcode: 'close',
  payload: closePayload(1000, 'bye'),
});

const CLEAN = [
  ['close', 1000, 'bye'],
  ['end', true],
];

/** How a client leaves. */
const WAYS = {
  FIN: (client) => client.end(),
  'a reset': (client) => client.reset(),
};

afterEach(closeScenes);

/** Runs each function for a connection of its own, all at the same time. */
async function runEach(scene, table, run) {
  await Promise.all(
    Object.entries(table).map(([name, value], i) => run(name, value, `/${i}`)),
  );
}

describe('A client that leaves by', () => {
  /**
   * How far the closing handshake has come, and what the server has heard of
   * it by then.
   */
  const STEPS = {
    'the server has begun': [({ ws }) => ws.close(), LOST],
    async 'the close frame of the server'({ client, ws }) {
      ws.close();
      await client.frame();
      return LOST;
    },
  };
  const STEPS_ = {
    'behind the close frame of the server, unread'({ ws }) {
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
    'behind its close frame'({ client }) {
      client.write(CLOSE);
      return CLEAN;
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
    'while close frames cross'({ client, ws }) {
      ws.close();
      client.write(CLOSE);
      return CLEAN;
    },
  };

  for (const [way, go] of Object.entries(WAYS)) {
    it(`${way} in the closing handshake`, async () => {
      const scene = await Scene.create();
      const results = {};
      await runEach(scene, STEPS_, async (name, step, path) => {
        const connection = await scene.openDirectly({ path });
        const { client, log } = connection;
        const expected = await step(connection);
        go(client);
        await client.closed();
        results[name] = { log, expected };
      });
      await scene.rest();
      for (const [name, { log, expected }] of Object.entries(results)) {
        console.log(name, log, expected);
      }
    });
  }
});
