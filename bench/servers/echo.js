'use strict';

const http = require('http');

/**
 * Serves WebSocket echo on 127.0.0.1 through an 'upgrade' listener, with the
 * API that `ws` and `ws-upgrade` share. The port is the program's first
 * argument, 0 for any free one.
 *
 * @param {Function} WebSocketServer The class to measure
 */
module.exports = function echo(WebSocketServer) {
  const wss = new WebSocketServer({ noServer: true });
  const server = http.createServer();

  wss.on('connection', (ws) => {
    ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }));
  });

  server.on('upgrade', (req, socket, head) => {
    wss.handleUpgrade(req, socket, head, (ws) => {
      wss.emit('connection', ws, req);
    });
  });

  server.listen(Number(process.argv[2] || 0), '127.0.0.1', () => {
    console.log(`listening ${server.address().port}`);
  });
};
