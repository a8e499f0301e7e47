'use strict';

const assert = require('node:assert');

const { WebSocket, WebSocketServer } = require('../helpers/implementation');
const { encodeFrame } = require('../helpers/frame');
const { once } = require('../helpers/events');
const { KEY } = require('../helpers/raw-client');
const {
  KINDS,
  createConnection,
  createServer,
  forEachKind,
} = require('./helpers/sockets');
const { describeValue, trace } = require('./helpers/trace');

const SWITCHING_PROTOCOLS =
  'HTTP/1.1 101 Switching Protocols\r\n' +
  'Upgrade: websocket\r\n' +
  'Connection: Upgrade\r\n' +
  'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n';

const METHOD = 'Invalid HTTP method';
const UPGRADE = 'Invalid Upgrade header';
const WS_KEY = 'Missing or invalid Sec-WebSocket-Key header';
const VERSION = 'Missing or invalid Sec-WebSocket-Version header';
const PROTOCOL = 'Invalid Sec-WebSocket-Protocol header';
const VERSIONS_LINE = 'Sec-WebSocket-Version: 13, 8\r\n';

const STATUS_LINES = { 400: '400 Bad Request', 405: '405 Method Not Allowed' };

function rejection(statusLine, body, extraLines = '') {
  return (
    `HTTP/1.1 ${statusLine}\r\n` +
    'Connection: close\r\n' +
    'Content-Type: text/html\r\n' +
    `Content-Length: ${body.length}\r\n` +
    `${extraLines}\r\n${body}`
  );
}

function header(name, value) {
  return { headers: { [name]: value } };
}

function key(value) {
  return header('Sec-WebSocket-Key', value);
}

function version(value) {
  return header('Sec-WebSocket-Version', value);
}

function protocol(value) {
  return header('Sec-WebSocket-Protocol', value);
}

const MALFORMED_REQUESTS = [
  ['the method POST', { method: 'POST' }, 405, METHOD],
  ['the method HEAD', { method: 'HEAD' }, 405, METHOD],
  ['the method PUT', { method: 'PUT' }, 405, METHOD],
  ['the method OPTIONS', { method: 'OPTIONS' }, 405, METHOD],
  ['the Upgrade header "foo"', header('Upgrade', 'foo'), 400, UPGRADE],
  [
    'an Upgrade header that goes on behind websocket',
    header('Upgrade', 'websocketx'),
    400,
    UPGRADE,
  ],
  [
    'an Upgrade header that lists more than websocket',
    header('Upgrade', 'websocket, foo'),
    400,
    UPGRADE,
  ],
  [
    'an Upgrade header that names websocket behind another',
    header('Upgrade', 'h2c, websocket'),
    400,
    UPGRADE,
  ],
  [
    'an Upgrade header with a version',
    header('Upgrade', 'websocket/13'),
    400,
    UPGRADE,
  ],
  ['no key', key(undefined), 400, WS_KEY],
  ['an empty key', key(''), 400, WS_KEY],
  ['a key of 23 characters', key('GhlIHNhbXBsZSBub25jZQ=='), 400, WS_KEY],
  ['a key of 25 characters', key('AdGhlIHNhbXBsZSBub25jZQ=='), 400, WS_KEY],
  ['a key without padding', key('dGhlIHNhbXBsZSBub25jZQAA'), 400, WS_KEY],
  ['a key in base64url', key('d-hlIHNhbXBsZSBub25jZQ=='), 400, WS_KEY],
  ['a key with a space in it', key('dGhlIHNhbXBs SBub25jZQ=='), 400, WS_KEY],
  ['a key of one padding character', key(`${'A'.repeat(23)}=`), 400, WS_KEY],
  ['two keys', key([KEY, KEY]), 400, WS_KEY],
  ['no version', version(undefined), 400, VERSION],
  ['an empty version', version(''), 400, VERSION],
  ['the version 0', version('0'), 400, VERSION],
  ['the version 7', version('7'), 400, VERSION],
  ['the version 12', version('12'), 400, VERSION],
  ['the version 14', version('14'), 400, VERSION],
  ['the version 130', version('130'), 400, VERSION],
  ['the version -13', version('-13'), 400, VERSION],
  ['the version "x"', version('x'), 400, VERSION],
  ['two versions', version(['13', '8']), 400, VERSION],
  ['an empty list of subprotocols', protocol(''), 400, PROTOCOL],
  ['a subprotocol behind a comma', protocol(',foo'), 400, PROTOCOL],
  ['a comma behind the last subprotocol', protocol('foo,'), 400, PROTOCOL],
  ['an empty subprotocol', protocol('foo,,bar'), 400, PROTOCOL],
  ['a subprotocol with a space in it', protocol('foo bar'), 400, PROTOCOL],
  ['a subprotocol with a slash', protocol('foo/bar'), 400, PROTOCOL],
  ['a subprotocol with quotes', protocol('"foo"'), 400, PROTOCOL],
  ['a subprotocol beyond ASCII', protocol('fo\u00f6'), 400, PROTOCOL],
  ['a subprotocol offered twice', protocol('foo, bar, foo'), 400, PROTOCOL],
  [
    'a subprotocol offered twice in two headers',
    protocol(['foo', 'foo']),
    400,
    PROTOCOL,
  ],
];

const ACCEPTED_REQUESTS = [
  ['an Upgrade header in another case', header('Upgrade', 'WebSocket')],
  ['an Upgrade header in capitals', header('Upgrade', 'WEBSOCKET')],
  ['the version 8', version('8')],
  ['the version "013"', version('013')],
  ['the version "13.0"', version('13.0')],
  ['an absolute URL', { path: 'http://localhost/foo' }],
  ['a query', { path: '/foo?bar=baz' }],
  [
    'an offer of an extension that is not negotiated',
    header('Sec-WebSocket-Extensions', 'permessage-deflate'),
  ],
  [
    'an offer of an extension with a syntax error',
    header('Sec-WebSocket-Extensions', 'foo; ='),
  ],
  ['an Origin', header('Origin', 'http://example.com')],
  [
    'a Connection header that lists more than upgrade',
    header('Connection', 'keep-alive, Upgrade'),
  ],
  ['an empty Host header', header('Host', '')],
];

/** The value of Sec-WebSocket-Protocol and the subprotocol that is taken. */
const OFFERED_PROTOCOLS = [
  ['one', 'foo', 'foo'],
  ['two', 'foo, bar', 'foo'],
  ['two without a space', 'foo,bar', 'foo'],
  ['two in two headers', ['foo', 'bar'], 'foo'],
  ['two with tabs around the comma', 'foo\t,\tbar', 'foo'],
  ['one of all characters of a token', "a1!#$%&'*+-.^_`|~", undefined],
  ['one in capitals', 'FOO', 'FOO'],
  ['two that differ in case', 'Foo, foo', 'Foo'],
  ['one named like a property', 'constructor', 'constructor'],
];

describe('Parity: a handshake', () => {
  forEachKind(KINDS, (kind) => {
    it('is answered with these lines', async () => {
      const { client } = await createConnection(kind);
      assert.strictEqual(client.response, `${SWITCHING_PROTOCOLS}\r\n`);
    });

    it('is answered with the accept key of its own key', async () => {
      const server = await createServer(kind);
      const { client } = await server.open(key('x3JJHMbDL1EzLkh9GBhXDw=='));
      assert.strictEqual(
        client.response,
        'HTTP/1.1 101 Switching Protocols\r\n' +
          'Upgrade: websocket\r\n' +
          'Connection: Upgrade\r\n' +
          'Sec-WebSocket-Accept: HSmrc0sMlYUkAGmm5OPpG2HaGWk=\r\n\r\n',
      );
    });

    for (const [what, request] of ACCEPTED_REQUESTS) {
      it(`may have ${what}`, async () => {
        const server = await createServer(kind);
        const { client, ws } = await server.open(request);
        assert.strictEqual(client.response, `${SWITCHING_PROTOCOLS}\r\n`);
        assert.strictEqual(ws.extensions, '');
        assert.strictEqual(ws.protocol, '');
      });
    }

    for (const [what, request, status, message] of MALFORMED_REQUESTS) {
      it(`with ${what} is refused`, async () => {
        const server = await createServer(kind, {
          onConnection: () => assert.fail('must not be called'),
        });
        const isHead = request.method === 'HEAD';
        assert.strictEqual(
          await server.answer(request),
          rejection(
            STATUS_LINES[status],
            message,
            message === VERSION ? VERSIONS_LINE : '',
          ),
          isHead ? 'with a body even to HEAD' : undefined,
        );
      });
    }

    for (const [what, request, , message] of [
      MALFORMED_REQUESTS[0],
      MALFORMED_REQUESTS.find((row) => row[3] === UPGRADE),
      MALFORMED_REQUESTS.find((row) => row[3] === WS_KEY),
      MALFORMED_REQUESTS.find((row) => row[3] === VERSION),
      MALFORMED_REQUESTS.find((row) => row[3] === PROTOCOL),
    ]) {
      it(`with ${what} goes to a listener of 'wsClientError' instead`, async () => {
        const server = await createServer(kind);
        const events = [];
        server.wss.on('wsClientError', (error, socket, req, ...rest) => {
          events.push([describeValue(error), req.method, rest.length]);
          socket.end('HTTP/1.1 418 Teapot\r\n\r\n');
        });
        assert.strictEqual(
          await server.answer(request),
          'HTTP/1.1 418 Teapot\r\n\r\n',
        );
        assert.deepStrictEqual(events, [
          [['Error', undefined, message], request.method || 'GET', 0],
        ]);
      });
    }

    it("that shouldHandle() refuses does not emit 'wsClientError'", async () => {
      const server = await createServer(kind, { path: '/foo' });
      server.wss.on('wsClientError', () => assert.fail('must not be called'));
      assert.strictEqual(
        await server.answer({ path: '/bar' }),
        rejection('400 Bad Request', 'Bad Request'),
      );
    });

    for (const [path, isAccepted] of [
      ['/foo', true],
      ['/foo?bar', true],
      ['/foo/', false],
      ['/fooo', false],
      ['/', false],
      ['/FOO', false],
      ['/bar/../foo', false],
      ['/%66oo', false],
      ['/?/foo', false],
    ]) {
      it(`with the option path "/foo" is ${isAccepted ? 'accepted' : 'refused'} at "${path}"`, async () => {
        const server = await createServer(kind, { path: '/foo' });
        if (isAccepted) {
          const { client } = await server.open({ path });
          assert.strictEqual(client.response, `${SWITCHING_PROTOCOLS}\r\n`);
        } else {
          assert.strictEqual(
            await server.answer({ path }),
            rejection('400 Bad Request', 'Bad Request'),
          );
        }
      });
    }

    it('checks in this order: method, upgrade, key, version, path, subprotocols', async () => {
      const server = await createServer(kind, { path: '/foo' });
      const request = {
        method: 'POST',
        headers: {
          Upgrade: 'foo',
          'Sec-WebSocket-Key': undefined,
          'Sec-WebSocket-Version': '1',
          'Sec-WebSocket-Protocol': ',',
        },
      };
      const bodies = [];
      for (const repair of [
        () => {},
        () => (request.method = 'GET'),
        () => (request.headers.Upgrade = 'websocket'),
        () => (request.headers['Sec-WebSocket-Key'] = KEY),
        () => (request.headers['Sec-WebSocket-Version'] = '13'),
        () => (request.path = '/foo'),
      ]) {
        repair();
        bodies.push((await server.answer(request)).split('\r\n\r\n')[1]);
      }
      assert.deepStrictEqual(bodies, [
        METHOD,
        UPGRADE,
        WS_KEY,
        VERSION,
        'Bad Request',
        PROTOCOL,
      ]);
    });

    for (const [what, offered, taken = offered] of OFFERED_PROTOCOLS) {
      it(`takes the first subprotocol of ${what}`, async () => {
        const server = await createServer(kind);
        const { client, ws } = await server.open(protocol(offered));
        assert.strictEqual(
          client.response,
          `${SWITCHING_PROTOCOLS}Sec-WebSocket-Protocol: ${taken}\r\n\r\n`,
        );
        assert.strictEqual(ws.protocol, taken);
      });
    }

    it('takes the subprotocol that handleProtocols() returns', async () => {
      const calls = [];
      const server = await createServer(kind, {
        handleProtocols(...args) {
          const [protocols, req] = args;
          calls.push([
            this === server.wss.options,
            protocols instanceof Set,
            [...protocols],
            req.method,
            args.length,
          ]);
          return 'bar';
        },
      });
      const { client, ws } = await server.open(protocol('foo, bar'));
      assert.strictEqual(
        client.response,
        `${SWITCHING_PROTOCOLS}Sec-WebSocket-Protocol: bar\r\n\r\n`,
      );
      assert.strictEqual(ws.protocol, 'bar');
      assert.deepStrictEqual(calls, [[true, true, ['foo', 'bar'], 'GET', 2]]);
    });

    it('takes a subprotocol of handleProtocols() that was not offered', async () => {
      const server = await createServer(kind, { handleProtocols: () => 'baz' });
      const { client, ws } = await server.open(protocol('foo'));
      assert.strictEqual(
        client.response,
        `${SWITCHING_PROTOCOLS}Sec-WebSocket-Protocol: baz\r\n\r\n`,
      );
      assert.strictEqual(ws.protocol, 'baz');
    });

    for (const value of [['bar'], ['bar', 'baz'], 5, true]) {
      it(`has the text of ${JSON.stringify(value)} for a subprotocol if handleProtocols() returns that`, async () => {
        const server = await createServer(kind, {
          handleProtocols: () => value,
        });
        const { client, ws } = await server.open(protocol('foo, bar'));
        assert.strictEqual(
          client.response,
          `${SWITCHING_PROTOCOLS}Sec-WebSocket-Protocol: ${value}\r\n\r\n`,
        );
        assert.strictEqual(ws.protocol, value);
      });
    }

    for (const value of [false, null, undefined, '', 0]) {
      it(`has no subprotocol if handleProtocols() returns ${JSON.stringify(value)}`, async () => {
        const server = await createServer(kind, {
          handleProtocols: () => value,
        });
        const { client, ws } = await server.open(protocol('foo'));
        assert.strictEqual(client.response, `${SWITCHING_PROTOCOLS}\r\n`);
        assert.strictEqual(ws.protocol, '');
      });
    }

    it('does not ask handleProtocols() where none is offered', async () => {
      const server = await createServer(kind, {
        handleProtocols: () => assert.fail('must not be called'),
      });
      const { client } = await server.open();
      assert.strictEqual(client.response, `${SWITCHING_PROTOCOLS}\r\n`);
    });

    it("has the lines that a listener of 'headers' adds", async () => {
      const server = await createServer(kind);
      const events = [];
      server.wss.on('headers', (headers, req, ...rest) => {
        events.push([[...headers], req.method, rest.length]);
        headers.push('Set-Cookie: foo=bar', 'Foo: b\u00e4r');
      });
      const { client } = await server.open(protocol('foo'));
      assert.strictEqual(
        client.response,
        `${SWITCHING_PROTOCOLS}Sec-WebSocket-Protocol: foo\r\n` +
          `Set-Cookie: foo=bar\r\nFoo: b${
            // The response is written as UTF-8 and read as Latin-1.
            '\u00c3\u00a4'
          }r\r\n\r\n`,
      );
      assert.deepStrictEqual(events, [
        [
          [
            ...SWITCHING_PROTOCOLS.trimEnd().split('\r\n'),
            'Sec-WebSocket-Protocol: foo',
          ],
          'GET',
          0,
        ],
      ]);
    });

    it("has the lines as a listener of 'headers' has changed them", async () => {
      const server = await createServer(kind);
      server.wss.on('headers', (headers) => {
        headers[0] = 'HTTP/1.1 101 Foo';
        headers.splice(2, 1);
        headers.reverse();
        headers.reverse();
      });
      const { client } = await server.open();
      assert.strictEqual(
        client.response,
        'HTTP/1.1 101 Foo\r\nUpgrade: websocket\r\n' +
          'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n',
      );
    });

    it("emits 'headers', then calls back, then returns", async () => {
      const order = [];
      const server = await createServer(kind, {
        onUpgrade(req, socket, head, wss) {
          const result = wss.handleUpgrade(req, socket, head, (...args) => {
            const [ws, request] = args;
            order.push([
              'callback',
              args.length,
              ws instanceof WebSocket,
              request === req,
              ws.readyState,
              wss.clients.has(ws),
            ]);
            wss.emit('connection', ws, req);
          });
          order.push(['returned', result]);
        },
      });
      server.wss.on('headers', () => order.push(['headers']));
      await server.open();
      assert.deepStrictEqual(order, [
        ['headers'],
        ['callback', 2, true, true, 1, true],
        ['returned', undefined],
      ]);
    });

    describe('with verifyClient', () => {
      it('of one parameter gets what is known of the client', async () => {
        const calls = [];
        const server = await createServer(kind, {
          verifyClient(info) {
            calls.push([
              this === server.wss.options,
              Object.keys(info),
              info.origin,
              info.secure,
              info.req.method,
            ]);
            return true;
          },
        });
        const { client } = await server.open(header('Origin', 'http://foo'));
        assert.strictEqual(client.response, `${SWITCHING_PROTOCOLS}\r\n`);
        assert.deepStrictEqual(calls, [
          [
            true,
            ['origin', 'secure', 'req'],
            'http://foo',
            kind === 'TLS',
            'GET',
          ],
        ]);
      });

      it('of the version 8 gets the origin of Sec-WebSocket-Origin', async () => {
        const origins = [];
        const server = await createServer(kind, {
          verifyClient: (info) => origins.push(info.origin),
        });
        await server.open({
          headers: {
            'Sec-WebSocket-Version': '8',
            'Sec-WebSocket-Origin': 'http://foo',
            Origin: 'http://bar',
          },
        });
        await server.open();
        assert.deepStrictEqual(origins, ['http://foo', undefined]);
      });

      for (const value of [false, undefined, null, 0, '']) {
        it(`is refused if it returns ${JSON.stringify(value)}`, async () => {
          const server = await createServer(kind, {
            verifyClient: (info) => (info ? value : true),
          });
          assert.strictEqual(
            await server.answer(),
            rejection('401 Unauthorized', 'Unauthorized'),
          );
        });
      }

      it('is accepted if it calls back with true', async () => {
        const server = await createServer(kind, {
          verifyClient: (info, callback) => setImmediate(callback, true),
        });
        const { client } = await server.open(protocol('foo'));
        assert.strictEqual(
          client.response,
          `${SWITCHING_PROTOCOLS}Sec-WebSocket-Protocol: foo\r\n\r\n`,
        );
      });

      for (const [what, args, statusLine, body, extraLines] of [
        ['false', [false], '401 Unauthorized', 'Unauthorized'],
        ['a code', [false, 404], '404 Not Found', 'Not Found'],
        ['a code and a message', [false, 404, 'foo'], '404 Not Found', 'foo'],
        ['an empty message', [false, 403, ''], '403 Forbidden', 'Forbidden'],
        [
          'a code, a message and headers',
          [false, 401, 'foo', { 'Retry-After': 120, Foo: 'bar' }],
          '401 Unauthorized',
          'foo',
          'Retry-After: 120\r\nFoo: bar\r\n',
        ],
        ['an unknown code', [false, 599, 'foo'], '599 undefined', 'foo'],
        ['the code 0', [false, 0], '401 Unauthorized', 'Unauthorized'],
      ]) {
        it(`is refused as it says that calls back with ${what}`, async () => {
          const server = await createServer(kind, {
            verifyClient: (info, callback) => setImmediate(callback, ...args),
          });
          assert.strictEqual(
            await server.answer(),
            rejection(statusLine, body, extraLines),
          );
        });
      }

      it('has headers that replace those of the refusal', async () => {
        const server = await createServer(kind, {
          verifyClient: (info, callback) =>
            callback(false, 401, 'foo', { 'Content-Type': 'text/plain' }),
        });
        assert.strictEqual(
          await server.answer(),
          'HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n' +
            'Content-Type: text/plain\r\nContent-Length: 3\r\n\r\nfoo',
        );
      });

      it('has a message whose length is counted in bytes', async () => {
        const server = await createServer(kind, {
          verifyClient: (info, callback) => callback(false, 401, '\u20ac'),
        });
        const answer = await server.answer();
        assert.match(answer, /\r\nContent-Length: 3\r\n/);
        assert.strictEqual(
          Buffer.from(answer.slice(-3), 'latin1').toString(),
          '\u20ac',
        );
      });

      it('is answered with 503 if the server closes before it calls back', async () => {
        const server = await createServer(kind, {
          verifyClient(info, callback) {
            server.wss.close();
            callback(true);
          },
        });
        assert.strictEqual(
          await server.answer(),
          rejection('503 Service Unavailable', 'Service Unavailable'),
        );
      });

      it('is not asked about a malformed request', async () => {
        const server = await createServer(kind, {
          verifyClient: () => assert.fail('must not be called'),
        });
        assert.strictEqual(
          await server.answer(protocol(',')),
          rejection('400 Bad Request', PROTOCOL),
        );
      });

      it('has frames that come while it waits read once it is open', async () => {
        let callBack;
        const server = await createServer(kind, {
          verifyClient: (info, callback) => {
            callBack = callback;
            server.wss.emit('asked', info.req);
          },
        });
        const asked = once(server.wss, 'asked');
        const opening = server.open({
          head: encodeFrame({ opcode: 'text', payload: 'foo' }),
        });
        await asked;
        const connected = once(server.wss, 'connection');
        callBack(true);
        const [ws] = await connected;
        const log = trace(ws);
        await once(ws, 'message');
        await opening;
        assert.deepStrictEqual(log, [
          ['message', 'Buffer 666f6f', false, 'OPEN'],
        ]);
      });
    });

    it('that comes while the server closes is answered with 503', async () => {
      const server = await createServer(kind);
      server.wss.close();
      assert.strictEqual(
        await server.answer(),
        rejection('503 Service Unavailable', 'Service Unavailable'),
      );
    });

    it('that comes when the server has closed is answered with 503', async () => {
      const server = await createServer(kind);
      await new Promise((resolve) => server.wss.close(resolve));
      assert.strictEqual(
        await server.answer(),
        rejection('503 Service Unavailable', 'Service Unavailable'),
      );
    });

    it('twice on one socket throws', async () => {
      let thrown;
      const server = await createServer(kind, {
        onUpgrade(req, socket, head, wss) {
          wss.handleUpgrade(req, socket, head, (ws) => {
            try {
              new WebSocketServer({ noServer: true }).handleUpgrade(
                req,
                socket,
                head,
                () => assert.fail('must not be called'),
              );
            } catch (error) {
              thrown = error;
            }
            wss.emit('connection', ws, req);
          });
        },
      });
      const { client, ws } = await server.open();
      ws.send('foo');
      await client.expect('8103666f6f');
      assert.deepStrictEqual(describeValue(thrown), [
        'Error',
        undefined,
        'server.handleUpgrade() was called more than once with the same ' +
          'socket, possibly due to a misconfiguration',
      ]);
    });

    it('on a socket that was destroyed calls nothing back', async () => {
      let socketOfServer;
      const server = await createServer(kind, {
        onUpgrade(req, socket, head, wss) {
          socketOfServer = socket;
          socket.destroy();
          wss.handleUpgrade(req, socket, head, () =>
            assert.fail('must not be called'),
          );
        },
      });
      assert.strictEqual(await server.answer(), '');
      assert.strictEqual(socketOfServer.destroyed, true);
      assert.strictEqual(server.wss.clients.size, 0);
    });

    it('on a socket that has ended calls nothing back', async () => {
      const server = await createServer(kind, {
        onUpgrade(req, socket, head, wss) {
          socket.end('foo');
          wss.handleUpgrade(req, socket, head, () =>
            assert.fail('must not be called'),
          );
        },
      });
      const client = await server.request();
      await client.ended();
      assert.strictEqual(server.wss.clients.size, 0);
    });

    it('has frames behind it that are read in their order', async () => {
      let log;
      const server = await createServer(kind, {
        onConnection(ws) {
          log = trace(ws);
          ws.on('message', (data) => ws.send(data));
        },
      });
      const frames = ['foo', 'bar'].map((payload) =>
        encodeFrame({ opcode: 'text', payload }),
      );
      const client = await server.request({ head: Buffer.concat(frames) });
      await client.responseHead();
      await client.expect('8203666f6f8203626172');
      assert.deepStrictEqual(log, [
        ['message', 'Buffer 666f6f', false, 'OPEN'],
        ['message', 'Buffer 626172', false, 'OPEN'],
      ]);
    });

    it('has a part of a frame behind it', async () => {
      const server = await createServer(kind);
      const frame = encodeFrame({ opcode: 'text', payload: 'foo' });
      const { client, ws } = await server.open({ head: frame.subarray(0, 5) });
      const message = once(ws, 'message');
      client.write(frame.subarray(5));
      assert.deepStrictEqual((await message).map(describeValue), [
        'Buffer 666f6f',
        false,
      ]);
    });
  });
});
