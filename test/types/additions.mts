// The names that a module gets.

import ws, {
  Sender,
  Server,
  WebSocket,
  WebSocketServer,
  createWebSocketStream,
  extension,
  subprotocol,
  type FrameOptions,
  type HeartbeatCounts,
  type HeartbeatOptions,
  type SendOptions,
  type ServerStats,
  type ShutdownOptions,
  type ShutdownResult,
  type WebSocketEventMap,
} from 'ws-upgrade';

const server: Server = new Server({ noServer: true, transport: 'stream' });
const wss: WebSocketServer = new WebSocketServer({ port: 0 });
wss.on('connection', (socket) => {
  const same: ws = socket;
  const named: WebSocket = same;
  named.isAlive = false;
  const options: SendOptions = { fin: true };
  named.send('foo', options);
  createWebSocketStream(named).destroy();
});
const goodbye: ShutdownOptions = { code: 1001 };
const result: Promise<ShutdownResult> = wss.shutdown(goodbye);
const stats: ServerStats = wss.stats();
console.log(result, stats.pings.sent);
const heartbeat: HeartbeatOptions = { timeout: 1 };
const counts: HeartbeatCounts = { alive: 1, pinged: 1, terminated: 0 };
console.log(heartbeat, counts);
const frameOptions: FrameOptions = { opcode: 2 };
const frame: Buffer[] = Sender.frame(Buffer.alloc(1), frameOptions);
const type: keyof WebSocketEventMap = 'message';
const names: Set<string> = subprotocol.parse('foo');
console.log(server, frame, type, names, extension.format({ foo: {} }));
