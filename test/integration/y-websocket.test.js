'use strict';

// y-websocket: documents of two clients that converge over a server on the
// module under test.

const assert = require('node:assert');
const WebSocketClient = require('ws');
const { WebsocketProvider } = require('y-websocket');
const { docs, setupWSConnection } = require('y-websocket/bin/utils');
const Y = require('yjs');

const { once } = require('../helpers/events');
const {
  TLS,
  cleanUp,
  createServer,
  engine,
  listen,
  onCleanup,
} = require('./support');

const EDITS = 50;

class TrustingWebSocket extends WebSocketClient {
  constructor(url, protocols) {
    super(url, protocols, { ca: TLS.cert });
  }
}

async function serve(scheme) {
  const server = createServer[scheme]();
  const wss = new engine.WebSocketServer({ server });
  wss.on('connection', (ws, req) => setupWSConnection(ws, req));
  onCleanup(async () => {
    for (const ws of wss.clients) ws.terminate();
    await new Promise((resolve) => wss.close(resolve));
    // The server keeps its documents, each with a timer.
    for (const doc of docs.values()) {
      doc.awareness.destroy();
      doc.destroy();
    }
    docs.clear();
  });
  return { wss, url: `${scheme}://localhost:${await listen(server)}` };
}

function join(url, room) {
  const doc = new Y.Doc();
  const provider = new WebsocketProvider(url, room, doc, {
    WebSocketPolyfill: TrustingWebSocket,
    // Clients in one process would talk past the server.
    disableBc: true,
  });
  onCleanup(() => {
    provider.destroy();
    provider.awareness.destroy();
    doc.destroy();
  });
  return { doc, provider };
}

/** Waits until a condition holds after an update of a document. */
function until(doc, condition) {
  return new Promise((resolve) => {
    const check = () => {
      if (!condition()) return;
      doc.off('update', check);
      resolve();
    };
    doc.on('update', check);
    check();
  });
}

async function synced({ provider }) {
  if (!provider.synced) {
    await new Promise((resolve) => provider.once('sync', resolve));
  }
}

for (const scheme of ['ws', 'wss']) {
  describe(`y-websocket on ${scheme}:`, () => {
    afterEach(cleanUp);

    it('lets two clients that edit at once converge', async () => {
      const { url } = await serve(scheme);
      const room = `edits-${scheme}`;
      const peers = [join(url, room), join(url, room)];
      await Promise.all(peers.map(synced));
      for (let i = 0; i < EDITS; i += 1) {
        peers.forEach(({ doc }, which) => {
          doc.getText('text').insert(0, `${which}`);
          doc.getMap('map').set(`${which}-${i}`, i);
        });
        await new Promise(setImmediate);
      }
      const texts = peers.map(({ doc }) => doc.getText('text'));
      await Promise.all(
        peers.map(({ doc }, which) =>
          until(
            doc,
            () =>
              texts[which].length === 2 * EDITS &&
              doc.getMap('map').size === 2 * EDITS,
          ),
        ),
      );
      assert.strictEqual(texts[0].toString(), texts[1].toString());
      assert.deepStrictEqual(
        peers[0].doc.getMap('map').toJSON(),
        peers[1].doc.getMap('map').toJSON(),
      );
      assert.strictEqual(
        docs.get(room).getText('text').toString(),
        texts[0].toString(),
      );
    });

    it('brings a large document to a client that joins later', async () => {
      const { url } = await serve(scheme);
      const room = `late-${scheme}`;
      const first = join(url, room);
      await synced(first);
      const text = 'größer '.repeat(50000);
      first.doc.getText('text').insert(0, text);
      const second = join(url, room);
      await until(
        second.doc,
        () => second.doc.getText('text').length === text.length,
      );
      assert.strictEqual(second.doc.getText('text').toString(), text);
    });

    it('shows the presence of another client, and its end', async () => {
      const { url } = await serve(scheme);
      const room = `presence-${scheme}`;
      const [first, second] = [join(url, room), join(url, room)];
      await Promise.all([synced(first), synced(second)]);
      const { awareness } = second.provider;
      const id = first.doc.clientID;
      const seen = new Promise((resolve) => {
        awareness.on('change', () => {
          const state = awareness.getStates().get(id);
          if (state && state.name) resolve(state.name);
        });
      });
      first.provider.awareness.setLocalState({ name: 'first' });
      assert.strictEqual(await seen, 'first');
      const gone = new Promise((resolve) => {
        awareness.on('change', ({ removed }) => {
          if (removed.includes(id)) resolve();
        });
      });
      first.provider.ws.terminate();
      first.provider.shouldConnect = false;
      await gone;
    });

    it('connects again after the server has terminated', async () => {
      const { url, wss } = await serve(scheme);
      const room = `again-${scheme}`;
      const peer = join(url, room);
      await synced(peer);
      const connection = once(wss, 'connection');
      for (const ws of wss.clients) ws.terminate();
      peer.doc.getText('text').insert(0, 'offline');
      await connection;
      const keeper = join(url, room);
      await until(
        keeper.doc,
        () => keeper.doc.getText('text').toString() === 'offline',
      );
    });
  });
}
