'use strict';

const assert = require('node:assert');
const { EventEmitter } = require('node:events');
const { Writable } = require('node:stream');

const ws = require('ws');

const { betterThanWs, isWs, modulePath } = require('../helpers/implementation');

const WebSocket = require(modulePath);

const CLASSES = [
  'PerMessageDeflate',
  'Receiver',
  'Sender',
  'WebSocket',
  'WebSocketServer',
];

const CONSTANTS = { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 };

/** What the module has beyond what every function has. */
function exportedNames(module) {
  return Object.keys(module)
    .filter((name) => !(name in CONSTANTS))
    .sort();
}

describe('The module', () => {
  it('has the names of ws', () => {
    assert.deepStrictEqual(exportedNames(WebSocket), exportedNames(ws));
    assert.deepStrictEqual(exportedNames(WebSocket), [
      'PerMessageDeflate',
      'Receiver',
      'Sender',
      'Server',
      'WebSocket',
      'WebSocketServer',
      'createWebSocketStream',
      'extension',
      'subprotocol',
    ]);
  });

  it('is the class WebSocket', () => {
    assert.strictEqual(WebSocket.WebSocket, WebSocket);
    assert.strictEqual(Object.getPrototypeOf(WebSocket), EventEmitter);
  });

  it('has the WebSocketServer as Server as well', () => {
    assert.strictEqual(WebSocket.Server, WebSocket.WebSocketServer);
    assert.strictEqual(Object.getPrototypeOf(WebSocket.Server), EventEmitter);
  });

  for (const name of CLASSES) {
    it(`has the class ${name}, of the arguments it has in ws`, () => {
      assert.strictEqual(typeof WebSocket[name], 'function');
      assert.strictEqual(WebSocket[name].name, name);
      assert.strictEqual(WebSocket[name].length, ws[name].length);
      assert.throws(() => WebSocket[name](), {
        name: 'TypeError',
        message: /cannot be invoked without 'new'/,
      });
    });
  }

  it('has a Receiver that is a Writable', () => {
    assert.strictEqual(Object.getPrototypeOf(WebSocket.Receiver), Writable);
  });

  it('has the function createWebSocketStream()', () => {
    const { createWebSocketStream } = WebSocket;
    assert.strictEqual(typeof createWebSocketStream, 'function');
    assert.strictEqual(createWebSocketStream.name, 'createWebSocketStream');
    assert.strictEqual(
      createWebSocketStream.length,
      ws.createWebSocketStream.length,
    );
  });

  for (const [name, methods] of [
    ['extension', ['format', 'parse']],
    ['subprotocol', ['parse']],
  ]) {
    it(`has the functions of ${name}`, () => {
      assert.deepStrictEqual(Object.keys(WebSocket[name]).sort(), methods);
      for (const method of methods) {
        assert.strictEqual(typeof WebSocket[name][method], 'function');
        assert.strictEqual(
          WebSocket[name][method].length,
          ws[name][method].length,
        );
      }
    });
  }

  for (const [name, value] of Object.entries(CONSTANTS)) {
    it(`has ${name}, which nobody can change`, () => {
      for (const object of [WebSocket, WebSocket.prototype]) {
        assert.deepStrictEqual(Object.getOwnPropertyDescriptor(object, name), {
          value,
          writable: false,
          enumerable: true,
          configurable: false,
        });
      }
    });
  }

  describe('for import', () => {
    it('has the names that ws has, and what require() gives', async () => {
      // A package can import itself by its name.
      const module = await import(isWs ? 'ws' : 'ws-upgrade');
      const { default: main, ...named } = module;
      assert.strictEqual(main, WebSocket);
      // There, the types of `ws` have a Server that it has not.
      assert.deepStrictEqual(
        Object.keys(module)
          .filter((name) => name !== 'Server')
          .sort(),
        Object.keys(await import('ws')).sort(),
      );
      for (const [name, value] of Object.entries(named)) {
        assert.strictEqual(value, WebSocket[name], name);
      }
    });
  });

  it('is found under the name of the package', () => {
    assert.strictEqual(require(isWs ? 'ws' : 'ws-upgrade'), WebSocket);
  });

  it('has a package.json that can be required', () => {
    betterThanWs(() =>
      assert.strictEqual(require('ws-upgrade/package.json').name, 'ws-upgrade'),
    );
  });
});
