'use strict';

// A client of `ws` in a process of its own, which answers pings. The first
// argument is the port of 127.0.0.1.

const { WebSocket } = require('ws');

new WebSocket(`ws://127.0.0.1:${process.argv[2]}/`);
