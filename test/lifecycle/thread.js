'use strict';

// A worker thread with a server. `workerData.task` says what it is for: 'echo'
// serves what it is told to, an ending of `endings.js` ends the thread that
// way, and 'wait' has connections in every state and does nothing. It posts
// what the main thread waits for: the port, or that all is ready.

const http = require('node:http');
const { parentPort, workerData } = require('node:worker_threads');

const { echo } = require('../helpers/random-traffic');
const { end } = require('./endings');
const { World } = require('./states');

const { task, transports, packageRoot } = workerData;
const wsUpgrade = require(packageRoot);

function serveEcho() {
  const server = http.createServer();
  const wss = new wsUpgrade.WebSocketServer({ server, heartbeat: true });
  wss.on('connection', echo);
  server.listen(0, '127.0.0.1', () => {
    parentPort.postMessage(server.address().port);
  });
}

async function wait() {
  const world = new World(wsUpgrade, transports);
  await world.listen();
  await world.openAll();
  world.act();
  parentPort.postMessage('ready');
}

if (task === 'echo') serveEcho();
else if (task === 'wait') wait();
else end(task, transports, wsUpgrade, () => parentPort.postMessage('ready'));
