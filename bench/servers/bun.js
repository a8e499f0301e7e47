'use strict';

/* global Bun, Response */

const { BENCH_KEY, BENCH_CERT } = process.env;

const server = Bun.serve({
  hostname: '127.0.0.1',
  port: Number(process.argv[2] || 0),
  tls: BENCH_KEY && { key: Bun.file(BENCH_KEY), cert: Bun.file(BENCH_CERT) },
  fetch(request, server) {
    return server.upgrade(request)
      ? undefined
      : new Response('Upgrade Required', { status: 426 });
  },
  websocket: {
    perMessageDeflate: false,
    idleTimeout: 0,
    sendPings: false,
    maxPayloadLength: 16 * 1024 * 1024,
    backpressureLimit: 64 * 1024 * 1024,
    message(ws, message) {
      ws.send(message);
    },
  },
});

console.log(`listening ${server.port}`);
