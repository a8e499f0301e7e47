'use strict';

// A client to stop and wake by hand: it answers pings, sends a message a
// second, and prints its process id.
//
//   node examples/heartbeat/client.js [URL]

const WebSocket = require('ws');

const url = process.argv[2] || 'ws://127.0.0.1:8080/ws';
const ws = new WebSocket(url);
let timer;

ws.on('open', () => {
  console.log(`Connected to ${url}. In another terminal:`);
  console.log(`  kill -STOP ${process.pid}   stops answering`);
  console.log(`  kill -CONT ${process.pid}   wakes up`);
  timer = setInterval(() => ws.send(`from process ${process.pid}`), 1000);
});
ws.on('ping', () => console.log('ping from the server, answered'));
ws.on('error', (err) => {
  console.error(`Cannot reach ${url}: ${err.message}`);
  process.exitCode = 1;
});
ws.on('close', (code, reason) => {
  clearInterval(timer);
  console.log(`closed: ${code} ${reason}`);
});
process.once('SIGINT', () => ws.close(1000));
