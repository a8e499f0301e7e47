'use strict';

const assert = require('node:assert');

const { isWs } = require('../helpers/implementation');
const { closePayload, encodeFrame } = require('../helpers/frame');
const { once } = require('../helpers/events');
const {
  NETWORK_KINDS,
  createConnection,
  createServer,
  forEachKind,
} = require('./helpers/sockets');
const { trace } = require('./helpers/trace');

const RESPONSE =
  'HTTP/1.1 101 Switching Protocols\r\n' +
  'Upgrade: websocket\r\n' +
  'Connection: Upgrade\r\n' +
  'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n';

const BAD_REQUEST =
  'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n' +
  'Content-Type: text/html\r\nContent-Length: 11\r\n\r\nBad Request';

// From Node.js 18 on, the HTTP server times requests out that it thinks are
// not finished.
const timesOut = Number(process.versions.node.split('.')[0]) >= 18;

function onRequest(req, res, wss) {
  wss.handleUpgrade(req, req.socket, Buffer.alloc(0), (ws) => {
    wss.emit('connection', ws, req);
  });
}

describe('Parity: in a request handler', () => {
  forEachKind(NETWORK_KINDS, (kind) => {
    it('a handshake is answered with these lines', async () => {
      const { client } = await createConnection(kind, { onRequest });
      assert.strictEqual(client.response, RESPONSE);
    });

    it('a handshake may be refused', async () => {
      const server = await createServer(kind, { onRequest, path: '/foo' });
      assert.strictEqual(await server.answer(), BAD_REQUEST);
    });

    for (const payload of ['foo', '', 'a'.repeat(70000)]) {
      it(`a message of ${payload.length} bytes is received and sent`, async () => {
        const { client, ws } = await createConnection(kind, { onRequest });
        ws.on('message', (data, isBinary) =>
          ws.send(data, { binary: isBinary }),
        );
        client.send({ opcode: 'text', payload });
        const frame = await client.frame();
        assert.strictEqual(frame.opcode, 1);
        assert.strictEqual(frame.payload.toString(), payload);
      });
    }

    it('a ping is answered', async () => {
      const { client } = await createConnection(kind, { onRequest });
      client.send({ opcode: 'ping', payload: 'a' });
      await client.expect('8a0161');
    });

    it('the closing handshake of the peer is answered', async () => {
      const { client, ws } = await createConnection(kind, { onRequest });
      const log = trace(ws);
      const close = once(ws, 'close');
      client.send({ opcode: 'close', payload: closePayload(4000, 'foo') });
      await client.expect('88050fa0666f6f');
      await client.ended();
      client.end();
      await close;
      assert.deepStrictEqual(log, [['close', 4000, 'Buffer 666f6f', 'CLOSED']]);
    });

    it('close() takes the answer of the peer', async () => {
      const { client, ws } = await createConnection(kind, { onRequest });
      const log = trace(ws);
      const close = once(ws, 'close');
      ws.close(1000);
      await client.expect('880203e8');
      client.send({ opcode: 'close', payload: closePayload(1000) });
      await client.ended();
      client.end();
      await close;
      assert.deepStrictEqual(log, [['close', 1000, 'Buffer ', 'CLOSED']]);
    });

    it('terminate() ends the connection', async () => {
      const { client, ws } = await createConnection(kind, { onRequest });
      const log = trace(ws);
      const close = once(ws, 'close');
      ws.terminate();
      await close;
      assert.strictEqual((await client.ended()).length, 0);
      assert.deepStrictEqual(log, [['close', 1006, 'Buffer ', 'CLOSED']]);
    });

    it('a frame that breaks the protocol is refused', async () => {
      const { client, ws } = await createConnection(kind, { onRequest });
      const error = once(ws, 'error');
      client.send({ opcode: 3 });
      assert.strictEqual((await error)[0].code, 'WS_ERR_INVALID_OPCODE');
      await client.expect('880203ea');
    });

    it('frames in the packet of the request are lost to the HTTP parser', async () => {
      let log;
      const server = await createServer(kind, {
        onRequest,
        onConnection(ws) {
          log = trace(ws);
        },
      });
      const { client, ws } = await server.open({
        head: encodeFrame({ opcode: 'text', payload: 'foo' }),
      });
      const message = once(ws, 'message');
      client.send({ opcode: 'text', payload: 'bar' });
      await message;
      assert.deepStrictEqual(log, [
        ['message', 'Buffer 626172', false, 'OPEN'],
      ]);
    });

    it('the timeout of requests does not concern it: `ws` writes a 408 into the frames from Node.js 18 on', async () => {
      const { client, server, ws } = await createConnection(kind, {
        onRequest,
        httpOptions: {
          connectionsCheckingInterval: 5,
          headersTimeout: 30,
          requestTimeout: 40,
        },
      });
      const message = once(ws, 'message');
      client.send({ opcode: 'text', payload: 'foo' });
      await message;
      if (isWs && timesOut) {
        const response = await client.responseHead();
        assert.match(response, /^HTTP\/1\.1 408 Request Timeout\r\n/);
        return;
      }
      if (timesOut) {
        // A request that came later and is timed out tells that it could be.
        const idle = await server.connect();
        idle.write(Buffer.from('GET / HTTP/1.1\r\n'));
        assert.match(await idle.responseHead(), / 408 /);
      }
      ws.send('foo');
      await client.expect('8103666f6f');
    });
  });
});
