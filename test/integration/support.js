'use strict';

// What the suites share: the module under test in the place of `ws`, servers
// that are closed after each test, and a certificate for TLS.
//
// The certificate is valid for 100 years and was made with
//   openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
//     -days 36500 -subj /CN=localhost \
//     -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' \
//     -keyout fixtures/key.pem -out fixtures/cert.pem

const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const Module = require('node:module');
const path = require('node:path');

const { modulePath } = require('../helpers/implementation');
const { once } = require('../helpers/events');

const FIXTURES = path.join(__dirname, 'fixtures');

const TLS = {
  key: fs.readFileSync(path.join(FIXTURES, 'key.pem')),
  cert: fs.readFileSync(path.join(FIXTURES, 'cert.pem')),
};

/** The whole module under test, as `require('ws')` would give it. */
const engine = require(modulePath);

const cleanups = [];
const sockets = new Set();

/**
 * Has `cleanup` called after the test, before those that were given earlier.
 *
 * @param {() => any} cleanup
 */
function onCleanup(cleanup) {
  cleanups.push(cleanup);
}

/** Undoes what the test has built up; a suite calls it after each test. */
async function cleanUp() {
  while (cleanups.length > 0) await cleanups.pop()();
}

/**
 * Listens on a free port of 127.0.0.1 until the test is over; the connections
 * that are left are destroyed then.
 *
 * @param {http.Server|https.Server} server
 * @returns {Promise<number>} the port
 */
async function listen(server) {
  const track = (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  };
  server.on('connection', track);
  onCleanup(async () => {
    sockets.forEach((socket) => socket.destroy());
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    await closed;
  });
  const listening = once(server, 'listening');
  server.listen(0, '127.0.0.1');
  await listening;
  return server.address().port;
}

/** How a server is made, by the scheme of the URLs of its WebSockets. */
const createServer = {
  ws: (listener) => http.createServer(listener),
  wss: (listener) => https.createServer(TLS, listener),
};

/**
 * Loads a package whose `require('ws')`, and that of the packages it loads,
 * gives the module under test.
 *
 * @param {string} name
 * @returns {any} what the package exports
 */
function requireOnEngine(name) {
  const resolve = Module._resolveFilename;
  Module._resolveFilename = function resolveFilename(request, ...rest) {
    if (request === 'ws') return modulePath;
    return resolve.call(this, request, ...rest);
  };
  try {
    return require(name);
  } finally {
    Module._resolveFilename = resolve;
  }
}

/**
 * Collects what an event brings.
 *
 * @param {import('node:events').EventEmitter} emitter
 * @param {string} name
 * @param {number} count how many events to wait for
 * @param {(...args: any[]) => any} [describe] what is kept of an event
 * @returns {Promise<any[]>}
 */
function collect(emitter, name, count, describe = (value) => value) {
  return new Promise((resolve) => {
    const kept = [];
    const listener = (...args) => {
      kept.push(describe(...args));
      if (kept.length < count) return;
      emitter.removeListener(name, listener);
      resolve(kept);
    };
    emitter.on(name, listener);
  });
}

/**
 * The status of the response that refuses the handshake of a client.
 *
 * @param {import('ws').WebSocket} client one that was just made
 * @returns {Promise<number>}
 */
async function refusal(client) {
  const [req, response] = await once(client, 'unexpected-response');
  // With a listener of that event the request is left to it.
  req.destroy();
  return response.statusCode;
}

/** Options of permessage-deflate under which clients have to get along. */
const COMPRESSIONS = [
  { threshold: 0 },
  { threshold: 0, serverNoContextTakeover: true },
  {
    clientNoContextTakeover: true,
    serverNoContextTakeover: true,
    threshold: 0,
  },
  { serverMaxWindowBits: 9, threshold: 0 },
  { clientMaxWindowBits: 9, threshold: 0 },
  { threshold: 0, zlibDeflateOptions: { level: 9 } },
];

/** Around what is compressed on the loop, and beyond. */
const COMPRESSED_LENGTHS = [0, 1, 126, 1000, 16384, 16385, 65537, 1024 * 1024];

module.exports = {
  COMPRESSED_LENGTHS,
  COMPRESSIONS,
  TLS,
  cleanUp,
  collect,
  createServer,
  engine,
  listen,
  onCleanup,
  refusal,
  requireOnEngine,
};
