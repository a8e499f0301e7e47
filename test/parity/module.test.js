'use strict';

const assert = require('node:assert');
const { EventEmitter } = require('node:events');

const { WebSocketServer, modulePath } = require('../helpers/implementation');
const { KINDS, createConnection, forEachKind } = require('./helpers/sockets');

const WebSocket = require(modulePath);

const CONSTANTS = { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 };

/** The properties that for-in finds on an instance. */
const ENUMERABLE = [
  'CLOSED',
  'CLOSING',
  'CONNECTING',
  'OPEN',
  'addEventListener',
  'binaryType',
  'bufferedAmount',
  'extensions',
  'isPaused',
  'onclose',
  'onerror',
  'onmessage',
  'onopen',
  'protocol',
  'readyState',
  'removeEventListener',
  'url',
];

const GETTERS_ONLY = [
  'bufferedAmount',
  'extensions',
  'isPaused',
  'protocol',
  'readyState',
  'url',
];

describe('Parity: the module', () => {
  it('is the class WebSocket', () => {
    assert.strictEqual(typeof WebSocket, 'function');
    assert.strictEqual(WebSocket.name, 'WebSocket');
    assert.strictEqual(Object.getPrototypeOf(WebSocket), EventEmitter);
    assert.strictEqual(WebSocket.WebSocket, WebSocket);
  });

  it('has WebSocketServer under two names', () => {
    assert.strictEqual(WebSocket.Server, WebSocket.WebSocketServer);
    assert.strictEqual(WebSocket.WebSocketServer, WebSocketServer);
    assert.strictEqual(WebSocketServer.name, 'WebSocketServer');
    assert.strictEqual(Object.getPrototypeOf(WebSocketServer), EventEmitter);
  });

  for (const [name, type] of [
    ['createWebSocketStream', 'function'],
    ['extension', 'object'],
    ['PerMessageDeflate', 'function'],
    ['Receiver', 'function'],
    ['Sender', 'function'],
    ['Server', 'function'],
    ['subprotocol', 'object'],
    ['WebSocket', 'function'],
    ['WebSocketServer', 'function'],
  ]) {
    it(`has ${name}, which is a ${type}`, () => {
      assert.strictEqual(typeof WebSocket[name], type);
    });
  }

  for (const [name, value] of Object.entries(CONSTANTS)) {
    for (const [where, object] of [
      ['the class', WebSocket],
      ['the prototype', WebSocket.prototype],
    ]) {
      it(`has ${name} on ${where}`, () => {
        assert.deepStrictEqual(Object.getOwnPropertyDescriptor(object, name), {
          configurable: false,
          enumerable: true,
          value,
          writable: false,
        });
      });
    }
  }

  for (const name of ENUMERABLE) {
    it(`has ${name} enumerable on the prototype`, () => {
      assert.strictEqual(
        Object.getOwnPropertyDescriptor(WebSocket.prototype, name).enumerable,
        true,
      );
    });
  }

  for (const name of GETTERS_ONLY) {
    it(`has ${name} without a setter`, () => {
      const descriptor = Object.getOwnPropertyDescriptor(
        WebSocket.prototype,
        name,
      );
      assert.strictEqual(typeof descriptor.get, 'function');
      assert.strictEqual(descriptor.set, undefined);
    });
  }

  for (const name of [
    'addEventListener',
    'removeEventListener',
    'close',
    'pause',
    'ping',
    'pong',
    'resume',
    'send',
    'setSocket',
    'terminate',
  ]) {
    it(`has ${name}() on the prototype`, () => {
      assert.strictEqual(typeof WebSocket.prototype[name], 'function');
    });
  }

  it('has no default of its own in CommonJS', () => {
    assert.strictEqual(WebSocket.default, undefined);
  });

  describe('subprotocol.parse()', () => {
    for (const [header, list] of [
      ['foo', ['foo']],
      ['foo, bar', ['foo', 'bar']],
      ['foo ,\tbar', ['foo', 'bar']],
    ]) {
      it(`takes "${header}" apart`, () => {
        const set = WebSocket.subprotocol.parse(header);
        assert.ok(set instanceof Set);
        assert.deepStrictEqual([...set], list);
      });
    }

    for (const [header, message] of [
      ['', 'Unexpected end of input'],
      ['foo,', 'Unexpected end of input'],
      [',foo', 'Unexpected character at index 0'],
      ['foo bar', 'Unexpected character at index 4'],
      ['foo,,bar', 'Unexpected character at index 4'],
      ['foo/', 'Unexpected character at index 3'],
      ['foo,foo', 'The "foo" subprotocol is duplicated'],
    ]) {
      it(`throws for "${header}"`, () => {
        assert.throws(() => WebSocket.subprotocol.parse(header), {
          name: 'SyntaxError',
          message,
        });
      });
    }
  });

  describe('extension', () => {
    for (const [header, offers] of [
      ['foo', { foo: [{}] }],
      ['foo, bar', { foo: [{}], bar: [{}] }],
      ['foo; a; b=1; c="2"', { foo: [{ a: [true], b: ['1'], c: ['2'] }] }],
      ['foo; a=1, foo; a=2', { foo: [{ a: ['1'] }, { a: ['2'] }] }],
      ['foo; a; a', { foo: [{ a: [true, true] }] }],
    ]) {
      it(`parse() takes "${header}" apart`, () => {
        const parsed = WebSocket.extension.parse(header);
        assert.deepStrictEqual(JSON.parse(JSON.stringify(parsed)), offers);
      });
    }

    for (const [header, message] of [
      ['', 'Unexpected end of input'],
      ['foo,', 'Unexpected end of input'],
      ['foo;', 'Unexpected end of input'],
      ['foo; a=', 'Unexpected end of input'],
      ['foo; a="', 'Unexpected end of input'],
      [';', 'Unexpected character at index 0'],
      ['foo bar', 'Unexpected character at index 4'],
      ['foo; ="', 'Unexpected character at index 5'],
    ]) {
      it(`parse() throws for "${header}"`, () => {
        assert.throws(() => WebSocket.extension.parse(header), {
          name: 'SyntaxError',
          message,
        });
      });
    }

    for (const [offers, header] of [
      [{ foo: {} }, 'foo'],
      [{ foo: [{}] }, 'foo'],
      [{ foo: [{ a: true }] }, 'foo; a'],
      [{ foo: [{ a: [1, 2], b: 'c' }] }, 'foo; a=1; a=2; b=c'],
      [{ foo: [{}, { a: 1 }], bar: {} }, 'foo, foo; a=1, bar'],
    ]) {
      it(`format() gives "${header}"`, () => {
        assert.strictEqual(WebSocket.extension.format(offers), header);
      });
    }
  });

  describe('Sender.frame()', () => {
    for (const [what, payload, options, hex] of [
      ['text', 'foo', { opcode: 1, fin: true }, ['8103', '666f6f']],
      ['no FIN', 'foo', { opcode: 1, fin: false }, ['0103', '666f6f']],
      ['RSV1', 'foo', { opcode: 1, fin: true, rsv1: true }, ['c103', '666f6f']],
      ['an opcode', 'foo', { opcode: 10, fin: true }, ['8a03', '666f6f']],
      [
        '126 bytes',
        'a'.repeat(126),
        { opcode: 2, fin: true },
        ['827e007e', '61'.repeat(126)],
      ],
      [
        '65536 bytes',
        'a'.repeat(65536),
        { opcode: 2, fin: true },
        ['827f0000000000010000', '61'.repeat(65536)],
      ],
      ['an empty payload', '', { opcode: 1, fin: true }, ['8100']],
    ]) {
      it(`makes a frame of ${what}`, () => {
        const list = WebSocket.Sender.frame(Buffer.from(payload), {
          mask: false,
          readOnly: false,
          ...options,
        });
        assert.ok(Array.isArray(list));
        assert.deepStrictEqual(
          list.map((part) => part.toString('hex')),
          hex,
        );
      });
    }

    it('masks', () => {
      const list = WebSocket.Sender.frame(Buffer.from('foo'), {
        opcode: 1,
        fin: true,
        mask: true,
        readOnly: true,
      });
      const bytes = Buffer.concat(list);
      assert.strictEqual(bytes.length, 9);
      assert.strictEqual(bytes.toString('hex', 0, 2), '8183');
      for (let i = 0; i < 3; i++) {
        assert.strictEqual(bytes[6 + i] ^ bytes[2 + i], 'foo'.charCodeAt(i));
      }
    });

    it('leaves the data as it is with readOnly', () => {
      const data = Buffer.from('foo');
      WebSocket.Sender.frame(data, {
        opcode: 1,
        fin: true,
        mask: true,
        readOnly: true,
      });
      assert.strictEqual(data.toString(), 'foo');
    });
  });

  forEachKind(KINDS, (kind) => {
    it('gives a connection these properties', async () => {
      const { ws } = await createConnection(kind);
      assert.strictEqual(ws.binaryType, 'nodebuffer');
      assert.strictEqual(ws.bufferedAmount, 0);
      assert.strictEqual(ws.extensions, '');
      assert.strictEqual(ws.isPaused, false);
      assert.strictEqual(ws.protocol, '');
      assert.strictEqual(ws.readyState, 1);
      assert.strictEqual(ws.url, undefined);
      assert.strictEqual(ws.onopen, null);
      assert.strictEqual(ws.onmessage, null);
      assert.strictEqual(ws.onclose, null);
      assert.strictEqual(ws.onerror, null);
      assert.strictEqual(ws._isServer, true);
      assert.strictEqual(ws.constructor, WebSocket);
      assert.ok(ws instanceof EventEmitter);
    });

    it('gives a connection these enumerable properties of the prototype', async () => {
      const { ws } = await createConnection(kind);
      const names = [];
      for (const name in ws) {
        if (
          name in WebSocket.prototype &&
          !Object.hasOwnProperty.call(ws, name)
        ) {
          if (!(name in EventEmitter.prototype)) names.push(name);
        }
      }
      assert.deepStrictEqual(
        names.filter((name) => name !== 'isAlive').sort(),
        ENUMERABLE,
      );
    });

    it('has no listeners on a connection', async () => {
      const { ws } = await createConnection(kind);
      for (const event of ['message', 'error', 'open', 'ping', 'pong']) {
        assert.strictEqual(ws.listenerCount(event), 0);
      }
    });

    for (const name of GETTERS_ONLY) {
      it(`setting ${name} throws in strict mode`, async () => {
        const { ws } = await createConnection(kind);
        assert.throws(() => (ws[name] = 'foo'), {
          name: 'TypeError',
          message: /^Cannot set property \w+ of .* which has only a getter$/,
        });
      });
    }

    it('pause() and resume() change isPaused', async () => {
      const { ws } = await createConnection(kind);
      assert.strictEqual(ws.pause(), undefined);
      assert.strictEqual(ws.isPaused, true);
      ws.pause();
      assert.strictEqual(ws.isPaused, true);
      assert.strictEqual(ws.resume(), undefined);
      assert.strictEqual(ws.isPaused, false);
    });
  });
});
