'use strict';

// Every place in which the package calls into JavaScript of the application:
// each stage has one of them call `action`.

const { Blob } = require('node:buffer');
const diagnostics = require('node:diagnostics_channel');

const { deflate, offering } = require('../helpers/deflate');
const { upgradeRequest } = require('../helpers/raw-client');

const HALF_MIB = 512 * 1024;
const LARGE = 4 * 1024 * 1024;

/** Three messages in one packet. */
const PACKET = Buffer.from(
  '818100000000 61 818100000000 62 818100000000 63'.replace(/ /g, ''),
  'hex',
);

/** What no server accepts: there is no such version. */
const REFUSED = { headers: { 'Sec-WebSocket-Version': '99' } };

/** In a listener of a WebSocket of the server with `options`. */
function onEvent(event, trigger, options = {}, openOptions = {}) {
  return async (site, action) => {
    site.serve('/stage', options);
    const connection = await site.open({ path: '/stage', ...openOptions });
    connection.ws.on(event, action);
    await trigger(connection);
  };
}

/** While the handshake of a client is looked at, or when that is over. */
function onHandshake(makeOptions, request = {}) {
  return async (site, action) => {
    site.serve('/stage', makeOptions(action));
    const client = await site.connect();
    client.write(upgradeRequest({ path: '/stage', ...request }));
  };
}

/** The same in a listener of the server. */
function onServerEvent(event, options = {}, request = {}) {
  return async (site, action) => {
    site.serve('/stage', options).on(event, action);
    const client = await site.connect();
    client.write(
      Buffer.concat([upgradeRequest({ path: '/stage', ...request }), PACKET]),
    );
  };
}

/** For a subscriber of a channel, which gets what concerns `/stage`. */
function onChannel(name, trigger, request) {
  return async (site, action) => {
    const wss = site.serve('/stage', {});
    diagnostics.channel(`ws-upgrade:${name}`).subscribe((message) => {
      if (message.server === wss) action();
    });
    wss.on('connection', (ws) => ws.on('error', () => {}));
    const client = await site.connect();
    client.write(upgradeRequest({ path: '/stage', ...request }));
    if (trigger) {
      await client.responseHead();
      trigger(client);
    }
  };
}

/** Does something with a WebSocket that leads to a call of `action`. */
function onCall(call, options = {}, openOptions = {}) {
  return async (site, action) => {
    const wss = site.serve('/stage', options);
    const connection = await site.open({ path: '/stage', ...openOptions });
    call({ ...connection, wss, site }, action);
  };
}

function inflate({ client }) {
  const payload = deflate(Buffer.alloc(HALF_MIB));
  client.send({ opcode: 'binary', rsv: 4, payload });
}

/** Two more bytes than may wait, for a client that does not read. */
function sendTooMuch({ client, ws }) {
  client.socket.pause();
  for (let i = 0; i < 8; i++) ws.send(Buffer.alloc(LARGE));
}

const STAGES = {
  "'message'": onEvent('message', ({ client, ws }) => {
    ws.on('message', (data) => ws.send(data));
    client.write(PACKET);
  }),

  "'message' of a large one": onEvent('message', ({ client }) =>
    client.send({ opcode: 'binary', payload: Buffer.alloc(HALF_MIB) }),
  ),

  "'message' of one that a thread has inflated": onEvent(
    'message',
    inflate,
    { perMessageDeflate: true },
    offering('permessage-deflate'),
  ),

  "'message' of one that was held": onCall(
    ({ client, ws }, action) => {
      client.write(PACKET);
      setImmediate(() => ws.on('message', action));
    },
    { holdUntilListening: true },
  ),

  "'message' of one in a turn": onEvent(
    'message',
    ({ client }) => client.write(PACKET),
    { allowSynchronousEvents: false },
  ),

  onmessage: onCall(({ client, ws }, action) => {
    ws.onmessage = action;
    client.write(PACKET);
  }),

  "'data' of createWebSocketStream()": onCall(
    ({ client, ws, world }, action) => {
      world.package.createWebSocketStream(ws).on('data', action);
      client.write(PACKET);
    },
  ),

  "'ping'": onEvent('ping', ({ client }) => client.write('898000000000')),

  "'pong'": onEvent('pong', ({ client }) => client.write('8a8000000000')),

  "'close' after a closing handshake": onEvent('close', async ({ client }) => {
    client.write('88820000000003e8');
    await client.ended();
    client.end();
  }),

  "'close' after a reset": onEvent('close', ({ client }) => client.reset()),

  "'close' after terminate()": onEvent('close', ({ ws }) => ws.terminate()),

  "'close' of the socket": onCall(({ client, req }, action) => {
    req.socket.on('close', action);
    client.reset();
  }),

  "'error'": onEvent('error', ({ client }) => client.write('8380')),

  "'drain'": onEvent('drain', ({ client, ws }) => {
    client.discard();
    while (ws.send(Buffer.alloc(LARGE)));
  }),

  "'dropped'": onEvent('dropped', sendTooMuch, {
    highWaterMark: 1,
    maxBackpressure: 1,
    onBackpressure: 'drop',
  }),

  "'heartbeat'": async (site, action) => {
    const wss = site.serve('/stage', {
      heartbeat: { interval: 1, timeout: 1 },
    });
    wss.on('heartbeat', action);
    await site.open({ path: '/stage' });
  },

  'a callback of send()': onCall(({ ws }, action) => {
    ws.send('foo', action);
    ws.send('bar', () => {});
  }),

  'a callback of send() after compression on a thread': onCall(
    ({ ws }, action) => ws.send(Buffer.alloc(HALF_MIB), action),
    { perMessageDeflate: true },
    offering('permessage-deflate'),
  ),

  'a callback of send() whose connection is gone': onCall(
    ({ client, ws }, action) => {
      client.socket.pause();
      ws.send(Buffer.alloc(8 * LARGE), action);
      ws.terminate();
    },
  ),

  'a callback of ping()': onCall(({ ws }, action) =>
    ws.ping('foo', false, action),
  ),

  "'connection', with messages in the packet": onServerEvent('connection'),

  "'headers'": onServerEvent('headers'),

  "'wsClientError'": onServerEvent('wsClientError', {}, REFUSED),

  verifyClient: onHandshake((verifyClient) => ({ verifyClient })),

  'verifyClient, with a callback': onHandshake((action) => ({
    verifyClient: (info, callback) => {
      callback(true);
      action();
    },
  })),

  allowedOrigins: onHandshake((allowedOrigins) => ({ allowedOrigins }), {
    headers: { Origin: 'http://localhost' },
  }),

  handleProtocols: onHandshake((handleProtocols) => ({ handleProtocols }), {
    headers: { 'Sec-WebSocket-Protocol': 'foo' },
  }),

  "'open' of a subclass": async (site, action) => {
    class Open extends site.world.package.WebSocket {
      constructor(...args) {
        super(...args);
        this.on('open', action);
      }
    }
    await onHandshake(() => ({ WebSocket: Open }))(site, action);
  },

  'the constructor of a subclass': async (site, action) => {
    class Construct extends site.world.package.WebSocket {
      constructor(...args) {
        super(...args);
        action();
      }
    }
    await onHandshake(() => ({ WebSocket: Construct }))(site, action);
  },

  'the write() of a stream': async (site, action) => {
    const wss = site.serve('/stage', { transport: 'stream' });
    wss.on('connection', (ws, { socket }) => {
      socket._write = action;
      socket._writev = undefined;
      ws.send('foo');
    });
    (await site.connect()).write(upgradeRequest({ path: '/stage' }));
  },

  'what reads a Blob': onCall(({ ws }, action) => {
    class Reading extends Blob {
      arrayBuffer() {
        // Out of the promise, which would take what is thrown for its own.
        return new Promise(() => setImmediate(action));
      }
    }
    ws.send(new Reading(['foo']));
  }),

  'the end of shutdown()': onCall(({ client, wss }, action) => {
    wss.shutdown({ timeout: 1 }).then(action);
    client.discard();
  }),

  "'close' of a server": onCall(({ client, wss }, action) => {
    wss.close(action);
    client.reset();
  }),

  'a subscriber of connections': onChannel('connection'),

  'a subscriber of closed connections': onChannel('close', (client) =>
    client.reset(),
  ),

  'a subscriber of errors': onChannel('error', (client) =>
    client.write('8380'),
  ),

  'a subscriber of refusals': onChannel('refused', undefined, REFUSED),
};

module.exports = { STAGES };
