'use strict';

// The server that is attacked, in a process of its own: it says its port over
// IPC, and answers what target.js asks. `/echo` sends messages back, `/amplify`
// 64 KiB for each, `/broadcast` 4 MiB to everybody, and any other path takes them
// and says nothing.

const fs = require('node:fs');

const { WebSocketServer } = require('../helpers/implementation');
const {
  createHttpServer,
  transportOptions,
} = require('../helpers/http-server');
const { settledRss } = require('../helpers/memory');

const ANSWER_SIZE = 64 * 1024;
const BROADCAST = Buffer.alloc(4 * 1024 * 1024, 'All of you get this. ');

const counts = { sockets: 0, opened: 0, closed: 0, messages: 0 };
const waiting = new Set();

function changed() {
  for (const waiter of waiting) waiter();
}

/** Resolves once all of these counts are reached. */
function until(expected) {
  return new Promise((resolve) => {
    const waiter = () => {
      const isMissing = ([name, count]) => counts[name] !== count;

      if (Object.entries(expected).some(isMissing)) return;
      waiting.delete(waiter);
      resolve({ ...counts });
    };
    waiting.add(waiter);
    waiter();
  });
}

/** Resolves when each connection has ended, or has sent so many messages. */
function untilDone(messages) {
  return new Promise((resolve) => {
    const waiter = () => {
      for (const ws of wss.clients) if (ws.received < messages) return;
      waiting.delete(waiter);
      resolve({ ...counts });
    };
    waiting.add(waiter);
    waiter();
  });
}

function cpu() {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** Begins to measure: peak() tells the most memory from here on, on Linux. */
async function begin() {
  const rss = await settledRss();
  if (process.platform === 'linux')
    fs.writeFileSync('/proc/self/clear_refs', '5');
  return { rss, cpu: cpu() };
}

function peak() {
  if (process.platform !== 'linux') return process.memoryUsage.rss();
  const status = fs.readFileSync('/proc/self/status', 'utf8');
  return Number(/VmHWM:\s+(\d+)/.exec(status)[1]) * 1024;
}

const answers = {
  begin,
  measure: () => ({ cpu: cpu(), peak: peak() }),
  settledRss,
  until,
  untilDone,
  /** What a header must not have added to. */
  prototype: () => Object.getOwnPropertyNames(Object.prototype),
};

const server = createHttpServer();
const wss = new WebSocketServer({
  server,
  ...transportOptions,
  ...JSON.parse(process.argv[2]),
});

server.on('connection', (socket) => {
  counts.sockets++;
  socket.on('close', () => {
    counts.sockets--;
    changed();
  });
  changed();
});

wss.on('connection', (ws, { url }) => {
  counts.opened++;
  ws.received = 0;
  ws.on('error', () => {});
  ws.on('message', (data, isBinary) => {
    ws.received++;
    counts.messages++;
    if (url === '/echo') ws.send(data, { binary: isBinary });
    if (url === '/amplify') ws.send(Buffer.alloc(ANSWER_SIZE, 1));
    if (url === '/broadcast') {
      for (const client of wss.clients) client.send(BROADCAST);
    }
    changed();
  });
  ws.on('close', () => {
    counts.closed++;
    changed();
  });
  changed();
});

process.on('message', async ({ question, argument }) => {
  process.send({ answer: await answers[question](argument) });
});

process.on('disconnect', () => process.exit());

server.listen(0, '127.0.0.1', 4096, () => {
  process.send({ port: server.address().port });
});
