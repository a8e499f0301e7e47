'use strict';

// A client of `ws` in a process of its own, which answers pings. The first
// argument is the port of 127.0.0.1.

const { WebSocket } = require('ws');

const { isTls } = require('./http-server');
const { PRE_SHARED } = require('./tls');

const scheme = isTls ? 'wss' : 'ws';

new WebSocket(
  `${scheme}://127.0.0.1:${process.argv[2]}/`,
  isTls ? PRE_SHARED.client : {},
);
