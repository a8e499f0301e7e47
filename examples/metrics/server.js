'use strict';

// The metrics example: an echo server that Prometheus can scrape.

const http = require('http');

const { WebSocketServer } = require('../..');
const { CONTENT_TYPE, format } = require('./prometheus');

const PORT = Number(process.env.PORT || 8080);

const server = http.createServer((req, res) => {
  if (req.url === '/metrics') {
    res.setHeader('Content-Type', CONTENT_TYPE);
    res.end(format(wss.stats()));
  } else {
    res.statusCode = 404;
    res.end();
  }
});
const wss = new WebSocketServer({ server, perMessageDeflate: true });

function onMessage(data, isBinary) {
  this.send(data, { binary: isBinary });
}

wss.on('connection', (ws) => {
  ws.on('error', console.error);
  ws.on('message', onMessage);
});
server.listen(PORT, () => {
  console.log(`Listening on port ${server.address().port}`);
});
