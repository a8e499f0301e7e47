'use strict';

// What applications keep in WebSockets and servers, and give subclasses, in
// names of their own choice.

const assert = require('node:assert');

const {
  WebSocket,
  WebSocketServer,
  isWs,
} = require('../helpers/implementation');
const { once } = require('../helpers/events');
const {
  KINDS,
  NETWORK_KINDS,
  createConnection,
  createServer,
  forEachKind,
} = require('./helpers/sockets');

/** Names that packages such as this one, and applications, use. */
const NAMES = [
  ...['_admission', '_batches', '_deferred', '_emitClose', '_end', '_forget'],
  ...['_handle', '_handlers', '_heartbeat', '_isAlive', '_jobs', '_listeners'],
  ...['_onClose', '_onClosed', '_onEnd', '_onError', '_onFragments', '_onGone'],
  ...['_onMessage', '_onNotice', '_onPing', '_onPong', '_open', '_queue'],
  ...['_send', '_shutdown', '_slot', '_stats', '_terminate'],
  ...['_updateReading', '_verify', '_verifying', 'connection', 'handle', 'id'],
  ...['onMessage', 'onPing', 'session', 'socket', 'state', 'user'],
];

/** A class whose methods have these names, and must not be called. */
function withMethods(Base) {
  class Subclass extends Base {}
  for (const name of NAMES) {
    Subclass.prototype[name] = () => assert.fail(`${name}() was called`);
  }
  return Subclass;
}

function defineAll(object) {
  for (const name of NAMES) {
    object[name] = { name };
  }
}

async function assertWorks({ client, ws }) {
  const message = once(ws, 'message');
  const ping = once(ws, 'ping');
  client.write('8183000000006162638980' + '00000000');
  assert.strictEqual((await message)[0].toString(), 'abc');
  await ping;
  await client.expect('8a00');
  ws.send('def', { compress: false });
  await client.expect('8103646566');
}

forEachKind(KINDS, (kind) => {
  describe('Names of an application', () => {
    it('may be those of methods of a subclass', async () => {
      const connection = await createConnection(kind, {
        WebSocket: withMethods(WebSocket),
      });
      await assertWorks(connection);
      const { client, ws } = connection;
      const error = once(ws, 'error');
      client.write('ff80' + '00000000');
      assert.strictEqual((await error)[0].name, 'RangeError');
      await client.expect('880203ea');
      const close = once(ws, 'close');
      client.end();
      assert.strictEqual((await close)[0], 1006);
    });

    it('may be those of properties of a WebSocket', async () => {
      const connection = await createConnection(kind);
      defineAll(connection.ws);
      await assertWorks(connection);
      const close = once(connection.ws, 'close');
      connection.ws.close(1000);
      await connection.client.expect('880203e8');
      connection.client.write('8882' + '00000000' + '03e8');
      connection.client.end();
      assert.strictEqual((await close)[0], 1000);
    });

    it('may be those of properties and methods of a server', async () => {
      const server = await createServer(kind);
      Object.setPrototypeOf(
        server.wss,
        withMethods(Object.getPrototypeOf(server.wss).constructor).prototype,
      );
      defineAll(server.wss);
      const connection = await server.open();
      await assertWorks(connection);
      const close = once(connection.ws, 'close');
      connection.ws.terminate();
      await close;
      assert.strictEqual(server.wss.clients.size, 0);
    });
  });

  describe('What an application keeps', () => {
    it('in isAlive and latency is what it finds there', async () => {
      const { ws } = await createConnection(kind);
      for (const name of ['isAlive', 'latency']) {
        ws[name] = 3;
        ws[name]--;
        assert.strictEqual(ws[name], 2);
        ws[name] = 'soon';
        assert.strictEqual(ws[name], 'soon');
        delete ws[name];
        assert.notStrictEqual(ws[name], 'soon');
      }
    });
  });
});

forEachKind(NETWORK_KINDS, (kind) => {
  describe('A WebSocket', () => {
    it('beside a WebSocket goes into JSON', async () => {
      const { ws } = await createConnection(kind);
      ws.name = 'Ada';
      const [copy] = JSON.parse(JSON.stringify([ws]));
      assert.strictEqual(copy.name, 'Ada');
    });
  });
});

describe('A server', () => {
  it('goes into JSON', () => {
    const wss = new WebSocketServer({ noServer: true, path: '/foo' });
    const copy = JSON.parse(JSON.stringify(wss));
    assert.strictEqual(copy.options.path, '/foo');
  });

  it('takes the WebSocket of its package, or a class that extends it', () => {
    for (const Class of [WebSocket, class extends WebSocket {}]) {
      const wss = new WebSocketServer({ noServer: true, WebSocket: Class });
      assert.strictEqual(wss.options.WebSocket, Class);
    }
    // Which is where `ws` fails at the first handshake.
    for (const Class of isWs ? [] : [class {}, 'WebSocket', {}, () => {}]) {
      assert.throws(
        () => new WebSocketServer({ noServer: true, WebSocket: Class }),
        {
          name: 'TypeError',
          message:
            /^The "WebSocket" option must be a class that extends the WebSocket of ws-upgrade, not /,
        },
      );
    }
  });
});
