'use strict';

// An echo server with permessage-deflate in a process of its own. It tells its
// port over IPC, and answers any message with the bytes of its memory once its
// connections have ended, where it has --expose-gc.
//
// A client of the path /deflate is sent messages that threads compress. One of
// the path /end has the process exit with the code 7, or, if the first argument
// is 'worker', the worker terminated that the server is in then, and the
// process exit with the code 7 behind that.

const {
  Worker,
  isMainThread,
  parentPort,
  workerData,
} = require('node:worker_threads');

const { WebSocketServer } = require('./implementation');
const { once } = require('./events');
const { createHttpServer, transportOptions } = require('./http-server');
const { settledRss } = require('./memory');

function report(value) {
  if (isMainThread) process.send(value);
  else parentPort.postMessage(value);
}

function serve({ perMessageDeflate, maxPayload }) {
  const server = createHttpServer();
  const wss = new WebSocketServer({
    server,
    perMessageDeflate,
    maxPayload,
    ...transportOptions,
  });
  wss.on('connection', (ws, req) => {
    ws.on('error', () => {});
    ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }));
    if (req.url === '/deflate') {
      for (let i = 0; i < 4; i++) ws.send(Buffer.alloc(1 << 24, 'abcdefgh'));
    } else if (req.url === '/end') {
      if (isMainThread) process.exit(7);
      else report('end');
    }
  });
  server.listen(0, '127.0.0.1', () => report(server.address().port));
  return wss;
}

/** Bytes of memory, when the connections have ended and garbage is collected. */
async function measure(wss) {
  await Promise.all([...wss.clients].map((ws) => once(ws, 'close')));
  return settledRss();
}

function main(kind, options) {
  if (kind === 'worker') {
    const worker = new Worker(__filename, { workerData: options });
    worker.on('message', (message) => {
      if (message === 'end') worker.terminate().then(() => process.exit(7));
      else process.send(message);
    });
    return;
  }
  const wss = serve(options);
  process.on('message', async () => report(await measure(wss)));
}

if (isMainThread) main(process.argv[2], JSON.parse(process.argv[3]));
else serve(workerData);
