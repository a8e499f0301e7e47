'use strict';

// A server in a process of its own, which is shut down in the middle of
// traffic. It tells its port over IPC, answers each message with the number of
// messages that it has sent to that client before, and, told to shut down, sends
// some more to all of them first. Then it tells how many each client was sent,
// by its URL, and what shutdown() has resolved with; after that nothing keeps
// the process.

const { WebSocket, WebSocketServer } = require('./implementation');
const { createHttpServer, transportOptions } = require('./http-server');

const LAST_MESSAGES = 10;
const PADDING = ' '.repeat(2000);

const sent = {};

function sendNumber(ws) {
  if (ws.readyState !== WebSocket.OPEN) return;
  ws.send(`${sent[ws.target]}${PADDING}`);
  sent[ws.target] += 1;
}

const server = createHttpServer();
const wss = new WebSocketServer({ server, ...transportOptions });

wss.on('connection', (ws, req) => {
  ws.target = req.url;
  sent[req.url] = 0;
  ws.on('message', () => sendNumber(ws));
});

process.once('message', async () => {
  for (const ws of wss.clients) {
    for (let i = 0; i < LAST_MESSAGES; i++) sendNumber(ws);
  }
  const end = wss.shutdown({ timeout: 60000 });
  server.close();
  process.send({ result: await end, sent });
  process.disconnect();
});

server.listen(0, '127.0.0.1', () => process.send(server.address().port));
