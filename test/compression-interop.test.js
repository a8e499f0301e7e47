'use strict';

// permessage-deflate between this server and the client of `ws`: every
// agreement that there can be, and every size around a limit.

const assert = require('node:assert');

const { OFFER, sample } = require('./helpers/deflate');
const { once } = require('./helpers/events');
const { closeServers, createServer } = require('./helpers/server');
const { connectWs } = require('./helpers/ws-client');

const WINDOW_BITS = [8, 9, 10, 11, 12, 13, 14, 15];
const BOTH = [false, true];

/** Each agreement is tried with these, which repeat parts of each other. */
const SEQUENCE = [
  ['words', 300, 0],
  ['words', 1500, 100],
  ['words', 40000, 0],
  ['random', 2000, 0],
  ['words', 10, 1000],
  ['words', 1500, 100],
].map((args) => sample(...args));

/**
 * Around the lengths of a frame's header, the default threshold, what is
 * compressed on the loop, and what a length of 16 bits can say.
 */
const SIZES = [
  0, 1, 125, 126, 127, 1023, 1024, 1025, 16383, 16384, 16385, 65535, 65536,
  65537,
];
const MIB = 1 << 20;

/** Options of permessage-deflate, and the answer that they bring about. */
function agreement(serverForgets, clientForgets, serverBits, clientBits) {
  return {
    options: {
      serverNoContextTakeover: serverForgets || undefined,
      clientNoContextTakeover: clientForgets || undefined,
      serverMaxWindowBits: serverBits,
      clientMaxWindowBits: clientBits,
    },
    parameters: [
      OFFER,
      ...(serverForgets ? ['server_no_context_takeover'] : []),
      ...(clientForgets ? ['client_no_context_takeover'] : []),
      `server_max_window_bits=${serverBits}`,
      `client_max_window_bits=${clientBits}`,
    ].sort(),
  };
}

/** Collects the messages of a client, and waits until there are `count`. */
function collect(client, count) {
  return new Promise((resolve, reject) => {
    const messages = [];
    client.on('error', reject);
    client.on('close', (code) => {
      reject(
        new Error(`${messages.length} of ${count} messages, then ${code}`),
      );
    });
    client.on('message', (data, isBinary) => {
      messages.push({ data, isBinary });
      if (messages.length === count) resolve(messages);
    });
  });
}

function echo(ws) {
  ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }));
}

/** Cuts it in three, the second of which may be empty. */
function fragments(message) {
  const first = Math.floor(message.length / 3);
  const second = Math.floor((message.length * 2) / 3);
  return [
    message.subarray(0, first),
    message.subarray(first, second),
    message.subarray(second),
  ];
}

function sendInFragments(ws, message, binary) {
  fragments(message).forEach((part, i) => {
    ws.send(part, { binary, fin: i === 2 });
  });
}

/** Sends each message back as one frame and in fragments. */
function echoTwice(ws) {
  ws.on('message', (data, isBinary) => {
    ws.send(data, { binary: isBinary });
    sendInFragments(ws, data, isBinary);
  });
}

async function expectEchoes(client, how) {
  const answers = collect(client, SEQUENCE.length);
  SEQUENCE.forEach((message) => client.send(message));
  (await answers).forEach(({ data }, i) => {
    assert.ok(data.equals(SEQUENCE[i]), `${how}: message ${i} has changed`);
  });
  client.close(1000);
  assert.strictEqual((await once(client, 'close'))[0], 1000, how);
}

function describeTakeover(serverForgets, clientForgets) {
  return (
    `the server ${serverForgets ? 'forgets' : 'takes over'}, ` +
    `the client ${clientForgets ? 'forgets' : 'takes over'}`
  );
}

afterEach(closeServers);

describe('Compressed messages go to and fro with every window', () => {
  for (const serverForgets of BOTH) {
    for (const clientForgets of BOTH) {
      const takeover = describeTakeover(serverForgets, clientForgets);

      it(`that the server asks for: ${takeover}`, async () => {
        for (const serverBits of WINDOW_BITS) {
          for (const clientBits of WINDOW_BITS) {
            const { options, parameters } = agreement(
              serverForgets,
              clientForgets,
              serverBits,
              clientBits,
            );
            const server = await createServer({
              onConnection: echo,
              perMessageDeflate: { ...options, threshold: 0 },
            });
            const { client, answer } = await connectWs(server);
            assert.deepStrictEqual(answer.split('; ').sort(), parameters);
            await expectEchoes(client, answer);
            await server.close();
          }
        }
      });

      it(`that the client asks for: ${takeover}`, async () => {
        const server = await createServer({
          onConnection: echo,
          perMessageDeflate: { threshold: 0 },
        });
        for (const serverBits of WINDOW_BITS) {
          for (const clientBits of WINDOW_BITS) {
            const { options, parameters } = agreement(
              serverForgets,
              clientForgets,
              serverBits,
              clientBits,
            );
            const { client, answer } = await connectWs(server, options);
            assert.deepStrictEqual(answer.split('; ').sort(), parameters);
            await expectEchoes(client, answer);
          }
        }
      });
    }
  }
});

describe('Messages of every size go to and fro, whole and in fragments', () => {
  const AGREEMENTS = { 'as is the default': true };
  for (const serverForgets of BOTH) {
    for (const clientForgets of BOTH) {
      for (const bits of [9, 15]) {
        const how = `${bits} bits, ${describeTakeover(serverForgets, clientForgets)}`;
        AGREEMENTS[how] = {
          ...agreement(serverForgets, clientForgets, bits, bits).options,
          threshold: 0,
        };
      }
    }
  }

  for (const [how, perMessageDeflate] of Object.entries(AGREEMENTS)) {
    it(how, async () => {
      const server = await createServer({
        onConnection: echoTwice,
        perMessageDeflate,
      });
      const { client, answer } = await connectWs(server);
      assert.ok(answer.startsWith(OFFER), answer);
      const sent = ['random', 'words', 'text'].flatMap((kind) =>
        [...SIZES, ...(kind === 'text' ? [] : [MIB])].map((size) => ({
          message: sample(kind, size, (7 * size) % MIB),
          binary: kind !== 'text',
        })),
      );
      // Each one is sent twice and comes back twice.
      const answers = collect(client, 4 * sent.length);
      for (const { message, binary } of sent) {
        client.send(message, { binary });
        sendInFragments(client, message, binary);
      }
      (await answers).forEach(({ data, isBinary }, i) => {
        const { message, binary } = sent[Math.floor(i / 4)];
        assert.strictEqual(isBinary, binary);
        assert.ok(data.equals(message), `${message.length} bytes have changed`);
      });
    });
  }
});
