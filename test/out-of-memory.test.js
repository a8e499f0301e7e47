'use strict';

// What a connection for which there is no memory leaves to others. A server in
// a process of its own finds none from a point on, on Linux.

const assert = require('node:assert');
const { execFileSync, spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const { isWs } = require('./helpers/implementation');
const {
  NO_TAKEOVER,
  deflate,
  inflate,
  offering,
  readMessage,
  sample,
} = require('./helpers/deflate');
const { once } = require('./helpers/events');
const { RawClient, destroyClients } = require('./helpers/raw-client');

const RSV1 = 4;

let child;
let folder;

async function startServer() {
  child = spawn(
    process.execPath,
    [
      path.join(__dirname, 'helpers', 'deflate-server.js'),
      'main',
      JSON.stringify({ perMessageDeflate: true }),
    ],
    {
      env: {
        ...process.env,
        LD_PRELOAD: path.join(folder, 'failing-calloc.so'),
      },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    },
  );
  const [port] = await once(child, 'message');
  return port;
}

if (process.platform === 'linux' && !isWs) {
  describe('A message for which there is no memory', () => {
    before(() => {
      folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ws-upgrade-'));
      execFileSync('cc', [
        '-D_GNU_SOURCE',
        '-shared',
        '-fPIC',
        '-o',
        path.join(folder, 'failing-calloc.so'),
        path.join(__dirname, 'helpers', 'failing-calloc.c'),
        '-ldl',
      ]);
    });

    after(() => fs.rmSync(folder, { recursive: true }));

    afterEach(async () => {
      const exit = once(child, 'exit');
      destroyClients();
      child.kill('SIGKILL');
      await exit;
    });

    it('leaves nothing in the decompressor that others share', async () => {
      const payload = deflate(sample('random', 1 << 20));
      const port = await startServer();
      const failing = await RawClient.open(port, offering(NO_TAKEOVER));
      const other = await RawClient.open(port, offering(NO_TAKEOVER));
      const isFailing = once(child, 'message');
      child.send('fail');
      await isFailing;
      failing.send({ opcode: 'binary', rsv: RSV1, payload });
      const close = await failing.frame();
      assert.strictEqual(close.payload.readUInt16BE(0), 1011);
      const message = sample('words', 2000);
      other.send({ opcode: 'binary', rsv: RSV1, payload: deflate(message) });
      const answer = await readMessage(other, { inflate });
      assert.strictEqual(Buffer.compare(answer.payload, message), 0);
    });
  });
}
