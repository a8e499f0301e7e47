'use strict';

// Worker threads with servers, and all the ways in which they end. Each must
// leave the process, and the other threads in it, as they were.
// `node workers.js TRANSPORTS [--slow] NAME...` runs scenarios; --slow is for a
// machine as slow as that of valgrind.

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { Worker } = require('node:worker_threads');

const { once } = require('../helpers/events');
const { RandomTraffic } = require('../helpers/random-traffic');
const { RawClient, destroyClients } = require('../helpers/raw-client');
const { WORKER_ENDINGS } = require('./endings');
const { runScenarios, until } = require('./scenarios');

const ROOT = path.resolve(__dirname, '..', '..');

const transports = (process.argv[2] || '').split(',');
const isSlow = process.argv[3] === '--slow';

const TRAFFIC = isSlow
  ? { connections: 2, maxSize: 500 }
  : { connections: 4, maxSize: 20000 };
const MESSAGES = isSlow ? 5 : 100;
const ROUNDS = isSlow ? 1 : 3;

/** Workers one after the other: the first ones, and those that are counted. */
const FIRST_WORKERS = 4;
const WORKERS = 20;

/** What RSS may vary by, in bytes: a worker has more than that to send. */
const RSS_SLACK = 24 * 1024 * 1024;

/** The scenario that looks at RSS, which a sanitizer makes larger. */
const FLAT = 'terminate() of one after the other';

/** What a process holds of the system, where that can be told. */
function count(what) {
  return process.platform === 'linux'
    ? fs.readdirSync(`/proc/self/${what}`).length
    : 0;
}

/** What has to be as it was once a worker has ended. */
function countAll() {
  return {
    descriptors: count('fd'),
    threads: count('task'),
    handles: process._getActiveHandles().length,
    requests: process._getActiveRequests().length,
  };
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
    workerData: { task, transports, packageRoot },
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

/** Terminates a worker with connections in every state. */
async function terminateBusyWorker() {
  const worker = startWorker('wait');
  await once(worker, 'message');
  await worker.terminate();
  assert.deepStrictEqual(worker.errors, []);
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
    await terminateBusyWorker();
  },

  async [FLAT]() {
    for (let i = 0; i < FIRST_WORKERS; i++) await terminateBusyWorker();
    const before = process.memoryUsage().rss;
    for (let i = 0; i < WORKERS; i++) await terminateBusyWorker();
    const growth = process.memoryUsage().rss - before;
    assert.ok(growth < RSS_SLACK, `RSS has grown by ${growth} bytes`);
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

for (const [name, [code]] of Object.entries(WORKER_ENDINGS)) {
  SCENARIOS[name] = async () => {
    const worker = startWorker(name);
    worker.on('message', (message) => {
      if (message === 'spinning') worker.terminate();
    });
    await once(worker, 'message');
    assert.strictEqual(await worker.exited, code);
    assert.deepStrictEqual(
      worker.errors.map((error) => error.message),
      code === 1 && !name.startsWith('terminate()') ? ['on purpose'] : [],
    );
  };
}

/** Runs a scenario, behind which the process has to be as it was. */
async function leavingNothing(run) {
  const before = countAll();
  await run();
  destroyClients();
  if (isSlow) return;
  await until(
    () => Object.entries(countAll()).every(([name, n]) => n <= before[name]),
    () => `${JSON.stringify(before)} became ${JSON.stringify(countAll())}`,
  );
}

/**
 * What the first worker, the first client and the first work for libuv's
 * threads make for the process stays.
 */
async function warmUp() {
  await fs.promises.stat(__filename);
  const worker = startWorker('echo');
  const [port] = await once(worker, 'message');
  const client = await RawClient.open(port);
  const end = once(client.socket, 'close');
  await worker.terminate();
  client.socket.destroy();
  await end;
}

async function main(names) {
  if (!isSlow) await warmUp();
  await runScenarios(SCENARIOS, names, leavingNothing);
}

module.exports = {
  FLAT,
  SCENARIOS,
  assertProgress,
  startTraffic,
  startWorker,
};

if (require.main === module) main(process.argv.slice(isSlow ? 4 : 3));
