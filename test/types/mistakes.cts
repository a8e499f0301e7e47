// What must not compile.

import WebSocket = require('ws-upgrade');

class NotAWebSocket {}

// @ts-expect-error There is no such transport.
new WebSocket.Server({ port: 0, transport: 'carrier pigeon' });
// @ts-expect-error Limits are numbers.
new WebSocket.Server({ port: 0, maxFragments: '16' });
// @ts-expect-error It is a list.
new WebSocket.Server({ port: 0, allowedOrigins: 'https://example.com' });
// @ts-expect-error The decision is not waited for.
new WebSocket.Server({ port: 0, allowedOrigins: async () => true });
// @ts-expect-error There is no such policy.
new WebSocket.Server({ port: 0, onBackpressure: 'wait' });
// @ts-expect-error The heartbeat has two times.
new WebSocket.Server({ port: 0, heartbeat: 30000 });
// @ts-expect-error There is no such time.
new WebSocket.Server({ port: 0, heartbeat: { every: 30000 } });
// @ts-expect-error There is no such option.
new WebSocket.Server({ port: 0, maxPigeons: 1 });
// @ts-expect-error It is true or false.
new WebSocket.Server({ port: 0, holdUntilListening: 512 });
// @ts-expect-error Connections are WebSockets.
new WebSocket.Server({ port: 0, WebSocket: NotAWebSocket });
// @ts-expect-error The protocol is a string, or false.
new WebSocket.Server({ port: 0, handleProtocols: () => true });
// @ts-expect-error There is no client.
new WebSocket('ws://localhost/');

const wss = new WebSocket.Server({ noServer: true });
// @ts-expect-error A function gets the WebSocket.
wss.handleUpgrade(null, null, Buffer.alloc(0));
// @ts-expect-error A time is a number of milliseconds.
void wss.shutdown({ timeout: '5s' });
// @ts-expect-error There is no such cause.
console.log(wss.stats().terminations.boredom);
wss.on('connection', (ws, request) => {
  // @ts-expect-error The reason is bytes.
  ws.on('close', (code, reason) => console.log(code, reason.trim()));
  // @ts-expect-error A message may be a list of buffers.
  ws.on('message', (data) => data.length);
  // @ts-expect-error That it is binary is true or false.
  ws.once('message', (data, isBinary) => console.log(data, isBinary.length));
  // @ts-expect-error The state cannot be set.
  ws.readyState = WebSocket.OPEN;
  // @ts-expect-error It cannot be set either.
  ws.isPaused = true;
  // @ts-expect-error It is measured.
  ws.latency = 1;
  // @ts-expect-error It has to be told.
  ws.heartbeat();
  // @ts-expect-error It is true or false.
  ws.isAlive = 'yes';
  // @ts-expect-error There is no such type.
  ws.binaryType = 'text';
  // @ts-expect-error A code is a number.
  ws.close('1000');
  // @ts-expect-error There is nothing to send.
  ws.send();
  // @ts-expect-error There is no such option.
  ws.send('foo', { text: true });
  // @ts-expect-error There are no objects of events of that name.
  ws.addEventListener('ping', () => {});
  // @ts-expect-error The reason of an event is a string.
  ws.onclose = (event) => event.reason.byteLength;
  // @ts-expect-error A request has no such property.
  console.log(request.pigeon);
});
// @ts-expect-error The opcode is needed.
WebSocket.Sender.frame('foo', { fin: true });
// @ts-expect-error It makes a stream of a WebSocket.
WebSocket.createWebSocketStream({});
