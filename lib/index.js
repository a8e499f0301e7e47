'use strict';

const WebSocket = require('./websocket');
const WebSocketServer = require('./websocket-server');

WebSocket.Server = WebSocketServer;
WebSocket.WebSocket = WebSocket;
WebSocket.WebSocketServer = WebSocketServer;

module.exports = WebSocket;
