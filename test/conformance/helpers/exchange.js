'use strict';

// One connection of one case: what is sent goes out in pieces while what the
// server answers is read, checked and kept, until both ends have closed.

const assert = require('node:assert');

const { RawClient, upgradeRequest } = require('../../helpers/raw-client');
const { closed, failed } = require('./cases');
const { AfterFrames, FIN, close, event, text } = require('./frames');
const { Received } = require('./received');
const { SPLITS, encode } = require('./splits');

/** Keeps the log of a WebSocket of the server, and echoes its messages. */
function serve(ws, { act, isSilent }) {
  const events = [];
  const ended = new Promise((resolve) => {
    ws.on('close', (code, reason) => {
      events.push(`close ${code} ${reason}`);
      resolve();
    });
  });
  ws.on('error', () => events.push('error'));
  ws.on('ping', (data) => events.push(event('ping', data)));
  ws.on('pong', (data) => events.push(event('pong', data)));
  ws.on('message', (data, isBinary) => {
    events.push(event(isBinary ? 'binary' : 'text', data));
    if (!isSilent) ws.send(data, { binary: isBinary });
  });
  if (act) act(ws);
  return { events, ended };
}

/** Writes pieces, each in a turn of its own, while there is somebody to read. */
async function writePieces(client, pieces, isOver) {
  for (const piece of pieces) {
    if (isOver()) return;
    await new Promise((resolve) => {
      client.socket.write(piece, () => setImmediate(resolve));
    });
  }
}

/** Reads and writes at the same time. */
class Conversation {
  #client;
  #received;
  #isOver = false;
  #waiting = [];

  constructor(client) {
    this.#client = client;
    this.#received = new Received(client.response);
  }

  /** Sends the items of a case, each run of them cut as `split` says. */
  async send(items, split, name) {
    const isOver = () => this.#isOver;
    let parts = [];
    const flush = async () => {
      const pieces = parts.length > 0 ? split.cut(parts, name) : [];
      parts = [];
      await writePieces(this.#client, pieces, isOver);
    };
    for (const item of items) {
      if (item instanceof AfterFrames) {
        await flush();
        await this.#untilCount(item.count);
      } else if (item === FIN) {
        await flush();
        this.#client.end();
      } else {
        parts.push(encode(item));
      }
    }
    await flush();
  }

  /** Reads up to the end of the connection, which `expect` says who begins. */
  async receive(expect) {
    const received = this.#received;
    while (received.closeFrame === null) {
      const frame = await this.#client.frame().catch(() => null);
      if (frame === null) break;
      await received.add(frame);
      this.#wake();
    }
    const waits =
      expect.endsFirst === 'server' &&
      received.closeFrame === expect.closeFrame;
    const rest = waits ? await this.#client.ended() : Buffer.alloc(0);
    this.#client.end();
    const last = await this.#client.closed();
    this.#isOver = true;
    this.#wake();
    if (rest.length + last.length > 0) {
      received.faults.push('RFC 6455, 5.5.1: bytes behind the last frame');
    }
    return received;
  }

  #untilCount(count) {
    return new Promise((resolve) => {
      this.#waiting.push({ count, resolve });
      this.#wake();
    });
  }

  #wake() {
    const isReady = ({ count }) =>
      this.#isOver || this.#received.count >= count;
    for (const { resolve } of this.#waiting.filter(isReady)) resolve();
    this.#waiting = this.#waiting.filter((waiter) => !isReady(waiter));
  }
}

function compare(peer, received, expect) {
  const { faults, sent, pongs, closeFrame, rsv } = received;
  assert.deepStrictEqual(
    { events: peer.events, sent, pongs, closeFrame, faults },
    {
      events: expect.events,
      sent: expect.sent,
      pongs: expect.pongs,
      closeFrame: expect.closeFrame,
      faults: [],
    },
  );
  if (expect.rsv) assert.deepStrictEqual(rsv, expect.rsv);
}

/** Runs a case whose handshake is not what it is about. */
async function converse(server, oneCase, split) {
  const { expect, send, name, request } = oneCase;
  let peer;
  server.onConnection = (ws) => {
    peer = serve(ws, oneCase);
  };
  const client = await RawClient.open(server.target, {
    isTls: server.isTls,
    ...request,
  });
  const conversation = new Conversation(client);
  const [received] = await Promise.all([
    conversation.receive(expect),
    conversation.send(send, split, name),
  ]);
  await peer.ended;

  compare(peer, received, expect);
}

function listLines(bytes) {
  return bytes.toString('latin1').split(/(?<=\r\n)/);
}

/** What no case about handshakes is about. */
const COMMON_LINES = new Set(listLines(upgradeRequest()));

function parseHead(head) {
  const [statusLine, ...lines] = head.trimEnd().split('\r\n');
  const headers = {};
  for (const line of lines) {
    const [, name, value] = /^([^:]*): *(.*)$/.exec(line);
    const key = name.toLowerCase();
    headers[key] = key in headers ? `${headers[key]}, ${value}` : value;
  }
  return { status: Number(statusLine.split(' ')[1]), headers };
}

/**
 * Runs a case that is about its handshake. A response that is expected has
 * exactly the headers of `expect.headers`, those of a refusal only among
 * others. After it a message has to be echoed, unless `expect.isUsable` is
 * false: then the connection has to fail.
 */
async function shakeHands(server, oneCase, split) {
  const { expect, name, request } = oneCase;
  let peer;
  server.onConnection = (ws) => {
    peer = serve(ws, oneCase);
  };
  const bytes = Buffer.isBuffer(request) ? request : upgradeRequest(request);
  const client = await RawClient.connect(server.target, server.isTls);
  const parts = listLines(bytes).map((line) => ({
    bytes: Buffer.from(line, 'latin1'),
    payloadLength: Math.max(line.length - 2, 0),
    isWhole: COMMON_LINES.has(line),
  }));
  let isOver = false;
  const writing = writePieces(client, split.cut(parts, name), () => isOver);
  const rawHead = await client.responseHead();
  const head = parseHead(rawHead);
  assert.strictEqual(head.status, expect.status);
  if (expect.status !== 101) {
    // What is still to be written would meet a socket that is gone.
    isOver = true;
    await writing;
    client.end();
    await client.closed();
    for (const [key, value] of Object.entries(expect.headers || {})) {
      assert.strictEqual(head.headers[key], value);
    }
    assert.strictEqual(peer, undefined);
    return;
  }
  await writing;
  assert.deepStrictEqual(head.headers, expect.headers);
  client.response = rawHead;
  const conversation = new Conversation(client);
  const isUsable = expect.isUsable !== false;
  const end = isUsable ? closed(['text 61'], 1000) : failed([], 1002);
  const [received] = await Promise.all([
    conversation.receive(end),
    conversation.send([text('a'), close(1000)], SPLITS[0], name),
  ]);
  await peer.ended;
  compare(peer, received, end);
}

/** Runs a case with one split, and throws for what is not as it should be. */
function runCase(server, oneCase, split) {
  return oneCase.expect.status === undefined
    ? converse(server, oneCase, split)
    : shakeHands(server, oneCase, split);
}

module.exports = { runCase };
