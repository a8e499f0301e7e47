'use strict';

// What happens, for those who subscribe to `diagnostics_channel`; nobody else
// pays more than a look at `hasSubscribers`.

const { channel } = require('diagnostics_channel');
const { kServer } = require('./symbols');

// Referenced from here, so that a subscription alone does not have to.
const connectionChannel = channel('ws-upgrade:connection');
const closeChannel = channel('ws-upgrade:close');
const errorChannel = channel('ws-upgrade:error');
const refusedChannel = channel('ws-upgrade:refused');

/**
 * A connection is open.
 *
 * @param {WebSocketServer} server
 * @param {WebSocket} webSocket
 * @param {http.IncomingMessage} request
 */
function publishConnection(server, webSocket, request) {
  if (!connectionChannel.hasSubscribers) return;
  connectionChannel.publish({ server, webSocket, request });
}

/**
 * A connection has ended.
 *
 * @param {WebSocket} webSocket
 * @param {number} code
 * @param {Buffer} reason
 */
function publishClose(webSocket, code, reason) {
  if (!closeChannel.hasSubscribers) return;
  closeChannel.publish({ server: webSocket[kServer], webSocket, code, reason });
}

/**
 * A connection has an error.
 *
 * @param {WebSocket} webSocket
 * @param {Error} error
 */
function publishError(webSocket, error) {
  if (!errorChannel.hasSubscribers) return;
  errorChannel.publish({ server: webSocket[kServer], webSocket, error });
}

/**
 * A handshake is refused.
 *
 * @param {WebSocketServer} server
 * @param {http.IncomingMessage} request
 * @param {Duplex} socket
 * @param {number} status of the answer, unless 'wsClientError' listeners give
 *     another one
 * @param {string} [message] why
 */
function publishRefused(server, request, socket, status, message) {
  if (!refusedChannel.hasSubscribers) return;
  refusedChannel.publish({ server, request, socket, status, message });
}

module.exports = {
  publishClose,
  publishConnection,
  publishError,
  publishRefused,
};
