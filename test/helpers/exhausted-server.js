'use strict';

// A server in a process of its own whose limit of descriptors is low. Where a
// request names the path /exhausted, all descriptors that are left are used up
// while it is handled. The first argument names the place of handleUpgrade().
// The process tells its port over IPC.

const fs = require('node:fs');

const { WebSocketServer } = require('./implementation');
const { createHttpServer, transportOptions } = require('./http-server');

const server = createHttpServer();
const wss = new WebSocketServer({ noServer: true, ...transportOptions });
wss.on('connection', (ws) => {
  ws.on('message', (data) => ws.send(data));
});

/** Opens files until there is no descriptor left. */
function exhaust() {
  const files = [];
  try {
    for (;;) files.push(fs.openSync('/dev/null'));
  } catch (error) {
    if (error.code !== 'EMFILE') throw error;
  }
  return files;
}

function handle(req, socket, head) {
  const files = req.url === '/exhausted' ? exhaust() : [];
  try {
    wss.handleUpgrade(req, socket, head, (ws) => {
      wss.emit('connection', ws, req);
    });
  } finally {
    for (const file of files) fs.closeSync(file);
  }
}

if (process.argv[2] === 'upgrade') server.on('upgrade', handle);
else server.on('request', (req) => handle(req, req.socket, Buffer.alloc(0)));

server.listen(0, '127.0.0.1', () => process.send(server.address().port));
