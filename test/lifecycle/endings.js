'use strict';

// The ways in which a thread ends while it has connections in every state.
// `node endings.js NAME` does so in the main thread, and prints READY before.

const path = require('node:path');
const { isMainThread, parentPort } = require('node:worker_threads');

const { STAGES } = require('./stages');
const { World } = require('./states');

const EXIT_CODE = 7;

function fail() {
  throw new Error('on purpose');
}

function exit() {
  process.exit(EXIT_CODE);
}

/** The main thread terminates this one, which does not leave its call. */
function spin() {
  parentPort.postMessage('spinning');
  for (;;);
}

/** What is done in a stage, by what it leads to: the exit code first. */
const WAYS = {
  'process.exit()': [EXIT_CODE, exit],
  'an exception': [1, fail],
};

/** The same for workers alone. */
const WORKER_WAYS = { 'terminate()': [1, spin] };

/** Each gets a `World`; with the exit code of the thread. */
const ENDINGS = {
  'process.exit()': [
    EXIT_CODE,
    (world) => {
      world.act();
      exit();
    },
  ],

  "process.exit() behind a listener of 'exit' that uses all connections": [
    EXIT_CODE,
    (world) => {
      process.on('exit', () => {
        world.act();
        for (const ws of world.webSockets) {
          ws.send('foo', () => {});
          ws.send(Buffer.alloc(100000), () => {});
          ws.ping();
          ws.pause();
          ws.resume();
          ws.close();
          ws.terminate();
        }
      });
      exit();
    },
  ],

  'an exception elsewhere': [
    1,
    (world) => {
      world.act();
      fail();
    },
  ],

  "a rejection in a listener of 'message'": [
    1,
    (world) => inStage(world, "'message'", async () => fail()),
  ],

  'the end of all connections': [
    0,
    (world) => {
      world.act();
      world.close();
    },
  ],
};

/** The same for the main thread alone: workers get no signals. */
const MAIN_ENDINGS = {
  'process.exit() on SIGTERM': [
    EXIT_CODE,
    (world) => {
      process.on('SIGTERM', () => {
        world.act();
        exit();
      });
      process.kill(process.pid, 'SIGTERM');
    },
  ],

  'process.exit() behind shutdown() on SIGTERM': [
    EXIT_CODE,
    (world) => {
      process.on('SIGTERM', async () => {
        world.act();
        await world.shutdown();
        exit();
      });
      process.kill(process.pid, 'SIGTERM');
    },
  ],
};

/** Ends in a stage, on the first site that it gets to. */
function inStage(world, stage, action) {
  let isOver = false;
  STAGES[stage](world.sites[0], () => {
    if (isOver) return undefined;
    isOver = true;
    world.act();
    return action();
  });
}

function addStages(endings, ways) {
  for (const [way, [code, action]] of Object.entries(ways)) {
    for (const stage of Object.keys(STAGES)) {
      endings[`${way} in ${stage}`] = [
        code,
        (world) => inStage(world, stage, action),
      ];
    }
  }
}

addStages(ENDINGS, WAYS);

const WORKER_ENDINGS = { ...ENDINGS };

addStages(WORKER_ENDINGS, WORKER_WAYS);
Object.assign(MAIN_ENDINGS, ENDINGS);

/**
 * Opens connections in every state and then ends this thread.
 *
 * @param {string} name of one of the `ENDINGS`
 * @param {string[]} transports over which; stages are reached over the first
 * @param {object} module the package
 * @param {() => void} onReady is called in between
 */
async function end(name, transports, module, onReady) {
  const endings = isMainThread ? MAIN_ENDINGS : WORKER_ENDINGS;
  const world = new World(module, transports);
  await world.listen();
  await world.openAll();
  onReady();
  // Not in a promise, so that what is thrown is an uncaught exception.
  setImmediate(endings[name][1], world);
}

module.exports = { MAIN_ENDINGS, WORKER_ENDINGS, end };

if (require.main === module) {
  const [name, transports] = process.argv.slice(2);
  const packageRoot = path.resolve(__dirname, '..', '..');
  end(name, transports.split(','), require(packageRoot), () =>
    process.stdout.write('READY\n'),
  );
}
