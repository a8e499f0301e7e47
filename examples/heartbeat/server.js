'use strict';

// The heartbeat example: an HTTP server with one page, whose WebSocket echoes
// what it is sent and gets the list of all clients once a second. A client that
// leaves two pings in a row unanswered is terminated.

const fs = require('fs');
const http = require('http');
const path = require('path');
const { performance } = require('perf_hooks');

const { WebSocketServer, WebSocket } = require('../..');
const { HELP, UsageError, readOptions } = require('./options');

const HEARTBEAT_MS = 5000;
const LIST_MS = 1000;
const PONG_LATE_MS = 1000;
const KEEP_CLOSED_MS = 15000;
const SHUTDOWN_MS = 2000;
const SAME_SIGNAL_MS = 500;

const page = fs.readFileSync(path.join(__dirname, 'index.html'));

/** What the page shows of each client, by its number. */
const clients = new Map();
let lastId = 0;

function log(client, text) {
  const time = new Date().toTimeString().slice(0, 8);
  console.log(`${time}  #${client.id} ${client.address}  ${text}`);
}

function onRequest(req, res) {
  const { pathname } = new URL(req.url, 'http://localhost');
  const found = pathname === '/';
  res.writeHead(found ? 200 : 404, {
    'Content-Type': found ? 'text/html; charset=utf-8' : 'text/plain',
    Connection: 'close',
  });
  res.end(found ? page : 'Not found\n');
}

function send(ws, message) {
  if (ws.readyState === WebSocket.OPEN) ws.send(JSON.stringify(message));
}

function onMessage(data, isBinary) {
  this.client.messages += 1;
  this.send(data, { binary: isBinary });
}

function onPong() {
  this.isAlive = true;
  this.client.rtt = performance.now() - this.client.pingedAt;
}

function onError(err) {
  log(this.client, `error: ${err.message}`);
}

function onClose(code) {
  const { client } = this;
  client.state = client.terminated ? 'terminated' : 'closed';
  client.closedAt = performance.now();
  log(client, `${client.state} (${code})`);
}

function onConnection(ws, req) {
  lastId += 1;
  const client = {
    id: lastId,
    address: `${req.socket.remoteAddress}:${req.socket.remotePort}`,
    state: 'open',
    rtt: null,
    messages: 0,
    pingedAt: performance.now(),
    closedAt: null,
    terminated: false,
  };
  clients.set(client.id, client);
  ws.client = client;
  ws.isAlive = true;
  ws.on('message', onMessage);
  ws.on('pong', onPong);
  ws.on('error', onError);
  ws.on('close', onClose);
  log(client, 'connected');
  send(ws, { type: 'hello', id: client.id });
  // The first ping is for the round-trip time; it does not count as a heartbeat.
  ws.ping();
}

/** The loop of every ws app: who has not answered since the last turn is out. */
function heartbeat(wss) {
  wss.clients.forEach((ws) => {
    if (!ws.isAlive) {
      ws.client.terminated = true;
      ws.terminate();
      return;
    }
    ws.isAlive = false;
    ws.client.pingedAt = performance.now();
    ws.ping();
  });
}

/** Brings the state of a connected client up to date. */
function updateState(ws, now) {
  const { client } = ws;
  const late = !ws.isAlive && now - client.pingedAt >= PONG_LATE_MS;
  const state = late ? 'missed a heartbeat' : 'open';
  if (state === client.state) return;
  client.state = state;
  log(client, late ? state : 'is back');
}

function sendList(wss) {
  const now = performance.now();
  wss.clients.forEach((ws) => updateState(ws, now));
  clients.forEach((client, id) => {
    const closed = client.closedAt !== null;
    if (closed && now - client.closedAt > KEEP_CLOSED_MS) clients.delete(id);
  });
  const list = Array.from(clients.values(), (client) => ({
    id: client.id,
    address: client.address,
    state: client.state,
    rtt: client.rtt,
    messages: client.messages,
  }));
  wss.clients.forEach((ws) => send(ws, { type: 'clients', list }));
}

function onServerError(err, { host, port }) {
  const reasons = {
    EADDRINUSE:
      `Port ${port} on ${host} is in use. End what listens there, or take ` +
      `another port: npm start -- --port ${port === 65535 ? port - 1 : port + 1}`,
    EACCES:
      `Not allowed to listen on port ${port}. Take a port above 1023: ` +
      'npm start -- --port 8080',
    EADDRNOTAVAIL: `This machine has no address ${host}`,
    ENOTFOUND: `There is no host named ${host}`,
  };
  console.error(reasons[err.code] || `Cannot listen: ${err.message}`);
  process.exit(1);
}

/**
 * Says goodbye to all clients; those that do not answer are cut off. The process
 * ends by itself once nothing is open any more.
 */
function shutDown(server, wss, timers) {
  timers.forEach(clearInterval);
  server.close();
  wss.clients.forEach((ws) => ws.close(1001, 'The server is shutting down'));
  wss.close();
  const cutOff = () => {
    wss.clients.forEach((ws) => ws.terminate());
    setTimeout(() => process.exit(0), 100).unref();
  };
  setTimeout(cutOff, SHUTDOWN_MS).unref();
}

/**
 * The first signal calls `stop`, and one that comes later ends the process.
 * npm passes Ctrl-C on to a server that the terminal has told already, so a
 * second signal right after the first is the same one.
 */
function stopOnSignal(stop) {
  let stoppedAt = null;
  const onSignal = () => {
    if (stoppedAt === null) {
      stoppedAt = performance.now();
      stop();
      // A process that is about to end would end by the second one instead.
      setTimeout(() => {}, SAME_SIGNAL_MS);
    } else if (performance.now() - stoppedAt > SAME_SIGNAL_MS) {
      process.exit(1);
    }
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
}

function start(options) {
  const server = http.createServer(onRequest);
  const wss = new WebSocketServer({ noServer: true, path: '/ws' });
  wss.on('connection', onConnection);
  server.on('upgrade', (req, socket, head) => {
    wss.handleUpgrade(req, socket, head, (ws) => {
      wss.emit('connection', ws, req);
    });
  });
  server.on('error', (err) => onServerError(err, options));
  server.listen(options.port, options.host, () => {
    const { address, family, port } = server.address();
    const isIPv6 = family === 'IPv6' || family === 6;
    const host = isIPv6 ? `[${address}]` : address;
    console.log(`Open http://${host}:${port}/ in a browser. Ctrl-C ends it.`);
    const timers = [
      setInterval(heartbeat, HEARTBEAT_MS, wss),
      setInterval(sendList, LIST_MS, wss),
    ];
    stopOnSignal(() => shutDown(server, wss, timers));
  });
}

function main() {
  let options;
  try {
    options = readOptions(process.argv.slice(2));
  } catch (err) {
    if (!(err instanceof UsageError)) throw err;
    console.error(`${err.message}\n\n${HELP}`);
    process.exitCode = 1;
    return;
  }
  if (options.help) console.log(HELP);
  else start(options);
}

main();
