'use strict';

const WebSocket = require('./websocket');

WebSocket.createWebSocketStream = require('./websocket-stream');
WebSocket.extension = require('./extension');
WebSocket.PerMessageDeflate = require('./permessage-deflate');
WebSocket.Receiver = require('./receiver');
WebSocket.Sender = require('./frame');
WebSocket.Server = require('./websocket-server');
WebSocket.subprotocol = require('./subprotocol');
WebSocket.WebSocket = WebSocket;
WebSocket.WebSocketServer = WebSocket.Server;

module.exports = WebSocket;
