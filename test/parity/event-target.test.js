'use strict';

const assert = require('node:assert');

const { closePayload } = require('../helpers/frame');
const { once } = require('../helpers/events');
const { KINDS, createConnection, forEachKind } = require('./helpers/sockets');
const { describeValue, hasBlob } = require('./helpers/trace');

const TEXT = { opcode: 'text', payload: 'foo' };

const BINARY_TYPES = ['arraybuffer', 'fragments', ...(hasBlob ? ['blob'] : [])];

/** What an event tells. */
function describeEvent(event, ws) {
  const fields = {};
  for (const name of [
    'code',
    'data',
    'error',
    'message',
    'reason',
    'wasClean',
  ]) {
    if (name in event) fields[name] = describeValue(event[name]);
  }
  assert.strictEqual(event.target, ws);
  return [event.constructor.name, event.type, fields];
}

/** What each event is made by, and what it tells then. */
const EVENTS = [
  [
    'message',
    (ws, client) => client.send(TEXT),
    ['MessageEvent', 'message', { data: 'foo' }],
  ],
  [
    'message',
    (ws, client) => client.send({ opcode: 'binary', payload: 'foo' }),
    ['MessageEvent', 'message', { data: 'Buffer 666f6f' }],
  ],
  [
    'error',
    (ws, client) => client.send({ opcode: 3 }),
    [
      'ErrorEvent',
      'error',
      {
        error: [
          'RangeError',
          'WS_ERR_INVALID_OPCODE',
          'Invalid WebSocket frame: invalid opcode 3',
        ],
        message: 'Invalid WebSocket frame: invalid opcode 3',
      },
    ],
  ],
  [
    'close',
    (ws) => ws.terminate(),
    ['CloseEvent', 'close', { code: 1006, reason: '', wasClean: false }],
  ],
  [
    'close',
    (ws, client) => {
      client.send({ opcode: 'close', payload: closePayload(1000, 'foo') });
      client.end();
    },
    ['CloseEvent', 'close', { code: 1000, reason: 'foo', wasClean: true }],
  ],
];

describe('Parity: as an EventTarget', () => {
  forEachKind(KINDS, (kind) => {
    EVENTS.forEach(([name, cause, expected], i) => {
      it(`on${name} is called (${i})`, async () => {
        const { client, ws } = await createConnection(kind);
        const event = await new Promise((resolve) => {
          ws[`on${name}`] = function (...args) {
            assert.strictEqual(this, ws);
            assert.strictEqual(args.length, 1);
            resolve(args[0]);
          };
          cause(ws, client);
        });
        assert.deepStrictEqual(describeEvent(event, ws), expected);
      });

      it(`a listener of addEventListener('${name}') is called (${i})`, async () => {
        const { client, ws } = await createConnection(kind);
        const event = await new Promise((resolve) => {
          ws.addEventListener(name, resolve);
          cause(ws, client);
        });
        assert.deepStrictEqual(describeEvent(event, ws), expected);
      });

      it(`an object with handleEvent() is called for '${name}' (${i})`, async () => {
        const { client, ws } = await createConnection(kind);
        const event = await new Promise((resolve) => {
          const listener = {
            handleEvent(event) {
              assert.strictEqual(this, listener);
              resolve(event);
            },
          };
          ws.addEventListener(name, listener);
          cause(ws, client);
        });
        assert.deepStrictEqual(describeEvent(event, ws), expected);
      });
    });

    for (const name of ['open', 'message', 'error', 'close']) {
      it(`on${name} gives back what was set, and null`, async () => {
        const { ws } = await createConnection(kind);
        const first = () => {};
        const second = () => {};
        assert.strictEqual(ws[`on${name}`], null);
        ws[`on${name}`] = first;
        assert.strictEqual(ws[`on${name}`], first);
        ws[`on${name}`] = second;
        assert.strictEqual(ws[`on${name}`], second);
        for (const value of [null, undefined, 'foo', {}]) {
          ws[`on${name}`] = value;
          assert.strictEqual(ws[`on${name}`], null);
        }
      });

      it(`on${name} is not what addEventListener() was given`, async () => {
        const { ws } = await createConnection(kind);
        ws.addEventListener(name, () => {});
        ws.on(name, () => {});
        assert.strictEqual(ws[`on${name}`], null);
      });
    }

    it('listeners are called in their order, each once', async () => {
      const { client, ws } = await createConnection(kind);
      const order = [];
      const twice = () => order.push('twice');
      ws.on('message', () => order.push('on'));
      ws.addEventListener('message', twice);
      ws.addEventListener('message', twice);
      ws.onmessage = () => order.push('onmessage');
      const message = once(ws, 'message');
      client.send(TEXT);
      await message;
      assert.deepStrictEqual(order, ['on', 'twice', 'onmessage']);
    });

    it('a listener with once is called once', async () => {
      const { client, ws } = await createConnection(kind);
      let count = 0;
      ws.addEventListener('message', () => (count += 1), { once: true });
      for (let i = 0; i < 2; i++) {
        const message = once(ws, 'message');
        client.send(TEXT);
        await message;
      }
      assert.strictEqual(count, 1);
    });

    it('removeEventListener() removes', async () => {
      const { client, ws } = await createConnection(kind);
      const listener = () => assert.fail('must not be called');
      const object = { handleEvent: listener };
      ws.addEventListener('message', listener);
      ws.addEventListener('message', object);
      ws.addEventListener('error', listener);
      ws.removeEventListener('message', listener);
      ws.removeEventListener('message', object);
      ws.removeEventListener('error', listener);
      ws.removeEventListener('error', listener);
      assert.strictEqual(ws.listenerCount('message'), 0);
      assert.strictEqual(ws.listenerCount('error'), 0);
      const message = once(ws, 'message');
      client.send(TEXT);
      await message;
    });

    it('removeEventListener() leaves what on() was given', async () => {
      const { ws } = await createConnection(kind);
      const listener = () => {};
      ws.on('message', listener);
      ws.removeEventListener('message', listener);
      assert.deepStrictEqual(ws.listeners('message'), [listener]);
    });

    it('addEventListener() ignores events that it does not know', async () => {
      const { ws } = await createConnection(kind);
      ws.addEventListener('ping', () => {});
      ws.addEventListener('foo', () => {});
      assert.strictEqual(ws.listenerCount('ping'), 0);
      assert.strictEqual(ws.listenerCount('foo'), 0);
    });

    for (const type of BINARY_TYPES) {
      it(`a MessageEvent has its data in the binaryType "${type}"`, async () => {
        const { client, ws } = await createConnection(kind);
        ws.binaryType = type;
        const event = await new Promise((resolve) => {
          ws.onmessage = resolve;
          client.send({ opcode: 'binary', payload: 'foo' });
        });
        assert.deepStrictEqual(
          describeValue(event.data),
          {
            arraybuffer: 'ArrayBuffer 666f6f',
            fragments: ['Buffer 666f6f'],
            blob: 'Blob of 3 bytes of the type ""',
          }[type],
        );
      });
    }
  });
});
