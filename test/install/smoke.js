'use strict';

// Copied to a project that has installed the package: serves a client of ws,
// plain, compressed and over a stream, and prints which binary did. Takes the
// path of ws.

const assert = require('assert');

const { WebSocketServer } = require('ws-upgrade');

const WebSocket = require(process.argv[2]);

const MESSAGES = ['text', Buffer.alloc(100 * 1024, 'binary ')];
const CASES = [
  { perMessageDeflate: false },
  { perMessageDeflate: true },
  { perMessageDeflate: false, transport: 'stream' },
];

function echo(data, isBinary) {
  this.send(data, { binary: isBinary });
}

/** Sends the messages in turn; resolves with the extensions when closed. */
function talk(url, perMessageDeflate) {
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(url, { perMessageDeflate });
    const waiting = [...MESSAGES];
    ws.on('open', () => ws.send(waiting[0]));
    ws.on('message', (data, isBinary) => {
      const sent = waiting.shift();
      assert.strictEqual(isBinary, Buffer.isBuffer(sent));
      assert.ok(data.equals(Buffer.from(sent)));
      if (waiting.length > 0) ws.send(waiting[0]);
      else ws.close();
    });
    ws.on('error', reject);
    ws.on('close', (code) => {
      assert.strictEqual(code, 1005);
      assert.deepStrictEqual(waiting, []);
      resolve(ws.extensions);
    });
  });
}

async function serve(options) {
  const host = '127.0.0.1';
  const wss = new WebSocketServer({ host, port: 0, threshold: 0, ...options });
  wss.on('connection', (ws) => ws.on('message', echo));
  await new Promise((resolve) => wss.on('listening', resolve));
  const url = `ws://${host}:${wss.address().port}`;
  const extensions = await talk(url, options.perMessageDeflate);
  const expected = options.perMessageDeflate ? 'permessage-deflate' : '';
  assert.strictEqual(extensions, expected);
  await new Promise((resolve) => wss.close(resolve));
}

async function main() {
  for (const options of CASES) await serve(options);
  const isAddon = (file) => file.endsWith('.node');
  const addons = Object.keys(require.cache).filter(isAddon);
  console.log(JSON.stringify({ arch: process.arch, addons }));
}

process.on('unhandledRejection', (err) => {
  throw err;
});
main();
