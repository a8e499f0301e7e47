'use strict';

// ws._sender, with which engine.io sends frames that were made before.

const assert = require('node:assert');

const { WebSocket } = require('./helpers/implementation');
const { once } = require('./helpers/events');
const { closeServers, createConnection } = require('./helpers/server');

const { Sender } = WebSocket;

function textFrame(payload) {
  return Sender.frame(payload, {
    fin: true,
    mask: false,
    opcode: 1,
    readOnly: true,
    rsv1: false,
  });
}

/** Resolves with the error that the callback is given. */
function errorOf(ws, list) {
  return new Promise((resolve) => ws._sender.sendFrame(list, resolve));
}

describe('_sender.sendFrame()', () => {
  afterEach(closeServers);

  it('calls back with null once the frame is sent', async () => {
    const { client, ws } = await createConnection();
    assert.strictEqual(await errorOf(ws, textFrame('foo')), null);
    await client.expect('8103666f6f');
  });

  it('calls back with an error, and sends nothing, while it closes', async () => {
    const { client, ws } = await createConnection();
    ws.close();
    const { message } = await errorOf(ws, textFrame('foo'));
    assert.strictEqual(
      message,
      'WebSocket is not open: readyState 2 (CLOSING)',
    );
    ws._sender.sendFrame([Buffer.concat(textFrame('bar'))]);
    client.write('8880 00000000');
    await client.expect('8800');
    await client.ended();
  });

  it('calls back with an error, and counts the bytes, when it is closed', async () => {
    const { ws } = await createConnection();
    const close = once(ws, 'close');
    ws.terminate();
    await close;
    const { message } = await errorOf(ws, textFrame('foo'));
    assert.strictEqual(message, 'WebSocket is not open: readyState 3 (CLOSED)');
    assert.strictEqual(ws.bufferedAmount, 5);
  });
});
