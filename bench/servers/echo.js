'use strict';

const fs = require('fs');
const http = require('http');
const https = require('https');

const { BENCH_KEY, BENCH_CERT, BENCH_DEFLATE } = process.env;

const perMessageDeflate = {
  takeover: { threshold: 0 },
  'no-takeover': {
    threshold: 0,
    serverNoContextTakeover: true,
    clientNoContextTakeover: true,
  },
};

function createServer() {
  return BENCH_KEY
    ? https.createServer({
        key: fs.readFileSync(BENCH_KEY),
        cert: fs.readFileSync(BENCH_CERT),
      })
    : http.createServer();
}

/**
 * Serves WebSocket echo on 127.0.0.1 through an 'upgrade' listener, with the
 * API that `ws` and `ws-upgrade` share. The port is the program's first
 * argument, 0 for any free one. With `BENCH_KEY` and `BENCH_CERT` in the
 * environment, paths of PEM files, it is served over TLS; with `BENCH_DEFLATE`,
 * `takeover` or `no-takeover`, every echo is compressed.
 *
 * @param {Function} WebSocketServer The class to measure
 */
module.exports = function echo(WebSocketServer) {
  const compress = BENCH_DEFLATE !== undefined;
  const wss = new WebSocketServer({
    noServer: true,
    ...(compress && { perMessageDeflate: perMessageDeflate[BENCH_DEFLATE] }),
  });
  const server = createServer();

  wss.on('connection', (ws) => {
    ws.on('message', (data, isBinary) =>
      ws.send(data, { binary: isBinary, compress }),
    );
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
