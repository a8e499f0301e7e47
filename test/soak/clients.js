'use strict';

// What clients of a soak do: each function gets a socket on which a handshake
// is over, or none was begun, and does one thing to the server. It also gets the
// socket that this is carried by, to reset it: the same one without TLS.

const net = require('node:net');
const tls = require('node:tls');
const zlib = require('node:zlib');

const { closePayload, encodeFrame } = require('../helpers/frame');
const { PRE_SHARED } = require('../helpers/tls');

const HANDSHAKE =
  'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n' +
  'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
const OFFER = 'Sec-WebSocket-Extensions: permessage-deflate\r\n';

const RSV1 = 4;
const NOISE = Buffer.from(
  Array.from({ length: 1 << 16 }, (_, i) => (i * 2654435761) >>> 24),
);

/** 8 MiB in a few KiB: more than the server takes. */
const BOMB = zlib
  .deflateRawSync(Buffer.alloc(8 << 20), {
    finishFlush: zlib.constants.Z_SYNC_FLUSH,
  })
  .subarray(0, -4);

function compressed(text) {
  return zlib
    .deflateRawSync(text, { finishFlush: zlib.constants.Z_SYNC_FLUSH })
    .subarray(0, -4);
}

/** Frames that break the protocol, each in a way of its own. */
const BROKEN = [
  encodeFrame({ opcode: 1, payload: 'unmasked', mask: false }),
  encodeFrame({ opcode: 3, payload: 'an opcode that there is not' }),
  encodeFrame({ opcode: 1, payload: Buffer.from('ff', 'hex') }),
  encodeFrame({ opcode: 0, payload: 'continues nothing' }),
  encodeFrame({ opcode: 9, payload: 'a'.repeat(126), lengthBits: 16 }),
  encodeFrame({ opcode: 8, payload: Buffer.from('0000', 'hex') }),
  encodeFrame({ opcode: 2, declaredLength: 1 << 30, lengthBits: 64 }),
  encodeFrame({ opcode: 1, rsv: RSV1, payload: Buffer.from('ffffff', 'hex') }),
  encodeFrame({ opcode: 2, rsv: RSV1, payload: BOMB }),
  Buffer.concat(
    Array.from({ length: 200 }, (_, i) =>
      encodeFrame({ opcode: i === 0 ? 1 : 0, fin: false }),
    ),
  ),
];

function messages(random) {
  const frames = [];

  for (let i = random.integer(1, 10); i > 0; i--) {
    const payload = NOISE.subarray(0, random.logUniform(NOISE.length - 1));

    if (random.chance(0.2)) {
      frames.push(encodeFrame({ opcode: 2, payload, fin: false }));
      frames.push(encodeFrame({ opcode: 9, payload: 'between' }));
      frames.push(encodeFrame({ opcode: 0, payload }));
    } else if (random.chance(0.5)) {
      const text = 'the same text, '.repeat(random.integer(1, 2000));
      frames.push(
        encodeFrame({ opcode: 1, rsv: RSV1, payload: compressed(text) }),
      );
    } else {
      frames.push(encodeFrame({ opcode: 2, payload }));
    }
  }
  return Buffer.concat(frames);
}

/** What a client does once it is connected; its share of all. */
const BEHAVIOURS = {
  talks: [
    30,
    (socket, random) => {
      socket.resume();
      socket.write(messages(random));
      socket.write(encodeFrame({ opcode: 8, payload: closePayload(1000) }));
    },
  ],
  'talks and resets': [
    10,
    (socket, random, plain) => {
      socket.resume();
      socket.write(messages(random), () => plain.resetAndDestroy());
    },
  ],
  'resets within a frame': [
    10,
    (socket, random, plain) => {
      const bytes = messages(random);

      socket.write(bytes.subarray(0, random.integer(1, bytes.length)), () =>
        plain.resetAndDestroy(),
      );
    },
  ],
  'ends without a close frame': [
    10,
    (socket, random) => {
      socket.resume();
      socket.end(messages(random));
    },
  ],
  'listens until it is too old or idle': [10, (socket) => socket.resume()],
  'reads nothing': [5, () => {}],
  'sends and reads nothing': [
    5,
    (socket, random) => {
      for (let i = 0; i < 20; i++) socket.write(messages(random));
    },
  ],
  'breaks the protocol': [
    20,
    (socket, random) => {
      socket.resume();
      socket.write(BROKEN[random.integer(0, BROKEN.length - 1)]);
    },
  ],
};

/** What a client does that never gets that far. */
const HANDSHAKES = {
  'is gone within the handshake': [
    5,
    (socket, random, plain) => {
      const end = random.integer(1, HANDSHAKE.length);

      socket.write(HANDSHAKE.slice(0, end), () => plain.resetAndDestroy());
    },
  ],
  'is refused': [
    5,
    (socket) => {
      socket.resume();
      socket.end(`${HANDSHAKE.replace('13', '7')}\r\n`);
    },
  ],
};

const ALL = Object.entries({ ...BEHAVIOURS, ...HANDSHAKES });
const TOTAL = ALL.reduce((sum, [, [share]]) => sum + share, 0);

function choose(random) {
  let number = random.integer(1, TOTAL);

  return ALL.find(([, [share]]) => (number -= share) <= 0);
}

/**
 * Connects a client that does what chance has for it, and waits until it is
 * gone.
 *
 * @param {{port: number, isTls: boolean}} server
 * @param {Random} random
 * @returns {Promise<string>} what it did
 */
function runClient({ port, isTls }, random) {
  const [name, [, act]] = choose(random);

  return new Promise((resolve) => {
    const plain = net.connect({ port, host: '127.0.0.1' });
    const socket = isTls
      ? tls.connect({ socket: plain, ...PRE_SHARED.client })
      : plain;
    // Whoever does not read does not see its connection end.
    const timer = setTimeout(() => plain.destroy(), 15000);

    plain.on('error', () => {});
    socket.on('error', () => {});
    plain.on('close', () => {
      clearTimeout(timer);
      resolve(name);
    });
    if (name in HANDSHAKES) {
      act(socket, random, plain);
      return;
    }
    socket.write(HANDSHAKE + OFFER + '\r\n');
    socket.once('data', () => {
      socket.pause();
      act(socket, random, plain);
    });
  });
}

module.exports = { runClient };
