'use strict';

// Worker threads with servers, and all the ways in which they end. Each must
// leave the process, and the other threads in it, as they were.
// `node workers.js [--slow] NAME...` runs scenarios; --slow is for a machine as
// slow as that of valgrind.

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { Worker } = require('node:worker_threads');

const { once } = require('../helpers/events');
const { RandomTraffic } = require('../helpers/random-traffic');
const { destroyClients } = require('../helpers/raw-client');
const { ENDINGS } = require('./endings');

const ROOT = path.resolve(__dirname, '..', '..');

const isSlow = process.argv[2] === '--slow';

const TRAFFIC = isSlow
  ? { connections: 2, maxSize: 500 }
  : { connections: 4, maxSize: 20000 };
const MESSAGES = isSlow ? 5 : 100;
const ROUNDS = isSlow ? 1 : 3;

async function until(condition) {
  while (!condition()) await new Promise(setImmediate);
}

function countDescriptors() {
  return process.platform === 'linux'
    ? fs.readdirSync('/proc/self/fd').length
    : 0;
}

/**
 * Starts a worker thread.
 *
 * @param {string} task see `thread.js`
 * @param {string} [packageRoot] where it loads the package from
 * @returns {Worker} with `exited`, which resolves with its exit code, and
 *   `errors`, what was thrown and not caught
 */
function startWorker(task, packageRoot = ROOT) {
  const worker = new Worker(path.join(__dirname, 'thread.js'), {
    workerData: { task, packageRoot },
  });
  worker.errors = [];
  worker.on('error', (error) => worker.errors.push(error));
  worker.exited = once(worker, 'exit').then(([code]) => code);
  return worker;
}

/**
 * Starts a worker thread that echoes, and traffic to it that has no end.
 *
 * @param {number} seed
 * @param {string} [packageRoot] where it loads the package from
 */
async function startTraffic(seed, packageRoot) {
  const worker = startWorker('echo', packageRoot);
  const [port] = await once(worker, 'message');
  const traffic = new RandomTraffic({ ...TRAFFIC, seed });
  await traffic.open(port);
  // It ends with an error when the connections do.
  const ended = traffic.run(Infinity).catch((error) => error);
  return { worker, stats: traffic.stats, ended };
}

async function assertProgress({ stats, ended }) {
  const enough = stats.messages + MESSAGES;
  const progress = until(() => stats.messages >= enough);
  const failure = await Promise.race([progress, ended]);
  assert.strictEqual(failure, undefined);
}

async function assertTerminates({ worker, ended }) {
  assert.strictEqual(await worker.terminate(), 1);
  assert.deepStrictEqual(worker.errors, []);
  assert.match((await ended).message, /^Waited for a frame/);
}

const SCENARIOS = {
  async 'terminate() under traffic'() {
    for (let round = 0; round < ROUNDS; round++) {
      const first = await startTraffic(2 * round);
      const second = await startTraffic(2 * round + 1);
      await Promise.all([assertProgress(first), assertProgress(second)]);
      await assertTerminates(first);
      await assertProgress(second);
      await assertTerminates(second);
    }
  },

  async 'terminate() of many at once under traffic'() {
    const all = await Promise.all([1, 2, 3, 4].map((i) => startTraffic(i)));
    await Promise.all(all.map(assertProgress));
    await Promise.all(all.map(assertTerminates));
  },

  async 'terminate() with connections in every state'() {
    const worker = startWorker('wait');
    await once(worker, 'message');
    await worker.terminate();
    assert.deepStrictEqual(worker.errors, []);
  },

  async 'terminate() at any time while connections are made'() {
    for (let turns = 1; turns <= 1024; turns *= 2) {
      const worker = startWorker('wait');
      await once(worker, 'online');
      for (let i = 0; i < turns; i++) await new Promise(setImmediate);
      await worker.terminate();
      assert.deepStrictEqual(worker.errors, []);
    }
  },
};

for (const [name, [code]] of Object.entries(ENDINGS)) {
  SCENARIOS[name] = async () => {
    const worker = startWorker(name);
    await once(worker, 'message');
    assert.strictEqual(await worker.exited, code);
    assert.deepStrictEqual(
      worker.errors.map((error) => error.message),
      code === 1 ? ['on purpose'] : [],
    );
  };
}

async function main(names) {
  // What the first thread opens for the process stays open.
  if (!isSlow) await startWorker('echo').terminate();
  for (const name of names) {
    const before = countDescriptors();
    await SCENARIOS[name]();
    destroyClients();
    if (!isSlow) await until(() => countDescriptors() <= before);
  }
}

module.exports = { SCENARIOS, assertProgress, startTraffic };

if (require.main === module) main(process.argv.slice(isSlow ? 3 : 2));
