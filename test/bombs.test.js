'use strict';

// Messages that inflate to a hundred times their size and more, or that take
// work and inflate to nothing, at a server in a process of its own.

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const { BOMBS, EMPTY_BLOCKS } = require('./helpers/bombs');
const {
  NO_TAKEOVER,
  OFFER,
  offering,
  readMessage,
} = require('./helpers/deflate');
const { encodeFrame } = require('./helpers/frame');
const { once } = require('./helpers/events');
const { RawClient, destroyClients } = require('./helpers/raw-client');

const MIB = 1 << 20;
const RSV1 = 4;
const OFFERS = [OFFER, NO_TAKEOVER];
const isLinux = process.platform === 'linux';

/** Thrown in all, before memory is measured first, and at once. */
const BOMB_COUNT = 1000;
const WARM_UP = 200;
const AT_ONCE = 4;

/** Bytes that allocators and V8 may keep: less than 80 KiB for each bomb. */
const SLACK = 64 * MIB;

/** The default. */
const LARGEST_PAYLOAD = 100 * MIB;

/**
 * What one message may take beside its payload: its frame as it is received, in
 * pieces and whole, which are copies where Node reads it; windows; and what the
 * process has not used before.
 */
const FRAME_SLACK = 16 * MIB;

/** Seconds of the processor; a MiB of empty blocks takes a tenth of one. */
const CPU_LIMIT = 2;
const TICKS_PER_SECOND = 100;

/** The largest amount of memory that the process has had, on Linux. */
function peak(pid) {
  const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');

  return Number(/VmHWM:\s+(\d+)/.exec(status)[1]) * 1024;
}

/** Seconds of the processor that the process has had, on Linux. */
function cpuTime(pid) {
  const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The first two fields, of which the second may have spaces, are left out.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');

  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** A message in one frame, or in eight. */
function encodeMessage(payload, isFragmented) {
  const count = isFragmented ? 8 : 1;
  const size = Math.ceil(payload.length / count);
  return Buffer.concat(
    Array.from({ length: count }, (_, i) =>
      encodeFrame({
        opcode: i === 0 ? 'binary' : 'continuation',
        rsv: i === 0 ? RSV1 : 0,
        fin: i === count - 1,
        payload: payload.subarray(i * size, (i + 1) * size),
      }),
    ),
  );
}

let child;

async function startServer(maxPayload) {
  child = spawn(
    process.execPath,
    [
      '--expose-gc',
      path.join(__dirname, 'helpers', 'deflate-server.js'),
      'main',
      JSON.stringify({ maxPayload, perMessageDeflate: true }),
    ],
    { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
  );
  const [port] = await once(child, 'message');
  return port;
}

async function measure() {
  const report = once(child, 'message');
  child.send('memory');
  return (await report)[0];
}

async function throwBomb(port, offer, bytes) {
  const client = await RawClient.open(port, offering(offer));
  client.write(bytes);
  const { payload } = await client.frame();
  assert.strictEqual(payload.readUInt16BE(0), 1009);
  client.socket.destroy();
}

afterEach(async () => {
  destroyClients();
  if (child === undefined) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
  child = undefined;
});

describe('A server at which bombs are thrown', () => {
  it(`takes no more memory for ${BOMB_COUNT} than for ${WARM_UP}`, async function flat() {
    this.timeout(60 * 1000);
    const maxPayload = 2 * MIB;
    const port = await startServer(maxPayload);
    const messages = Object.values(BOMBS).flatMap((make) => {
      const payload = make();
      return [encodeMessage(payload, false), encodeMessage(payload, true)];
    });
    const throwNext = (i) =>
      throwBomb(
        port,
        OFFERS[Math.floor(i / messages.length) % OFFERS.length],
        messages[i % messages.length],
      );
    let before;
    for (let i = 0; i < BOMB_COUNT; i += AT_ONCE) {
      if (i === WARM_UP) before = await measure();
      await Promise.all(
        Array.from({ length: AT_ONCE }, (_, n) => throwNext(i + n)),
      );
    }
    const after = await measure();
    assert.ok(after - before < SLACK, `${before} to ${after} bytes`);
    if (isLinux) {
      const most = peak(child.pid);
      const limit = after + 8 * AT_ONCE * maxPayload + SLACK;
      assert.ok(most < limit, `${most} bytes at the peak, not ${limit}`);
    }
  });

  for (const offer of OFFERS) {
    it(`takes maxPayload for one and gives it back: ${offer}`, async () => {
      const port = await startServer(LARGEST_PAYLOAD);
      // What a first connection takes does not count.
      const client = await RawClient.open(port, offering(offer));
      client.socket.destroy();
      const before = await measure();
      await throwBomb(port, offer, encodeMessage(BOMBS.zeros(), false));
      if (isLinux) {
        const most = peak(child.pid) - before;
        assert.ok(most > LARGEST_PAYLOAD / 2, `${most} bytes: not inflated`);
        assert.ok(
          most < LARGEST_PAYLOAD + FRAME_SLACK,
          `${most} bytes for ${LARGEST_PAYLOAD}`,
        );
      }
      const after = await measure();
      assert.ok(after - before < FRAME_SLACK, `${before} to ${after} bytes`);
    });
  }
});

describe('A server that is sent empty blocks', () => {
  for (const [name, make] of Object.entries(EMPTY_BLOCKS)) {
    it(`takes little for a MiB of ${name}`, async () => {
      const port = await startServer(LARGEST_PAYLOAD);
      const bytes = encodeMessage(make(), false);
      const before = await measure();
      const cpuBefore = isLinux ? cpuTime(child.pid) : 0;
      for (const offer of OFFERS) {
        const client = await RawClient.open(port, offering(offer));
        client.write(bytes);
        const { payload } = await readMessage(client);
        assert.strictEqual(payload.length, 0);
        client.socket.destroy();
      }
      if (isLinux) {
        const seconds = cpuTime(child.pid) - cpuBefore;
        assert.ok(seconds < CPU_LIMIT, `${seconds} s of the processor`);
        const most = peak(child.pid) - before;
        assert.ok(most < FRAME_SLACK, `${most} bytes`);
      }
    });
  }
});
