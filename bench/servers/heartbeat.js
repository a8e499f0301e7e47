'use strict';

const http = require('http');

/**
 * Keeps WebSocket clients alive, on 127.0.0.1: with what is built into
 * `ws-upgrade`, or with the loop of the README of `ws`. Arguments: `ws-upgrade`
 * or `ws`, milliseconds between two pings, and the port, 0 for any free one.
 */
const [name, ms, port] = process.argv.slice(2);
const interval = Number(ms);

function createBuiltIn() {
  const { WebSocketServer } = require('../..');

  return new WebSocketServer({
    noServer: true,
    heartbeat: { interval, timeout: interval },
  });
}

function heartbeat() {
  this.isAlive = true;
}

function createLoop() {
  const { WebSocketServer } = require('ws');
  const wss = new WebSocketServer({ noServer: true });

  wss.on('connection', (ws) => {
    ws.isAlive = true;
    ws.on('error', console.error);
    ws.on('pong', heartbeat);
  });
  setInterval(() => {
    wss.clients.forEach((ws) => {
      if (ws.isAlive === false) {
        ws.terminate();
        return;
      }
      ws.isAlive = false;
      ws.ping();
    });
  }, interval);
  return wss;
}

const wss = name === 'ws' ? createLoop() : createBuiltIn();
const server = http.createServer();

server.on('upgrade', (req, socket, head) => {
  wss.handleUpgrade(req, socket, head, (ws) => {
    wss.emit('connection', ws, req);
  });
});

server.listen(Number(port), '127.0.0.1', () => {
  console.log(`listening ${server.address().port}`);
});
