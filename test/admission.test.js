'use strict';

// Which handshakes are looked at: maxConnections, maxUpgradesPerSecond and
// allowedOrigins.

const assert = require('node:assert');
const { channel } = require('node:diagnostics_channel');

const { WebSocketServer } = require('./helpers/implementation');
const { once } = require('./helpers/events');
const { upgradeRequest } = require('./helpers/raw-client');
const { closePayload } = require('./helpers/frame');
const { closeServers, createServer } = require('./helpers/server');
const TokenBucket = require('../lib/token-bucket');

const SITE = 'https://example.com';

/** What is on the wire for a handshake that is refused. */
function refusal(status, body, headers = '') {
  return (
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/html\r\n` +
    `Content-Length: ${body.length}\r\n${headers}\r\n${body}`
  );
}

const FULL = refusal('503 Service Unavailable', 'Too many connections');
const TOO_FAST = refusal(
  '503 Service Unavailable',
  'Too many handshakes',
  'Retry-After: 1\r\n',
);
const FOREIGN = refusal('403 Forbidden', 'Origin not allowed');

/** All that a server answers to a handshake until it ends the connection. */
async function answer(server, options) {
  const client = await server.connect();
  client.write(upgradeRequest(options));
  return (await client.ended()).toString();
}

/** The status of the answer to a handshake that has an origin. */
async function statusFor(server, origin) {
  const client = await server.connect();
  client.write(upgradeRequest({ headers: { Origin: origin } }));
  return (await client.responseHead()).split(' ')[1];
}

async function closeCleanly({ client, ws }) {
  const closed = once(ws, 'close');
  client.send({ opcode: 'close', payload: closePayload(1000) });
  client.end();
  await closed;
}

/** What verifyClient is asked and has not answered yet. */
function verifyLater() {
  const questions = [];
  const waiting = [];
  return {
    verifyClient: (info, callback) => {
      questions.push(callback);
      if (waiting.length > 0) waiting.shift()(questions.shift());
    },
    asked: () =>
      new Promise((resolve) => {
        if (questions.length > 0) resolve(questions.shift());
        else waiting.push(resolve);
      }),
  };
}

function mustNotBeCalled() {
  throw new Error('This was work for a handshake that is refused');
}

afterEach(closeServers);

describe('maxConnections', () => {
  it('has one connection more refused with 503', async () => {
    const server = await createServer({ maxConnections: 2 });
    await server.open();
    await server.open();
    assert.strictEqual(await answer(server), FULL);
    const { accepted, open, refused } = server.wss.stats().connections;
    assert.deepStrictEqual([accepted, open, refused], [2, 2, 1]);
  });

  it('refuses before anything is done for the handshake', async () => {
    let isFirst = true;
    const server = await createServer({
      maxConnections: 1,
      allowedOrigins: mustNotBeCalled,
      handleProtocols: mustNotBeCalled,
      verifyClient: () => {
        assert.ok(isFirst);
        isFirst = false;
        return true;
      },
    });
    server.wss.on('wsClientError', mustNotBeCalled);
    await server.open();
    const headers = {
      Origin: SITE,
      'Sec-WebSocket-Key': 'foo',
      'Sec-WebSocket-Protocol': 'foo',
    };
    assert.strictEqual(await answer(server, { headers }), FULL);
  });

  it('gives a place back when a connection has ended', async () => {
    const server = await createServer({ maxConnections: 1 });
    for (let i = 0; i < 3; i++) {
      const connection = await server.open();
      assert.strictEqual(await answer(server), FULL);
      await closeCleanly(connection);
    }
    const { ws } = await server.open();
    const closed = once(ws, 'close');
    ws.terminate();
    await closed;
    await server.open();
  });

  it('holds without clientTracking', async () => {
    const server = await createServer({
      maxConnections: 1,
      clientTracking: false,
    });
    const connection = await server.open();
    assert.strictEqual(await answer(server), FULL);
    await closeCleanly(connection);
    await server.open();
  });

  it('counts those that verifyClient has not answered for', async () => {
    const { verifyClient, asked } = verifyLater();
    const server = await createServer({ maxConnections: 1, verifyClient });
    const client = await server.connect();
    client.write(upgradeRequest());
    const verify = await asked();
    assert.strictEqual(await answer(server), FULL);
    const connection = once(server.wss, 'connection');
    verify(true);
    await connection;
    assert.strictEqual(await answer(server), FULL);
  });

  it('counts them no more when they are refused', async () => {
    const { verifyClient, asked } = verifyLater();
    const server = await createServer({ maxConnections: 1, verifyClient });
    const refused = answer(server);
    (await asked())(false);
    assert.match(await refused, /^HTTP\/1\.1 401 /);
    const opened = server.open();
    (await asked())(true);
    await opened;
  });

  it('counts for each server on its own', async () => {
    const other = new WebSocketServer({ noServer: true, maxConnections: 1 });
    const server = await createServer({
      maxConnections: 1,
      onUpgrade(req, socket, head, wss) {
        (req.url === '/' ? wss : other).handleUpgrade(req, socket, head, (ws) =>
          wss.emit('connection', ws, req),
        );
      },
    });
    await server.open();
    await server.open({ path: '/other' });
    assert.strictEqual(await answer(server), FULL);
    assert.strictEqual(await answer(server, { path: '/other' }), FULL);
  });

  for (const max of [undefined, null, 0, Infinity]) {
    it(`${max} is no limit`, async () => {
      const server = await createServer({ maxConnections: max });
      for (let i = 0; i < 5; i++) await server.open();
    });
  }
});

describe('maxUpgradesPerSecond', () => {
  const { bigint } = process.hrtime;
  let time;

  beforeEach(() => {
    time = bigint();
    process.hrtime.bigint = () => time;
  });

  afterEach(() => {
    process.hrtime.bigint = bigint;
  });

  function pass(milliseconds) {
    time += BigInt(milliseconds) * 1000000n;
  }

  it('has handshakes above it refused with 503 and Retry-After', async () => {
    const server = await createServer({ maxUpgradesPerSecond: 3 });
    for (let i = 0; i < 3; i++) await server.open();
    assert.strictEqual(await answer(server), TOO_FAST);
    assert.strictEqual(server.wss.stats().connections.refused, 1);
  });

  it('has them accepted again at that rate', async () => {
    const server = await createServer({ maxUpgradesPerSecond: 2 });
    await server.open();
    await server.open();
    pass(499);
    assert.strictEqual(await answer(server), TOO_FAST);
    pass(1);
    await server.open();
    assert.strictEqual(await answer(server), TOO_FAST);
    pass(60 * 1000);
    await server.open();
    await server.open();
    assert.strictEqual(await answer(server), TOO_FAST);
  });

  it('counts handshakes that are refused for another reason', async () => {
    const server = await createServer({
      maxUpgradesPerSecond: 2,
      allowedOrigins: [],
    });
    const headers = { Origin: SITE };
    assert.strictEqual(await answer(server, { headers }), FOREIGN);
    headers['Sec-WebSocket-Key'] = 'foo';
    assert.strictEqual(await answer(server, { headers }), FOREIGN);
    assert.strictEqual(await answer(server, { headers }), TOO_FAST);
  });

  it('counts none that has found no place', async () => {
    const server = await createServer({
      maxConnections: 1,
      maxUpgradesPerSecond: 2,
    });
    const connection = await server.open();
    for (let i = 0; i < 5; i++) assert.strictEqual(await answer(server), FULL);
    await closeCleanly(connection);
    await server.open();
  });

  it('0 is no limit', async () => {
    const server = await createServer({ maxUpgradesPerSecond: 0 });
    for (let i = 0; i < 5; i++) await server.open();
  });
});

describe('A token bucket', () => {
  function take(bucket, now, count) {
    let taken = 0;
    for (let i = 0; i < count; i++) taken += bucket.take(now) ? 1 : 0;
    return taken;
  }

  for (const rate of [1, 2, 3, 7, 1000, 1e9]) {
    it(`of ${rate} tokens a second gives (1 + t) times that in t seconds`, () => {
      const count = Math.min(rate, 1000);
      const bucket = new TokenBucket(rate, 5000);
      assert.strictEqual(take(bucket, 5000, count), count);
      let taken = take(bucket, 5000, 1000);
      if (rate <= 1000) assert.strictEqual(taken, 0);
      for (let now = 5001; now <= 15000; now++) taken += take(bucket, now, 2);
      assert.ok(taken <= 10 * rate, `${taken} tokens`);
      // A rounding error may cost one.
      if (rate <= 1000) assert.ok(taken >= 10 * rate - 1, `${taken} tokens`);
    });
  }

  it('is full after a second, and no fuller later', () => {
    const bucket = new TokenBucket(10, 0);
    assert.strictEqual(take(bucket, 0, 20), 10);
    assert.strictEqual(take(bucket, 1000, 20), 10);
    assert.strictEqual(take(bucket, 1e9, 20), 10);
  });
});

describe('allowedOrigins', () => {
  const ORIGINS = [
    SITE,
    'http://localhost:8080',
    'http://[::1]:8080',
    'chrome-extension://abcdefghijklmnop',
    'capacitor://localhost',
  ];

  for (const origin of ORIGINS) {
    it(`has a page of ${origin} connect`, async () => {
      const server = await createServer({ allowedOrigins: ORIGINS });
      await server.open({ headers: { Origin: origin } });
    });
  }

  for (const origin of [
    'https://example.org',
    'http://example.com',
    'https://example.com:8443',
    'https://example.com.evil.org',
    'https://evil-example.com',
    'https://www.example.com',
    'https://example.com/',
    'HTTPS://EXAMPLE.COM',
    'null',
    'constructor',
    '__proto__',
    '',
    [SITE, 'https://evil.org'],
    ['https://evil.org', SITE],
  ]) {
    it(`has one of '${origin}' refused with 403`, async () => {
      const server = await createServer({ allowedOrigins: ORIGINS });
      const headers = { Origin: origin };
      assert.strictEqual(await answer(server, { headers }), FOREIGN);
      assert.strictEqual(server.wss.stats().connections.refused, 1);
    });
  }

  it('reads the origin of the drafts as well', async () => {
    const server = await createServer({ allowedOrigins: [SITE] });
    const headers = {
      'Sec-WebSocket-Version': '8',
      'Sec-WebSocket-Origin': 'https://evil.org',
    };
    assert.strictEqual(await answer(server, { headers }), FOREIGN);
    await server.open({
      headers: { ...headers, 'Sec-WebSocket-Origin': SITE },
    });
  });

  it('has clients connect that are no browsers and send none', async () => {
    const server = await createServer({ allowedOrigins: [] });
    await server.open();
  });

  it('refuses before anything else is looked at', async () => {
    const server = await createServer({
      allowedOrigins: [SITE],
      verifyClient: mustNotBeCalled,
    });
    server.wss.on('wsClientError', mustNotBeCalled);
    const headers = { Origin: 'https://evil.org', 'Sec-WebSocket-Key': 'foo' };
    assert.strictEqual(await answer(server, { headers }), FOREIGN);
  });

  it('is not changed by what becomes of the array', async () => {
    const allowedOrigins = [SITE];
    const server = await createServer({ allowedOrigins });
    allowedOrigins[0] = 'https://evil.org';
    assert.strictEqual(await statusFor(server, SITE), '101');
    assert.strictEqual(await statusFor(server, 'https://evil.org'), '403');
  });

  it('may be a function of the origin and the request', async () => {
    const calls = [];
    const server = await createServer({
      allowedOrigins: (...args) => {
        calls.push(args);
        return args[0] === SITE;
      },
    });
    const { req } = await server.open({ headers: { Origin: SITE } });
    assert.strictEqual(await statusFor(server, 'https://evil.org'), '403');
    assert.deepStrictEqual(
      calls.map(([origin, { url }]) => [origin, url]),
      [
        [SITE, '/'],
        ['https://evil.org', '/'],
      ],
    );
    assert.strictEqual(calls[0][1], req);
  });

  it('has no function called without an origin', async () => {
    const server = await createServer({ allowedOrigins: mustNotBeCalled });
    await server.open();
  });

  for (const [what, result] of [
    ['undefined', undefined],
    ['1', 1],
    ['a promise of true', Promise.resolve(true)],
  ]) {
    it(`refuses if a function returns ${what}`, async () => {
      const server = await createServer({ allowedOrigins: () => result });
      assert.strictEqual(await statusFor(server, SITE), '403');
    });
  }

  it('tells the subscribers of ws-upgrade:refused', async () => {
    const messages = [];
    const listener = (message) => messages.push(message);
    const refused = channel('ws-upgrade:refused');
    refused.subscribe(listener);
    const server = await createServer({ allowedOrigins: [] });
    assert.strictEqual(await statusFor(server, SITE), '403');
    refused.unsubscribe(listener);
    assert.deepStrictEqual(
      messages.map(({ server: wss, request, socket, status, message }) => [
        wss === server.wss,
        request.headers.origin,
        socket === request.socket,
        status,
        message,
      ]),
      [[true, SITE, true, 403, 'Origin not allowed']],
    );
  });

  it('holds in a request handler', async () => {
    const server = await createServer({ allowedOrigins: [SITE] });
    server.http.removeAllListeners('upgrade');
    server.http.on('request', (req) => {
      server.wss.handleUpgrade(req, req.socket, Buffer.alloc(0), () => {});
    });
    const headers = { Origin: 'https://evil.org' };
    assert.strictEqual(await answer(server, { headers }), FOREIGN);
    assert.strictEqual(await statusFor(server, SITE), '101');
    for (const ws of server.wss.clients) ws.terminate();
  });
});

describe('A server', () => {
  function throws(options, name, message) {
    assert.throws(() => new WebSocketServer({ noServer: true, ...options }), {
      name,
      message,
    });
  }

  for (const option of ['maxConnections', 'maxUpgradesPerSecond']) {
    const message = `The "${option}" option must be a whole number; 0 means no limit`;

    for (const value of [-1, 0.5, NaN, -Infinity, 2 ** 60]) {
      it(`with ${option} ${value} is a RangeError`, () => {
        throws({ [option]: value }, 'RangeError', message);
      });
    }

    for (const value of ['1', true, [], {}, 1n]) {
      it(`with ${option} of the type ${typeof value} is a TypeError`, () => {
        throws({ [option]: value }, 'TypeError', message);
      });
    }
  }

  for (const value of [SITE, true, {}, new Set([SITE]), /x/]) {
    it(`with allowedOrigins ${value} is a TypeError`, () => {
      throws(
        { allowedOrigins: value },
        'TypeError',
        'The "allowedOrigins" option must be an array of origins, such as ' +
          "['https://example.com'], or a function (origin, req)",
      );
    });
  }

  for (const [value, type] of [
    [null, 'null'],
    [/x/, 'object'],
    [undefined, 'undefined'],
  ]) {
    it(`with an origin of the type ${type} is a TypeError`, () => {
      throws(
        { allowedOrigins: [SITE, value] },
        'TypeError',
        'The "allowedOrigins" option must have strings such as ' +
          `'https://example.com', not ${type}`,
      );
    });
  }

  const WRITE = "write 'https://example.com'";
  const OR_FUNCTION = `${WRITE}, or pass a function (origin, req)`;

  for (const [value, hint] of [
    ['https://example.com/', WRITE],
    ['https://example.com/path', WRITE],
    ['https://example.com:443', WRITE],
    ['HTTPS://Example.com', WRITE],
    ['https://user@example.com', WRITE],
    ['https://bücher.example', "write 'https://xn--bcher-kva.example'"],
    ['https://*.example.com', OR_FUNCTION],
    ['example.com', OR_FUNCTION],
    ['localhost:8080', OR_FUNCTION],
    ['*', OR_FUNCTION],
    ['null', OR_FUNCTION],
    ['', OR_FUNCTION],
    ['app://foo/bar', OR_FUNCTION],
  ]) {
    it(`with the origin '${value}' says: ${hint}`, () => {
      throws(
        { allowedOrigins: [value] },
        'TypeError',
        `The "allowedOrigins" option has '${value}', which no browser sends ` +
          `as an origin: ${hint}`,
      );
    });
  }
});
