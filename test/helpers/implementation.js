'use strict';

// The suites describe behaviour that this package shares with `ws`. They run
// against the package itself, or against the module that WS_IMPLEMENTATION
// names, so that what they say about `ws` can be shown.
const path = require('node:path');

const packageRoot = path.resolve(__dirname, '..', '..');
const modulePath = require.resolve(
  process.env.WS_IMPLEMENTATION || packageRoot,
);
const { WebSocket, WebSocketServer } = require(modulePath);
const isWs = process.env.WS_IMPLEMENTATION === 'ws';

// What carries the connections of a run: 'tcp', where the descriptor is taken
// over; 'stream', the same by way of Node's streams; or 'tls'.
const transport = process.env.WS_TRANSPORT || 'tcp';

/**
 * Runs `assertions` unless the implementation is `ws`, which does not reach
 * what they ask for.
 *
 * @template T
 * @param {() => T} assertions what this package does better than `ws`
 * @returns {T|undefined}
 */
function betterThanWs(assertions) {
  return isWs ? undefined : assertions();
}

module.exports = {
  WebSocket,
  WebSocketServer,
  betterThanWs,
  isWs,
  modulePath,
  transport,
};
