'use strict';

// The WebSocket client that Node.js has built in since version 22.

const assert = require('node:assert');
const tls = require('node:tls');

const { sample } = require('../helpers/deflate');
const { once } = require('../helpers/events');
const {
  COMPRESSED_LENGTHS,
  COMPRESSIONS,
  TLS,
  cleanUp,
  createServer,
  engine,
  listen,
  onCleanup,
} = require('./support');

const { Blob, WebSocket } = globalThis;

const MIB = 1024 * 1024;

/** Waits for an event of an EventTarget. */
function event(target, name) {
  return new Promise((resolve) => {
    target.addEventListener(name, resolve, { once: true });
  });
}

async function serve(scheme, options) {
  const server = createServer[scheme]();
  const wss = new engine.WebSocketServer({ server, ...options });
  const url = `${scheme}://localhost:${await listen(server)}`;
  const open = async (protocols = []) => {
    const connection = once(wss, 'connection');
    const client = new WebSocket(url, protocols);
    const opened = event(client, 'open');
    onCleanup(() => client.close());
    const failed = event(client, 'error').then(({ error, message }) => {
      throw error || new Error(message);
    });
    await Promise.race([opened, failed]);
    // Later errors belong to the close that follows them.
    failed.catch(() => {});
    const [ws] = await connection;
    ws.on('error', () => {});
    return { client, ws };
  };
  return { open, wss };
}

function echo(ws) {
  ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }));
}

for (const scheme of ['ws', 'wss']) {
  describe(`The client of Node.js on ${scheme}:`, () => {
    let authorities;

    before(() => {
      assert.strictEqual(
        typeof WebSocket,
        'function',
        'this Node.js has no WebSocket client: 22 and later have one',
      );
      authorities = tls.getCACertificates('default');
      tls.setDefaultCACertificates([...authorities, TLS.cert.toString()]);
    });

    after(() => {
      tls.setDefaultCACertificates(authorities);
    });

    afterEach(cleanUp);

    it('sends and receives text', async () => {
      const { open } = await serve(scheme);
      const { client, ws } = await open();
      echo(ws);
      for (const text of ['', 'text', 'größer € 𝄞', 'x'.repeat(MIB)]) {
        const message = event(client, 'message');
        client.send(text);
        assert.strictEqual((await message).data, text);
      }
    });

    it('sends and receives binary data as ArrayBuffer', async () => {
      const { open } = await serve(scheme);
      const { client, ws } = await open();
      echo(ws);
      client.binaryType = 'arraybuffer';
      for (const length of [0, 1, 126, 65536, MIB]) {
        const message = event(client, 'message');
        client.send(new Uint8Array(length).fill(7));
        const { data } = await message;
        assert.ok(data instanceof ArrayBuffer);
        assert.ok(Buffer.from(data).equals(Buffer.alloc(length, 7)));
      }
    });

    for (const options of COMPRESSIONS) {
      it(`compresses with ${JSON.stringify(options)}`, async () => {
        const { open } = await serve(scheme, { perMessageDeflate: options });
        const { client, ws } = await open();
        assert.strictEqual(ws.extensions, 'permessage-deflate');
        assert.match(client.extensions, /^permessage-deflate/);
        echo(ws);
        for (const length of COMPRESSED_LENGTHS) {
          const text = sample('text', length).toString();
          // The second refers to the first where the context is taken over.
          for (let i = 0; i < 2; i += 1) {
            const message = event(client, 'message');
            client.send(text);
            assert.strictEqual((await message).data, text);
          }
        }
      });
    }

    it('sends and receives binary data as Blob', async () => {
      const { open } = await serve(scheme);
      const { client, ws } = await open();
      echo(ws);
      client.binaryType = 'blob';
      const message = event(client, 'message');
      client.send(new Blob([Buffer.from('one '), Buffer.from([0, 255])]));
      const { data } = await message;
      assert.ok(data instanceof Blob);
      const bytes = Buffer.from(await data.arrayBuffer());
      assert.strictEqual(bytes.toString('hex'), '6f6e652000ff');
    });

    it('joins the fragments of a message', async () => {
      const { open } = await serve(scheme);
      const { client, ws } = await open();
      const message = event(client, 'message');
      ws.send('one ', { fin: false });
      ws.ping();
      ws.send('two ', { fin: false });
      ws.send('three');
      assert.strictEqual((await message).data, 'one two three');
    });

    it('answers a ping', async () => {
      const { open } = await serve(scheme);
      const { ws } = await open();
      const pong = once(ws, 'pong');
      ws.ping('payload');
      assert.strictEqual((await pong)[0].toString(), 'payload');
    });

    it('accepts the subprotocol that the server selects', async () => {
      const { open } = await serve(scheme, {
        handleProtocols: (protocols) => [...protocols][1],
      });
      const { client, ws } = await open(['first', 'second']);
      assert.strictEqual(client.protocol, 'second');
      assert.strictEqual(ws.protocol, 'second');
    });

    for (const [code, reason] of [
      [1000, 'done'],
      [1011, 'größer'],
      [4001, ''],
    ]) {
      it(`sees a close of the server with ${code}`, async () => {
        const { open } = await serve(scheme);
        const { client, ws } = await open();
        const closed = event(client, 'close');
        const closedAtServer = once(ws, 'close');
        ws.close(code, reason);
        const { code: seen, reason: words, wasClean } = await closed;
        assert.deepStrictEqual([seen, words, wasClean], [code, reason, true]);
        assert.strictEqual((await closedAtServer)[0], code);
      });
    }

    it('closes with its own code and reason', async () => {
      const { open } = await serve(scheme);
      const { client, ws } = await open();
      const closed = event(client, 'close');
      const closedAtServer = once(ws, 'close');
      client.close(3000, 'größer');
      const [code, reason] = await closedAtServer;
      assert.deepStrictEqual([code, reason.toString()], [3000, 'größer']);
      assert.strictEqual((await closed).wasClean, true);
    });

    it('sees 1006 where the server terminates', async () => {
      const { open } = await serve(scheme);
      const { client, ws } = await open();
      const closed = event(client, 'close');
      ws.terminate();
      const { code, wasClean } = await closed;
      assert.deepStrictEqual([code, wasClean], [1006, false]);
    });
  });
}
