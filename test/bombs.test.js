'use strict';

// Messages that inflate to a thousand times their size, one after the other,
// at a server in a process of its own.

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const { OFFER, NO_TAKEOVER, bomb, offering } = require('./helpers/deflate');
const { encodeFrame } = require('./helpers/frame');
const { once } = require('./helpers/events');
const { RawClient } = require('./helpers/raw-client');

const MIB = 1 << 20;
const RSV1 = 4;

/** Thrown at each of the servers, and as many of them before it is measured. */
const BOMBS = 500;
const WARM_UP = 200;

const MAX_PAYLOAD = 2 * MIB;

/** Bytes that allocators and V8 may keep: less than 256 KiB for each bomb. */
const SLACK = 64 * MIB;

/** The largest amount of memory that the process has had, on Linux. */
function peak(pid) {
  const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');

  return Number(/VmHWM:\s+(\d+)/.exec(status)[1]) * 1024;
}

describe('A server at which bombs are thrown', () => {
  let child;

  beforeEach(() => {
    child = spawn(
      process.execPath,
      [
        '--expose-gc',
        path.join(__dirname, 'helpers', 'deflate-server.js'),
        'main',
        JSON.stringify({ maxPayload: MAX_PAYLOAD, perMessageDeflate: true }),
      ],
      { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
    );
  });

  afterEach(async () => {
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  });

  async function measure() {
    const report = once(child, 'message');
    child.send('memory');
    return (await report)[0];
  }

  async function throwBomb(port, offer, frame) {
    const client = await RawClient.open(port, offering(offer));
    client.write(frame);
    const { payload } = await client.frame();
    assert.strictEqual(payload.readUInt16BE(0), 1009);
    client.socket.destroy();
  }

  for (const [name, offer] of [
    ['with context takeover', OFFER],
    ['without context takeover', NO_TAKEOVER],
  ]) {
    it(`takes no more memory for ${BOMBS} than for ${WARM_UP}, ${name}`, async function flat() {
      this.timeout(60 * 1000);
      const [port] = await once(child, 'message');
      const frame = encodeFrame({
        opcode: 'binary',
        rsv: RSV1,
        payload: bomb(),
      });
      for (let i = 0; i < WARM_UP; i++) await throwBomb(port, offer, frame);
      const before = await measure();
      for (let i = WARM_UP; i < BOMBS; i++) {
        await throwBomb(port, offer, frame);
      }
      const after = await measure();
      assert.ok(after - before < SLACK, `${before} to ${after} bytes`);
      if (process.platform === 'linux') {
        const most = peak(child.pid);
        const limit = after + 8 * MAX_PAYLOAD + SLACK;
        assert.ok(most < limit, `${most} bytes at the peak, not ${limit}`);
      }
    });
  }
});
