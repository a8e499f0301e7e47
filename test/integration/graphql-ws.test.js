'use strict';

// graphql-ws: its server on the module under test, with its own client.

const assert = require('node:assert');
const { format } = require('node:util');
const { buildSchema } = require('graphql');
const { createClient } = require('graphql-ws');
const { useServer } = require('graphql-ws/use/ws');
const WebSocketClient = require('ws');

const { once } = require('../helpers/events');
const {
  TLS,
  cleanUp,
  createServer,
  engine,
  listen,
  onCleanup,
} = require('./support');

const schema = buildSchema(`
  type Query { hello(name: String): String }
  type Subscription { count(to: Int!): Int }
`);

const roots = {
  query: { hello: ({ name }) => `hello ${name || 'world'}` },
  subscription: {
    async *count({ to }) {
      for (let i = 1; i <= to; i += 1) yield { count: i };
    },
  },
};

class TrustingWebSocket extends WebSocketClient {
  constructor(url, protocols) {
    super(url, protocols, { ca: TLS.cert });
  }
}

async function serve(scheme, options) {
  const server = createServer[scheme]();
  const wss = new engine.WebSocketServer({ server, path: '/graphql' });
  const disposable = useServer({ schema, roots, ...options }, wss);
  const url = `${scheme}://localhost:${await listen(server)}/graphql`;
  onCleanup(() => disposable.dispose());
  return { wss, url };
}

function connect(url, options) {
  const client = createClient({
    url,
    webSocketImpl: TrustingWebSocket,
    retryAttempts: 0,
    lazy: true,
    ...options,
  });
  onCleanup(() => client.dispose());
  return client;
}

/** Runs an operation to its end and gives all its results. */
function run(client, query) {
  return new Promise((resolve, reject) => {
    const results = [];
    client.subscribe(
      { query },
      {
        next: ({ data }) => results.push(data),
        error: reject,
        complete: () => resolve(results),
      },
    );
  });
}

/** A WebSocket that speaks the protocol by hand. */
async function connectByHand(url, protocol = 'graphql-transport-ws') {
  const ws = new WebSocketClient(url, protocol, { ca: TLS.cert });
  onCleanup(() => ws.terminate());
  const closed = once(ws, 'close').then(([code, reason]) => [
    code,
    reason.toString(),
  ]);
  await once(ws, 'open');
  return { ws, closed };
}

for (const scheme of ['ws', 'wss']) {
  describe(`graphql-ws on ${scheme}:`, () => {
    let complaints;
    const { error } = console;

    beforeEach(() => {
      complaints = [];
      // Where graphql-ws reports what the WebSocket server does wrong.
      console.error = (...args) => complaints.push(format(...args));
    });

    afterEach(async () => {
      await cleanUp();
      console.error = error;
    });

    it('answers a query', async () => {
      const { url } = await serve(scheme);
      const results = await run(connect(url), '{ hello(name: "wörld") }');
      assert.deepEqual(results, [{ hello: 'hello wörld' }]);
    });

    it('brings each value of a subscription in order', async () => {
      const { url } = await serve(scheme);
      const results = await run(connect(url), 'subscription { count(to: 50) }');
      const counts = results.map(({ count }) => count);
      assert.deepEqual(
        counts,
        Array.from({ length: 50 }, (_, i) => i + 1),
      );
    });

    it('finds no send() failed whose data has arrived', async () => {
      const { url } = await serve(scheme);
      const client = connect(url);
      await run(client, '{ hello }');
      await run(client, 'subscription { count(to: 5) }');
      await cleanUp();
      assert.deepStrictEqual(complaints, []);
    });

    it('selects the subprotocol', async () => {
      const { url, wss } = await serve(scheme);
      const connection = once(wss, 'connection');
      const { ws } = await connectByHand(url);
      const [socket] = await connection;
      assert.strictEqual(ws.protocol, 'graphql-transport-ws');
      assert.strictEqual(socket.protocol, 'graphql-transport-ws');
    });

    it('closes with 4406 for another subprotocol', async () => {
      const { url } = await serve(scheme);
      const ws = new WebSocketClient(url, 'another', { ca: TLS.cert });
      onCleanup(() => ws.terminate());
      // The client refuses a response without one of its subprotocols.
      const [err] = await once(ws, 'error');
      assert.match(err.message, /Server sent no subprotocol/);
      const plain = new WebSocketClient(url, { ca: TLS.cert });
      onCleanup(() => plain.terminate());
      const [code, reason] = await once(plain, 'close');
      assert.strictEqual(code, 4406);
      assert.strictEqual(reason.toString(), 'Subprotocol not acceptable');
    });

    it('closes with 4400 for a message that is not JSON', async () => {
      const { url } = await serve(scheme);
      const { ws, closed } = await connectByHand(url);
      ws.send('{');
      const [code, reason] = await closed;
      assert.strictEqual(code, 4400);
      assert.notStrictEqual(reason, '');
    });

    it('closes with 4401 for a subscription before the init', async () => {
      const { url } = await serve(scheme);
      const { ws, closed } = await connectByHand(url);
      const payload = { query: '{ hello }' };
      ws.send(JSON.stringify({ id: '1', type: 'subscribe', payload }));
      assert.deepStrictEqual(await closed, [4401, 'Unauthorized']);
    });

    it('closes with 4403 for an init that onConnect refuses', async () => {
      const { url } = await serve(scheme, { onConnect: () => false });
      const { ws, closed } = await connectByHand(url);
      ws.send(JSON.stringify({ type: 'connection_init' }));
      assert.deepStrictEqual(await closed, [4403, 'Forbidden']);
    });

    it('closes with 4408 without an init in time', async () => {
      const { url } = await serve(scheme, { connectionInitWaitTimeout: 50 });
      const { closed } = await connectByHand(url);
      assert.deepStrictEqual(await closed, [
        4408,
        'Connection initialisation timeout',
      ]);
    });

    it('closes with 4429 for a second init', async () => {
      const { url } = await serve(scheme);
      const { ws, closed } = await connectByHand(url);
      ws.send(JSON.stringify({ type: 'connection_init' }));
      ws.send(JSON.stringify({ type: 'connection_init' }));
      assert.deepStrictEqual(await closed, [
        4429,
        'Too many initialisation requests',
      ]);
    });

    it('tells its client the reason of a close', async () => {
      const { url } = await serve(scheme, { onConnect: () => false });
      await assert.rejects(run(connect(url), '{ hello }'), {
        code: 4403,
        reason: 'Forbidden',
      });
    });

    it('tells the server how its client has closed', async () => {
      let onClosed;
      const closed = new Promise((resolve) => {
        onClosed = resolve;
      });
      const { url } = await serve(scheme, {
        onClose: (context, code, reason) => onClosed([code, reason]),
      });
      const client = connect(url);
      await run(client, '{ hello }');
      await client.dispose();
      assert.deepStrictEqual(await closed, [1000, 'Normal Closure']);
    });
  });
}
