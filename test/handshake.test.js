'use strict';

const assert = require('node:assert');

const { isTls } = require('./helpers/http-server');
const { WebSocketServer } = require('./helpers/implementation');
const { encodeFrame } = require('./helpers/frame');
const { once, record } = require('./helpers/events');
const { KEY, upgradeRequest } = require('./helpers/raw-client');
const {
  MODES,
  closeServers,
  createConnection,
  createServer,
} = require('./helpers/server');

const SWITCHING_PROTOCOLS =
  'HTTP/1.1 101 Switching Protocols\r\n' +
  'Upgrade: websocket\r\n' +
  'Connection: Upgrade\r\n' +
  'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n';

function rejection(statusLine, body, extraLines = '') {
  return (
    `HTTP/1.1 ${statusLine}\r\n` +
    'Connection: close\r\n' +
    'Content-Type: text/html\r\n' +
    `Content-Length: ${body.length}\r\n` +
    `${extraLines}\r\n${body}`
  );
}

/** Sends a request and returns all that the server sends before its FIN. */
async function answer(server, request) {
  const client = await server.connect();
  client.write(upgradeRequest(request));
  const bytes = await client.ended();
  return bytes.toString('latin1');
}

const METHOD = 'Invalid HTTP method';
const UPGRADE = 'Invalid Upgrade header';
const WS_KEY = 'Missing or invalid Sec-WebSocket-Key header';
const VERSION = 'Missing or invalid Sec-WebSocket-Version header';
const PROTOCOL = 'Invalid Sec-WebSocket-Protocol header';
const VERSIONS_LINE = 'Sec-WebSocket-Version: 13, 8\r\n';

function header(name, value) {
  return { headers: { [name]: value } };
}

const MALFORMED_REQUESTS = [
  ['the method POST', { method: 'POST' }, 405, METHOD],
  ['the method HEAD', { method: 'HEAD' }, 405, METHOD],
  ['the Upgrade header "foo"', header('Upgrade', 'foo'), 400, UPGRADE],
  [
    'an Upgrade header that lists more than websocket',
    header('Upgrade', 'websocket, foo'),
    400,
    UPGRADE,
  ],
  ['no key', header('Sec-WebSocket-Key', undefined), 400, WS_KEY],
  ['an empty key', header('Sec-WebSocket-Key', ''), 400, WS_KEY],
  [
    'a key of 23 characters',
    header('Sec-WebSocket-Key', 'GhlIHNhbXBsZSBub25jZQ=='),
    400,
    WS_KEY,
  ],
  [
    'a key of 25 characters',
    header('Sec-WebSocket-Key', 'AdGhlIHNhbXBsZSBub25jZQ=='),
    400,
    WS_KEY,
  ],
  [
    'a key without its padding',
    header('Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQAA'),
    400,
    WS_KEY,
  ],
  [
    'a key in the alphabet of base64url',
    header('Sec-WebSocket-Key', 'd-hlIHNhbXBsZSBub25jZQ=='),
    400,
    WS_KEY,
  ],
  ['two keys', header('Sec-WebSocket-Key', [KEY, KEY]), 400, WS_KEY],
  ['no version', header('Sec-WebSocket-Version', undefined), 400, VERSION],
  ['the version 12', header('Sec-WebSocket-Version', '12'), 400, VERSION],
  ['the version 14', header('Sec-WebSocket-Version', '14'), 400, VERSION],
  ['the version "x"', header('Sec-WebSocket-Version', 'x'), 400, VERSION],
  ['an empty version', header('Sec-WebSocket-Version', ''), 400, VERSION],
  ...[
    ['an empty list of subprotocols', ''],
    ['a list of subprotocols that starts with a comma', ',foo'],
    ['a list of subprotocols that ends with a comma', 'foo,'],
    ['a list of subprotocols with an empty element', 'foo,,bar'],
    ['a subprotocol with a space in it', 'foo bar'],
    ['a subprotocol with a character that no token has', 'foo/bar'],
    ['a subprotocol with a character beyond ASCII', 'fo\u00f6'],
    ['a subprotocol offered twice', 'foo, bar, foo'],
  ].map(([what, value]) => [
    what,
    header('Sec-WebSocket-Protocol', value),
    400,
    PROTOCOL,
  ]),
];

const STATUS_LINES = { 400: '400 Bad Request', 405: '405 Method Not Allowed' };

describe('The handshake', () => {
  afterEach(closeServers);

  describe('that is accepted', () => {
    for (const mode of MODES) {
      it(`is answered with 101 in the mode ${mode}`, async () => {
        const { client } = await createConnection({ mode });
        assert.strictEqual(client.response, SWITCHING_PROTOCOLS + '\r\n');
      });
    }

    it('is answered with the accept key of its own key', async () => {
      const server = await createServer();
      const { client } = await server.open(
        header('Sec-WebSocket-Key', 'x3JJHMbDL1EzLkh9GBhXDw=='),
      );
      assert.match(
        client.response,
        /\r\nSec-WebSocket-Accept: HSmrc0sMlYUkAGmm5OPpG2HaGWk=\r\n/,
      );
    });

    for (const [what, request] of [
      ['an Upgrade header in another case', header('Upgrade', 'WebSocket')],
      ['the version 8', header('Sec-WebSocket-Version', '8')],
      [
        'header names in another case',
        {
          headers: {
            Upgrade: undefined,
            'Sec-WebSocket-Key': undefined,
            'Sec-WebSocket-Version': undefined,
            upgrade: 'websocket',
            'SEC-WEBSOCKET-KEY': KEY,
            'sec-websocket-VERSION': '13',
          },
        },
      ],
      ['an empty Host header', header('Host', '')],
      [
        'a Connection header that lists more than upgrade',
        header('Connection', 'keep-alive, Upgrade'),
      ],
      [
        'an extension offer, which is not negotiated',
        header('Sec-WebSocket-Extensions', 'permessage-deflate'),
      ],
      [
        'an extension offer with a syntax error',
        header('Sec-WebSocket-Extensions', 'foo; ='),
      ],
      [
        'an extension named like a property of every object',
        header('Sec-WebSocket-Extensions', 'constructor; __proto__=1'),
      ],
      [
        'header names like the properties of every object',
        {
          headers: {
            ['__proto__']: 'foo',
            constructor: 'foo',
            hasOwnProperty: 'foo',
            toString: 'foo',
          },
        },
      ],
      ['an absolute URL', { path: 'http://localhost/foo' }],
    ]) {
      it(`may have ${what}`, async () => {
        const server = await createServer();
        const { client, ws } = await server.open(request);
        assert.strictEqual(client.response, SWITCHING_PROTOCOLS + '\r\n');
        assert.strictEqual(ws.extensions, '');
      });
    }

    it('calls back with the open WebSocket and the request', async () => {
      let called = false;
      const server = await createServer({
        onUpgrade(req, socket, head, wss) {
          wss.handleUpgrade(req, socket, head, (ws, request) => {
            called = true;
            assert.strictEqual(ws.readyState, ws.OPEN);
            assert.strictEqual(ws.protocol, '');
            assert.strictEqual(ws.extensions, '');
            assert.strictEqual(request, req);
            assert.strictEqual(wss.clients.has(ws), true);
          });
          assert.strictEqual(called, true, 'before handleUpgrade() returns');
        },
      });
      const client = await server.connect();
      await client.handshake();
      assert.strictEqual(called, true);
    });

    it('does not emit "connection" by itself without a server', async () => {
      const opened = [];
      const server = await createServer({
        onConnection: () => opened.push('connection'),
        onUpgrade(req, socket, head, wss) {
          wss.handleUpgrade(req, socket, head, () => opened.push('callback'));
        },
      });
      const client = await server.connect();
      await client.handshake();
      assert.deepStrictEqual(opened, ['callback']);
    });

    for (const mode of MODES) {
      it(`may have frames in its packet in the mode ${mode}`, async () => {
        let log;
        const frames = ['foo', 'bar'].map((payload) =>
          encodeFrame({ opcode: 'text', payload }),
        );
        const received = new Promise((resolve) => {
          createServer({
            mode,
            onConnection(ws) {
              log = record(ws);
              ws.on('message', () => log.length === 2 && resolve());
            },
          }).then((server) => server.open({ head: Buffer.concat(frames) }));
        });
        await received;
        assert.deepStrictEqual(log, [
          ['text', 'foo'],
          ['text', 'bar'],
        ]);
      });
    }

    it('may arrive one byte at a time', async () => {
      const server = await createServer();
      const client = await server.connect();
      await client.writeByteByByte(upgradeRequest());
      assert.strictEqual(
        await client.responseHead(),
        SWITCHING_PROTOCOLS + '\r\n',
      );
    });
  });

  describe('that is malformed', () => {
    for (const [what, request, code, message] of MALFORMED_REQUESTS) {
      const extra = message === VERSION ? VERSIONS_LINE : '';
      it(`with ${what} is answered with ${code} "${message}"`, async () => {
        const server = await createServer();
        assert.strictEqual(
          await answer(server, request),
          rejection(STATUS_LINES[code], message, extra),
        );
        assert.strictEqual(server.wss.clients.size, 0);
      });
    }

    for (const mode of MODES) {
      it(`is answered the same in the mode ${mode}`, async () => {
        const server = await createServer({ mode });
        assert.strictEqual(
          await answer(server, header('Sec-WebSocket-Version', '7')),
          rejection(STATUS_LINES[400], VERSION, VERSIONS_LINE),
        );
      });
    }

    it('with several faults is answered for the first in the order method, Upgrade, key, version', async () => {
      const server = await createServer();
      const request = {
        method: 'POST',
        headers: {
          Upgrade: 'foo',
          'Sec-WebSocket-Key': 'foo',
          'Sec-WebSocket-Version': 'foo',
          'Sec-WebSocket-Protocol': ',',
        },
      };
      assert.match(await answer(server, request), new RegExp(METHOD));
      request.method = 'GET';
      assert.match(await answer(server, request), new RegExp(UPGRADE));
      request.headers.Upgrade = 'websocket';
      assert.match(await answer(server, request), new RegExp(WS_KEY));
      request.headers['Sec-WebSocket-Key'] = KEY;
      assert.match(await answer(server, request), new RegExp(VERSION));
      request.headers['Sec-WebSocket-Version'] = '13';
      assert.match(await answer(server, request), new RegExp(PROTOCOL));
    });

    it('is told from a path that is not served before the path is looked at', async () => {
      const server = await createServer({ path: '/foo' });
      assert.strictEqual(
        await answer(server, { path: '/bar', ...header('Upgrade', 'foo') }),
        rejection(STATUS_LINES[400], UPGRADE),
      );
      assert.strictEqual(
        await answer(server, {
          path: '/bar',
          ...header('Sec-WebSocket-Protocol', ','),
        }),
        rejection(STATUS_LINES[400], 'Bad Request'),
      );
    });

    for (const [name, message, extra] of [
      ['upgrade', UPGRADE],
      ['sec-websocket-key', WS_KEY],
      ['sec-websocket-version', VERSION, VERSIONS_LINE],
    ]) {
      it(`as Node did not keep its header ${name} is answered with 400`, async () => {
        const server = await createServer({
          onUpgrade(req, socket, head, wss) {
            delete req.headers[name];
            wss.handleUpgrade(req, socket, head, () => assert.fail());
          },
        });
        assert.strictEqual(
          await answer(server),
          rejection(STATUS_LINES[400], message, extra),
        );
      });
    }

    for (const count of [1, 2, 3, 4]) {
      it(`as it has more headers than a maxHeadersCount of ${count} is refused by Node or by the server`, async () => {
        const server = await createServer();
        server.http.maxHeadersCount = count;
        assert.match(await answer(server), /^HTTP\/1\.1 4(00|31) /);
        server.http.maxHeadersCount = null;
        await server.open();
      });
    }

    it('leaves other connections alone', async () => {
      const { server, client, ws } = await createConnection();
      const log = record(ws);
      await answer(server, header('Sec-WebSocket-Key', 'foo'));
      const message = once(ws, 'message');
      client.send({ opcode: 'text', payload: 'foo' });
      await message;
      assert.deepStrictEqual(log, [['text', 'foo']]);
    });
  });

  describe('with a listener of "wsClientError"', () => {
    for (const [what, request, , message] of MALFORMED_REQUESTS) {
      it(`leaves the answer to it when it has ${what}`, async () => {
        const server = await createServer();
        const errors = [];
        server.wss.on('wsClientError', (error, socket, req) => {
          errors.push(error);
          assert.strictEqual(socket, req.socket);
          assert.strictEqual(req.headers.host, 'localhost');
          socket.end('HTTP/1.1 418 I am a Teapot\r\n\r\n');
        });
        assert.strictEqual(
          await answer(server, request),
          'HTTP/1.1 418 I am a Teapot\r\n\r\n',
        );
        assert.deepStrictEqual(
          errors.map((error) => [error.constructor, error.message]),
          [[Error, message]],
        );
      });
    }

    it('answers by itself what is well-formed but not served', async () => {
      const server = await createServer({
        path: '/foo',
        verifyClient: () => false,
      });
      server.wss.on('wsClientError', (error) => assert.fail(error));
      assert.strictEqual(
        await answer(server, { path: '/bar' }),
        rejection(STATUS_LINES[400], 'Bad Request'),
      );
      assert.strictEqual(
        await answer(server, { path: '/foo' }),
        rejection('401 Unauthorized', 'Unauthorized'),
      );
    });
  });

  describe('with subprotocols', () => {
    for (const [value, chosen] of [
      ['foo', 'foo'],
      ['foo, bar', 'foo'],
      ['foo,bar', 'foo'],
      [' foo\t ,\tbar ', 'foo'],
      [['foo', 'bar'], 'foo'],
      ['__proto__, constructor', '__proto__'],
      ["!#$%&'*+-.^_`|~09azAZ", "!#$%&'*+-.^_`|~09azAZ"],
    ]) {
      it(`${JSON.stringify(value)} selects the first one`, async () => {
        const server = await createServer();
        const { client, ws } = await server.open(
          header('Sec-WebSocket-Protocol', value),
        );
        assert.strictEqual(
          client.response,
          `${SWITCHING_PROTOCOLS}Sec-WebSocket-Protocol: ${chosen}\r\n\r\n`,
        );
        assert.strictEqual(ws.protocol, chosen);
      });
    }

    it('gives handleProtocols a Set in the order of the offer and the request', async () => {
      const calls = [];
      const server = await createServer({
        handleProtocols(...args) {
          calls.push(args);
          return 'bar';
        },
      });
      const { client, ws, req } = await server.open(
        header('Sec-WebSocket-Protocol', 'foo, bar, baz'),
      );
      assert.strictEqual(calls.length, 1);
      assert.strictEqual(calls[0].length, 2);
      assert.deepStrictEqual(calls[0][0], new Set(['foo', 'bar', 'baz']));
      assert.deepStrictEqual([...calls[0][0]], ['foo', 'bar', 'baz']);
      assert.strictEqual(calls[0][1], req);
      assert.strictEqual(
        client.response,
        `${SWITCHING_PROTOCOLS}Sec-WebSocket-Protocol: bar\r\n\r\n`,
      );
      assert.strictEqual(ws.protocol, 'bar');
    });

    for (const value of [false, '', undefined]) {
      it(`selects none when handleProtocols returns ${JSON.stringify(value)}`, async () => {
        const server = await createServer({ handleProtocols: () => value });
        const { client, ws } = await server.open(
          header('Sec-WebSocket-Protocol', 'foo'),
        );
        assert.strictEqual(client.response, SWITCHING_PROTOCOLS + '\r\n');
        assert.strictEqual(ws.protocol, '');
      });
    }

    it('does not call handleProtocols when none is offered', async () => {
      const { client, ws } = await createConnection({
        handleProtocols: () => assert.fail('must not be called'),
      });
      assert.strictEqual(client.response, SWITCHING_PROTOCOLS + '\r\n');
      assert.strictEqual(ws.protocol, '');
    });

    it('lets what handleProtocols throws reach the caller of handleUpgrade', async () => {
      const server = await createServer({
        handleProtocols() {
          throw new Error('foo');
        },
        onUpgrade(req, socket, head, wss) {
          assert.throws(
            () => wss.handleUpgrade(req, socket, head, () => assert.fail()),
            { message: 'foo' },
          );
          assert.strictEqual(socket.destroyed, false);
          socket.end('mine');
        },
      });
      assert.strictEqual(
        await answer(server, header('Sec-WebSocket-Protocol', 'foo')),
        'mine',
      );
      assert.strictEqual(server.wss.clients.size, 0);
    });
  });

  describe('with verifyClient', () => {
    it('passes the origin, whether TLS is used, and the request', async () => {
      const infos = [];
      const server = await createServer({
        verifyClient(info) {
          infos.push(info);
          return true;
        },
      });
      const { req } = await server.open(header('Origin', 'https://foo.test'));
      assert.deepStrictEqual(Object.keys(infos[0]).sort(), [
        'origin',
        'req',
        'secure',
      ]);
      assert.strictEqual(infos[0].origin, 'https://foo.test');
      assert.strictEqual(infos[0].secure, isTls);
      assert.strictEqual(infos[0].req, req);
    });

    it('takes the origin of version 8 from Sec-WebSocket-Origin', async () => {
      let origin;
      const server = await createServer({
        verifyClient(info) {
          origin = info.origin;
          return true;
        },
      });
      await server.open({
        headers: {
          Origin: 'https://foo.test',
          'Sec-WebSocket-Origin': 'https://bar.test',
          'Sec-WebSocket-Version': '8',
        },
      });
      assert.strictEqual(origin, 'https://bar.test');
    });

    it('has no origin when the request has none', async () => {
      let info;
      await createConnection({
        verifyClient(value) {
          info = value;
          return true;
        },
      });
      assert.strictEqual(info.origin, undefined);
    });

    it('that returns false is answered with 401', async () => {
      const server = await createServer({ verifyClient: () => false });
      assert.strictEqual(
        await answer(server),
        rejection('401 Unauthorized', 'Unauthorized'),
      );
      assert.strictEqual(server.wss.clients.size, 0);
    });

    it('that throws passes it on to the caller of handleUpgrade', async () => {
      const server = await createServer({
        verifyClient() {
          throw new Error('foo');
        },
        onUpgrade(req, socket, head, wss) {
          assert.throws(
            () => wss.handleUpgrade(req, socket, head, () => assert.fail()),
            { message: 'foo' },
          );
          socket.end('mine');
        },
      });
      assert.strictEqual(await answer(server), 'mine');
    });

    for (const [args, expected] of [
      [[false], rejection('401 Unauthorized', 'Unauthorized')],
      [[false, 404], rejection('404 Not Found', 'Not Found')],
      [[false, 404, 'foo'], rejection('404 Not Found', 'foo')],
      [
        [false, 503, 'foo', { 'Retry-After': 120, 'X-Foo': 'bar' }],
        rejection(
          '503 Service Unavailable',
          'foo',
          'Retry-After: 120\r\nX-Foo: bar\r\n',
        ),
      ],
      [[false, 403, '\u20ac'], rejection('403 Forbidden', '\xe2\x82\xac')],
      [
        [false, 403, 'foo', { 'Content-Type': 'text/plain' }],
        'HTTP/1.1 403 Forbidden\r\nConnection: close\r\n' +
          'Content-Type: text/plain\r\nContent-Length: 3\r\n\r\nfoo',
      ],
    ]) {
      it(`that calls back with ${JSON.stringify(args)} later is answered with these`, async () => {
        const server = await createServer({
          verifyClient(info, callback) {
            setImmediate(callback, ...args);
          },
        });
        assert.strictEqual(await answer(server), expected);
      });
    }

    it('that calls back with true later accepts, with frames sent meanwhile', async () => {
      let accept;
      const server = await createServer({
        verifyClient(info, callback) {
          accept = callback;
        },
        onUpgrade(req, socket, head, wss) {
          wss.handleUpgrade(req, socket, head, (ws, request) => {
            assert.strictEqual(request, req);
            wss.emit('connection', ws, req);
          });
          socket.once('readable', () => accept(true));
        },
      });
      const messages = new Promise((resolve) => {
        server.wss.on('connection', (ws) => {
          const log = record(ws);
          ws.on('message', () => log.length === 2 && resolve(log));
        });
      });
      const client = await server.connect();
      client.write(
        Buffer.concat([
          upgradeRequest(),
          encodeFrame({ opcode: 'text', payload: 'foo' }),
        ]),
      );
      const [, socket] = await once(server.http, 'upgrade');
      assert.strictEqual(socket.destroyed, false);
      client.send({ opcode: 'text', payload: 'bar' });
      assert.deepStrictEqual(await messages, [
        ['text', 'foo'],
        ['text', 'bar'],
      ]);
      assert.strictEqual(
        await client.responseHead(),
        SWITCHING_PROTOCOLS + '\r\n',
      );
    });

    it('that calls back synchronously completes within handleUpgrade', async () => {
      const steps = [];
      const server = await createServer({
        verifyClient(info, callback) {
          callback(true);
        },
        onUpgrade(req, socket, head, wss) {
          wss.handleUpgrade(req, socket, head, () => steps.push('open'));
          steps.push('returned');
        },
      });
      const client = await server.connect();
      await client.handshake();
      assert.deepStrictEqual(steps, ['open', 'returned']);
    });

    it('that accepts after the client is gone opens nothing', async () => {
      let accept;
      const server = await createServer({
        verifyClient(info, callback) {
          accept = callback;
        },
        onConnection: () => assert.fail('must not be opened'),
      });
      const client = await server.connect();
      const upgrade = once(server.http, 'upgrade');
      client.write(upgradeRequest());
      const [, socket] = await upgrade;
      client.reset();
      await once(socket, 'close');
      accept(true);
      assert.strictEqual(server.wss.clients.size, 0);
    });

    it('that accepts after the server was closed is answered with 503', async () => {
      let accept;
      const server = await createServer({
        verifyClient(info, callback) {
          accept = callback;
        },
        onConnection: () => assert.fail('must not be opened'),
      });
      const client = await server.connect();
      const upgrade = once(server.http, 'upgrade');
      client.write(upgradeRequest());
      await upgrade;
      server.wss.close();
      accept(true);
      assert.strictEqual(
        (await client.ended()).toString(),
        rejection('503 Service Unavailable', 'Service Unavailable'),
      );
    });

    it('is called after every other check', async () => {
      const server = await createServer({
        path: '/foo',
        verifyClient: () => assert.fail('must not be called'),
      });
      await answer(server, { path: '/bar' });
      await answer(server, {
        path: '/foo',
        ...header('Sec-WebSocket-Protocol', ','),
      });
    });
  });

  describe('and the event "headers"', () => {
    it('show the lines of the response and the request before the WebSocket opens', async () => {
      const steps = [];
      const server = await createServer({
        onUpgrade(req, socket, head, wss) {
          wss.on('headers', (lines, request) => {
            steps.push(lines.slice());
            assert.strictEqual(request, req);
          });
          wss.handleUpgrade(req, socket, head, () => steps.push('open'));
        },
      });
      const client = await server.connect();
      await client.handshake(header('Sec-WebSocket-Protocol', 'foo'));
      assert.deepStrictEqual(steps, [
        [
          'HTTP/1.1 101 Switching Protocols',
          'Upgrade: websocket',
          'Connection: Upgrade',
          'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
          'Sec-WebSocket-Protocol: foo',
        ],
        'open',
      ]);
    });

    it('let listeners add, change and remove lines', async () => {
      const server = await createServer();
      server.wss.on('headers', (lines) => {
        lines.push('Set-Cookie: foo=bar', 'X-Foo: b\u00e4r');
        lines[1] = 'Upgrade: WebSocket';
        lines.splice(2, 1);
      });
      const { client } = await server.open();
      assert.strictEqual(
        client.response,
        'HTTP/1.1 101 Switching Protocols\r\n' +
          'Upgrade: WebSocket\r\n' +
          'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n' +
          'Set-Cookie: foo=bar\r\nX-Foo: b\xc3\xa4r\r\n\r\n',
      );
    });
  });

  describe('and the paths that are served', () => {
    for (const [path, served] of [
      ['/foo', true],
      ['/foo?bar=/baz', true],
      ['/foo?', true],
      ['/foo/', false],
      ['/fo', false],
      ['/Foo', false],
      ['/', false],
      ['/?/foo', false],
      ['/%66oo', false],
    ]) {
      it(`answer ${path} with ${served ? 101 : 400} when path is /foo`, async () => {
        const server = await createServer({ path: '/foo' });
        if (served) {
          await server.open({ path });
        } else {
          assert.strictEqual(
            await answer(server, { path }),
            rejection(STATUS_LINES[400], 'Bad Request'),
          );
        }
      });
    }

    it('are decided by shouldHandle, which may be replaced', async () => {
      const server = await createServer({ path: '/foo' });
      const urls = [];
      server.wss.shouldHandle = function (...args) {
        assert.strictEqual(this, server.wss);
        assert.strictEqual(args.length, 1);
        urls.push(args[0].url);
        return args[0].url === '/bar';
      };
      await server.open({ path: '/bar' });
      assert.strictEqual(
        await answer(server, { path: '/foo' }),
        rejection(STATUS_LINES[400], 'Bad Request'),
      );
      assert.deepStrictEqual(urls, ['/bar', '/foo']);
    });

    it('are decided by shouldHandle, which may be called', () => {
      const wss = new WebSocketServer({ noServer: true, path: '/foo' });
      assert.strictEqual(wss.shouldHandle({ url: '/foo' }), true);
      assert.strictEqual(wss.shouldHandle({ url: '/foo?bar' }), true);
      assert.strictEqual(wss.shouldHandle({ url: '/bar' }), false);
      wss.options.path = undefined;
      assert.strictEqual(wss.shouldHandle({ url: '/bar' }), true);
    });
  });

  describe('that is handled twice', () => {
    const TWICE = {
      name: 'Error',
      message:
        'server.handleUpgrade() was called more than once with the same ' +
        'socket, possibly due to a misconfiguration',
    };

    it('throws the second time, and the connection goes on', async () => {
      let thrown;
      const server = await createServer({
        onUpgrade(req, socket, head, wss) {
          wss.handleUpgrade(req, socket, head, (ws) => {
            wss.emit('connection', ws, req);
          });
          try {
            wss.handleUpgrade(req, socket, head, () => assert.fail());
          } catch (error) {
            thrown = error;
          }
        },
      });
      const { client, ws } = await server.open();
      assert.strictEqual(thrown.name, TWICE.name);
      assert.strictEqual(thrown.message, TWICE.message);
      assert.strictEqual(server.wss.clients.size, 1);
      const message = once(ws, 'message');
      client.send({ opcode: 'text', payload: 'foo' });
      assert.strictEqual((await message)[0].toString(), 'foo');
    });

    it('throws for two servers as well', async () => {
      const other = new WebSocketServer({ noServer: true });
      let thrown;
      const server = await createServer({
        onUpgrade(req, socket, head, wss) {
          wss.handleUpgrade(req, socket, head, (ws) => {
            wss.emit('connection', ws, req);
          });
          try {
            other.handleUpgrade(req, socket, head, () => assert.fail());
          } catch (error) {
            thrown = error;
          }
        },
      });
      const { client } = await server.open();
      assert.strictEqual(thrown.message, TWICE.message);
      assert.strictEqual(client.response, SWITCHING_PROTOCOLS + '\r\n');
      assert.strictEqual(other.clients.size, 0);
    });

    it('throws before the listener of "upgrade" returns control, within the callback too', async () => {
      let thrown;
      const server = await createServer({
        onUpgrade(req, socket, head, wss) {
          wss.handleUpgrade(req, socket, head, () => {
            try {
              wss.handleUpgrade(req, socket, head, () => assert.fail());
            } catch (error) {
              thrown = error;
            }
          });
        },
      });
      const client = await server.connect();
      await client.handshake();
      assert.strictEqual(thrown.message, TWICE.message);
    });
  });

  describe('on a socket that is gone', () => {
    it('opens nothing and throws nothing when the socket was destroyed', async () => {
      const server = await createServer({
        onUpgrade(req, socket, head, wss) {
          socket.destroy();
          wss.handleUpgrade(req, socket, head, () => assert.fail());
        },
      });
      const client = await server.connect();
      client.write(upgradeRequest());
      assert.strictEqual((await client.ended()).length, 0);
      assert.strictEqual(server.wss.clients.size, 0);
    });

    it('opens nothing when the socket was ended, and destroys it', async () => {
      let closed;
      const server = await createServer({
        onUpgrade(req, socket, head, wss) {
          closed = once(socket, 'close');
          socket.end('foo');
          wss.handleUpgrade(req, socket, head, () => assert.fail());
        },
      });
      const client = await server.connect();
      const upgrade = once(server.http, 'upgrade');
      client.write(upgradeRequest());
      await upgrade;
      await closed;
      assert.strictEqual(server.wss.clients.size, 0);
    });

    it('leaves other connections alone when the client resets it', async () => {
      const { server, client, ws } = await createConnection();
      const gone = await server.open();
      const close = once(gone.ws, 'close');
      gone.client.reset();
      assert.strictEqual((await close)[0], 1006);
      const message = once(ws, 'message');
      client.send({ opcode: 'text', payload: 'foo' });
      assert.strictEqual((await message)[0].toString(), 'foo');
    });
  });

  describe('after the server was closed', () => {
    it('is answered with 503', async () => {
      const server = await createServer();
      server.wss.close();
      assert.strictEqual(
        await answer(server),
        rejection('503 Service Unavailable', 'Service Unavailable'),
      );
    });

    it('is answered with 503 while clients are still connected', async () => {
      const { server, client, ws } = await createConnection();
      server.wss.close();
      assert.strictEqual(
        await answer(server),
        rejection('503 Service Unavailable', 'Service Unavailable'),
      );
      const message = once(ws, 'message');
      client.send({ opcode: 'text', payload: 'foo' });
      await message;
    });

    it('is still told what is malformed', async () => {
      const server = await createServer();
      server.wss.close();
      assert.strictEqual(
        await answer(server, header('Sec-WebSocket-Key', 'foo')),
        rejection(STATUS_LINES[400], WS_KEY),
      );
    });
  });
});
