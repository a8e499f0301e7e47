'use strict';

const echo = require('./echo');
const { WebSocketServer } = require('../..');

echo(WebSocketServer);
