// The same with the names that a transpiler makes of `import`: see esModuleInterop.

import { createServer } from 'http';
import WebSocket, {
  WebSocketServer,
  Server,
  createWebSocketStream,
  type RawData,
} from 'ws';

const server = createServer();
const wss: WebSocketServer = new WebSocketServer({ server });
const clients = new Map<string, WebSocket>();

async function onMessage(ws: WebSocket.WebSocket, data: RawData) {
  await new Promise<void>((resolve, reject) => {
    ws.send(data, (error) => (error ? reject(error) : resolve()));
  });
}

wss.on('connection', (ws: WebSocket, request) => {
  clients.set(request.headers['sec-websocket-key'] ?? '', ws);
  ws.on('message', (data) => void onMessage(ws, data));
  createWebSocketStream(ws, { decodeStrings: false }).end('bye');
});

const old: Server = new Server({ noServer: true });
old.close();
if (clients.size === WebSocket.CLOSED) server.close();
