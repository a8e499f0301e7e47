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
const { assertProgress, startTraffic } = require('./workers');

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
  destroyClients();
}

async function main() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ws-upgrade-copies-'));
  try {
    await run(folder);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

main();
