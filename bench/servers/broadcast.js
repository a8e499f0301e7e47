'use strict';

const http = require('http');

const { WebSocketServer } = require('../..');

/**
 * A server that broadcasts as fast as its fast clients read. The client at
 * '/slow' is sent to whether it reads or not, and pinged with a number, from 0
 * on, with every hundredth message. Its parent asks for all of this.
 */

const [policy, maxBackpressure] = JSON.parse(process.env.BENCH_BACKPRESSURE);
const MESSAGE = Buffer.alloc(1024, 'x');
/** Bytes that may still wait for the slow client when the broadcast begins. */
const ROOM = 64 * 1024;
/** Broadcasts between two pings of the slow client. */
const PING_INTERVAL = 100;

const server = http.createServer();
const wss = new WebSocketServer({
  server,
  maxBackpressure,
  onBackpressure: policy,
});
const fast = new Set();
let slow = null;
let dropped = 0;

wss.on('connection', (ws, req) => {
  ws.on('error', () => {});
  if (req.url === '/slow') {
    slow = ws;
    ws.on('dropped', () => dropped++);
  } else {
    fast.add(ws);
  }
});

function drained(ws) {
  return new Promise((resolve) => ws.once('drain', resolve));
}

/** Sends to the slow client until little more may wait. */
async function fill() {
  let count = 0;

  while (slow.bufferedAmount < maxBackpressure - ROOM) {
    slow.send(MESSAGE);
    if (++count % 100 === 0) await new Promise(setImmediate);
  }
  return count;
}

async function broadcast(milliseconds) {
  const filled = slow === null ? 0 : await fill();
  const begin = Date.now();
  const cpu = process.cpuUsage();
  let broadcasts = 0;
  let pings = 0;
  let most = 0;

  while (Date.now() - begin < milliseconds) {
    const waits = [];

    for (const ws of fast) {
      if (!ws.send(MESSAGE)) waits.push(drained(ws));
    }
    if (slow !== null && slow.readyState === slow.OPEN) {
      slow.send(MESSAGE);
      if (broadcasts % PING_INTERVAL === 0) slow.ping(`${pings++}`);
      most = Math.max(most, slow.bufferedAmount);
    }
    broadcasts++;
    if (waits.length > 0) await Promise.all(waits);
    await new Promise(setImmediate);
  }
  const { user, system } = process.cpuUsage(cpu);

  return {
    broadcasts,
    accepted: filled + broadcasts - dropped,
    dropped,
    pings,
    most,
    perCpuSecond: (broadcasts * fast.size * 1e6) / (user + system),
    state: slow === null ? '' : slow.readyState,
    rss: process.memoryUsage.rss(),
  };
}

process.on('message', async (question) => {
  if (question === 'clients') process.send({ answer: fast.size });
  else process.send({ answer: await broadcast(question) });
});

server.listen(0, '127.0.0.1', 4096, () => {
  console.log(`listening ${server.address().port}`);
});
