// A server as it is written for `ws`: it compiles with the types of `ws`, and
// unchanged with those of this package in their place.

import http = require('http');
import https = require('https');
import { Duplex } from 'stream';
import WebSocket = require('ws');

interface Session {
  user: string;
}

/** A heartbeat with a property of one's own. */
interface LiveWebSocket extends WebSocket {
  isAlive: boolean;
}

class ChatSocket extends WebSocket {
  session: Session | null = null;
  private received = 0;

  greet(): void {
    if (this.session !== null) this.send(`Hello, ${this.session.user}`);
  }

  count(data: WebSocket.RawData): number {
    this.received += Array.isArray(data)
      ? data.reduce((sum, { length }) => sum + length, 0)
      : data.byteLength;
    return this.received;
  }
}

class ChatRequest extends http.IncomingMessage {
  get user(): string {
    return this.headers.authorization ?? 'nobody';
  }
}

const compression: WebSocket.PerMessageDeflateOptions = {
  zlibDeflateOptions: { chunkSize: 1024, memLevel: 7, level: 3 },
  zlibInflateOptions: { chunkSize: 10 * 1024 },
  clientNoContextTakeover: true,
  serverNoContextTakeover: true,
  serverMaxWindowBits: 10,
  concurrencyLimit: 10,
  threshold: 1024,
};

const verifySync: WebSocket.VerifyClientCallbackSync = ({
  origin,
  secure,
  req,
}) => secure && origin === 'https://example.com' && req.url !== undefined;

const verifyAsync: WebSocket.VerifyClientCallbackAsync = (info, callback) => {
  if (info.req.headers.authorization !== undefined) callback(true);
  else callback(false, 401, 'Who?', { 'WWW-Authenticate': 'Basic' });
};

const options: WebSocket.ServerOptions = {
  host: '127.0.0.1',
  port: 8080,
  backlog: 10,
  path: '/chat',
  verifyClient: verifySync,
  handleProtocols: (protocols, request) =>
    request.url === '/chat' && protocols.has('chat') ? 'chat' : false,
  allowSynchronousEvents: false,
  autoPong: false,
  clientTracking: true,
  perMessageDeflate: compression,
  maxPayload: 1024,
  maxBufferedChunks: 1024,
  maxFragments: 16,
  skipUTF8Validation: true,
};

const wss: WebSocket.Server = new WebSocket.Server(options, () => {
  const address: WebSocket.AddressInfo | string | null = wss.address();
  if (address !== null && typeof address !== 'string') {
    console.log(address.address, address.family, address.port.toFixed());
  }
});
const other: WebSocket.WebSocketServer = new WebSocket.WebSocketServer({
  server: https.createServer(),
  verifyClient: verifyAsync,
  perMessageDeflate: false,
});

function heartbeat(this: WebSocket): void {
  (this as LiveWebSocket).isAlive = true;
}

wss.on('connection', (ws, request) => {
  const client: WebSocket = ws;
  const address: string | undefined = request.socket.remoteAddress;
  client.on('pong', heartbeat);
  ws.on('message', function (data, isBinary) {
    const binary: boolean = isBinary;
    const self: WebSocket = this;
    wss.clients.forEach((peer) => {
      if (peer !== self && peer.readyState === WebSocket.OPEN) {
        peer.send(data, { binary });
      }
    });
  });
  ws.on('close', (code, reason) => {
    console.log(address, code.toFixed(), reason.toString('utf8'));
  });
  ws.on('error', (error) => console.error(error.message));
  ws.on('ping', (data) => ws.pong(data, false, (error) => void error));
  ws.once('message', (data: WebSocket.RawData) => console.log(data));
  ws.on('custom', (...args: unknown[]) => console.log(args));
  ws.on('upgrade', (req: http.IncomingMessage) => console.log(req.url));
  ws.addListener('message', (data, isBinary) => {
    console.log(isBinary ? data : data.toString());
  })
    .removeListener('close', (code, reason) => console.log(code, reason.length))
    .off('open', () => {});

  ws.send('text');
  ws.send(Buffer.from('bytes'), (error?: Error) => console.log(error));
  ws.send(new Uint8Array(3), { binary: true, fin: false, compress: false });
  ws.send(new ArrayBuffer(3), { mask: true }, (error) => console.log(error));
  ws.send([1, 2, 3]);
  ws.send(42);
  ws.send(new DataView(new ArrayBuffer(1)));
  ws.send(new Blob(['foo']));
  ws.ping();
  ws.ping('data', false, (error: Error) => console.log(error));
  ws.pong();
  ws.pause();
  if (ws.isPaused) ws.resume();
  ws.binaryType = 'arraybuffer';
  const type: 'nodebuffer' | 'arraybuffer' | 'fragments' = ws.binaryType;
  const description: string = `${type} ${ws.protocol} ${ws.extensions} ${ws.url}`;
  const amount: number = ws.bufferedAmount;
  if (amount > 1024) ws.close(1013, description);
  if (ws.readyState === ws.CLOSING) ws.close(1000, Buffer.from('bye'));
  ws.close();
  ws.terminate();
});

wss.on('headers', (headers, request) => {
  headers.push(`X-Path: ${request.url}`);
});
wss.on('wsClientError', (error, socket, request) => {
  const duplex: Duplex = socket;
  duplex.end(`${error.message} ${request.method}`);
});
wss.once('listening', () => {});
wss.on('error', (error) => console.error(error.message));
wss.off('close', () => {});
wss.addListener('connection', (ws) => ws.close());

/** The events of the DOM. */
function listen(ws: WebSocket): void {
  ws.onopen = (event) => console.log(event.type);
  ws.onclose = ({ code, reason, wasClean }) => {
    console.log(code.toFixed(), reason.trim(), wasClean === true);
  };
  ws.onerror = (event: WebSocket.ErrorEvent) => {
    console.error(event.error, event.message.trim());
  };
  ws.onmessage = (event: WebSocket.MessageEvent) => {
    const data: WebSocket.Data = event.data;
    if (typeof data === 'string') event.target.send(data.toUpperCase());
  };
  ws.onmessage = null;
  const onClose = (event: WebSocket.CloseEvent) => console.log(event.code);
  ws.addEventListener('close', onClose, { once: true });
  ws.removeEventListener('close', onClose);
  ws.addEventListener('message', { handleEvent: ({ data }) => void data });
  ws.addEventListener('open', (event: WebSocket.Event) => {
    console.log(event.target === ws);
  });
}
other.clients.forEach(listen);

// Classes of one's own.
const chat = new WebSocket.Server<typeof ChatSocket, typeof ChatRequest>({
  noServer: true,
  WebSocket: ChatSocket,
  verifyClient: ({ req }: { req: ChatRequest }) => req.user !== 'nobody',
});
const server = http.createServer({ IncomingMessage: ChatRequest });
server.on('upgrade', (request, socket, head) => {
  if (!chat.shouldHandle(request)) {
    socket.destroy();
    return;
  }
  chat.handleUpgrade(request, socket, head, (ws, req) => {
    ws.session = { user: req.user };
    ws.greet();
    chat.emit('connection', ws, req);
  });
});
chat.on('connection', (ws, request) => {
  ws.on('message', (data) => console.log(request.user, ws.count(data)));
});
for (const ws of chat.clients) ws.greet();

// One server over an HTTP server with requests of its class.
new WebSocket.Server({ server, WebSocket: ChatSocket }).on('connection', (ws) =>
  ws.greet(),
);

// Subclasses of the server.
class RoutedServer extends WebSocket.Server {
  override shouldHandle(request: http.IncomingMessage): boolean {
    return request.url === '/chat';
  }
}
new RoutedServer({ noServer: true }).close((error) => console.log(error));

const stream: Duplex = WebSocket.createWebSocketStream(new ChatSocket(null), {
  encoding: 'utf8',
  readableObjectMode: true,
});
stream.pipe(process.stdout);

const states: number[] = [
  WebSocket.CONNECTING,
  WebSocket.OPEN,
  WebSocket.CLOSING,
  WebSocket.CLOSED,
];
console.log(states);
