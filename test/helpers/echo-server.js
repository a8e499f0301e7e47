'use strict';

// An echo server in a process of its own, run with --expose-gc. It tells its
// port over IPC, and answers any message with what its memory holds after a
// garbage collection, in bytes.

const { WebSocketServer } = require('./implementation');
const { createHttpServer, transportOptions } = require('./http-server');
const { settledRss } = require('./memory');
const { echo } = require('./random-traffic');

const server = createHttpServer();
const wss = new WebSocketServer({ server, ...transportOptions });
wss.on('connection', echo);

process.on('message', async () => {
  await settledRss();
  const { rss, heapUsed, external } = process.memoryUsage();
  process.send({ rss, heapUsed, external });
});

server.listen(0, '127.0.0.1', () => process.send(server.address().port));
