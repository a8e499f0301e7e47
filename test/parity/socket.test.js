'use strict';

const assert = require('node:assert');
const { Duplex, PassThrough } = require('node:stream');

const {
  WebSocket,
  WebSocketServer,
  isWs,
  modulePath,
} = require('../helpers/implementation');
const { encodeFrame } = require('../helpers/frame');
const { once } = require('../helpers/events');
const { RawClient, upgradeRequest } = require('../helpers/raw-client');
const {
  KINDS,
  NETWORK_KINDS,
  TLS,
  certificate,
  createConnection,
  createServer,
  forEachKind,
} = require('./helpers/sockets');
const { duplexPair } = require('./helpers/duplex-pair');
const { describeValue, trace } = require('./helpers/trace');

const { Sender } = require(modulePath);

function textFrame(payload) {
  return Sender.frame(Buffer.from(payload), {
    fin: true,
    mask: false,
    opcode: 1,
    readOnly: false,
    rsv1: false,
  });
}

describe('Parity: _socket', () => {
  forEachKind(NETWORK_KINDS, (kind) => {
    it('has the addresses of both ends', async () => {
      const { client, server, ws } = await createConnection(kind);
      const { _socket: socket } = ws;
      assert.strictEqual(socket.remoteAddress, '127.0.0.1');
      assert.strictEqual(socket.remotePort, client.socket.localPort);
      assert.strictEqual(socket.remoteFamily, 'IPv4');
      assert.strictEqual(socket.localAddress, '127.0.0.1');
      assert.strictEqual(socket.localPort, server.port);
      assert.deepStrictEqual(
        { ...socket.address() },
        { address: '127.0.0.1', family: 'IPv4', port: server.port },
      );
    });

    it('has the remote address that was asked for before, when it has ended', async () => {
      const { ws } = await createConnection(kind);
      const { _socket: socket } = ws;
      const { remoteAddress } = socket;
      const close = once(ws, 'close');
      ws.terminate();
      await close;
      assert.strictEqual(remoteAddress, '127.0.0.1');
      assert.strictEqual(ws._socket, socket);
      assert.strictEqual(socket.destroyed, true);
    });

    for (const [method, args] of [
      ['setKeepAlive', [true, 1000]],
      ['setKeepAlive', [false]],
      ['setNoDelay', [true]],
      ['setNoDelay', [false]],
      ['setNoDelay', []],
      ['setTimeout', [0]],
      ['ref', []],
      ['unref', []],
    ]) {
      it(`${method}(${args.join(', ')}) returns the socket`, async () => {
        const { client, ws } = await createConnection(kind);
        const { _socket: socket } = ws;
        assert.strictEqual(socket[method](...args), socket);
        ws.send('foo');
        await client.expect('8103666f6f');
        socket.ref();
      });
    }

    it("setTimeout() emits 'timeout' while nothing is received or sent", async () => {
      const { ws } = await createConnection(kind);
      const { _socket: socket } = ws;
      const timeout = once(socket, 'timeout');
      socket.setTimeout(20);
      assert.deepStrictEqual(await timeout, []);
      assert.strictEqual(ws.readyState, ws.OPEN);
    });

    it("setTimeout() takes a listener of 'timeout'", async () => {
      const { ws } = await createConnection(kind);
      await new Promise((resolve) => ws._socket.setTimeout(20, resolve));
      ws.terminate();
    });

    it('counts the bytes of frames in bytesRead and bytesWritten', async () => {
      const { client, ws } = await createConnection(kind);
      const { _socket: socket } = ws;
      const read = socket.bytesRead;
      const written = socket.bytesWritten;
      const message = once(ws, 'message');
      client.send({ opcode: 'text', payload: 'foobar' });
      await message;
      await new Promise((resolve) => ws.send('foo', resolve));
      await client.expect('8103666f6f');
      if (kind === TLS) {
        assert.ok(socket.bytesRead > read);
        assert.ok(socket.bytesWritten > written);
      } else {
        assert.strictEqual(socket.bytesRead - read, 12);
        assert.strictEqual(socket.bytesWritten - written, 5);
      }
    });

    it('counts the bytes of the handshake too', async () => {
      const { client, ws } = await createConnection(kind);
      const request = upgradeRequest().length;
      const response = client.response.length;
      if (kind === TLS) {
        assert.ok(ws._socket.bytesRead >= request);
        assert.ok(ws._socket.bytesWritten >= response);
      } else {
        assert.strictEqual(ws._socket.bytesRead, request);
        assert.strictEqual(ws._socket.bytesWritten, response);
      }
    });

    it('tells whether it is encrypted', async () => {
      const { ws, req } = await createConnection(kind);
      assert.strictEqual(ws._socket.encrypted, kind === TLS ? true : undefined);
      assert.strictEqual(req.socket.encrypted, kind === TLS ? true : undefined);
    });
  });

  describe('over TLS', () => {
    it('has the certificate of the peer', async () => {
      const { cert, key } = certificate();
      const { ws } = await createConnection(TLS, {
        tlsOptions: {
          ca: cert,
          cert,
          key,
          requestCert: true,
          rejectUnauthorized: true,
        },
      });
      const { _socket: socket } = ws;
      assert.strictEqual(socket.authorized, true);
      assert.strictEqual(socket.encrypted, true);
      assert.strictEqual(socket.getPeerCertificate().subject.CN, 'localhost');
      assert.strictEqual(typeof socket.getProtocol(), 'string');
      assert.strictEqual(typeof socket.getCipher().name, 'string');
    });

    it('of TLS 1.3 receives and sends', async () => {
      const { cert, key } = certificate();
      const { client, ws } = await createConnection(TLS, {
        tlsOptions: { cert, key, minVersion: 'TLSv1.3' },
      });
      assert.strictEqual(ws._socket.getProtocol(), 'TLSv1.3');
      ws.on('message', (data) => ws.send(data));
      client.send({ opcode: 'text', payload: 'foo' });
      await client.expect('8203666f6f');
    });
  });

  forEachKind(KINDS, (kind) => {
    it('is there from the callback of handleUpgrade() on', async () => {
      let socket;
      const { ws } = await createConnection(kind, {
        onConnection(ws) {
          socket = ws._socket;
        },
      });
      assert.strictEqual(typeof socket.write, 'function');
      assert.strictEqual(ws._socket, socket);
    });

    it('is a stream that is open', async () => {
      const { ws } = await createConnection(kind);
      const { _socket: socket } = ws;
      assert.strictEqual(socket.destroyed, false);
      assert.strictEqual(socket.readable, true);
      assert.strictEqual(socket.writable, true);
      assert.strictEqual(socket.writableEnded, false);
      assert.strictEqual(socket.writableLength, 0);
      assert.strictEqual(socket._writableState.finished, false);
    });

    it('is the same all the time', async () => {
      const { ws, req } = await createConnection(kind);
      assert.strictEqual(ws._socket, ws._socket);
      assert.strictEqual(ws._socket.destroyed, req.socket.destroyed);
    });

    it("emits 'close' before the WebSocket does", async () => {
      const { ws } = await createConnection(kind);
      const order = [];
      ws._socket.on('close', () => order.push('socket'));
      const close = once(ws, 'close');
      ws.on('close', () => order.push('WebSocket'));
      ws.terminate();
      await close;
      assert.deepStrictEqual(order, ['socket', 'WebSocket']);
    });

    it("emits 'finish' and 'end' in a closing handshake", async () => {
      const { client, ws } = await createConnection(kind);
      const events = [];
      for (const event of ['finish', 'end']) {
        ws._socket.on(event, () => events.push(event));
      }
      const close = once(ws, 'close');
      client.send({ opcode: 'close' });
      await client.expect('8800');
      await client.ended();
      client.end();
      await close;
      assert.deepStrictEqual(events.sort(), ['end', 'finish']);
    });

    it("emits 'drain' when a slow peer has read", async () => {
      const { client, ws } = await createConnection(kind);
      client.socket.pause();
      const drain = once(ws._socket, 'drain');
      for (let i = 0; i < 16; i++) ws.send(Buffer.alloc(1 << 20));
      assert.strictEqual(ws._socket.writableNeedDrain, true);
      client.socket.resume();
      assert.deepStrictEqual(await drain, []);
    });

    it('write() goes to the wire as it is', async () => {
      const { client, ws } = await createConnection(kind);
      ws.send('foo');
      ws._socket.write(Buffer.from('8103626172', 'hex'));
      ws.send('baz');
      await client.expect('8103666f6f 8103626172 810362617a');
    });

    it('cork() and uncork() change nothing on the wire', async () => {
      const { client, ws } = await createConnection(kind);
      ws._socket.cork();
      ws.send('foo');
      ws.send(Buffer.from('bar'));
      ws._socket.uncork();
      await client.expect('8103666f6f 8203626172');
    });

    it('destroy() twice closes once', async () => {
      const { ws } = await createConnection(kind);
      const log = trace(ws);
      const close = once(ws, 'close');
      assert.strictEqual(ws._socket.destroy(), ws._socket);
      ws._socket.destroy();
      await close;
      assert.deepStrictEqual(log, [['close', 1006, 'Buffer ', 'CLOSED']]);
    });

    it("an 'error' listener of it is called for destroy(error)", async () => {
      const { ws } = await createConnection(kind);
      const error = once(ws._socket, 'error');
      ws._socket.destroy(new Error('foo'));
      assert.deepStrictEqual((await error).map(describeValue), [
        ['Error', undefined, 'foo'],
      ]);
    });

    describe('_sender.sendFrame()', () => {
      it('sends frames of Sender.frame()', async () => {
        const { client, ws } = await createConnection(kind);
        await new Promise((resolve) => {
          ws._sender.sendFrame(textFrame('foo'), resolve);
        });
        await client.expect('8103666f6f');
      });

      it('sends a list of one', async () => {
        const { client, ws } = await createConnection(kind);
        ws._sender.sendFrame(textFrame(''));
        ws._sender.sendFrame([Buffer.concat(textFrame('foo'))]);
        await client.expect('8100 8103666f6f');
      });

      it('keeps the order with send()', async () => {
        const { client, ws } = await createConnection(kind);
        ws.send('a');
        ws._sender.sendFrame(textFrame('b'));
        ws.send('c');
        ws._sender.sendFrame(textFrame('d'.repeat(20000)));
        ws.send('e');
        await client.expect(
          `810161 810162 810163 817e4e20${'64'.repeat(20000)} 810165`,
        );
      });

      it('sends the same list to several connections', async () => {
        const server = await createServer(kind);
        const list = textFrame('foo');
        const connections = [await server.open(), await server.open()];
        for (const { ws } of connections) ws._sender.sendFrame(list);
        for (const { client } of connections) await client.expect('8103666f6f');
      });
    });
  });
});

describe('Parity: setSocket()', () => {
  const EMPTY = Buffer.alloc(0);

  /** A WebSocket on one end of a pair, as test doubles make it. */
  function open({ options = {}, isServer = true, head = EMPTY, limits } = {}) {
    const [near, far] = duplexPair();
    const ws = new WebSocket(null, undefined, options);
    const log = trace(ws);
    ws._isServer = isServer;
    const received = [];
    near.on('data', (data) => received.push(data));
    ws.setSocket(far, head, {
      allowSynchronousEvents: true,
      maxPayload: 0,
      skipUTF8Validation: false,
      ...limits,
    });
    return { far, log, near, received, ws };
  }

  /** Waits until as many bytes have come as `hex` has, and compares them. */
  async function expectBytes({ near, received }, hex) {
    const expected = hex.replace(/\s/g, '');
    while (Buffer.concat(received).length < expected.length / 2) {
      await once(near, 'data');
    }
    assert.strictEqual(Buffer.concat(received).toString('hex'), expected);
  }

  it('is called on a WebSocket that is connecting', () => {
    const ws = new WebSocket(null, undefined, {});
    assert.strictEqual(ws.readyState, 0);
    assert.strictEqual(ws.protocol, '');
    assert.strictEqual(ws.extensions, '');
    assert.strictEqual(ws.isPaused, false);
    assert.strictEqual(ws.url, undefined);
    assert.strictEqual(ws._isServer, true);
  });

  it('has a bufferedAmount of 0 before it, which is undefined in `ws`', () => {
    const ws = new WebSocket(null, undefined, {});
    assert.strictEqual(ws.bufferedAmount, isWs ? undefined : 0);
  });

  for (const method of ['send', 'ping', 'pong']) {
    it(`${method}() before it throws`, () => {
      const ws = new WebSocket(null, undefined, {});
      assert.throws(() => ws[method]('foo'), {
        name: 'Error',
        message: 'WebSocket is not open: readyState 0 (CONNECTING)',
      });
    });
  }

  it('pause() and resume() before it do nothing', () => {
    const ws = new WebSocket(null, undefined, {});
    ws.pause();
    assert.strictEqual(ws.isPaused, false);
    ws.resume();
    assert.strictEqual(ws.isPaused, false);
  });

  it("emits 'open' at once", () => {
    const { log, ws, far } = open();
    assert.deepStrictEqual(log, [['open', 'OPEN']]);
    assert.strictEqual(ws.readyState, 1);
    assert.strictEqual(ws._socket, far);
  });

  for (const options of [{}, undefined, { autoPong: false }]) {
    it(`of a server's end receives and sends, with the options ${JSON.stringify(options)}`, async () => {
      const end = open({ options: options === undefined ? {} : options });
      const message = once(end.ws, 'message');
      end.near.write(encodeFrame({ opcode: 'text', payload: 'foo' }));
      assert.deepStrictEqual((await message).map(describeValue), [
        'Buffer 666f6f',
        false,
      ]);
      end.ws.send('bar');
      await expectBytes(end, '8103626172');
      end.ws.terminate();
    });
  }

  it("of a server's end answers pings by the option autoPong", async () => {
    for (const autoPong of [true, false]) {
      const end = open({ options: { autoPong } });
      const ping = once(end.ws, 'ping');
      end.near.write(encodeFrame({ opcode: 'ping', payload: 'a' }));
      await ping;
      end.ws.send('end');
      await expectBytes(end, `${autoPong ? '8a0161' : ''}8103656e64`);
      end.ws.terminate();
    }
  });

  it('reads head first', async () => {
    const end = open({ head: encodeFrame({ opcode: 'text', payload: 'a' }) });
    end.near.write(encodeFrame({ opcode: 'text', payload: 'b' }));
    while (end.log.length < 3) await once(end.ws, 'message');
    assert.deepStrictEqual(end.log, [
      ['open', 'OPEN'],
      ['message', 'Buffer 61', false, 'OPEN'],
      ['message', 'Buffer 62', false, 'OPEN'],
    ]);
    end.ws.terminate();
  });

  it('holds to maxPayload', async () => {
    const { log, near, ws } = open({ limits: { maxPayload: 2 } });
    const error = once(ws, 'error');
    near.write(encodeFrame({ opcode: 'text', payload: 'foo' }));
    await error;
    assert.deepStrictEqual(log[1], [
      'error',
      [
        'RangeError',
        'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH',
        'Max payload size exceeded',
      ],
      'CLOSING',
    ]);
    ws.terminate();
  });

  it('holds to skipUTF8Validation', async () => {
    const { near, ws } = open({ limits: { skipUTF8Validation: true } });
    const message = once(ws, 'message');
    near.write(encodeFrame({ opcode: 'text', payload: Buffer.from([255]) }));
    assert.deepStrictEqual((await message).map(describeValue), [
      'Buffer ff',
      false,
    ]);
    ws.terminate();
  });

  it("of a client's end masks its frames", async () => {
    const { near, ws } = open({ isServer: false });
    const client = new RawClient(near);
    for (const [send, opcode, payload] of [
      [() => ws.send('foo'), 1, 'foo'],
      [() => ws.send(Buffer.from('bar')), 2, 'bar'],
      [() => ws.ping('a'), 9, 'a'],
      [() => ws.pong('b'), 10, 'b'],
      [() => ws.close(1000), 8, '\x03\xe8'],
    ]) {
      send();
      const frame = await client.frame();
      assert.strictEqual(frame.masked, true);
      assert.strictEqual(frame.opcode, opcode);
      assert.strictEqual(frame.payload.toString('latin1'), payload);
    }
    ws.terminate();
  });

  it("of a client's end receives frames without a mask", async () => {
    const { near, ws } = open({ isServer: false });
    const message = once(ws, 'message');
    near.write(encodeFrame({ opcode: 'text', payload: 'foo', mask: false }));
    assert.deepStrictEqual((await message).map(describeValue), [
      'Buffer 666f6f',
      false,
    ]);
    ws.terminate();
  });

  it("of a client's end refuses frames with a mask", async () => {
    const { log, near, ws } = open({ isServer: false });
    const error = once(ws, 'error');
    near.write(encodeFrame({ opcode: 'text', payload: 'foo' }));
    await error;
    assert.deepStrictEqual(log[1], [
      'error',
      [
        'RangeError',
        'WS_ERR_UNEXPECTED_MASK',
        'Invalid WebSocket frame: MASK must be clear',
      ],
      'CLOSING',
    ]);
    ws.terminate();
  });

  it('of both ends on each other: messages and the closing handshake', async () => {
    const [near, far] = duplexPair();
    const limits = {
      allowSynchronousEvents: true,
      maxPayload: 0,
      skipUTF8Validation: false,
    };
    const ends = [near, far].map((socket, i) => {
      const ws = new WebSocket(null, undefined, {
        closeTimeout: 30000,
        isServer: i === 0,
      });
      ws._isServer = i === 0;
      const log = trace(ws);
      ws.setSocket(socket, EMPTY, limits);
      return { log, ws, close: once(ws, 'close') };
    });
    const [server, client] = ends;
    server.ws.on('message', (data, isBinary) =>
      server.ws.send(data, { binary: isBinary }),
    );
    const answer = once(client.ws, 'message');
    client.ws.send('foo');
    await answer;
    client.ws.close(4000, 'bar');
    await Promise.all([server.close, client.close]);
    assert.deepStrictEqual(server.log, [
      ['open', 'OPEN'],
      ['message', 'Buffer 666f6f', false, 'OPEN'],
      ['close', 4000, 'Buffer 626172', 'CLOSED'],
    ]);
    assert.deepStrictEqual(client.log, [
      ['open', 'OPEN'],
      ['message', 'Buffer 666f6f', false, 'OPEN'],
      ['close', 4000, 'Buffer 626172', 'CLOSED'],
    ]);
  });

  it('as injectWS() of @fastify/websocket: two PassThroughs and no handle', async () => {
    const up = new PassThrough();
    const down = new PassThrough();
    /** A stream that reads one PassThrough and writes another. */
    const join = (readable, writable) => {
      const stream = new Duplex({
        read() {},
        write(chunk, encoding, callback) {
          writable.write(chunk, encoding, callback);
        },
        final(callback) {
          writable.end(callback);
        },
      });
      readable.on('data', (chunk) => stream.push(chunk));
      readable.on('end', () => stream.push(null));
      return stream;
    };
    const clientSocket = join(down, up);
    const serverSocket = join(up, down);
    const wss = new WebSocketServer({ noServer: true });
    const client = new WebSocket(null, undefined, {
      closeTimeout: 30000,
      isServer: false,
    });
    client._isServer = false;
    const log = trace(client);

    clientSocket.once('data', (chunk) => {
      assert.match(chunk.toString(), /^HTTP\/1\.1 101 Switching Protocols\r\n/);
      client.setSocket(clientSocket, EMPTY, { maxPayload: 0 });
    });
    const server = await new Promise((resolve) => {
      wss.handleUpgrade(
        {
          method: 'GET',
          url: '/',
          headers: {
            connection: 'upgrade',
            upgrade: 'websocket',
            'sec-websocket-version': '13',
            'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
          },
        },
        serverSocket,
        EMPTY,
        resolve,
      );
    });
    if (client.readyState === 0) await once(client, 'open');
    server.on('message', (data) => server.send(`answer to ${data}`));
    const answer = once(client, 'message');
    client.send('foo');
    assert.strictEqual((await answer)[0].toString(), 'answer to foo');
    const closed = [once(client, 'close'), once(server, 'close')];
    client.close(1000);
    await Promise.all(closed);
    assert.deepStrictEqual(log[log.length - 1], [
      'close',
      1000,
      'Buffer ',
      'CLOSED',
    ]);
  });
});
