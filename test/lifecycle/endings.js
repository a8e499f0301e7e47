'use strict';

// The ways in which a thread ends while it has connections in every state.
// `node endings.js NAME` does so in the main thread, and prints READY before.

const path = require('node:path');

const { World } = require('./states');

const EXIT_CODE = 7;

/** A message, with others in its packet before and behind it. */
const PACKET = '818100000000 61 818100000000 62 818100000000 63';

/** Calls `action` for the second of three messages. */
async function onMessage(world, action) {
  const { client, ws } = await world.open();
  const other = await world.open();
  ws.on('message', (data) => {
    ws.send(data);
    if (data.toString() !== 'b') return;
    world.act();
    action();
  });
  client.write(PACKET);
  other.client.write(PACKET);
}

function fail() {
  throw new Error('on purpose');
}

function exit() {
  process.exit(EXIT_CODE);
}

/** Each gets a `World`; with the exit code of the thread. */
const ENDINGS = {
  'process.exit()': [
    EXIT_CODE,
    (world) => {
      world.act();
      exit();
    },
  ],

  "process.exit() in a listener of 'message'": [
    EXIT_CODE,
    (world) => onMessage(world, exit),
  ],

  "process.exit() in a listener of 'close'": [
    EXIT_CODE,
    async (world) => {
      const { client, ws } = await world.open();
      ws.on('close', () => {
        world.act();
        exit();
      });
      client.reset();
    },
  ],

  'process.exit() in a callback of send()': [
    EXIT_CODE,
    async (world) => {
      const { ws } = await world.open();
      ws.send('foo', () => {
        world.act();
        exit();
      });
      ws.send('bar', () => {});
    },
  ],

  'process.exit() in the callback of handleUpgrade()': [
    EXIT_CODE,
    async (world) => {
      world.wss.on('connection', () => {
        world.act();
        exit();
      });
      await world.open();
    },
  ],

  "process.exit() in a listener of 'headers'": [
    EXIT_CODE,
    async (world) => {
      world.wss.on('headers', exit);
      await world.open();
    },
  ],

  "process.exit() behind a listener of 'exit' that uses all connections": [
    EXIT_CODE,
    (world) => {
      process.on('exit', () => {
        world.act();
        for (const ws of world.wss.clients) {
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

  "an exception in a listener of 'message'": [
    1,
    (world) => onMessage(world, fail),
  ],

  "a rejection in a listener of 'message'": [
    1,
    (world) => onMessage(world, async () => fail()),
  ],

  'an exception elsewhere': [
    1,
    (world) => {
      world.act();
      fail();
    },
  ],

  'the end of all connections': [
    0,
    (world) => {
      world.act();
      world.close();
    },
  ],
};

/**
 * Opens connections in every state and then ends this thread.
 *
 * @param {string} name of one of the `ENDINGS`
 * @param {string} packageRoot
 * @param {() => void} onReady is called in between
 */
async function end(name, packageRoot, onReady) {
  const world = new World(packageRoot);
  await world.listen();
  await world.openAll();
  onReady();
  // Not in a promise, so that what is thrown is an uncaught exception.
  setImmediate(ENDINGS[name][1], world);
}

module.exports = { ENDINGS, end };

if (require.main === module) {
  const packageRoot = path.resolve(__dirname, '..', '..');
  end(process.argv[2], packageRoot, () => console.log('READY'));
}
