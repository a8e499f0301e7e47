'use strict';

const assert = require('node:assert');
const { AsyncLocalStorage } = require('node:async_hooks');

const {
  WebSocket,
  betterThanWs,
  isWs,
  modulePath,
} = require('./helpers/implementation');
const { Child, killChildren } = require('./helpers/child');
const { encodeFrame } = require('./helpers/frame');
const { once, record } = require('./helpers/events');
const {
  closeServers,
  createConnection,
  createServer,
} = require('./helpers/server');

function text(payload) {
  return encodeFrame({ opcode: 'text', payload });
}

/** Sends and waits for the callback. */
function sent(ws, data) {
  return new Promise((resolve, reject) => {
    ws.send(data, (err) => (err ? reject(err) : resolve()));
  });
}

afterEach(async () => {
  await killChildren();
  await closeServers();
});

describe('A tick that throws behind a listener', () => {
  it('repeats no event and loses none', async () => {
    const child = new Child('a tick throws');
    const client = await child.open('/a');
    client.write(Buffer.concat(['1', '2', '3', 'end'].map(text)));
    await client.expect('8103656e64');
    client.write('88820000000003e8');
    client.end();
    assert.strictEqual(await child.reported('/a', 'close'), '1000');
    assert.deepStrictEqual(
      child.reports.filter(([name]) => name === '/a'),
      [
        ['/a', 'message', '1'],
        ['/a', 'message', '2'],
        ['/a', 'message', '3'],
        ['/a', 'message', 'end'],
        ['/a', 'close', '1000'],
      ],
    );
  });
});

describe('A send callback', () => {
  it('is called although a client connects in the same turn', async () => {
    let first;
    const callbacks = [];
    const server = await createServer({
      onUpgrade(req, socket, head, wss) {
        if (first) callbacks.push(sent(first, 'a'));
        wss.handleUpgrade(req, socket, head, (ws) => {
          wss.emit('connection', ws, req);
        });
      },
    });
    const { client, ws } = await server.open();
    first = ws;
    await server.open();
    await client.expect('810161');
    assert.strictEqual(callbacks.length, 1);
    await callbacks[0];
    await sent(ws, 'b');
  });

  it('may send, time and again, while the peer is silent', async () => {
    const { client, ws } = await createConnection();
    await new Promise((resolve) => setTimeout(resolve, 0));
    for (let i = 0; i < 1000; i++) await sent(ws, 'a');
    await client.expect('810161'.repeat(1000));
  });

  it('has the asynchronous context that it was given in', async () => {
    const { ws } = await createConnection();
    const storage = new AsyncLocalStorage();
    const stores = await Promise.all(
      ['a', Buffer.alloc(100000)].map(
        (data, i) =>
          new Promise((resolve) => {
            storage.run(i, () => {
              ws.send(data, () => resolve(storage.getStore()));
            });
          }),
      ),
    );
    assert.deepStrictEqual(stores, [0, 1]);
  });

  it('is one of 100,000 of a turn', async () => {
    const { ws } = await createConnection();
    const order = [];
    await new Promise((resolve) => {
      for (let i = 0; i < 100000; i++) ws.send('', () => order.push(i));
      ws.send('', resolve);
    });
    assert.strictEqual(order.length, 100000);
    assert.ok(order.every((value, i) => value === i));
  });
});

describe('A view that lies about its length', () => {
  class Longer extends Uint8Array {
    get length() {
      return 64;
    }
  }

  class Shorter extends Uint8Array {
    get length() {
      return 0;
    }
  }

  it('is sent as the memory that it has', async () => {
    const { client, ws } = await createConnection();
    const view = new Longer([0x61, 0x62]);
    await betterThanWs(async () => {
      ws.send(view);
      ws.ping(view);
      ws.pong(view);
      await client.expect('82026162 89026162 8a026162');
      ws.send(Object.defineProperty(Buffer.from('cd'), 'length', { value: 9 }));
      await client.expect('82026364');
      ws.send(view, { mask: true });
      assert.strictEqual((await client.frame()).payload.length, 2);
    });
  });

  it('is no way around the limit of a control frame', async () => {
    const { ws } = await createConnection();
    betterThanWs(() => {
      assert.throws(() => ws.ping(new Shorter(126)), {
        name: 'RangeError',
        message: 'The data size must not be greater than 125 bytes',
      });
    });
  });
});

describe('A subclass of WebSocket whose constructor throws', () => {
  it('lets handleUpgrade() throw, and nothing was sent', async () => {
    class Failing extends WebSocket {
      constructor(...args) {
        super(...args);
        throw new Error('foo');
      }
    }
    let result;
    const server = await createServer({
      WebSocket: Failing,
      onUpgrade(req, socket, head, wss) {
        try {
          wss.handleUpgrade(req, socket, head, () => {});
        } catch (err) {
          result = err;
        }
        socket.destroy();
      },
    });
    const client = await server.connect();
    client.handshake();
    assert.strictEqual((await client.ended()).length, 0);
    assert.strictEqual(result.message, 'foo');
  });
});

describe('Options that are undefined or null', () => {
  for (const value of [undefined, null]) {
    it(`as ${value} refuse no client`, async () => {
      const { client, ws } = await createConnection({
        maxFragments: value,
        maxPayload: value,
        maxPendingAutoPongs: value,
      });
      ws.on('message', (data) => ws.send(data));
      client.write(text('foo'));
      await client.expect('8203666f6f');
    });
  }
});

describe('A second copy of the package', () => {
  it('works beside the first one, on the same addon', async () => {
    const { client, ws } = await createConnection();
    const cached = Object.keys(require.cache).filter((name) =>
      name.endsWith('.js'),
    );
    const kept = cached.map((name) => [name, require.cache[name]]);
    for (const name of cached) delete require.cache[name];
    const copy = require(modulePath);
    for (const [name, module] of kept) require.cache[name] = module;
    assert.notStrictEqual(copy, WebSocket);

    const wss = new copy.WebSocketServer({ host: '127.0.0.1', port: 0 });
    wss.on('connection', (other) => {
      other.on('message', (data) => other.send(data));
    });
    await once(wss, 'listening');
    const { RawClient } = require('./helpers/raw-client');
    const second = await RawClient.open(wss.address().port, {
      isTls: false,
    });
    second.write(text('foo'));
    await second.expect('8203666f6f');
    ws.on('message', (data) => ws.send(data));
    client.write(text('bar'));
    await client.expect('8203626172');
    for (const other of wss.clients) other.terminate();
    await new Promise((resolve) => wss.close(resolve));
  });
});

if (typeof Blob !== 'undefined') {
  describe('A Blob', () => {
    /** A Blob whose bytes come when `resolve` is called, or never. */
    class SlowBlob extends Blob {
      arrayBuffer() {
        return new Promise((resolve, reject) => {
          this.resolve = resolve;
          this.reject = reject;
        });
      }
    }

    it('that is never read does not keep close() from ending in time', async () => {
      const { ws, client } = await createConnection({ closeTimeout: 50 });
      const close = once(ws, 'close');
      const end = client.ended();
      ws.send(new SlowBlob(['foo']));
      ws.close();
      await betterThanWs(async () => {
        await end;
        client.end();
        assert.strictEqual((await close)[0], 1006);
      });
    });

    it('that cannot be read gives its error to the callback', async () => {
      const { ws } = await createConnection();
      const log = record(ws);
      const blob = new SlowBlob(['foo']);
      const close = once(ws, 'close');
      const result = new Promise((resolve) => ws.send(blob, resolve));
      blob.reject(new Error('bar'));
      assert.strictEqual((await result).message, 'bar');
      await betterThanWs(async () => {
        await close;
        assert.strictEqual(log[0][3], 'bar');
      });
    });
  });
}

describe('The socket of a request', () => {
  for (const method of ['end', 'destroySoon', 'destroy']) {
    it(`ends the WebSocket by ${method}()`, async () => {
      const { client, req, ws } = await createConnection();
      const close = once(ws, 'close');
      req.socket[method]();
      await client.ended();
      client.end();
      assert.strictEqual((await close)[0], 1006);
    });
  }
});

if (!isWs) {
  describe('new WebSocket(url)', () => {
    it('says that the client is not part of this package', () => {
      assert.throws(() => new WebSocket('ws://127.0.0.1'), /not part of/);
    });
  });
}
