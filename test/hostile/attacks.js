'use strict';

// What hostile clients do. Each attack says how often it is run in a quick test
// and in the benchmark, what it may cost, and throws if a server does not answer
// as it should.

const assert = require('node:assert');

const { NO_TAKEOVER, bomb, deflate } = require('../helpers/deflate');
const { closePayload, encodeFrame } = require('../helpers/frame');
const { upgradeRequest } = require('../helpers/raw-client');

const KIB = 1024;
const MIB = 1024 * KIB;

/** What V8 and allocators may take on the way, whatever is sent. */
const SLACK = 16 * MIB;

/** What Node.js may take for a connection until garbage is collected. */
const EACH = 16 * KIB;

/** Memory outside of V8's heap that its collector may let be for a while. */
const GARBAGE = 32 * MIB;

/** Runs `job` so many times, several at a time. */
async function repeat(count, job, concurrency = 10) {
  let next = 0;
  const work = async () => {
    while (next < count) await job(next++);
  };
  await Promise.all(Array.from({ length: concurrency }, work));
}

/** As many of what `make` resolves to. */
async function gather(count, make) {
  const list = new Array(count);
  await repeat(count, async (i) => {
    list[i] = await make(i);
  });
  return list;
}

function destroy(clients) {
  for (const client of clients) client.socket.destroy();
}

async function expectClose(client, code) {
  const { opcode, payload } = await client.frame();
  assert.deepStrictEqual([opcode, payload], [8, closePayload(code)]);
}

/** Handshakes that are begun and never completed. */
async function halfHandshakes(target, count) {
  const half = upgradeRequest().subarray(0, -2);
  const clients = await gather(count, async () => {
    const client = await target.connect();
    client.write(half);
    return client;
  });
  await target.ask('until', { sockets: count });
  await target.probe();
  destroy(clients);
  await target.ask('until', { sockets: 0 });
}

/** Frames of 64 MiB, it is said, of which a byte comes from time to time. */
async function slowFrames(target, count) {
  const { opened } = await target.ask('until', {});
  const clients = await gather(count, () => target.open());
  const header = encodeFrame({ opcode: 'binary', declaredLength: 64 * MIB });
  const byte = Buffer.from([0]);
  for (const client of clients) client.write(header);
  for (let i = 0; i < 100; i++) {
    for (const client of clients) client.write(byte);
    await new Promise(setImmediate);
  }
  await target.probe();
  destroy(clients);
  await target.ask('until', { closed: opened + count + 1 });
}

const PINGS = 50;

/** Pings, 50 at a time, whose pongs the client reads. */
async function pings(target, count) {
  const frame = encodeFrame({ opcode: 'ping', payload: Buffer.alloc(125) });
  const batch = Buffer.concat(new Array(PINGS).fill(frame));
  const clients = await gather(4, () => target.open());
  await Promise.all(
    clients.map(async (client) => {
      for (let i = 0; i < count / 4; i++) {
        client.write(batch);
        await client.bytes(PINGS * 127);
      }
    }),
  );
  destroy(clients);
}

/** Writes until the server has ended the connection. */
async function writeUntilClosed(client, bytes) {
  let isClosed = false;
  const closed = client.closed().then(() => {
    isClosed = true;
  });
  while (!isClosed) {
    const isUnder = client.socket.write(bytes);
    const drained = new Promise((resolve) => {
      if (isUnder) setImmediate(resolve);
      else client.socket.once('drain', resolve);
    });
    await Promise.race([drained, closed]);
  }
}

/** Pings without an end, whose pongs the client does not read. */
async function unreadPings(target, count) {
  const frame = encodeFrame({ opcode: 'ping', payload: Buffer.alloc(125) });
  const batch = Buffer.concat(new Array(500).fill(frame));
  for (let i = 0; i < count; i++) {
    const client = await target.open();
    client.socket.pause();
    await writeUntilClosed(client, batch);
  }
}

/** Messages in as many fragments as are allowed, of one byte each. */
async function fragments(target, count) {
  const { messages } = await target.ask('until', {});
  const rest = new Array(16382).fill(
    encodeFrame({ opcode: 'continuation', payload: 'a', fin: false }),
  );
  const message = Buffer.concat([
    encodeFrame({ opcode: 'text', payload: 'a', fin: false }),
    ...rest,
    encodeFrame({ opcode: 'continuation', payload: 'a' }),
  ]);
  const client = await target.open();
  for (let i = 0; i < count; i++) client.write(message);
  await target.ask('until', { messages: messages + count });
  client.socket.destroy();
}

/** Messages in empty fragments, without an end. */
async function endlessFragments(target, count) {
  const empty = encodeFrame({ opcode: 'continuation', fin: false });
  const bytes = Buffer.concat([
    encodeFrame({ opcode: 'text', fin: false }),
    ...new Array(20000).fill(empty),
  ]);
  await repeat(count, async () => {
    const client = await target.open();
    client.write(bytes);
    await expectClose(client, 1008);
    client.socket.destroy();
  });
}

/** A hundred close frames with each handshake, and a ping behind them. */
async function closes(target, count) {
  const close = encodeFrame({ opcode: 'close', payload: closePayload(1000) });
  const head = Buffer.concat([
    ...new Array(100).fill(close),
    encodeFrame({ opcode: 'ping' }),
  ]);
  await repeat(count, async () => {
    const client = await target.open({ head });
    await expectClose(client, 1000);
    assert.strictEqual((await client.ended()).length, 0);
    client.socket.destroy();
  });
}

let bombFrame;

/** Messages of 1 MiB that inflate to 1 GiB. */
async function bombs(target, count) {
  bombFrame = bombFrame || encodeFrame({ opcode: 2, rsv: 4, payload: bomb() });
  const headers = { 'Sec-WebSocket-Extensions': NO_TAKEOVER };
  for (let i = 0; i < count; i++) {
    const client = await target.open({ headers });
    client.write(bombFrame);
    await expectClose(client, 1009);
    client.socket.destroy();
  }
}

const FULL_PAYLOAD = 8 * MIB;

/** Messages that inflate to all that a message may have, at the same time. */
async function fullMessages(target, count) {
  const { messages } = await target.ask('until', {});
  const headers = { 'Sec-WebSocket-Extensions': NO_TAKEOVER };
  const frame = encodeFrame({
    opcode: 'binary',
    rsv: 4,
    payload: deflate(Buffer.alloc(FULL_PAYLOAD)),
  });
  const clients = await gather(count, () => target.open({ headers }));
  for (const client of clients) client.write(frame);
  await target.ask('until', { messages: messages + count });
  destroy(clients);
}

const EMPTY_MESSAGES = 40000;

/** Messages without content, to a server that emits one in a turn. */
async function emptyMessages(target, count) {
  const { messages } = await target.ask('until', {});
  const frame = encodeFrame({ opcode: 'text' });
  const bytes = Buffer.concat(new Array(EMPTY_MESSAGES).fill(frame));
  const clients = await gather(count, () => target.open());
  for (const client of clients) client.write(bytes);
  await target.ask('until', { messages: messages + count * EMPTY_MESSAGES });
  destroy(clients);
}

/** Clients that get a large message, and have agreed on compression. */
async function broadcast(target, count) {
  const headers = { 'Sec-WebSocket-Extensions': NO_TAKEOVER };
  const clients = await gather(count, () =>
    target.open({ path: '/broadcast', headers }),
  );
  clients[0].write(encodeFrame({ opcode: 'text', payload: 'a' }));
  await Promise.all(clients.map((client) => client.frame()));
  destroy(clients);
}

const REQUESTS = 400;

/** Clients that ask for 25 MiB each and read nothing. */
async function neverRead(target, count) {
  const { opened } = await target.ask('until', {});
  const request = encodeFrame({ opcode: 'text', payload: 'a' });
  const clients = await gather(count, () => target.open({ path: '/amplify' }));
  for (const client of clients) {
    client.socket.pause();
    for (let i = 0; i < REQUESTS; i++) client.write(request);
  }
  await target.ask('until', { opened: opened + count });
  const end = await target.ask('untilDone', REQUESTS);
  if (target.isOurs) assert.strictEqual(end.closed, end.opened);
  await target.probe();
  destroy(clients);
  await target.ask('until', { sockets: 0 });
}

const PROTOTYPE_KEYS = [
  '__proto__',
  'constructor',
  'prototype',
  'hasOwnProperty',
  'toString',
  '__defineGetter__',
];

/** Names that every object has, in all tables of a handshake; 1,000 headers. */
async function headerTables(target, count) {
  const before = await target.ask('prototype');
  const names = PROTOTYPE_KEYS.join(', ');
  const parameters = PROTOTYPE_KEYS.map((key) => `${key}=1`).join('; ');
  const headers = {
    'Sec-WebSocket-Extensions': '',
    'Sec-WebSocket-Protocol': names,
  };
  for (const key of PROTOTYPE_KEYS) {
    Object.defineProperty(headers, key, { value: '1', enumerable: true });
  }
  // Host and four of the handshake, and those above.
  for (let i = PROTOTYPE_KEYS.length + 7; i < 1000; i++) headers[`x${i}`] = '';
  const offer = (extensions, answer) => [
    upgradeRequest({
      headers: { ...headers, 'Sec-WebSocket-Extensions': extensions },
    }),
    answer,
  ];
  const cases = [
    offer(`${names}, permessage-deflate`, /^HTTP.* 101 [^]*Extensions: perm/),
    offer(`permessage-deflate; ${parameters}`, /^HTTP.* 400 /),
    offer('permessage-deflate; __proto__; ,', /^HTTP.* 400 /),
    [
      upgradeRequest({ headers: { a: new Array(999).fill('a'.repeat(20)) } }),
      / 431 /,
    ],
  ];
  await repeat(count, async (i) => {
    const [request, answer] = cases[i % cases.length];
    const client = await target.connect();
    client.write(request);
    assert.match(await client.responseHead(), answer);
    client.socket.destroy();
  });
  assert.deepStrictEqual(await target.ask('prototype'), before);
}

/** As many extensions and subprotocols as Node.js lets through. */
async function offers(target, count) {
  const extensions = new Array(500).fill('x; a=1; b="2"').join(', ');
  const protocols = Array.from({ length: 1000 }, (_, i) => `p${i}`).join(',');
  const request = upgradeRequest({
    headers: {
      'Sec-WebSocket-Extensions': extensions,
      'Sec-WebSocket-Protocol': protocols,
    },
  });
  await repeat(count, async () => {
    const client = await target.connect();
    client.write(request);
    const head = await client.responseHead();
    assert.match(head, /^HTTP.* 101 [^]*Protocol: p0\r\n/);
    client.socket.destroy();
  });
}

const MAX_CONNECTIONS = 50;

/** More handshakes than there is room for. */
async function handshakes(target, count) {
  let accepted = 0;
  const clients = await gather(count, async () => {
    const client = await target.connect();
    client.write(upgradeRequest());
    const head = await client.responseHead();
    if (head.startsWith('HTTP/1.1 101 ')) accepted++;
    return client;
  });
  assert.strictEqual(accepted, target.isOurs ? MAX_CONNECTIONS : count);
  destroy(clients);
  await target.ask('until', { sockets: 0 });
}

/**
 * Attacks by name: `run(target, count)`; the options of the server; how often it
 * is run in a quick test and in the benchmark; the bytes of `memory` that so many
 * may take; and the time that they may take of the `cpu`, as a multiple of what
 * `ws` takes. Sizes are such that what has no bound would exceed that memory.
 */
const attacks = {
  'handshakes that are never completed': {
    run: halfHandshakes,
    sizes: { quick: 100, full: 1000 },
    memory: (count) => SLACK + count * 40 * KIB,
    // All of it is the work of Node.js.
    cpu: 1.25,
  },
  'frames that come byte by byte': {
    run: slowFrames,
    sizes: { quick: 50, full: 300 },
    memory: (count) => SLACK + count * 40 * KIB,
    cpu: 1.1,
  },
  'batches of 50 pings': {
    run: pings,
    sizes: { quick: 1000, full: 4000 },
    memory: () => SLACK,
    cpu: 0.7,
  },
  'clients that send pings and read no pongs': {
    run: unreadPings,
    sizes: { quick: 1, full: 10 },
    // A stream reads as fast as they come, each time to new memory.
    memory: () => SLACK + GARBAGE,
    // `ws` ends a client for 60 pings in one packet, whether it reads or not.
    cpu: 8,
  },
  'messages in 16,384 fragments': {
    run: fragments,
    sizes: { quick: 40, full: 80 },
    memory: () => SLACK,
    cpu: 0.3,
  },
  'messages of empty fragments without an end': {
    run: endlessFragments,
    sizes: { quick: 5, full: 50 },
    memory: (count) => SLACK + count * EACH,
    cpu: 0.4,
  },
  'handshakes with 100 close frames': {
    run: closes,
    sizes: { quick: 30, full: 1500 },
    memory: (count) => SLACK + count * EACH,
    cpu: 1.25,
  },
  'messages that inflate to 1 GiB': {
    run: bombs,
    options: { maxPayload: 2 * MIB, perMessageDeflate: true },
    sizes: { quick: 5, full: 60 },
    memory: () => SLACK + GARBAGE,
    cpu: 0.7,
  },
  'messages that inflate to 8 MiB at the same time': {
    run: fullMessages,
    options: { maxPayload: FULL_PAYLOAD, perMessageDeflate: true },
    sizes: { quick: 40, full: 100 },
    // Four at a time, each as it comes out and as the application gets it, and
    // as many again that V8 has not collected yet, three times.
    memory: () => SLACK + 4 * 4 * 2 * FULL_PAYLOAD,
    cpu: 1.1,
  },
  'times 40,000 empty messages that are emitted one by one': {
    run: emptyMessages,
    options: { allowSynchronousEvents: false },
    sizes: { quick: 10, full: 20 },
    memory: (count) => SLACK + count * MIB,
    cpu: 1.1,
  },
  'clients that get the same 4 MiB, compressed': {
    run: broadcast,
    options: { perMessageDeflate: true },
    sizes: { quick: 50, full: 100 },
    memory: () => SLACK + GARBAGE + 16 * 4 * MIB,
    // What `ws` hands to threads is not copied.
    cpu: 1.25,
  },
  'clients that ask for 25 MiB and read nothing': {
    run: neverRead,
    options: { maxBackpressure: MIB },
    sizes: { quick: 5, full: 20 },
    memory: (count) => SLACK + GARBAGE + count * 2 * MIB,
    cpu: 0.5,
  },
  'handshakes with 1,000 headers and prototype keys': {
    run: headerTables,
    options: { perMessageDeflate: true },
    sizes: { quick: 20, full: 1000 },
    memory: (count) => SLACK + count * 40 * KIB,
    // Nearly all of it is Node.js, which reads the headers.
    cpu: 1.25,
  },
  'handshakes with 500 extensions and 1,000 subprotocols': {
    run: offers,
    options: { perMessageDeflate: true },
    sizes: { quick: 20, full: 500 },
    memory: (count) => SLACK + count * 40 * KIB,
    cpu: 1.1,
  },
  'handshakes above maxConnections': {
    run: handshakes,
    options: { maxConnections: MAX_CONNECTIONS },
    sizes: { quick: 100, full: 1000 },
    memory: (count) => SLACK + count * EACH,
    cpu: 0.9,
  },
};

module.exports = { MIB, attacks };
