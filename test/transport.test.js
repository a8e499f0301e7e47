'use strict';

// What carries a connection, where it could lose, mix up or give up too early.

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const readline = require('node:readline');
const { Duplex } = require('node:stream');
const vm = require('node:vm');

const { WebSocket, isWs, modulePath } = require('./helpers/implementation');
const { once, record } = require('./helpers/events');
const { closePayload, encodeFrame } = require('./helpers/frame');
const { RawClient } = require('./helpers/raw-client');
const {
  closeServers,
  createConnection,
  createServer,
} = require('./helpers/server');

const OPTIONS = { autoPong: true, closeTimeout: 1000 };
const SOCKET_OPTIONS = {
  allowSynchronousEvents: true,
  maxPayload: 0,
  skipUTF8Validation: false,
};

const children = new Set();

/** Runs a script in a process of its own; `lines` is what it prints. */
function runScript(source) {
  const child = spawn(process.execPath, ['-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = [];
  const reader = readline.createInterface({ input: child.stdout });
  children.add(child);
  reader.on('line', (line) => lines.push(line));
  const exited = once(child, 'close').then(([code]) => code);
  return { lines, reader, exited };
}

/** Keeps uncaught exceptions from the test runner, until `stop()` has them. */
function catchUncaught() {
  const listeners = process.listeners('uncaughtException');
  const caught = [];
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (err) => caught.push(err));
  const stop = () => {
    process.removeAllListeners('uncaughtException');
    for (const listener of listeners) {
      process.on('uncaughtException', listener);
    }
    return caught;
  };
  return { stop };
}

afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
  await closeServers();
});

describe('A connection that ended while its events wait for their turn', () => {
  it('does not send to the one that came after it', async () => {
    const server = await createServer({
      allowSynchronousEvents: false,
      onConnection(ws) {
        ws.on('message', (data) => ws.send(`echo of ${data}`));
      },
    });
    const first = await server.open();
    const close = once(first.ws, 'close');
    const secrets = Array.from({ length: 200 }, (_, i) =>
      encodeFrame({ opcode: 'text', payload: `secret ${i}` }),
    );
    await new Promise((resolve) => {
      first.client.socket.write(Buffer.concat(secrets), resolve);
    });
    first.client.reset();
    const others = [];
    for (let i = 0; i < 5; i++) others.push(await server.open());
    await close;
    for (const { client } of others) {
      client.send({ opcode: 'text', payload: 'a' });
      const { payload } = await client.frame();
      assert.strictEqual(payload.toString(), 'echo of a');
    }
  });
});

describe('A process without memory', () => {
  /** Starts a server in which allocations of `isRefused(size)` fail. */
  async function openWithoutMemory(isRefused) {
    const { lines, reader, exited } = runScript(`
      const allocate = Buffer.allocUnsafeSlow;
      let isShort = false;
      Buffer.allocUnsafeSlow = (size) => {
        if (isShort && (${isRefused})(size)) throw new RangeError('no memory');
        return allocate(size);
      };
      const { WebSocketServer } = require(${JSON.stringify(modulePath)});
      const wss = new WebSocketServer({ host: '127.0.0.1', port: 0 }, () => {
        console.log(wss.address().port);
      });
      wss.on('connection', (ws) => {
        isShort = true;
        ws.on('error', (err) => console.log('error', err.code));
        ws.on('close', (code) => console.log('close', code));
        wss.close();
      });
    `);
    const [port] = await once(reader, 'line');
    const client = await RawClient.open(Number(port), { isTls: false });
    return { client, lines, exited };
  }

  if (!isWs) {
    it('refuses a large message', async () => {
      const { client, lines, exited } = await openWithoutMemory(
        (size) => size > 1 << 20,
      );
      client.send({ opcode: 'binary', payload: Buffer.alloc(2 << 20) });
      await client.expect('880203f3');
      client.end();
      assert.strictEqual(await exited, 0);
      assert.deepStrictEqual(lines.slice(1), [
        'error WSU_ERR_OUT_OF_MEMORY',
        'close 1006',
      ]);
    });

    it('ends a connection for whose close frame there is none', async () => {
      const { client, lines, exited } = await openWithoutMemory(() => true);
      client.send({ opcode: 'close', payload: closePayload(1000, 'why') });
      await client.ended();
      client.end();
      assert.strictEqual(await exited, 0);
      assert.deepStrictEqual(lines.slice(1), ['close 1006']);
    });
  }
});

describe('A process', () => {
  it('does not end while a connection is paused, and hears of its reset', async () => {
    const { lines, reader, exited } = runScript(`
      const { WebSocketServer } = require(${JSON.stringify(modulePath)});
      const wss = new WebSocketServer({ host: '127.0.0.1', port: 0 }, () => {
        console.log(wss.address().port);
      });
      wss.on('connection', (ws) => {
        ws.on('close', (code) => console.log('close', code));
        ws.pause();
        wss.close();
      });
    `);
    const [port] = await once(reader, 'line');
    const client = await RawClient.open(Number(port), { isTls: false });
    client.reset();
    assert.strictEqual(await exited, 0);
    assert.deepStrictEqual(lines.slice(1), ['close 1006']);
  });

  it('does not end before the closing handshake over a stream has timed out', async () => {
    const { lines, exited } = runScript(`
      const { Duplex } = require('stream');
      const { WebSocket } = require(${JSON.stringify(modulePath)});
      const ws = new WebSocket(null, undefined, {
        autoPong: true,
        closeTimeout: 50,
      });
      const duplex = new Duplex({
        read() {},
        write: (chunk, encoding, callback) => callback(),
      });
      ws.setSocket(duplex, Buffer.alloc(0), {
        allowSynchronousEvents: true,
        maxPayload: 0,
        skipUTF8Validation: false,
      });
      ws.on('close', (code) => console.log('close', code));
      ws.close();
    `);
    assert.strictEqual(await exited, 0);
    assert.deepStrictEqual(lines, ['close 1006']);
  });
});

describe('The binaryType "fragments"', () => {
  it('that is set in the middle of a message loses nothing of it', async () => {
    const { client, ws } = await createConnection();
    const ping = once(ws, 'ping');
    client.send({ opcode: 'binary', payload: 'first', fin: false });
    client.send({ opcode: 'ping' });
    await ping;
    ws.binaryType = 'fragments';
    const message = once(ws, 'message');
    client.send({ opcode: 'continuation', payload: 'second' });
    const [fragments, isBinary] = await message;
    assert.deepStrictEqual(fragments.map(String), ['first', 'second']);
    assert.strictEqual(isBinary, true);
  });
});

describe('A stream', () => {
  /** A WebSocket over a stream, whose write() is `write`. */
  function open(write) {
    const duplex = new Duplex({ read() {}, write() {} });
    const ws = new WebSocket(null, undefined, OPTIONS);
    duplex.write = write;
    ws.setSocket(duplex, Buffer.alloc(0), SOCKET_OPTIONS);
    return { duplex, ws };
  }

  if (!isWs) {
    it('may call back before it says that it is full', async () => {
      const chunks = [];
      const { ws } = open((chunk, callback) => {
        chunks.push(chunk);
        callback();
        return false;
      });
      for (let i = 0; i < 3; i++) {
        await new Promise((resolve) => ws.send('foo', resolve));
      }
      assert.strictEqual(
        Buffer.concat(chunks).toString('hex'),
        '8103666f6f'.repeat(3),
      );
      ws.terminate();
    });
  }

  if (!isWs) {
    const TEXT = encodeFrame({ opcode: 'text', payload: 'foo' });
    const LAST = encodeFrame({ opcode: 'text', payload: 'last' });

    it('that emits on an exhausted stack goes on when there is room', async () => {
      const { duplex, ws } = open(() => true);
      const log = record(ws);
      const uncaught = catchUncaught();
      let depth = 0;
      let tries = 0;
      const overflow = (level) => {
        depth = level;
        try {
          overflow(level + 1);
        } catch (err) {
          // From the end of the stack to where there is enough of it.
          if (level % 5 === 0 && level > depth - 2500) {
            tries++;
            duplex.emit('data', TEXT);
          }
          throw err;
        }
      };
      // With memory for messages from here on.
      duplex.emit('data', TEXT);
      assert.throws(() => overflow(0), RangeError);
      duplex.emit('data', LAST);
      while (log[log.length - 1][1] !== 'last') await once(ws, 'message');
      await new Promise(setImmediate);
      for (const err of uncaught.stop()) assert.ok(err instanceof RangeError);
      assert.ok(log.length > 2 && log.length <= tries + 2);
      ws.terminate();
    });

    it('whose listener is stopped goes on behind it', async () => {
      const { duplex, ws } = open(() => true);
      const { duplex: otherDuplex, ws: other } = open(() => true);
      const log = record(ws);
      const emit = () => otherDuplex.emit('data', TEXT);
      let spins = true;
      other.on('message', () => {
        while (spins);
      });
      globalThis.emitInVm = emit;
      assert.throws(
        () => vm.runInThisContext('emitInVm()', { timeout: 20 }),
        (err) => err.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT',
      );
      delete globalThis.emitInVm;
      spins = false;
      const message = once(other, 'message');
      emit();
      duplex.emit('data', Buffer.concat([TEXT, LAST]));
      await message;
      assert.deepStrictEqual(log, [
        ['text', 'foo'],
        ['text', 'last'],
      ]);
      ws.terminate();
      other.terminate();
    });

    it('is not left in the middle of its "data" by a listener that throws', async () => {
      const { duplex, ws } = open(() => true);
      const log = record(ws);
      const uncaught = catchUncaught();
      ws.once('message', () => {
        throw new Error('bar');
      });
      duplex.emit('data', Buffer.concat([TEXT, LAST]));
      await new Promise(setImmediate);
      assert.deepStrictEqual(uncaught.stop().map(String), ['Error: bar']);
      assert.deepStrictEqual(log, [
        ['text', 'foo'],
        ['text', 'last'],
      ]);
      ws.terminate();
    });
  }

  it('that fails ends the WebSocket, though it does not destroy itself', async () => {
    const duplex = new Duplex({ autoDestroy: false, read() {}, write() {} });
    const ws = new WebSocket(null, undefined, OPTIONS);
    ws.setSocket(duplex, Buffer.alloc(0), SOCKET_OPTIONS);
    const close = once(ws, 'close');
    duplex.emit('error', new Error('foo'));
    assert.strictEqual((await close)[0], 1006);
    assert.strictEqual(duplex.destroyed, true);
  });

  for (const method of ['end', 'destroySoon']) {
    it(`is ended by ${method}() behind what was sent before`, async () => {
      const { client, ws } = await createConnection();
      ws.send('foo');
      ws._socket[method]();
      await client.expect('8103666f6f');
      await client.ended();
      client.end();
    });
  }

  it('that breaks while it is paused hands over what it has read', async () => {
    const { duplex, ws } = open(() => true);
    const log = record(ws);
    ws.pause();
    duplex.push(encodeFrame({ opcode: 'text', payload: 'foo' }));
    await new Promise(setImmediate);
    assert.deepStrictEqual(log, []);
    duplex.destroy();
    await once(ws, 'close');
    assert.deepStrictEqual(log, [
      ['text', 'foo'],
      ['close', 1006, ''],
    ]);
  });

  it('that closes twice does so once for the WebSocket', async () => {
    const { duplex, ws } = open(() => true);
    const log = record(ws);
    const close = once(ws, 'close');
    duplex.emit('close');
    await close;
    duplex.emit('close');
    await new Promise(setImmediate);
    assert.deepStrictEqual(log, [['close', 1006, '']]);
  });

  it('has nothing buffered when it has drained', async () => {
    const { client, ws } = await createConnection();
    const payload = Buffer.alloc(50000, 'x');
    let count = 0;
    await new Promise((resolve) => {
      const pump = () => {
        while (count < 200 && ws.bufferedAmount === 0) {
          ws.send(payload);
          count += 1;
        }
        if (count === 200) resolve();
      };
      ws._socket.on('drain', pump);
      // What the kernel takes at once has no 'drain'.
      client.socket.on('data', () => setImmediate(pump));
      pump();
    });
    for (let i = 0; i < 200; i++) {
      assert.strictEqual((await client.frame()).payload.length, 50000);
    }
  });

  it('of 1 MiB in a piece is read to its end', async () => {
    const { duplex, ws } = open((chunk, encoding, callback) => {
      process.nextTick(typeof encoding === 'function' ? encoding : callback);
      return true;
    });
    const payload = Buffer.alloc(1024 * 1024, 'x');
    for (let i = 0; i < 3; i++) {
      const message = once(ws, 'message');
      duplex.push(encodeFrame({ opcode: 'binary', payload }));
      const [data] = await message;
      assert.strictEqual(Buffer.compare(data, payload), 0);
    }
    ws.terminate();
  });
});

describe('The options of a WebSocketServer', () => {
  if (!isWs) {
    it('name the transport', async () => {
      const { WebSocketServer } = require(modulePath);
      assert.throws(
        () => new WebSocketServer({ noServer: true, transport: 'foo' }),
        /"transport" option must be one of auto, stream/,
      );
      for (const transport of [undefined, null, 'auto', 'stream']) {
        assert.ok(new WebSocketServer({ noServer: true, transport }));
      }
    });
  }
});
