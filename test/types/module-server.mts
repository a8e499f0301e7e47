// The same as an ECMAScript module.

import { createServer } from 'node:http';
import { pipeline } from 'node:stream/promises';
import WebSocket, {
  WebSocketServer,
  createWebSocketStream,
  type AddressInfo,
  type CloseEvent,
  type Data,
  type ErrorEvent,
  type Event,
  type EventListenerOptions,
  type MessageEvent,
  type PerMessageDeflateOptions,
  type RawData,
  type Server,
  type ServerOptions,
  type VerifyClientCallbackAsync,
  type VerifyClientCallbackSync,
} from 'ws';
import { WebSocket as Named } from 'ws';

class Player extends WebSocket {
  score = 0;
}

const compression: PerMessageDeflateOptions = { threshold: 0 };
const verifySync: VerifyClientCallbackSync = ({ req }) => req.url === '/';
const verifyAsync: VerifyClientCallbackAsync = ({ req }, callback) => {
  callback(req.url === '/');
};
const options: ServerOptions = {
  noServer: true,
  perMessageDeflate: compression,
};
const server: Server = new WebSocketServer(options);
const wss: WebSocketServer = server;
new WebSocketServer({ port: 0, verifyClient: verifySync });
new WebSocketServer({ port: 0, verifyClient: verifyAsync });
const address = wss.address() as AddressInfo;
console.log(address.port.toFixed());

const http = createServer();
const players = new WebSocketServer({ noServer: true, WebSocket: Player });
http.on('upgrade', (request, socket, head) => {
  players.handleUpgrade(request, socket, head, (player) => {
    player.score++;
    players.emit('connection', player, request);
  });
});
players.on('connection', (player, request) => {
  player.on('message', (data: RawData, isBinary: boolean) => {
    player.score += isBinary ? 2 : data.toString().length;
  });
  console.log(request.url);
});

async function echo(ws: Named): Promise<void> {
  const stream = createWebSocketStream(ws);
  await pipeline(stream, stream);
}

function listen(ws: WebSocket): void {
  const once: EventListenerOptions = { once: true };
  ws.addEventListener('open', (event: Event) => console.log(event.type), once);
  ws.addEventListener('close', (event: CloseEvent) => console.log(event.code));
  ws.addEventListener('error', ({ error }: ErrorEvent) => console.log(error));
  ws.addEventListener('message', (event: MessageEvent) => {
    const data: Data = event.data;
    console.log(data);
  });
  const raw: WebSocket.RawData[] = [];
  ws.on('message', (data) => raw.push(data));
  if (ws.readyState === WebSocket.OPEN) ws.close();
}
wss.on('connection', (ws) => {
  listen(ws);
  void echo(ws);
});
