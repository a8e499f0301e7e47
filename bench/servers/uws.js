'use strict';

const uWS = require('uwebsockets');

const { BENCH_KEY, BENCH_CERT, BENCH_DEFLATE } = process.env;
const port = Number(process.argv[2] || 0);
const app = BENCH_KEY
  ? uWS.SSLApp({ key_file_name: BENCH_KEY, cert_file_name: BENCH_CERT })
  : uWS.App();

const compression = {
  takeover: uWS.DEDICATED_COMPRESSOR_256KB | uWS.DEDICATED_DECOMPRESSOR,
  'no-takeover': uWS.SHARED_COMPRESSOR | uWS.SHARED_DECOMPRESSOR,
};

const compress = BENCH_DEFLATE !== undefined;

app
  .ws('/*', {
    compression: compress ? compression[BENCH_DEFLATE] : uWS.DISABLED,
    idleTimeout: 0,
    maxPayloadLength: 16 * 1024 * 1024,
    maxBackpressure: 64 * 1024 * 1024,
    message(ws, message, isBinary) {
      ws.send(message, isBinary, compress);
    },
  })
  .listen('127.0.0.1', port, (socket) => {
    if (!socket) {
      throw new Error(`Cannot listen on port ${port}`);
    }
    console.log(`listening ${uWS.us_socket_local_port(socket)}`);
  });
