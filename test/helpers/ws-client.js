'use strict';

const { WebSocket: WsClient } = require('ws');

const { isTls } = require('./http-server');
const { once } = require('./events');
const { PRE_SHARED } = require('./tls');

/**
 * Connects a client of `ws` that offers permessage-deflate.
 *
 * @param {TestServer} server
 * @param {object} [perMessageDeflate] options of the client; by default it
 *   compresses messages of any size
 * @returns {Promise<{client: WsClient, answer: string}>} `answer` is what the
 *   server says about extensions
 */
async function connectWs(server, perMessageDeflate) {
  const client = new WsClient(
    `${isTls ? 'wss' : 'ws'}://127.0.0.1:${server.target}`,
    {
      perMessageDeflate: { threshold: 0, ...perMessageDeflate },
      ...(isTls ? PRE_SHARED.client : {}),
    },
  );
  const upgrade = once(client, 'upgrade');
  await once(client, 'open');
  const [response] = await upgrade;
  return { client, answer: response.headers['sec-websocket-extensions'] };
}

module.exports = { connectWs };
