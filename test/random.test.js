'use strict';

const assert = require('node:assert');

const { chooseSeed } = require('./helpers/random');
const { RandomTraffic, echo } = require('./helpers/random-traffic');
const { closeServers, createServer } = require('./helpers/server');

const MESSAGES = 2000;
const CONNECTIONS = 8;

describe('Random traffic', () => {
  afterEach(closeServers);

  const seed = chooseSeed();

  it(`comes back unchanged and in order (TEST_SEED=${seed})`, async () => {
    console.log(`Random traffic: TEST_SEED=${seed}`);
    const server = await createServer({ onConnection: echo });
    const traffic = new RandomTraffic({ seed, connections: CONNECTIONS });
    await traffic.open(server.target);
    await traffic.run(MESSAGES);
    assert.strictEqual(traffic.stats.messages, MESSAGES);
    await traffic.close();
  });
});
