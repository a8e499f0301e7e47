'use strict';

// The Kubernetes example: an echo server that leaves a cluster without losing
// what its clients were sent. README.md says what happens when.

const http = require('http');

const { WebSocketServer } = require('../..');

/** After SIGTERM, until all of the cluster knows that the pod is going. */
const DRAIN_MS = readNumber('DRAIN_MS', 5000);

/** What clients get after that to answer the close frame. */
const TIMEOUT_MS = readNumber('TIMEOUT_MS', 15000);

const PORT = readNumber('PORT', 8080);

let isReady = true;

function readNumber(name, byDefault) {
  const text = process.env[name];

  if (text === undefined) return byDefault;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new RangeError(`${name} has to be a whole number, not "${text}"`);
}

function onRequest(req, res) {
  const isProbe = req.url === '/ready';

  // Nobody keeps a connection to a pod that is going.
  if (!isReady) res.shouldKeepAlive = false;
  res.statusCode = isProbe ? (isReady ? 200 : 503) : 404;
  res.end();
}

function onMessage(data, isBinary) {
  this.send(data, { binary: isBinary });
}

/**
 * Leaves the cluster. Nothing calls process.exit(): once all connections have
 * ended, nothing keeps the process.
 */
async function stop(server, wss) {
  isReady = false;
  await new Promise((resolve) => setTimeout(resolve, DRAIN_MS));
  const { closed, terminated } = await wss.shutdown({
    code: 1001,
    reason: 'The server is being replaced',
    timeout: TIMEOUT_MS,
  });

  server.close();
  // Not before Node.js 18.2: until then they end with keepAliveTimeout.
  if (server.closeIdleConnections) server.closeIdleConnections();
  console.log(`${closed} clients have closed, ${terminated} were terminated`);
}

const server = http.createServer(onRequest);
const wss = new WebSocketServer({ server });

wss.on('connection', (ws) => {
  ws.on('error', console.error);
  ws.on('message', onMessage);
});
// Once: a second signal ends the process at once.
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, () => stop(server, wss));
}
server.listen(PORT, () => {
  console.log(`Listening on port ${server.address().port}`);
});
