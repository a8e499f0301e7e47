'use strict';

// A page in headless Chromium, served by the HTTP server whose WebSockets it
// opens. CHROMIUM names another binary than that of the Debian package.

const assert = require('node:assert');
const fs = require('node:fs');
const { chromium } = require('playwright-core');

const { sample } = require('../helpers/deflate');
const { once } = require('../helpers/events');
const {
  COMPRESSED_LENGTHS,
  COMPRESSIONS,
  cleanUp,
  createServer,
  engine,
  listen,
  onCleanup,
} = require('./support');

const EXECUTABLE = process.env.CHROMIUM || '/usr/bin/chromium';
const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const MIB = 1024 * 1024;
const START_LIMIT_MS = 60 * 1000;

/** What the page offers to the tests; it runs in the browser. */
const PAGE = `<!doctype html><title>WebSocket</title><script>
  window.connect = (protocols = []) => new Promise((resolve, reject) => {
    const url = location.href.replace(/^http/, 'ws') + 'socket';
    const ws = new WebSocket(url, protocols);
    window.ws = ws;
    window.messages = [];
    window.waiting = [];
    ws.onmessage = ({ data }) => {
      if (window.waiting.length > 0) window.waiting.shift()(data);
      else window.messages.push(data);
    };
    window.ended = new Promise((done) => {
      ws.onclose = ({ code, reason, wasClean }) =>
        done({ code, reason, wasClean });
    });
    window.ended.then(({ code }) => reject(new Error('closed: ' + code)));
    ws.onopen = () => resolve(ws.protocol);
  });
  window.next = () => new Promise((resolve) => {
    if (window.messages.length > 0) resolve(window.messages.shift());
    else window.waiting.push(resolve);
  });
</script>`;

/* global window, ws */

for (const scheme of ['ws', 'wss']) {
  describe(`Chromium on ${scheme}:`, () => {
    let browser;
    let context;

    before(async function startBrowser() {
      this.timeout(START_LIMIT_MS);
      assert.ok(
        fs.existsSync(EXECUTABLE),
        `There is no Chromium at ${EXECUTABLE}. On Debian: ` +
          'apt-get install chromium; or name its path in CHROMIUM',
      );
      browser = await chromium.launch({
        args: ARGUMENTS,
        executablePath: EXECUTABLE,
        headless: true,
      });
      context = await browser.newContext({ ignoreHTTPSErrors: true });
    });

    after(async () => {
      if (browser) await browser.close();
    });

    afterEach(cleanUp);

    /** A page, and the server's end of the WebSocket it has opened. */
    async function open({ protocols, ...options } = {}) {
      const server = createServer[scheme]((req, res) => {
        res.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' });
        res.end(PAGE);
      });
      const wss = new engine.WebSocketServer({
        path: '/socket',
        server,
        ...options,
      });
      const httpScheme = scheme === 'wss' ? 'https' : 'http';
      const port = await listen(server);
      const page = await context.newPage();
      onCleanup(() => page.close());
      await page.goto(`${httpScheme}://localhost:${port}/`);
      const connection = once(wss, 'connection');
      const protocol = await page.evaluate(
        (names) => window.connect(names),
        protocols || [],
      );
      const [socket, req] = await connection;
      socket.on('error', () => {});
      return { page, protocol, req, ws: socket };
    }

    function echo(socket) {
      socket.on('message', (data, isBinary) => {
        socket.send(data, { binary: isBinary });
      });
    }

    it('sends and receives text', async () => {
      const { page, req, ws: socket } = await open();
      assert.match(req.headers['user-agent'], /Chrome/);
      echo(socket);
      for (const text of ['', 'text', 'größer € 𝄞']) {
        const back = await page.evaluate((value) => {
          ws.send(value);
          return window.next();
        }, text);
        assert.strictEqual(back, text);
      }
    });

    it('sends and receives binary data as ArrayBuffer', async () => {
      const { page, ws: socket } = await open();
      const message = once(socket, 'message');
      echo(socket);
      const back = await page.evaluate(async () => {
        ws.binaryType = 'arraybuffer';
        ws.send(new Uint8Array([0, 1, 254, 255]));
        const data = await window.next();
        return [data instanceof ArrayBuffer, ...new Uint8Array(data)];
      });
      assert.deepStrictEqual(back, [true, 0, 1, 254, 255]);
      const [data, isBinary] = await message;
      assert.deepStrictEqual(
        [data.toString('hex'), isBinary],
        ['0001feff', true],
      );
    });

    it('sends and receives binary data as Blob', async () => {
      const { page, ws: socket } = await open();
      echo(socket);
      const back = await page.evaluate(async () => {
        ws.binaryType = 'blob';
        ws.send(new Blob(['one ', new Uint8Array([0, 255])]));
        const data = await window.next();
        const bytes = new Uint8Array(await data.arrayBuffer());
        return [data instanceof Blob, ...bytes];
      });
      assert.deepStrictEqual(back, [true, 111, 110, 101, 32, 0, 255]);
    });

    it('sends and receives messages of 1 MiB', async () => {
      const { page, ws: socket } = await open();
      echo(socket);
      const isEqual = await page.evaluate(async (length) => {
        ws.binaryType = 'arraybuffer';
        const bytes = new Uint8Array(length).map((_, i) => i * 31 + (i >> 8));
        ws.send(bytes);
        const back = new Uint8Array(await window.next());
        const text = 'ä'.repeat(length / 2);
        ws.send(text);
        return [
          back.length === length && back.every((b, i) => b === bytes[i]),
          (await window.next()) === text,
        ];
      }, MIB);
      assert.deepStrictEqual(isEqual, [true, true]);
    });

    for (const options of COMPRESSIONS) {
      it(`compresses with ${JSON.stringify(options)}`, async () => {
        const { page, ws: socket } = await open({ perMessageDeflate: options });
        assert.strictEqual(socket.extensions, 'permessage-deflate');
        echo(socket);
        for (const length of COMPRESSED_LENGTHS) {
          const text = sample('text', length).toString();
          // The second refers to the first where the context is taken over.
          const results = await page.evaluate(async (value) => {
            ws.send(value);
            ws.send(value);
            return [
              ws.extensions.startsWith('permessage-deflate'),
              (await window.next()) === value,
              (await window.next()) === value,
            ];
          }, text);
          assert.deepStrictEqual(results, [true, true, true]);
        }
      });
    }

    it('receives many messages in order', async () => {
      const { page, ws: socket } = await open();
      for (let i = 0; i < 1000; i += 1) socket.send(String(i));
      const numbers = await page.evaluate(async () => {
        const all = [];
        while (all.length < 1000) all.push(Number(await window.next()));
        return all;
      });
      assert.deepStrictEqual(
        numbers,
        Array.from({ length: 1000 }, (_, i) => i),
      );
    });

    it('joins the fragments of a message', async () => {
      const { page, ws: socket } = await open();
      socket.send('one ', { fin: false });
      socket.ping();
      socket.send('two ', { fin: false });
      socket.send('three');
      assert.strictEqual(
        await page.evaluate(() => window.next()),
        'one two three',
      );
    });

    it('answers a ping', async () => {
      const { ws: socket } = await open();
      const pong = once(socket, 'pong');
      socket.ping('payload');
      assert.strictEqual((await pong)[0].toString(), 'payload');
    });

    it('accepts the subprotocol that the server selects', async () => {
      const { protocol, ws: socket } = await open({
        protocols: ['first', 'second'],
        handleProtocols: (protocols) => [...protocols][1],
      });
      assert.strictEqual(protocol, 'second');
      assert.strictEqual(socket.protocol, 'second');
    });

    for (const [code, reason] of [
      [1000, 'done'],
      [4001, 'größer'],
      [1011, 'broken'],
    ]) {
      it(`sees a close of the server with ${code}`, async () => {
        const { page, ws: socket } = await open();
        const closedAtServer = once(socket, 'close');
        socket.close(code, reason);
        assert.deepStrictEqual(await page.evaluate(() => window.ended), {
          code,
          reason,
          wasClean: true,
        });
        assert.strictEqual((await closedAtServer)[0], code);
      });
    }

    it('sees 1006 where the server terminates', async () => {
      const { page, ws: socket } = await open();
      socket.terminate();
      assert.deepStrictEqual(await page.evaluate(() => window.ended), {
        code: 1006,
        reason: '',
        wasClean: false,
      });
    });

    it('closes with its own code and reason', async () => {
      const { page, ws: socket } = await open();
      const closedAtServer = once(socket, 'close');
      const closed = await page.evaluate(() => {
        ws.close(3000, 'größer');
        return window.ended;
      });
      assert.deepStrictEqual(closed, {
        code: 3000,
        reason: 'größer',
        wasClean: true,
      });
      const [code, reason] = await closedAtServer;
      assert.deepStrictEqual([code, reason.toString()], [3000, 'größer']);
    });

    it('closes with 1001 when its page goes away', async () => {
      const { page, ws: socket } = await open();
      const closedAtServer = once(socket, 'close');
      await page.goto('about:blank');
      assert.strictEqual((await closedAtServer)[0], 1001);
    });
  });
}
