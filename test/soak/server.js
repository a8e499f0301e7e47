'use strict';

// The server of a soak: everything that is built in is switched on, with short
// times. Its parent asks for samples.

const fs = require('node:fs');
const {
  createHttpServer,
  transportOptions,
} = require('../helpers/http-server');
const { WebSocketServer } = require('../helpers/implementation');
const { settledRss } = require('../helpers/memory');

/** ms between two broadcasts. */
const BROADCAST_INTERVAL = 50;

const server = createHttpServer();
const wss = new WebSocketServer({
  server,
  closeTimeout: 1000,
  heartbeat: { interval: 1000, timeout: 1000 },
  idleTimeout: 5000,
  maxBackpressure: 1024 * 1024,
  maxFragments: 100,
  maxLifetime: 10000,
  maxPayload: 1024 * 1024,
  perMessageDeflate: { threshold: 0 },
  ...transportOptions,
});
const update = Buffer.alloc(300, 'an update for everybody; ');

wss.on('connection', (ws) => {
  ws.on('error', () => {});
  ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }));
});

setInterval(() => {
  for (const ws of wss.clients) ws.send(update);
}, BROADCAST_INTERVAL);

async function sample() {
  await settledRss();
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();

  return {
    clients: wss.clients.size,
    // One of these is that of the folder itself.
    descriptors: fs.readdirSync('/proc/self/fd').length - 1,
    handles: process.getActiveResourcesInfo().length,
    rss,
    heapUsed,
    arrayBuffers,
    stats: wss.stats(),
  };
}

process.on('message', async () => process.send(await sample()));
process.on('disconnect', () => process.exit());

server.listen(0, '127.0.0.1', 4096, () => {
  process.send({ port: server.address().port });
});
