'use strict';

const http = require('node:http');
const https = require('node:https');

const { transport } = require('./implementation');
const { PRE_SHARED } = require('./tls');

/** Whether the clients of this run speak TLS. */
const isTls = transport === 'tls';

/** Options of a WebSocketServer for the transport of this run. */
const transportOptions = transport === 'stream' ? { transport } : {};

/**
 * Creates the HTTP server that the transport of this run needs.
 *
 * @param {object} [options] of `http.createServer()`
 * @param {boolean} [usesTls] by default, as the transport of this run says
 * @returns {http.Server}
 */
function createHttpServer(options = {}, usesTls = isTls) {
  return usesTls
    ? https.createServer({ ...PRE_SHARED.server, ...options })
    : http.createServer(options);
}

module.exports = { createHttpServer, isTls, transportOptions };
