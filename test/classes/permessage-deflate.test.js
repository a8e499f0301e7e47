'use strict';

const assert = require('node:assert');
const { execFile } = require('node:child_process');
const zlib = require('node:zlib');

const ws = require('ws');

const { betterThanWs, modulePath } = require('../helpers/implementation');

const { PerMessageDeflate, extension } = require(modulePath);

const NAME = 'permessage-deflate';

/** ms; what hangs fails then. */
const CHILD_TIMEOUT = 15000;

const FLAGS = [undefined, true, false];
const BITS = [undefined, true, false, 8, 10, 15];

/** Offers that differ in every way that counts, and invalid ones. */
const OFFERS = [
  '',
  '; server_no_context_takeover',
  '; client_no_context_takeover',
  '; server_max_window_bits=8',
  '; server_max_window_bits=10',
  '; server_max_window_bits=15',
  '; client_max_window_bits',
  '; client_max_window_bits=8',
  '; client_max_window_bits=10',
  '; client_max_window_bits=15',
  '; client_max_window_bits; server_max_window_bits=9',
  '; server_no_context_takeover; client_no_context_takeover; ' +
    'server_max_window_bits=12; client_max_window_bits=12',
];

const INVALID = [
  ['server_no_context_takeover=1', 'server_no_context_takeover', '1'],
  ['client_no_context_takeover=1', 'client_no_context_takeover', '1'],
  ['server_max_window_bits', 'server_max_window_bits', 'true'],
  ['server_max_window_bits=7', 'server_max_window_bits', '7'],
  ['server_max_window_bits=16', 'server_max_window_bits', '16'],
  ['server_max_window_bits=a', 'server_max_window_bits', 'a'],
  ['client_max_window_bits=7', 'client_max_window_bits', '7'],
  ['client_max_window_bits=16', 'client_max_window_bits', '16'],
  ['client_max_window_bits=9.5', 'client_max_window_bits', '9.5'],
];

function parse(...offers) {
  return extension.parse(offers.map((offer) => NAME + offer).join(', '))[NAME];
}

/** An instance that has accepted an offer or a response. */
function create(options, ...offers) {
  const perMessageDeflate = new PerMessageDeflate(options);
  perMessageDeflate.accept(parse(...(offers.length > 0 ? offers : [''])));
  return perMessageDeflate;
}

function createServer(options, ...offers) {
  return create({ isServer: true, ...options }, ...offers);
}

/** Calls compress() or decompress(); resolves with the bytes. */
function call(perMessageDeflate, method, data, fin = true) {
  return new Promise((resolve, reject) => {
    perMessageDeflate[method](data, fin, (err, result) => {
      if (err) reject(err);
      else resolve(result);
    });
  });
}

async function compressToHex(perMessageDeflate, data, fin) {
  return (await call(perMessageDeflate, 'compress', data, fin)).toString('hex');
}

async function decompressToText(perMessageDeflate, hex, fin) {
  const data = Buffer.from(hex, 'hex');
  return (await call(perMessageDeflate, 'decompress', data, fin)).toString();
}

function statusCode(err) {
  const key = Object.getOwnPropertySymbols(err).find(
    ({ description }) => description === 'status-code',
  );
  return key && err[key];
}

/** What a negotiation gives, in a form that can be compared. */
function negotiate(Class, options, offers) {
  const perMessageDeflate = new Class(options);
  const result = { offer: perMessageDeflate.offer() };
  try {
    result.params = perMessageDeflate.accept(parse(...offers));
    assert.strictEqual(perMessageDeflate.params, result.params);
  } catch (err) {
    result.error = `${err.name}: ${err.message}`;
    assert.strictEqual(perMessageDeflate.params, null);
  }
  return JSON.parse(JSON.stringify(result));
}

function createOptions() {
  const list = [];
  for (const isServer of [true, false]) {
    for (const serverNoContextTakeover of FLAGS) {
      for (const clientNoContextTakeover of FLAGS) {
        for (const serverMaxWindowBits of BITS) {
          for (const clientMaxWindowBits of BITS) {
            list.push({
              isServer,
              serverNoContextTakeover,
              clientNoContextTakeover,
              serverMaxWindowBits,
              clientMaxWindowBits,
            });
          }
        }
      }
    }
  }
  return list;
}

describe('PerMessageDeflate', () => {
  it('has the name of the extension', () => {
    assert.strictEqual(PerMessageDeflate.name, 'PerMessageDeflate');
    assert.strictEqual(PerMessageDeflate.extensionName, NAME);
    assert.strictEqual(PerMessageDeflate.length, 1);
  });

  it('needs no options', () => {
    for (const options of [undefined, null, {}]) {
      const perMessageDeflate = new PerMessageDeflate(options);
      assert.strictEqual(perMessageDeflate.params, null);
      assert.deepStrictEqual(perMessageDeflate.offer(), {
        client_max_window_bits: true,
      });
    }
  });

  it('offers what the options ask for', () => {
    const perMessageDeflate = new PerMessageDeflate({
      serverNoContextTakeover: true,
      clientNoContextTakeover: true,
      serverMaxWindowBits: 10,
      clientMaxWindowBits: 11,
    });
    assert.deepStrictEqual(perMessageDeflate.offer(), {
      server_no_context_takeover: true,
      client_no_context_takeover: true,
      server_max_window_bits: 10,
      client_max_window_bits: 11,
    });
  });

  describe('accept() of a server', () => {
    it('takes the first acceptable offer', () => {
      const perMessageDeflate = new PerMessageDeflate({
        isServer: true,
        serverMaxWindowBits: 11,
      });
      assert.deepStrictEqual(
        {
          ...perMessageDeflate.accept(
            parse(
              '; server_max_window_bits=10',
              '; server_max_window_bits=12; client_max_window_bits',
              '',
            ),
          ),
        },
        { server_max_window_bits: 11 },
      );
    });

    it('fails without an acceptable offer', () => {
      const perMessageDeflate = new PerMessageDeflate({
        isServer: true,
        serverNoContextTakeover: false,
      });
      assert.throws(
        () => perMessageDeflate.accept(parse('; server_no_context_takeover')),
        {
          name: 'Error',
          message: 'None of the extension offers can be accepted',
        },
      );
    });
  });

  describe('accept() of a client', () => {
    it('fails for what it has not offered', () => {
      assert.throws(
        () =>
          create(
            { clientNoContextTakeover: false },
            '; client_no_context_takeover',
          ),
        {
          name: 'Error',
          message: 'Unexpected parameter "client_no_context_takeover"',
        },
      );
      for (const clientMaxWindowBits of [false, 10]) {
        assert.throws(
          () => create({ clientMaxWindowBits }, '; client_max_window_bits=11'),
          {
            name: 'Error',
            message: 'Unexpected or invalid parameter "client_max_window_bits"',
          },
        );
      }
    });

    it('fails for client_max_window_bits without a number', () => {
      assert.throws(() => create({}, '; client_max_window_bits'), {
        name: 'TypeError',
        message: 'Invalid value for parameter "client_max_window_bits": true',
      });
    });
  });

  describe('accept()', () => {
    for (const [offer, name, value] of INVALID) {
      it(`fails for ${offer}`, () => {
        for (const isServer of [true, false]) {
          assert.throws(() => create({ isServer }, `; ${offer}`), {
            name: 'TypeError',
            message: `Invalid value for parameter "${name}": ${value}`,
          });
        }
      });
    }

    it('fails for an unknown parameter', () => {
      assert.throws(() => createServer({}, '', '; foo'), {
        name: 'Error',
        message: 'Unknown parameter "foo"',
      });
    });

    it('fails for a parameter that is there twice', () => {
      assert.throws(
        () =>
          createServer(
            {},
            '; server_no_context_takeover; server_no_context_takeover',
          ),
        {
          name: 'Error',
          message:
            'Parameter "server_no_context_takeover" must have only a single value',
        },
      );
    });

    it('has the results of ws for all options and offers', () => {
      for (const options of createOptions()) {
        for (const offers of [
          ...OFFERS.map((offer) => [offer]),
          OFFERS.slice(1),
          OFFERS.slice(4).reverse(),
        ]) {
          assert.deepStrictEqual(
            negotiate(PerMessageDeflate, options, offers),
            negotiate(ws.PerMessageDeflate, options, offers),
            JSON.stringify([options, offers]),
          );
        }
      }
    });
  });

  describe('compress()', () => {
    it('makes the example of RFC 7692, 7.2.3.1', async () => {
      for (const data of ['Hello', Buffer.from('Hello')]) {
        assert.strictEqual(
          await compressToHex(createServer(), data),
          'f248cdc9c90700',
        );
      }
    });

    it('refers to the message before', async () => {
      const perMessageDeflate = createServer();
      await compressToHex(perMessageDeflate, 'Hello');
      assert.strictEqual(
        await compressToHex(perMessageDeflate, 'Hello'),
        'f200110000',
      );
    });

    it('starts anew without context takeover', async () => {
      for (const perMessageDeflate of [
        createServer({}, '; server_no_context_takeover'),
        create({}, '; client_no_context_takeover'),
      ]) {
        for (let i = 0; i < 3; i++) {
          assert.strictEqual(
            await compressToHex(perMessageDeflate, 'Hello'),
            'f248cdc9c90700',
          );
        }
      }
    });

    it('makes fragments that end with an empty block', async () => {
      const perMessageDeflate = createServer();
      assert.strictEqual(
        await compressToHex(perMessageDeflate, 'He', false),
        'f24805000000ffff',
      );
      assert.strictEqual(
        await compressToHex(perMessageDeflate, 'llo'),
        'cac9c90700',
      );
    });

    it('makes one byte of nothing', async () => {
      const perMessageDeflate = createServer();
      for (let i = 0; i < 2; i++) {
        assert.strictEqual(await compressToHex(perMessageDeflate, ''), '00');
      }
    });

    it('uses zlibDeflateOptions', async () => {
      const perMessageDeflate = createServer({
        zlibDeflateOptions: { level: 0 },
      });
      assert.strictEqual(
        await compressToHex(perMessageDeflate, 'Hello'),
        '000500faff48656c6c6f00',
      );
    });

    it('refers no further back than the negotiated window', async () => {
      const noise = Buffer.alloc(2000);
      for (let i = 0; i < noise.length; i++) noise[i] = (i * i * 7 + i) >> 3;
      const data = Buffer.concat([noise, noise]);
      const result = await call(
        createServer({}, '; server_max_window_bits=9'),
        'compress',
        data,
      );
      const inflate = zlib.inflateRawSync(
        Buffer.concat([result, Buffer.from('0000ffff', 'hex')]),
        { windowBits: 9, finishFlush: zlib.constants.Z_SYNC_FLUSH },
      );
      assert.deepStrictEqual(inflate, data);
    });

    it('runs one call after the other', async () => {
      const perMessageDeflate = createServer();
      const results = await Promise.all(
        ['Hello', 'Hello', ''].map((data) =>
          compressToHex(perMessageDeflate, data),
        ),
      );
      assert.deepStrictEqual(results, ['f248cdc9c90700', 'f200110000', '00']);
    });
  });

  describe('decompress()', () => {
    for (const [what, hex] of [
      ['one block', 'f248cdc9c90700'],
      ['a block without compression', '000500faff48656c6c6f00'],
      ['a block with BFINAL', 'f348cdc9c9070000'],
      ['two blocks', 'f24805000000ffffcac9c90700'],
    ]) {
      it(`takes ${what} (RFC 7692, 7.2.3)`, async () => {
        const perMessageDeflate = createServer();
        for (let i = 0; i < 2; i++) {
          assert.strictEqual(
            await decompressToText(perMessageDeflate, hex),
            'Hello',
          );
        }
      });
    }

    it('takes what refers to the message before', async () => {
      const perMessageDeflate = createServer();
      await decompressToText(perMessageDeflate, 'f248cdc9c90700');
      assert.strictEqual(
        await decompressToText(perMessageDeflate, 'f200110000'),
        'Hello',
      );
    });

    it('fails for that without context takeover', async () => {
      const perMessageDeflate = createServer(
        {},
        '; client_no_context_takeover',
      );
      await decompressToText(perMessageDeflate, 'f248cdc9c90700');
      await assert.rejects(decompressToText(perMessageDeflate, 'f200110000'), {
        code: 'Z_DATA_ERROR',
      });
    });

    it('takes fragments', async () => {
      const perMessageDeflate = createServer();
      const parts = [
        await decompressToText(perMessageDeflate, 'f248cd', false),
        await decompressToText(perMessageDeflate, '', false),
        await decompressToText(perMessageDeflate, 'c9c90700', true),
      ];
      assert.strictEqual(parts.join(''), 'Hello');
    });

    it('fails with 1007 for invalid data, and takes the next message', async () => {
      const perMessageDeflate = createServer();
      await assert.rejects(
        decompressToText(perMessageDeflate, 'ffffff'),
        (err) => {
          assert.strictEqual(err.code, 'Z_DATA_ERROR');
          assert.strictEqual(err.errno, -3);
          assert.strictEqual(err.message, 'invalid block type');
          assert.strictEqual(statusCode(err), 1007);
          return true;
        },
      );
      assert.strictEqual(
        await decompressToText(perMessageDeflate, 'f248cdc9c90700'),
        'Hello',
      );
    });

    for (const size of [100, 16384, 16385, 1000000]) {
      it(`limits ${size} bytes by maxPayload`, async () => {
        const data = await call(createServer(), 'compress', Buffer.alloc(size));
        for (const maxPayload of [0, size, size + 1]) {
          const result = await call(
            createServer({ maxPayload }),
            'decompress',
            data,
          );
          assert.strictEqual(result.length, size);
        }
        const perMessageDeflate = createServer({ maxPayload: size - 1 });
        await assert.rejects(
          call(perMessageDeflate, 'decompress', data),
          (err) => {
            assert.strictEqual(err.name, 'RangeError');
            assert.strictEqual(err.code, 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH');
            assert.strictEqual(err.message, 'Max payload size exceeded');
            assert.strictEqual(statusCode(err), 1009);
            return true;
          },
        );
        assert.strictEqual(
          await decompressToText(perMessageDeflate, 'f248cdc9c90700'),
          'Hello',
        );
      });
    }
  });

  it('decompresses what ws has compressed, and the other way round', async () => {
    for (const offer of OFFERS) {
      for (const [Client, Server] of [
        [PerMessageDeflate, ws.PerMessageDeflate],
        [ws.PerMessageDeflate, PerMessageDeflate],
      ]) {
        const server = new Server({ isServer: true });
        const client = new Client();
        const params = server.accept(parse(offer));
        client.accept(
          extension.parse(extension.format({ [NAME]: params }))[NAME],
        );
        for (const [from, to] of [
          [client, server],
          [server, client],
        ]) {
          for (let size = 1; size < 300000; size *= 7) {
            const data = Buffer.alloc(size, `message of ${size} bytes, `);
            const compressed = await call(from, 'compress', data);
            assert.deepStrictEqual(
              await call(to, 'decompress', compressed),
              data,
            );
          }
        }
      }
    }
  });

  describe('cleanup()', () => {
    it('fails what compress() is working on', async () => {
      const perMessageDeflate = createServer();
      const pending = call(perMessageDeflate, 'compress', Buffer.alloc(1000));
      perMessageDeflate.cleanup();
      perMessageDeflate.cleanup();
      await assert.rejects(pending, {
        name: 'Error',
        message: 'The deflate stream was closed while data was being processed',
      });
    });

    it('fails what decompress() is working on, which ws does not', async () => {
      await betterThanWs(async () => {
        const perMessageDeflate = createServer();
        const hex = 'f248cdc9c90700';
        const pending = [1, 2].map(() =>
          decompressToText(perMessageDeflate, hex),
        );
        perMessageDeflate.cleanup();
        for (const promise of pending) {
          await assert.rejects(promise, {
            message:
              'The inflate stream was closed while data was being processed',
          });
        }
      });
    });

    it('can be called in a callback, and what follows starts anew', async () => {
      const perMessageDeflate = createServer();
      for (let i = 0; i < 2; i++) {
        await new Promise((resolve) => {
          perMessageDeflate.compress('Hello', true, (err, data) => {
            perMessageDeflate.cleanup();
            assert.strictEqual(err, null);
            assert.strictEqual(data.toString('hex'), 'f248cdc9c90700');
            resolve();
          });
        });
      }
    });
  });

  for (const limit of [1, 2, 0]) {
    it(`runs as many calls at a time as the limit ${limit} says`, async () => {
      const output = await new Promise((resolve, reject) => {
        const f = (implementation, concurrencyLimit) => {
          const zlibModule = require('zlib');
          const original = zlibModule.createDeflateRaw;
          let started = 0;
          Object.defineProperty(zlibModule, 'createDeflateRaw', {
            value: (...args) => {
              started++;
              return original(...args);
            },
          });
          const { PerMessageDeflate: Class } = require(implementation);
          const all = [concurrencyLimit, 10, 10, 10, 10].map((value) => {
            const instance = new Class({ concurrencyLimit: value });
            instance.accept([{}]);
            return instance;
          });
          let left = all.length;
          for (const instance of all) {
            instance.compress('Hello', true, () => {
              if (--left === 0) console.log(`all of ${started}`);
            });
          }
          console.log(`${started} at once`);
        };
        const args = [modulePath, limit].map((arg) => JSON.stringify(arg));
        execFile(
          process.execPath,
          ['-e', `(${f})(${args})`],
          { timeout: CHILD_TIMEOUT },
          (err, stdout) => (err ? reject(err) : resolve(stdout)),
        );
      });
      assert.strictEqual(output, `${limit || 5} at once\nall of 5\n`);
    });
  }
});
