'use strict';

const assert = require('node:assert');
const { Duplex } = require('node:stream');

const ws = require('ws');

const { modulePath } = require('../helpers/implementation');
const { once } = require('../helpers/events');
const { decodeFrame } = require('../helpers/frame');

const { Sender, extension, subprotocol } = require(modulePath);

const KEY = [0x37, 0xfa, 0x21, 0x3d];

/** Around every change of the form of a header. */
const SIZES = [
  0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 47, 48, 49, 124, 125, 126, 127, 128,
  1000, 65534, 65535, 65536, 65537, 200000,
];

const KINDS = {
  'a string': (bytes) => bytes.toString('latin1'),
  'a string of three bytes a character': (bytes) =>
    '\u20ac'.repeat(bytes.length),
  'a Buffer': (bytes) => bytes,
  'a Uint8Array': (bytes) => Uint8Array.from(bytes),
};

function setKey(key) {
  return (mask) => mask.set(key);
}

/** @returns {object[]} an object for each combination of the values */
function combinations(values) {
  return Object.entries(values).reduce(
    (list, [name, choices]) =>
      list.flatMap((options) =>
        choices.map((choice) => ({ ...options, [name]: choice })),
      ),
    [{}],
  );
}

/** What `Sender.frame()` makes of a payload, and of its argument. */
function frameWith(SenderClass, kind, size, { key, ...options }) {
  const bytes = Buffer.alloc(size);
  for (let i = 0; i < size; i++) bytes[i] = (i * 31 + 7) & 0x7f;
  const data = KINDS[kind](bytes);
  const maskBuffer = Buffer.alloc(4);
  const list = SenderClass.frame(data, {
    ...options,
    maskBuffer,
    generateMask: setKey(key),
  });

  return {
    list: list.map((part) => Buffer.from(part).toString('hex')),
    isData: list.map((part) => part === data),
    data: typeof data === 'string' ? data : Buffer.from(data).toString('hex'),
    maskBuffer: maskBuffer.toString('hex'),
  };
}

/** A stream that keeps what is written to it. */
class Sink extends Duplex {
  written = Buffer.alloc(0);

  _read() {}

  _write(chunk, encoding, callback) {
    this.written = Buffer.concat([this.written, chunk]);
    callback();
  }

  /** What was written, in hex. */
  get hex() {
    return this.written.toString('hex');
  }
}

function createSender(generateMask = setKey(KEY)) {
  const sink = new Sink();
  return { sink, sender: new Sender(sink, {}, generateMask) };
}

/** Resolves with the argument of the callback that `call` is given. */
function called(call) {
  return new Promise((resolve) => call(resolve));
}

/** The value of a call, or the name and the message of what it throws. */
function outcome(call, ...args) {
  try {
    return { value: call(...args) };
  } catch ({ name, message }) {
    return { name, message };
  }
}

describe('Sender.frame()', () => {
  for (const kind of Object.keys(KINDS)) {
    it(`frames ${kind} as ws does, with all options and sizes`, () => {
      for (const size of SIZES) {
        for (const options of combinations({
          fin: size > 1000 ? [true] : [true, false],
          opcode: size > 1000 ? [2] : [0, 1, 2, 8, 9, 10],
          rsv1: [false, true],
          mask: [false, true],
          readOnly: [false, true],
          key: [KEY, [0, 0, 0, 0], [255, 0, 0, 9]],
        })) {
          assert.deepStrictEqual(
            frameWith(Sender, kind, size, options),
            frameWith(ws.Sender, kind, size, options),
            `${size} ${JSON.stringify(options)}`,
          );
        }
      }
    });
  }

  it('returns one Buffer for an empty payload', () => {
    const options = { fin: true, opcode: 1 };
    assert.deepStrictEqual(Sender.frame('', options), [
      Buffer.from('8100', 'hex'),
    ]);
    const masked = { ...options, mask: true, generateMask: setKey(KEY) };
    assert.deepStrictEqual(Sender.frame(Buffer.alloc(0), masked), [
      Buffer.from('818037fa213d', 'hex'),
    ]);
  });

  it('returns a header and the payload itself', () => {
    const data = Buffer.from('foo');
    const list = Sender.frame(data, { fin: true, opcode: 2 });
    assert.strictEqual(list.length, 2);
    assert.deepStrictEqual(list[0], Buffer.from('8203', 'hex'));
    assert.strictEqual(list[1], data);
  });

  it('takes what is left out for false', () => {
    const list = Sender.frame('foo', { opcode: 0 });
    assert.strictEqual(Buffer.concat(list).toString('hex'), '0003666f6f');
  });

  it('masks in place, unless the data is read-only', () => {
    const options = {
      fin: true,
      opcode: 2,
      mask: true,
      generateMask: setKey(KEY),
    };
    const data = Buffer.from('Hello');
    const [frame] = Sender.frame(data, { ...options, readOnly: true });
    assert.strictEqual(frame.toString('hex'), '828537fa213d7f9f4d5158');
    assert.strictEqual(data.toString(), 'Hello');
    Sender.frame(data, options);
    assert.strictEqual(data.toString('hex'), '7f9f4d5158');
  });

  it('masks with random bytes by default', () => {
    const options = { fin: true, opcode: 2, mask: true };
    const keys = new Set();
    for (let i = 0; i < 10; i++) {
      const bytes = Buffer.concat(Sender.frame('foo', options));
      assert.strictEqual(decodeFrame(bytes).payload.toString(), 'foo');
      keys.add(bytes.toString('hex', 2, 6));
    }
    assert.ok(keys.size > 1);
  });

  it('writes random bytes to the buffer that it is given', () => {
    const maskBuffer = Buffer.alloc(4);
    const options = { fin: true, opcode: 2, mask: true, maskBuffer };
    const keys = new Set();
    for (let i = 0; i < 10; i++) {
      const bytes = Buffer.concat(Sender.frame('foo', options));
      assert.deepStrictEqual(bytes.subarray(2, 6), maskBuffer);
      keys.add(maskBuffer.toString('hex'));
    }
    assert.ok(keys.size > 1);
  });
});

describe('A Sender', () => {
  const WHOLE = { fin: true };

  it('sends text and bytes', () => {
    const { sink, sender } = createSender();
    sender.send('\u20ac', WHOLE);
    sender.send(Buffer.from('foo'), { ...WHOLE, binary: true });
    sender.send(new Uint16Array([1]), { ...WHOLE, binary: true });
    sender.send(new Uint8Array([1, 2]).buffer, { ...WHOLE, binary: true });
    assert.strictEqual(sink.hex, '8103e282ac8203666f6f8202010082020102');
  });

  it('masks without a change to the data', () => {
    const { sink, sender } = createSender();
    const data = Buffer.from('Hello');
    sender.send(data, { ...WHOLE, mask: true });
    assert.strictEqual(sink.hex, '818537fa213d7f9f4d5158');
    assert.strictEqual(data.toString(), 'Hello');
  });

  it('sends fragments, with control frames between', () => {
    const { sink, sender } = createSender();
    sender.send('a', { fin: false });
    sender.ping('', false);
    sender.send('b', { fin: false });
    sender.send('c', { fin: true });
    sender.send('d', { fin: true });
    assert.strictEqual(sink.hex, '0101618900000162800163810164');
  });

  it('sends pings and pongs', () => {
    const { sink, sender } = createSender();
    sender.ping('foo', false);
    sender.pong(Buffer.from('foo'), true);
    sender.pong(Buffer.alloc(125), false);
    assert.strictEqual(
      sink.hex,
      `8903666f6f8a8337fa213d51954e8a7d${'00'.repeat(125)}`,
    );
  });

  it('refuses pings and pongs of more than 125 bytes', () => {
    const { sink, sender } = createSender();
    const error = {
      name: 'RangeError',
      message: 'The data size must not be greater than 125 bytes',
    };
    assert.throws(() => sender.ping(Buffer.alloc(126), false), error);
    assert.throws(() => sender.pong('\u20ac'.repeat(42), false), error);
    assert.strictEqual(sink.hex, '');
  });

  it('sends close frames', () => {
    const { sink, sender } = createSender();
    sender.close();
    sender.close(1001);
    sender.close(3000, 'foo', false);
    sender.close(1000, Buffer.from('foo'), true);
    assert.strictEqual(
      sink.hex,
      '8800880203e988050bb8666f6f888537fa213d3412475258',
    );
  });

  it('refuses codes and reasons that a close frame must not have', () => {
    const { sink, sender } = createSender();
    const INVALID = {
      name: 'TypeError',
      message: 'First argument must be a valid error code number',
    };
    const TOO_LONG = {
      name: 'RangeError',
      message: 'The message must not be greater than 123 bytes',
    };
    for (const code of [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, '1000']) {
      assert.throws(() => sender.close(code), INVALID);
    }
    assert.throws(() => sender.close(1000, 'a'.repeat(124)), TOO_LONG);
    assert.throws(() => sender.close(1000, new Uint16Array(1)), {
      name: 'TypeError',
      message: 'Second argument must be a string or a Uint8Array',
    });
    assert.strictEqual(sink.hex, '');
  });

  it('calls back when a frame is written', async () => {
    const { sender } = createSender();
    for (const call of [
      (callback) => sender.send('foo', WHOLE, callback),
      (callback) => sender.ping('foo', false, callback),
      (callback) => sender.pong('foo', false, callback),
      (callback) => sender.close(1000, 'foo', false, callback),
    ]) {
      assert.ok(!(await called(call)));
    }
  });

  it('calls back with the error of a stream that is destroyed', async () => {
    const { sink, sender } = createSender();
    sink.on('error', () => {});
    sink.destroy();
    const error = await called((callback) =>
      sender.send('foo', WHOLE, callback),
    );
    assert.strictEqual(error.code, 'ERR_STREAM_DESTROYED');
  });

  it('writes frames that were made before', async () => {
    const { sink, sender } = createSender();
    const list = Sender.frame('foo', { fin: true, opcode: 1 });
    assert.ok(!(await called((callback) => sender.sendFrame(list, callback))));
    sender.sendFrame([Buffer.from('8100', 'hex')]);
    assert.strictEqual(sink.hex, '8103666f6f8100');
  });

  it('writes a frame in one piece', async () => {
    const pieces = [];
    const stream = new Duplex({
      read() {},
      writev(chunks, callback) {
        pieces.push(chunks.length);
        callback();
      },
    });
    const sender = new Sender(stream, {});
    await called((callback) => sender.send('foo', WHOLE, callback));
    assert.deepStrictEqual(pieces, [2]);
  });

  if (typeof Blob !== 'undefined') {
    it('sends what comes behind a Blob behind it', async () => {
      const { sink, sender } = createSender();
      sender.send(new Blob(['foo']), { ...WHOLE, binary: true });
      sender.send('a', { fin: false });
      sender.ping(new Blob(['']), false);
      await called((callback) => sender.send('b', WHOLE, callback));
      sender.close(1000);
      assert.strictEqual(sink.hex, '8203666f6f0101618900800162880203e8');
    });

    it('refuses a ping with a Blob of more than 125 bytes', () => {
      const { sender } = createSender();
      assert.throws(() => sender.ping(new Blob(['a'.repeat(126)]), false), {
        name: 'RangeError',
        message: 'The data size must not be greater than 125 bytes',
      });
    });

    it('calls back with an error if the stream ends before', async () => {
      const { sink, sender } = createSender();
      const closed = once(sink, 'close');
      const errors = [
        called((callback) => sender.send(new Blob(['a']), WHOLE, callback)),
        called((callback) => sender.send('b', WHOLE, callback)),
      ];
      sink.destroy();
      await closed;
      for (const error of await Promise.all(errors)) {
        assert.strictEqual(
          error.message,
          'The socket was closed while the blob was being read',
        );
      }
      assert.strictEqual(sink.hex, '');
    });

    it('tells of a Blob that cannot be read', async () => {
      const { sink, sender } = createSender();
      const failure = new Error('foo');
      const blob = new Blob(['a']);
      blob.arrayBuffer = () => Promise.reject(failure);
      const told = called((callback) => (sender.onerror = callback));
      const errors = [
        called((callback) => sender.send(blob, WHOLE, callback)),
        called((callback) => sender.send('b', WHOLE, callback)),
      ];
      assert.deepStrictEqual(await Promise.all(errors), [failure, failure]);
      assert.strictEqual(await told, failure);
      assert.strictEqual(sink.hex, '');
    });
  }
});

const PIECES = [
  ['foo', 'bar', 'a', '1', '__proto__', 'constructor', "!#$%&'*+-.^_`|~"],
  [',', ', ', ' ,', ';', '; ', '=', '"', '\\', ' ', '\t'],
  ['\u00e9', '\0', '(', '\n', '\u20ac', '"a"', 'a=1', '=""'],
].flat();

const HEADERS = [
  '',
  'foo',
  ' foo',
  'foo ',
  'foo\t,\tbar',
  'foo, foo',
  'foo;',
  'foo,',
  'foo; a; a=1; a="2"',
  'foo; a="1" ; b, foo; b=2',
  'foo; a=1\t',
  'foo; a =1',
  'foo; a= 1',
  'foo; a=""',
  'foo; a="\\b"',
  'foo; a="\\"',
  'foo; a="b c"',
  'foo; a="b"c',
  'foo; a="b',
  'foo=1',
  '__proto__; __proto__=1; constructor',
];

/** Every sequence of up to three pieces, which are some ten thousand. */
function* headers() {
  yield* HEADERS;
  for (const a of PIECES) {
    yield a;
    for (const b of PIECES) {
      yield a + b;
      for (const c of PIECES) {
        yield a + b + c;
        yield `foo; ${a}${b}${c}`;
      }
    }
  }
}

describe('extension', () => {
  it('parses and refuses headers as ws does', () => {
    for (const header of headers()) {
      assert.deepStrictEqual(
        outcome(extension.parse, header),
        outcome(ws.extension.parse, header),
        JSON.stringify(header),
      );
    }
  });

  it('parses a header', () => {
    const { foo, bar } = extension.parse('foo; a; a="1", bar, foo; b=2');
    assert.deepStrictEqual(
      foo.map((offer) => ({ ...offer })),
      [{ a: [true, '1'] }, { b: ['2'] }],
    );
    assert.deepStrictEqual(
      bar.map((offer) => ({ ...offer })),
      [{}],
    );
  });

  it('makes objects without a prototype', () => {
    const extensions = extension.parse('__proto__; constructor');
    assert.strictEqual(Object.getPrototypeOf(extensions), null);
    assert.deepStrictEqual(Object.keys(extensions), ['__proto__']);
    const [offer] = extensions['__proto__'];
    assert.strictEqual(Object.getPrototypeOf(offer), null);
    assert.deepStrictEqual(offer.constructor, [true]);
  });

  it('says where a header is wrong', () => {
    assert.throws(() => extension.parse('foo; a=b c'), {
      name: 'SyntaxError',
      message: 'Unexpected character at index 9',
    });
    assert.throws(() => extension.parse('foo; a="'), {
      name: 'SyntaxError',
      message: 'Unexpected end of input',
    });
  });

  it('formats what it has parsed', () => {
    for (const header of headers()) {
      const { value } = outcome(extension.parse, header);
      if (value === undefined) continue;
      const formatted = extension.format(value);
      assert.deepStrictEqual(extension.parse(formatted), value);
      assert.strictEqual(formatted, ws.extension.format(value));
    }
  });

  it('formats values and lists of them', () => {
    for (const [extensions, header] of [
      [{}, ''],
      [{ foo: {} }, 'foo'],
      [{ foo: { a: 1, b: true, c: 'd' } }, 'foo; a=1; b; c=d'],
      [{ foo: [{ a: [1, true] }, {}], bar: {} }, 'foo; a=1; a, foo, bar'],
    ]) {
      assert.strictEqual(extension.format(extensions), header);
    }
  });
});

describe('subprotocol', () => {
  it('parses and refuses headers as ws does', () => {
    for (const header of headers()) {
      assert.deepStrictEqual(
        outcome(subprotocol.parse, header),
        outcome(ws.subprotocol.parse, header),
        JSON.stringify(header),
      );
    }
  });

  it('keeps the order of the header', () => {
    assert.deepStrictEqual(
      [...subprotocol.parse('foo, bar,Foo ,\tb')],
      ['foo', 'bar', 'Foo', 'b'],
    );
  });

  it('says what is wrong with a header', () => {
    for (const [header, message] of [
      ['foo, foo', 'The "foo" subprotocol is duplicated'],
      ['foo;', 'Unexpected character at index 3'],
      ['foo,', 'Unexpected end of input'],
    ]) {
      assert.throws(() => subprotocol.parse(header), {
        name: 'SyntaxError',
        message,
      });
    }
  });
});
