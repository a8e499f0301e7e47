'use strict';

const assert = require('node:assert');

const { betterThanWs } = require('./helpers/implementation');
const { Child, killChildren } = require('./helpers/child');
const { closePayload, encodeFrame } = require('./helpers/frame');
const { once, record } = require('./helpers/events');
const { destroyClients } = require('./helpers/raw-client');
const { closeServers, createConnection } = require('./helpers/server');

const PHASES = [
  'the listener',
  'process.nextTick()',
  'a microtask',
  'setImmediate()',
  'setTimeout()',
];

function text(payload) {
  return encodeFrame({ opcode: 'text', payload });
}

/** A packet of the texts "0" to "9". */
const TEN = Buffer.concat([...Array(10).keys()].map((i) => text(`${i}`)));
const TEN_EVENTS = [...Array(10).keys()].map((i) => ['text', `${i}`]);

async function assertEcho({ client, ws }) {
  ws.removeAllListeners('message');
  ws.on('message', (data) => ws.send(data));
  client.write('828300000000666f6f');
  await client.expect('8203666f6f');
}

describe('A listener that throws', () => {
  afterEach(async () => {
    await killChildren();
    destroyClients();
  });

  it('reaches "uncaughtException" and leaves other connections alone', async () => {
    const child = new Child('a listener throws');
    const thrower = await child.open('/thrower');
    const other = await child.open('/other');
    thrower.write(text('throw'));
    assert.strictEqual(
      await child.reported('process', 'uncaughtException'),
      '/thrower message',
    );
    other.write(text('end'));
    await other.expect('8103656e64');
  });

  it('loses no other event of the batch, which ws does', async () => {
    const child = new Child('a listener throws');
    const thrower = await child.open('/thrower');
    const other = await child.open('/other');
    const packet = Buffer.concat([
      text('a'),
      text('throw'),
      text('b'),
      encodeFrame({ opcode: 'ping', payload: 'throw' }),
      text('c'),
      encodeFrame({ opcode: 'pong', payload: 'throw' }),
      text('throw'),
      text('end'),
    ]);
    thrower.write(packet);
    other.write(packet);
    await betterThanWs(async () => {
      await thrower.expect('8a057468726f77 8103656e64');
      await other.expect('8a057468726f77 8103656e64');
      await child.reported('process', 'uncaughtException', 8);
      for (const name of ['/thrower', '/other']) {
        assert.deepStrictEqual(
          child.reports.filter((report) => report[0] === name),
          [
            [name, 'message', 'a'],
            [name, 'message', 'throw'],
            [name, 'message', 'b'],
            [name, 'ping', 'throw'],
            [name, 'message', 'c'],
            [name, 'pong', 'throw'],
            [name, 'message', 'throw'],
            [name, 'message', 'end'],
          ],
        );
        assert.deepStrictEqual(
          child.reports
            .filter(
              (report) =>
                report[1] === 'uncaughtException' && report[2].startsWith(name),
            )
            .map((report) => report[2]),
          [
            `${name} message`,
            `${name} ping`,
            `${name} pong`,
            `${name} message`,
          ],
        );
      }
    });
  });

  it('gets the events after it, up to the end, which ws does not do', async () => {
    const child = new Child('a listener throws');
    const thrower = await child.open('/thrower');
    const other = await child.open('/other');
    thrower.write(text('throw'));
    assert.strictEqual(
      await child.reported('process', 'uncaughtException'),
      '/thrower message',
    );
    await betterThanWs(async () => {
      thrower.write(text('end'));
      await thrower.expect('8103656e64');
      const payload = closePayload(1000, 'throw');
      for (const client of [thrower, other]) {
        client.write(
          Buffer.concat([
            text('throw'),
            encodeFrame({ opcode: 'close', payload }),
          ]),
        );
        client.end();
      }
      for (const [name, client] of [
        ['/thrower', thrower],
        ['/other', other],
      ]) {
        await client.expect('880703e87468726f77');
        await client.closed();
        assert.strictEqual(await child.reported(name, 'close'), 'throw');
      }
    });
  });

  it('of "error" does not keep the connection from being closed, nor disturb others', async () => {
    const child = new Child('a listener throws');
    const thrower = await child.open('/thrower');
    const other = await child.open('/other');
    thrower.write('8380');
    await thrower.expect('880203ea');
    assert.strictEqual(
      await child.reported('process', 'uncaughtException'),
      '/thrower error',
    );
    other.write(text('end'));
    await other.expect('8103656e64');
    assert.strictEqual((await thrower.ended()).length, 0);
    thrower.end();
    assert.strictEqual(await child.reported('/thrower', 'close'), '');
  });
});

describe('A process that ends', () => {
  afterEach(async () => {
    await killChildren();
    destroyClients();
  });

  const THOUSAND = [...Array(1000).keys()]
    .map((i) =>
      encodeFrame({ opcode: 'text', payload: `${i}`, mask: false }).toString(
        'hex',
      ),
    )
    .join('');

  for (const phase of PHASES) {
    it(`by process.exit() right after send() in ${phase} has sent`, async () => {
      const child = new Child('process.exit() after send()');
      const client = await child.open('/');
      client.write(text(phase));
      await client.expect(THOUSAND);
      assert.strictEqual((await client.ended()).length, 0);
      assert.deepStrictEqual(await child.exited, [7, null]);
    });

    it(`by an uncaught exception right after send() in ${phase} has sent`, async () => {
      const child = new Child('an uncaught exception after send()');
      const client = await child.open('/');
      client.write(text(phase));
      await client.expect(THOUSAND);
      assert.strictEqual((await client.ended()).length, 0);
      assert.deepStrictEqual(await child.exited, [1, null]);
    });
  }

  it('by process.exit() right after send() to another client has sent', async () => {
    const child = new Child('process.exit() after send() to another');
    const other = await child.open('/other');
    const client = await child.open('/');
    client.write(text('foo'));
    await other.expect('8103666f6f');
    assert.deepStrictEqual(await child.exited, [7, null]);
  });

  it('by process.exit() right after close() has sent the close frame', async () => {
    const child = new Child('process.exit() after close()');
    const client = await child.open('/');
    client.write(text('foo'));
    await client.expect('8103666f6f 880503e9626172');
    assert.deepStrictEqual(await child.exited, [7, null]);
  });
});

describe('A listener of "message"', () => {
  afterEach(closeServers);

  for (const where of ['first', 'last']) {
    const at = where === 'first' ? '0' : '9';

    it(`that terminates the connection at the ${where} of ten messages ends it`, async () => {
      const { server, client, ws } = await createConnection();
      const other = await server.open();
      const log = record(ws);
      const close = once(ws, 'close');
      ws.on('message', (data) => {
        if (data.toString() === at) ws.terminate();
      });
      client.write(TEN);
      await close;
      assert.strictEqual((await client.ended()).length, 0);
      const [last] = log.splice(-1);
      assert.deepStrictEqual(last, ['close', 1006, '']);
      assert.deepStrictEqual(log, TEN_EVENTS.slice(0, log.length));
      assert.strictEqual(log.length > Number(at), true);
      await assertEcho(other);
    });

    it(`that pauses the connection at the ${where} of ten messages loses none`, async () => {
      const { server, client, ws } = await createConnection();
      const other = await server.open();
      const log = record(ws);
      const paused = new Promise((resolve) => {
        ws.on('message', (data) => {
          if (data.toString() === at) {
            ws.pause();
            resolve();
          }
        });
      });
      client.write(TEN);
      await paused;
      client.write('8a8100000000 61');
      await assertEcho(other);
      assert.strictEqual(ws.isPaused, true);
      assert.deepStrictEqual(log, TEN_EVENTS.slice(0, log.length));
      const pong = once(ws, 'pong');
      ws.resume();
      await pong;
      assert.deepStrictEqual(log, [...TEN_EVENTS, ['pong', 'a']]);
    });

    it(`that closes the connection at the ${where} of ten messages gets the others`, async () => {
      const { client, ws } = await createConnection();
      const log = record(ws);
      const close = once(ws, 'close');
      ws.on('message', (data) => {
        if (data.toString() === at) ws.close(1000);
      });
      client.write(TEN);
      await client.expect('880203e8');
      client.write('88820000000003e8');
      await client.ended();
      client.end();
      await close;
      assert.deepStrictEqual(log, [...TEN_EVENTS, ['close', 1000, '']]);
    });
  }

  it('that pauses and resumes gets all messages', async () => {
    const { client, ws } = await createConnection();
    const log = record(ws);
    ws.on('message', () => {
      ws.pause();
      ws.resume();
    });
    const pong = once(ws, 'pong');
    client.write(TEN);
    client.write('8a8100000000 61');
    await pong;
    assert.deepStrictEqual(log, [...TEN_EVENTS, ['pong', 'a']]);
  });

  it('that pauses and resumes later gets all messages', async () => {
    const { client, ws } = await createConnection();
    const log = record(ws);
    ws.on('message', () => {
      ws.pause();
      setImmediate(() => ws.resume());
    });
    const pong = once(ws, 'pong');
    client.write(TEN);
    client.write('8a8100000000 61');
    await pong;
    assert.deepStrictEqual(log, [...TEN_EVENTS, ['pong', 'a']]);
  });

  for (const [what, act] of [
    ['terminates', (ws) => ws.terminate()],
    ['closes', (ws) => ws.close(1000)],
    ['pauses', (ws) => ws.pause()],
  ]) {
    it(`that ${what} another client that sent in the same turn goes on itself`, async () => {
      const first = await createConnection();
      const second = await first.server.open();
      const ends = [first, second].map(({ client, ws }) => ({
        client,
        ws,
        log: record(ws),
        pong: once(ws, 'pong'),
        close: once(ws, 'close'),
      }));
      let acted = false;
      const roles = new Promise((resolve) => {
        for (const [actor, target] of [ends, [...ends].reverse()]) {
          actor.ws.on('message', () => {
            if (acted) return;
            acted = true;
            act(target.ws);
            resolve([actor, target]);
          });
        }
      });
      for (const { client } of ends) {
        client.write(TEN);
        client.write('8a8100000000 61');
      }

      const [actor, target] = await roles;
      await actor.pong;
      assert.deepStrictEqual(actor.log, [...TEN_EVENTS, ['pong', 'a']]);
      await assertEcho(actor);
      if (what === 'terminates') {
        await target.close;
        assert.deepStrictEqual(target.log.pop(), ['close', 1006, '']);
        const texts = target.log.slice(0, 10);
        assert.deepStrictEqual(texts, TEN_EVENTS.slice(0, texts.length));
      } else {
        target.ws.resume();
        await target.pong;
        assert.deepStrictEqual(target.log, [...TEN_EVENTS, ['pong', 'a']]);
        if (what === 'closes') await target.client.expect('880203e8');
      }
    });
  }

  it('that sends to all clients reaches them in order', async () => {
    const first = await createConnection();
    const second = await first.server.open();
    const all = [first, second];
    for (const { ws } of all) {
      ws.on('message', (data) => {
        for (const to of all) to.ws.send(data);
      });
    }
    first.client.write('828100000000 61 828100000000 62 828100000000 63');
    for (const { client } of all) {
      await client.expect('820161 820162 820163');
    }
    second.client.write('828100000000 64');
    for (const { client } of all) await client.expect('820164');
  });

  it('that removes all listeners gets no more', async () => {
    const { client, ws } = await createConnection();
    const log = record(ws);
    ws.on('message', () => ws.removeAllListeners('message'));
    const pong = once(ws, 'pong');
    client.write(TEN);
    client.write('8a8100000000 61');
    await pong;
    assert.deepStrictEqual(log, [
      ['text', '0'],
      ['pong', 'a'],
    ]);
  });

  it('that closes the server leaves the connections as they are', async () => {
    const { server, client, ws } = await createConnection();
    const other = await server.open();
    const log = record(ws);
    ws.on('message', () => server.wss.close());
    const pong = once(ws, 'pong');
    client.write(TEN);
    client.write('8a8100000000 61');
    await pong;
    assert.deepStrictEqual(log, [...TEN_EVENTS, ['pong', 'a']]);
    await assertEcho(other);
  });

  it('that terminates another client again and again goes on itself', async () => {
    const { server, client, ws } = await createConnection();
    const other = await server.open();
    const close = once(other.ws, 'close');
    const log = record(ws);
    ws.on('message', () => other.ws.terminate());
    const pong = once(ws, 'pong');
    client.write(TEN);
    client.write('8a8100000000 61');
    await Promise.all([close, pong]);
    assert.deepStrictEqual(log, [...TEN_EVENTS, ['pong', 'a']]);
  });
});

describe('terminate() right after send()', () => {
  afterEach(closeServers);

  const EXPECTED = '8103666f6f 8203626172 890162';

  function sendAndTerminate(ws) {
    ws.send('foo');
    ws.send(Buffer.from('bar'));
    ws.ping('b');
    ws.terminate();
  }

  it('in a listener of "message" leaves the client with all', async () => {
    const { client, ws } = await createConnection();
    const log = record(ws);
    const close = once(ws, 'close');
    ws.on('message', () => sendAndTerminate(ws));
    client.write(text('a'));
    await client.expect(EXPECTED);
    assert.strictEqual((await client.ended()).length, 0);
    await close;
    assert.deepStrictEqual(log, [
      ['text', 'a'],
      ['close', 1006, ''],
    ]);
  });

  for (const [what, schedule] of [
    ['of a turn of its own', setImmediate],
    ['of a timer', setTimeout],
    ['of a microtask', queueMicrotask],
  ]) {
    it(`in a callback ${what} leaves the client with all`, async () => {
      const { client, ws } = await createConnection();
      schedule(() => sendAndTerminate(ws));
      await client.expect(EXPECTED);
      assert.strictEqual((await client.ended()).length, 0);
    });
  }

  it('by another client leaves the client with all', async () => {
    const { server, client, ws } = await createConnection();
    const other = await server.open();
    other.ws.on('message', () => sendAndTerminate(ws));
    other.client.write(text('a'));
    await client.expect(EXPECTED);
    assert.strictEqual((await client.ended()).length, 0);
    await assertEcho(other);
  });

  it('leaves the client with 64 KiB', async () => {
    const { client, ws } = await createConnection();
    const payload = Buffer.alloc(65535, 'a');
    ws.send(payload);
    ws.terminate();
    const frame = await client.frame();
    assert.strictEqual(Buffer.compare(frame.payload, payload), 0);
  });
});

describe('The ArrayBuffer of a received message', () => {
  afterEach(closeServers);

  /** The ways to detach, and whether Node lets a buffer refuse them. */
  const TRANSFERS = [
    [
      'MessagePort.postMessage()',
      (buffer) => {
        const { port1, port2 } = new MessageChannel();
        try {
          port1.postMessage(buffer, [buffer]);
        } finally {
          port1.close();
          port2.close();
        }
      },
      true,
    ],
  ];
  if (typeof globalThis.structuredClone === 'function') {
    TRANSFERS.push([
      'structuredClone()',
      (buffer) => globalThis.structuredClone(buffer, { transfer: [buffer] }),
      true,
    ]);
  }
  if (typeof ArrayBuffer.prototype.transfer === 'function') {
    TRANSFERS.push(['transfer()', (buffer) => buffer.transfer(), false]);
  }

  /** Transfers the buffer unless that is refused, which is as good. */
  function tryTransfer(transfer, buffer) {
    try {
      transfer(buffer);
    } catch (error) {
      assert.strictEqual(
        error instanceof TypeError || error.name === 'DataCloneError',
        true,
        error,
      );
    }
  }

  for (const [what, transfer, refusable] of TRANSFERS) {
    it(`may be detached by ${what}, message after message`, async () => {
      const { client, ws } = await createConnection();
      const log = record(ws);
      ws.on('message', (data) => {
        tryTransfer(transfer, data.buffer);
        ws.send('next');
      });
      for (let i = 0; i < 20; i++) {
        client.write(text(`${i}`));
        await client.expect('81046e657874');
      }
      assert.deepStrictEqual(
        log,
        [...Array(20).keys()].map((i) => ['text', `${i}`]),
      );
    });

    it(`may be detached by ${what} after it was sent back`, async () => {
      const { client, ws } = await createConnection();
      ws.on('message', (data) => {
        ws.send(data, () => tryTransfer(transfer, data.buffer));
      });
      for (let i = 0; i < 20; i++) {
        client.write(text(`foo${i % 10}`));
        await client.expect(`8204666f6f3${i % 10}`);
      }
    });

    it(`may be detached by ${what} in a large message`, async () => {
      const { client, ws } = await createConnection();
      const payload = Buffer.alloc(300000, 'a');
      let equal = 0;
      ws.on('message', (data) => {
        if (data.equals(payload)) equal++;
        tryTransfer(transfer, data.buffer);
        ws.send('next');
      });
      for (let i = 0; i < 5; i++) {
        client.send({ opcode: 'binary', payload });
        await client.expect('81046e657874');
      }
      assert.strictEqual(equal, 5);
    });

    it(`may be detached by ${what} within a packet, of which ws loses the rest`, async () => {
      const { server, client, ws } = await createConnection();
      const other = await server.open();
      await betterThanWs(async () => {
        const log = record(ws);
        ws.once('message', (data) => tryTransfer(transfer, data.buffer));
        const pong = once(ws, 'pong');
        client.write(TEN);
        other.client.write(TEN);
        client.write('8a8100000000 61');
        await pong;
        assert.deepStrictEqual(log[0], TEN_EVENTS[0]);
        if (refusable) {
          assert.deepStrictEqual(log, [...TEN_EVENTS, ['pong', 'a']]);
        }
        await assertEcho({ client, ws });
      });
      await assertEcho(other);
    });
  }
});
