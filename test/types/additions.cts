// What this package has and the types of `ws` do not.

import { Duplex } from 'stream';
import WebSocket = require('ws-upgrade');

const options: WebSocket.ServerOptions = {
  noServer: true,
  allowedOrigins: ['https://example.com'],
  allowSynchronousEvents: true,
  autoPong: true,
  closeTimeout: 1000,
  highWaterMark: 1024,
  maxBackpressure: 0,
  holdUntilListening: true,
  heartbeat: true,
  idleTimeout: 60000,
  maxLifetime: 0,
  maxBufferedChunks: 0,
  maxConnections: 1000,
  maxFragments: 0,
  maxPendingAutoPongs: 10,
  maxUpgradesPerSecond: 100,
  onBackpressure: 'drop',
  transport: 'stream',
};
new WebSocket.Server({
  port: 0,
  allowedOrigins: (origin, req) => origin.endsWith(`//${req.headers.host}`),
});
const wss = new WebSocket.WebSocketServer({ ...options, transport: 'auto' });

async function end(): Promise<number> {
  const { closed, terminated }: WebSocket.ShutdownResult = await wss.shutdown({
    code: 1012,
    reason: 'restart',
    timeout: 10,
  });
  return closed + terminated;
}
void end();
void wss.shutdown();

const stats: WebSocket.ServerStats = wss.stats();
const open: number = stats.connections.open;
const saved: number =
  stats.compression.sent.bytes - stats.compression.sent.compressedBytes;
const causes = Object.keys(stats.terminations) as WebSocket.TerminationCause[];
const errors: number | undefined = stats.protocolErrors['WS_ERR_INVALID_UTF8'];
console.log(open, saved, causes, errors, stats.ring.peak, stats.slab.used);

wss.on('connection', (ws) => {
  const wasAlive: boolean = ws.isAlive;
  if (!wasAlive) ws.terminate();
  ws.isAlive = false;
  const latency: number = ws.latency;
  ws.heartbeat(latency < 100);
  ws.heartbeat({ interval: 1000 });
  ws.binaryType = 'blob';
  ws.close(1000, new Uint8Array(1));
  const send: WebSocket.SendOptions = { binary: false };
  const isUnder: boolean = ws.send('foo', send);
  if (!isUnder) ws.once('drain', () => ws.resume());
  ws.on('dropped', (data, isBinary: boolean) => console.log(data, isBinary));
});

const times: WebSocket.HeartbeatOptions = { interval: 5000, timeout: 5000 };
new WebSocket.Server({ port: 0, heartbeat: times });
wss.on('heartbeat', function ({ alive, pinged, terminated }) {
  const sum: number = alive + pinged + terminated;
  console.log(this.clients.size, sum);
});
wss.prependOnceListener('heartbeat', (counts: WebSocket.HeartbeatCounts) => {
  console.log(counts.alive);
});

const frame: Buffer[] = WebSocket.Sender.frame('foo', {
  opcode: 1,
  fin: true,
  mask: true,
  readOnly: false,
  rsv1: false,
  maskBuffer: Buffer.alloc(4),
  generateMask: (mask) => void mask.fill(1),
});
const sender = new WebSocket.Sender(new Duplex(), {}, (mask) => {
  mask.writeUInt32BE(7);
});
sender.sendFrame(frame, (error) => console.log(error));
sender.send('foo', { fin: true });
sender.ping('', false);
sender.close(1000, 'bye', true, () => {});
sender.onerror = (error) => console.error(error.message);

const offers: WebSocket.extension.Offer[] | undefined =
  WebSocket.extension.parse('a; b=1')['a'];
const header: string = WebSocket.extension.format({ a: offers ?? [] });
const names: Set<string> = WebSocket.subprotocol.parse(header);
console.log(names);
