'use strict';

const assert = require('node:assert');

const { WebSocket, betterThanWs } = require('./helpers/implementation');
const { once } = require('./helpers/events');
const { closePayload } = require('./helpers/frame');
const { closeServers, createConnection } = require('./helpers/server');

const TYPES = ['open', 'error', 'close', 'message'];

/** Resolves with the next event of that type, and the handler's `this`. */
function nextEvent(ws, type) {
  return new Promise((resolve) => {
    ws.addEventListener(
      type,
      function handler(event) {
        resolve({ event, self: this });
      },
      { once: true },
    );
  });
}

/** Adds a handler that counts how often it was called. */
function counter() {
  const handler = () => handler.count++;
  handler.count = 0;
  return handler;
}

/** Sends a text message and waits until the server has it. */
async function deliver({ client, ws }, payload = 'foo') {
  const message = once(ws, 'message');
  client.send({ opcode: 'text', payload });
  await message;
}

describe('Event objects', () => {
  afterEach(closeServers);

  describe('of messages', () => {
    it('have a string for text', async () => {
      const { client, ws } = await createConnection();
      const next = nextEvent(ws, 'message');
      client.send({ opcode: 'text', payload: '\u20ac' });
      const { event, self } = await next;
      assert.strictEqual(event.data, '\u20ac');
      assert.strictEqual(event.type, 'message');
      assert.strictEqual(event.target, ws);
      assert.strictEqual(self, ws);
    });

    it('have an empty string for an empty text', async () => {
      const { client, ws } = await createConnection();
      const next = nextEvent(ws, 'message');
      client.send({ opcode: 'text' });
      assert.strictEqual((await next).event.data, '');
    });

    it('have a Buffer for bytes', async () => {
      const { client, ws } = await createConnection();
      const next = nextEvent(ws, 'message');
      client.send({ opcode: 'binary', payload: 'foo' });
      const { data } = (await next).event;
      assert.ok(Buffer.isBuffer(data));
      assert.strictEqual(data.toString(), 'foo');
    });

    it('have an ArrayBuffer if binaryType asks for it', async () => {
      const { client, ws } = await createConnection();
      ws.binaryType = 'arraybuffer';
      const next = nextEvent(ws, 'message');
      client.send({ opcode: 'binary', payload: 'foo' });
      const { data } = (await next).event;
      assert.ok(data instanceof ArrayBuffer);
      assert.strictEqual(Buffer.from(data).toString(), 'foo');
    });

    it('have a list of Buffers if binaryType asks for it', async () => {
      const { client, ws } = await createConnection();
      ws.binaryType = 'fragments';
      const next = nextEvent(ws, 'message');
      client.send({ opcode: 'binary', payload: 'foo' });
      const { data } = (await next).event;
      assert.ok(Array.isArray(data));
      assert.strictEqual(Buffer.concat(data).toString(), 'foo');
    });

    it('have a string for text whatever binaryType asks for', async () => {
      const { client, ws } = await createConnection();
      ws.binaryType = 'arraybuffer';
      const next = nextEvent(ws, 'message');
      client.send({ opcode: 'text', payload: 'foo' });
      assert.strictEqual((await next).event.data, 'foo');
    });
  });

  describe('of closing', () => {
    it('are clean if the peer has begun', async () => {
      const { client, ws } = await createConnection();
      const next = nextEvent(ws, 'close');
      client.send({ opcode: 'close', payload: closePayload(3000, '\u20ac') });
      await client.frame();
      client.end();
      const { event, self } = await next;
      assert.strictEqual(event.code, 3000);
      assert.strictEqual(event.reason, '\u20ac');
      assert.strictEqual(event.wasClean, true);
      assert.strictEqual(event.type, 'close');
      assert.strictEqual(event.target, ws);
      assert.strictEqual(self, ws);
    });

    it('are clean if the peer has answered', async () => {
      const { client, ws } = await createConnection();
      const next = nextEvent(ws, 'close');
      ws.close(1001, 'foo');
      await client.frame();
      client.send({ opcode: 'close', payload: closePayload(1001, 'bar') });
      client.end();
      const { event } = await next;
      assert.strictEqual(event.code, 1001);
      assert.strictEqual(event.reason, 'bar');
      assert.strictEqual(event.wasClean, true);
    });

    it('are clean and have 1005 for a close frame without a code', async () => {
      const { client, ws } = await createConnection();
      const next = nextEvent(ws, 'close');
      client.send({ opcode: 'close' });
      await client.frame();
      client.end();
      const { event } = await next;
      assert.strictEqual(event.code, 1005);
      assert.strictEqual(event.reason, '');
      assert.strictEqual(event.wasClean, true);
    });

    it('are not clean after terminate()', async () => {
      const { ws } = await createConnection();
      const next = nextEvent(ws, 'close');
      ws.terminate();
      const { event } = await next;
      assert.strictEqual(event.code, 1006);
      assert.strictEqual(event.reason, '');
      assert.strictEqual(event.wasClean, false);
    });

    it('are not clean if the peer ends without a close frame', async () => {
      const { client, ws } = await createConnection();
      const next = nextEvent(ws, 'close');
      client.end();
      const { event } = await next;
      assert.strictEqual(event.code, 1006);
      assert.strictEqual(event.wasClean, false);
    });

    it('are not clean if the peer does not answer', async () => {
      const { client, ws } = await createConnection();
      const next = nextEvent(ws, 'close');
      ws.close(1000);
      await client.frame();
      client.end();
      const { event } = await next;
      assert.strictEqual(event.code, 1006);
      assert.strictEqual(event.wasClean, false);
    });

    it('are not clean if the peer has broken the protocol', async () => {
      const { client, ws } = await createConnection();
      ws.on('error', () => {});
      const next = nextEvent(ws, 'close');
      client.send({ opcode: 'text', rsv: 2 });
      await client.frame();
      client.end();
      const { event } = await next;
      assert.strictEqual(event.code, 1006);
      assert.strictEqual(event.wasClean, false);
    });
  });

  it('of errors have the error and its message', async () => {
    const { client, ws } = await createConnection();
    const next = nextEvent(ws, 'error');
    client.send({ opcode: 'text', rsv: 2 });
    const { event, self } = await next;
    assert.strictEqual(event.error.code, 'WS_ERR_UNEXPECTED_RSV_2_3');
    assert.strictEqual(event.message, event.error.message);
    assert.strictEqual(event.type, 'error');
    assert.strictEqual(event.target, ws);
    assert.strictEqual(self, ws);
  });

  it('of opening have a type and a target', async () => {
    const { ws } = await createConnection();
    const next = nextEvent(ws, 'open');
    ws.emit('open');
    const { event, self } = await next;
    assert.strictEqual(event.type, 'open');
    assert.strictEqual(event.target, ws);
    assert.strictEqual(self, ws);
  });

  it('have enumerable getters on their prototypes, as in the DOM', async () => {
    const FIELDS = {
      open: [],
      error: ['error', 'message'],
      close: ['code', 'reason', 'wasClean'],
      message: ['data'],
    };
    const ARGUMENTS = {
      open: [],
      error: [new Error('foo')],
      close: [1000, Buffer.from('foo')],
      message: [Buffer.from('foo'), false],
    };
    const { ws } = await createConnection();
    for (const type of TYPES) {
      const next = nextEvent(ws, type);
      ws.emit(type, ...ARGUMENTS[type]);
      const { event } = await next;
      const names = [];
      for (const name in event) names.push(name);
      assert.deepStrictEqual(Object.keys(event), []);
      assert.deepStrictEqual(
        names.sort(),
        [...FIELDS[type], 'target', 'type'].sort(),
      );
    }
  });
});

describe('addEventListener()', () => {
  afterEach(closeServers);

  it('adds a handler once for each type', async () => {
    const connection = await createConnection();
    const { ws } = connection;
    const handler = counter();
    ws.addEventListener('message', handler);
    ws.addEventListener('message', handler);
    ws.addEventListener('open', handler);
    await deliver(connection);
    assert.strictEqual(handler.count, 1);
    assert.strictEqual(ws.listenerCount('open'), 1);
  });

  it('does not add once a handler that is there', async () => {
    const connection = await createConnection();
    const { ws } = connection;
    const handler = counter();
    ws.addEventListener('message', handler);
    ws.addEventListener('message', handler, { once: true });
    await deliver(connection);
    await deliver(connection);
    assert.strictEqual(handler.count, 2);
  });

  it('calls a handler once if asked to', async () => {
    const connection = await createConnection();
    const { ws } = connection;
    const handler = counter();
    ws.addEventListener('message', handler, { once: true });
    ws.addEventListener('message', handler);
    await deliver(connection);
    await deliver(connection);
    assert.strictEqual(handler.count, 1);
    ws.addEventListener('message', handler);
    await deliver(connection);
    assert.strictEqual(handler.count, 2);
  });

  it('calls handleEvent() of an object', async () => {
    const connection = await createConnection();
    const calls = [];
    const handler = {
      handleEvent(event) {
        calls.push([this, event.data]);
      },
    };
    connection.ws.addEventListener('message', handler);
    connection.ws.addEventListener('message', handler);
    await deliver(connection, 'foo');
    assert.strictEqual(calls.length, 1);
    assert.strictEqual(calls[0][0], handler);
    assert.strictEqual(calls[0][1], 'foo');
  });

  it('calls handlers in their order, among listeners', async () => {
    const connection = await createConnection();
    const { ws } = connection;
    const order = [];
    ws.addEventListener('message', () => order.push('handler'));
    ws.on('message', () => order.push('listener'));
    ws.onmessage = () => order.push('attribute');
    await deliver(connection);
    assert.deepStrictEqual(order, ['handler', 'listener', 'attribute']);
  });

  it('ignores other types', async () => {
    const { ws } = await createConnection();
    for (const type of ['ping', 'upgrade', 'foo', 'toString']) {
      ws.addEventListener(type, () => {});
      assert.strictEqual(ws.listenerCount(type), 0);
    }
  });

  it('ignores what is no handler', async () => {
    const { ws } = await createConnection();
    const count = ws.listenerCount('message');
    betterThanWs(() => {
      for (const handler of [undefined, null, 'foo', 1, true]) {
        ws.addEventListener('message', handler);
      }
    });
    assert.strictEqual(ws.listenerCount('message'), count);
  });
});

describe('removeEventListener()', () => {
  afterEach(closeServers);

  it('removes a handler', async () => {
    const connection = await createConnection();
    const { ws } = connection;
    const removed = counter();
    const other = counter();
    ws.addEventListener('message', removed);
    ws.addEventListener('message', other);
    ws.removeEventListener('message', removed);
    await deliver(connection);
    assert.strictEqual(removed.count, 0);
    assert.strictEqual(other.count, 1);
  });

  it('removes an object', async () => {
    const { ws } = await createConnection();
    const handler = { handleEvent() {} };
    ws.addEventListener('message', handler);
    ws.removeEventListener('message', handler);
    assert.strictEqual(ws.listenerCount('message'), 0);
  });

  it('removes a handler that is to be called once', async () => {
    const { ws } = await createConnection();
    const handler = counter();
    ws.addEventListener('message', handler, { once: true });
    ws.removeEventListener('message', handler);
    assert.strictEqual(ws.listenerCount('message'), 0);
  });

  it('leaves the handler of an attribute and listeners alone', async () => {
    const { ws } = await createConnection();
    const handler = counter();
    ws.onmessage = handler;
    ws.on('message', handler);
    ws.removeEventListener('message', handler);
    assert.strictEqual(ws.onmessage, handler);
    assert.deepStrictEqual(ws.listenerCount('message'), 2);
  });

  it('ignores what was not added', async () => {
    const { ws } = await createConnection();
    const handler = counter();
    ws.addEventListener('message', handler);
    ws.removeEventListener('message', () => {});
    ws.removeEventListener('message', undefined);
    ws.removeEventListener('open', handler);
    ws.removeEventListener('foo', handler);
    assert.strictEqual(ws.listenerCount('message'), 1);
  });
});

for (const type of TYPES) {
  const name = `on${type}`;

  describe(name, () => {
    afterEach(closeServers);

    it('is null at first', async () => {
      const { ws } = await createConnection();
      ws.on(type, () => {});
      ws.addEventListener(type, () => {});
      assert.strictEqual(ws[name], null);
    });

    it('is the handler that was set last', async () => {
      const { ws } = await createConnection();
      const count = ws.listenerCount(type);
      const first = counter();
      const second = counter();
      ws[name] = first;
      assert.strictEqual(ws[name], first);
      ws[name] = second;
      assert.strictEqual(ws[name], second);
      assert.strictEqual(ws.listenerCount(type), count + 1);
    });

    it('is removed by what is no function', async () => {
      const { ws } = await createConnection();
      const count = ws.listenerCount(type);
      for (const value of [null, undefined, 'foo', 1, { handleEvent() {} }]) {
        ws[name] = counter();
        ws[name] = value;
        assert.strictEqual(ws[name], null);
        assert.strictEqual(ws.listenerCount(type), count);
      }
    });

    it('leaves the same function as a handler alone', async () => {
      const { ws } = await createConnection();
      const count = ws.listenerCount(type);
      const handler = counter();
      ws.addEventListener(type, handler);
      ws[name] = handler;
      assert.strictEqual(ws.listenerCount(type), count + 2);
      ws[name] = null;
      assert.strictEqual(ws.listenerCount(type), count + 1);
    });

    it('is an enumerable accessor of the prototype', () => {
      const descriptor = Object.getOwnPropertyDescriptor(
        WebSocket.prototype,
        name,
      );
      assert.strictEqual(descriptor.enumerable, true);
      assert.strictEqual(descriptor.configurable, true);
      assert.strictEqual(typeof descriptor.get, 'function');
      assert.strictEqual(typeof descriptor.set, 'function');
    });
  });
}

describe('onmessage', () => {
  afterEach(closeServers);

  it('is called with the WebSocket as this', async () => {
    const connection = await createConnection();
    const calls = [];
    connection.ws.onmessage = function (event) {
      calls.push([this === connection.ws, event.data]);
    };
    await deliver(connection, 'foo');
    await deliver(connection, 'bar');
    assert.deepStrictEqual(calls, [
      [true, 'foo'],
      [true, 'bar'],
    ]);
  });
});
