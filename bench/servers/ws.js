'use strict';

const echo = require('./echo');
const { WebSocketServer } = require('ws');

echo(WebSocketServer);
