'use strict';

// Two copies of the package, each with an addon of its own, in one process: in
// the main thread and in worker threads.

const assert = require('node:assert');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');

const { once } = require('../helpers/events');
const { RandomTraffic, echo } = require('../helpers/random-traffic');
const { destroyClients } = require('../helpers/raw-client');
const { ROOT, addonPath } = require('../run/setup');
const { passed, until } = require('./scenarios');
const { World } = require('./states');
const { assertProgress, startTraffic, startWorker } = require('./workers');

const MESSAGES = 100;

function makeCopy(folder) {
  const files = ['package.json', path.relative(ROOT, addonPath())];
  fs.cpSync(path.join(ROOT, 'lib'), path.join(folder, 'lib'), {
    recursive: true,
  });
  for (const file of files) {
    fs.mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
    fs.copyFileSync(path.join(ROOT, file), path.join(folder, file));
  }
  fs.symlinkSync(
    path.join(ROOT, 'node_modules'),
    path.join(folder, 'node_modules'),
  );
  return folder;
}

/** Serves an echo in this thread and sends traffic to it. */
async function runInThisThread(packageRoot) {
  const { WebSocketServer } = require(packageRoot);
  const server = http.createServer();
  const wss = new WebSocketServer({ server });
  wss.on('connection', echo);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const traffic = new RandomTraffic({
    seed: 1,
    connections: 4,
    maxSize: 20000,
  });
  await traffic.open(server.address().port);
  await traffic.run(MESSAGES);
  await traffic.close();
  await new Promise((resolve) => server.close(resolve));
}

async function run(folder) {
  const copies = ['a', 'b'].map((name) => makeCopy(path.join(folder, name)));
  const [first, second] = copies.map((copy) => require(copy));
  assert.notStrictEqual(first.WebSocket, second.WebSocket);
  const threads = await Promise.all(
    copies.map((copy, i) => startTraffic(i, copy)),
  );
  await Promise.all(copies.map(runInThisThread));
  await Promise.all(threads.map(assertProgress));
  await threads[0].worker.terminate();
  await Promise.all(copies.map(runInThisThread));
  await assertProgress(threads[1]);
  await threads[1].worker.terminate();
  await endWithConnections(copies);
  destroyClients();
}

/** Both here, and one of them in a worker, with connections in every state. */
async function endWithConnections(copies) {
  const worlds = copies.map((copy) => new World(require(copy)));
  for (const world of worlds) {
    await world.listen();
    await world.openAll();
  }
  const worker = startWorker('wait', copies[1]);
  await once(worker, 'message');
  await worker.terminate();
  assert.deepStrictEqual(worker.errors, []);
  worlds[0].act();
  worlds[0].close();
  await until(() => worlds[0].webSockets.length === 0);
  const { client, ws } = await worlds[1].sites[0].open();
  ws.send('foo');
  await client.expect('8103666f6f');
  worlds[1].act();
}

async function main() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ws-upgrade-copies-'));
  try {
    await run(folder);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
  process.stdout.write(passed('both with connections in every state'));
  process.exit();
}

main();
