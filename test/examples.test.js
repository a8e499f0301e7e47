'use strict';

// The examples do what their README files say.

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const http = require('node:http');
const net = require('node:net');
const path = require('node:path');

const { once } = require('./helpers/events');
const {
  RawClient,
  destroyClients,
  upgradeRequest,
} = require('./helpers/raw-client');

const EXAMPLES = path.join(__dirname, '..', 'examples');
const GOODBYE = Buffer.from('\x03\xe9The server is being replaced', 'latin1');

/** Waits for output of a process that matches. */
function output(child, pattern) {
  return new Promise((resolve) => {
    let text = '';
    const onData = (data) => {
      text += data;
      const match = pattern.exec(text);
      if (match === null) return;
      child.stdout.removeListener('data', onData);
      resolve(match);
    };
    child.stdout.on('data', onData);
  });
}

/** Connects to an example, which is never a TLS server. */
async function connect(port) {
  const socket = net.connect(port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  return new RawClient(socket);
}

async function open(port) {
  const client = await connect(port);
  client.write(upgradeRequest());
  assert.match(await client.responseHead(), /^HTTP\/1\.1 101 /);
  return client;
}

/** Answers a GET of the path, on a connection of its own. */
async function get(port, pathname) {
  const request = http.get({
    agent: false,
    host: '127.0.0.1',
    path: pathname,
    port,
  });
  const [response] = await once(request, 'response');
  let body = '';
  response.setEncoding('utf8').on('data', (data) => {
    body += data;
  });
  await once(response, 'end');
  return { body, headers: response.headers, status: response.statusCode };
}

describe('The example', () => {
  let child;

  async function start(name, env) {
    child = spawn(process.execPath, [path.join(EXAMPLES, name, 'server.js')], {
      env: { ...process.env, PORT: '0', ...env },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [, port] = await output(child, /^Listening on port (\d+)\n/);
    return Number(port);
  }

  afterEach(() => {
    child.kill('SIGKILL');
    destroyClients();
  });

  describe('kubernetes', () => {
    it('is ready until SIGTERM, and serves until the cluster knows', async () => {
      const port = await start('kubernetes', { DRAIN_MS: '1000' });
      const client = await open(port);
      assert.strictEqual((await get(port, '/ready')).status, 200);
      child.kill('SIGTERM');
      while ((await get(port, '/ready')).status === 200);
      const late = await open(port);
      for (const one of [client, late]) {
        one.send({ opcode: 'text', payload: 'foo' });
        await one.expect('8103666f6f');
      }
      for (const one of [client, late]) {
        assert.deepStrictEqual((await one.frame()).payload, GOODBYE);
      }
    });

    it('ends by itself when its clients have closed', async () => {
      const port = await start('kubernetes', { DRAIN_MS: '0' });
      const clients = [await open(port), await open(port)];
      const exit = once(child, 'exit');
      const said = output(child, /^2 clients have closed, 0 were terminated\n/);
      child.kill('SIGTERM');
      for (const client of clients) {
        const { opcode, payload } = await client.frame();
        assert.strictEqual(opcode, 8);
        assert.deepStrictEqual(payload, GOODBYE);
        const late = await connect(port);
        late.write(upgradeRequest());
        assert.match(await late.responseHead(), /^HTTP\/1\.1 503 /);
        client.send({ opcode: 'close', payload });
        await client.ended();
        client.end();
      }
      await said;
      assert.deepStrictEqual(await exit, [0, null]);
    });

    it('ends in time if a client does not answer', async () => {
      const port = await start('kubernetes', {
        DRAIN_MS: '0',
        TIMEOUT_MS: '50',
      });
      await open(port);
      const exit = once(child, 'exit');
      const said = output(child, /^0 clients have closed, 1 were terminated\n/);
      child.kill('SIGTERM');
      await said;
      assert.deepStrictEqual(await exit, [0, null]);
    });
  });

  describe('metrics', () => {
    it('answers in the text format of Prometheus', async () => {
      const port = await start('metrics');
      const client = await open(port);
      client.send({ opcode: 'text', payload: 'foo' });
      await client.expect('8103666f6f');
      const broken = await open(port);
      broken.write('8380');
      await broken.expect('880203ea');

      const { body, headers, status } = await get(port, '/metrics');
      assert.strictEqual(status, 200);
      assert.strictEqual(
        headers['content-type'],
        'text/plain; version=0.0.4; charset=utf-8',
      );
      const samples = new Map();
      const types = new Map();
      assert.ok(body.endsWith('\n'));
      for (const line of body.slice(0, -1).split('\n')) {
        const comment = /^# (?:HELP \w+ .+|TYPE (\w+) (counter|gauge))$/.exec(
          line,
        );
        const sample = /^((\w+)(?:\{\w+="\w+"\})?) (\d+)$/.exec(line);
        assert.ok(comment !== null || sample !== null, line);
        if (comment !== null) {
          types.set(comment[1], comment[2]);
        } else {
          // A sample follows the type of its metric, and is there once.
          assert.ok(types.has(sample[2]), line);
          assert.ok(!samples.has(sample[1]), line);
          samples.set(sample[1], Number(sample[3]));
        }
      }
      assert.deepStrictEqual(
        [
          'websocket_connections_accepted_total',
          'websocket_messages_total{direction="received"}',
          'websocket_messages_total{direction="sent"}',
          'websocket_payload_bytes_total{direction="sent"}',
          'websocket_wire_bytes_total{direction="received"}',
          'websocket_errors_total{code="WS_ERR_INVALID_OPCODE"}',
          'websocket_terminations_total{cause="heartbeat"}',
        ].map((name) => samples.get(name)),
        [2, 1, 1, 3, 9 + 2, 1, 0],
      );
    });
  });
});
