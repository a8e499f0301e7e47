'use strict';

// RFC 6455, 4.2 to 4.4, 9.1 and 11.3: what a server accepts as an opening
// handshake, and how it answers. HTTP itself is parsed by Node.js.

const crypto = require('node:crypto');

const { ACCEPT, KEY, upgradeRequest } = require('../helpers/raw-client');
const { BOTH, WS } = require('./helpers/cases');
const { conform } = require('./helpers/suite');

const REQUEST = 'RFC 6455, 4.2.1';
const RESPONSE = 'RFC 6455, 4.2.2';
const VERSIONS = 'RFC 6455, 4.4';
const FIELD_KEY = 'RFC 6455, 11.3.1';
const FIELD_PROTOCOL = 'RFC 6455, 11.3.4';
const FIELD_VERSION = 'RFC 6455, 11.3.5';
const EXTENSIONS = 'RFC 6455, 9.1';

const WITH_EXTENSIONS = { perMessageDeflate: true };

function switched(headers, accept = ACCEPT) {
  return {
    status: 101,
    headers: {
      upgrade: 'websocket',
      connection: 'Upgrade',
      'sec-websocket-accept': accept,
      ...headers,
    },
  };
}

function refused(status, headers) {
  return { status, headers };
}

const header = (name, value) => ({ headers: { [name]: value } });

function accepts(section, what, request, headers, rest) {
  return {
    section,
    name: `a handshake with ${what} is accepted`,
    request,
    expect: switched(headers),
    ...rest,
  };
}

function refuses(section, what, request, status = 400, rest = {}) {
  return {
    section,
    name: `a handshake with ${what} is refused with ${status}`,
    request,
    expect: refused(status),
    ...rest,
  };
}

/** A request as it is on the wire. */
function raw(change) {
  const whole = upgradeRequest().toString('latin1');
  const changed = change(whole);
  if (changed === whole) throw new Error('The request is unchanged');
  return Buffer.from(changed, 'latin1');
}

const PLAIN = [
  ['what it has to have', {}],
  ['a path', { path: '/foo/bar' }],
  ['a query', { path: '/foo?bar=baz&qux' }],
  ['an absolute URI', { path: 'http://localhost/foo' }],
  ['an empty query', { path: '/?' }],
  ['escapes in its path', { path: '/%66oo%20' }],
  ['a Host with a port', header('Host', 'localhost:8080')],
  ['an Origin', header('Origin', 'http://example.com')],
  ['the Origin "null"', header('Origin', 'null')],
  ['cookies', header('Cookie', 'foo=bar; baz=qux')],
  ['header fields that it knows nothing of', header('X-Foo', 'bar')],
  ['a header field named like a property', header('constructor', 'foo')],
  ['a header field named "__proto__"', header('__proto__x', 'foo')],
  ['Upgrade: WebSocket', header('Upgrade', 'WebSocket')],
  ['Upgrade: WEBSOCKET', header('Upgrade', 'WEBSOCKET')],
  ['Upgrade: wEbSoCkEt', header('Upgrade', 'wEbSoCkEt')],
  ['Connection: upgrade', header('Connection', 'upgrade')],
  ['Connection: UPGRADE', header('Connection', 'UPGRADE')],
  [
    'Connection: keep-alive, Upgrade',
    header('Connection', 'keep-alive, Upgrade'),
  ],
  [
    'Connection: Upgrade, keep-alive',
    header('Connection', 'Upgrade, keep-alive'),
  ],
  [
    'Connection: keep-alive,Upgrade,foo',
    header('Connection', 'keep-alive,Upgrade,foo'),
  ],
  ['two Connection headers', header('Connection', ['keep-alive', 'Upgrade'])],
  [
    'names of header fields in capitals',
    raw((text) =>
      text.replace(/^[\w-]+(?=: )/gm, (name) => name.toUpperCase()),
    ),
  ],
  [
    'names of header fields in lower case',
    raw((text) =>
      text.replace(/^[\w-]+(?=: )/gm, (name) => name.toLowerCase()),
    ),
  ],
  ['no blanks before the values', raw((text) => text.replace(/: /g, ':'))],
  [
    'tabs and blanks before the values, and blanks behind them',
    raw((text) => text.replace(/: (.*)\r\n/g, ':\t  $1  \r\n')),
  ],
  ['a tab behind the key', header('Sec-WebSocket-Key', `${KEY}\t`)],
  [
    'its header fields in reverse order',
    raw((text) => {
      const [line, ...lines] = text.trimEnd().split('\r\n');
      return `${[line, ...lines.reverse()].join('\r\n')}\r\n\r\n`;
    }),
  ],
  [
    'fifty more header fields',
    {
      headers: Object.fromEntries(
        Array.from({ length: 50 }, (_, i) => [`X-${i}`, 'x']),
      ),
    },
  ],
  ['a Content-Length of 0', header('Content-Length', '0')],
].map(([what, request]) => accepts(REQUEST, what, request));

const METHODS = ['POST', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE'];

const methods = METHODS.map((method) =>
  refuses(REQUEST, `the method ${method}`, { method }, 405),
);

const VERSION_IS_NOT_CHECKED = {
  [BOTH]: {
    expect: switched(),
    why: 'Node.js tells upgrade requests by their headers, whatever their version of HTTP.',
  },
};

const NO_UPGRADE = [
  [
    'HTTP/1.0',
    raw((text) => text.replace('HTTP/1.1', 'HTTP/1.0')),
    refused(426),
    VERSION_IS_NOT_CHECKED,
  ],
  [
    'HTTP/0.9',
    raw((text) => text.replace('HTTP/1.1', 'HTTP/0.9')),
    refused(426),
    VERSION_IS_NOT_CHECKED,
  ],
  [
    'HTTP/2.0',
    raw((text) => text.replace('HTTP/1.1', 'HTTP/2.0')),
    refused(426),
    VERSION_IS_NOT_CHECKED,
  ],
  [
    'HTTP/3.7',
    raw((text) => text.replace('HTTP/1.1', 'HTTP/3.7')),
    refused(400),
  ],
  ['no Connection header', header('Connection', undefined), refused(426)],
  ['an empty Connection header', header('Connection', ''), refused(426)],
  ['Connection: keep-alive', header('Connection', 'keep-alive'), refused(426)],
  ['Connection: Upgraded', header('Connection', 'Upgraded'), refused(426)],
  ['Connection: websocket', header('Connection', 'websocket'), refused(426)],
  ['no Upgrade header', header('Upgrade', undefined), refused(426)],
].map(([what, request, expect, differs]) => ({
  section: REQUEST,
  name: `a request with ${what} is no handshake, and answered with ${expect.status}`,
  request,
  expect,
  ...(differs && { differs }),
}));

const LIST_IS_STRICTER = {
  [BOTH]: {
    expect: refused(400),
    why: 'The header has to be "websocket" alone; the RFC asks for one that includes it.',
  },
};

const UPGRADES = [
  ...[
    'foo',
    'websockets',
    'web socket',
    'websocket/13',
    'xwebsocket',
    'h2c',
  ].map((value) =>
    refuses(REQUEST, `Upgrade: ${value}`, header('Upgrade', value)),
  ),
  ...['websocket, foo', 'h2c, websocket', 'foo,websocket'].map((value) => ({
    ...accepts(REQUEST, `Upgrade: ${value}`, header('Upgrade', value)),
    differs: LIST_IS_STRICTER,
  })),
  {
    ...accepts(
      REQUEST,
      'two Upgrade headers',
      header('Upgrade', ['h2c', 'websocket']),
    ),
    differs: LIST_IS_STRICTER,
  },
];

const WITHOUT_HOST = {
  ...refuses(REQUEST, 'no Host header', header('Host', undefined)),
  differs: {
    [BOTH]: {
      expect: switched(),
      why: 'Node.js demands a Host header of other requests only, and nothing here depends on it.',
    },
  },
};

const KEYS = [
  ['no key', undefined],
  ['an empty key', ''],
  ['a key of 15 bytes', Buffer.alloc(15).toString('base64')],
  ['a key of 17 bytes', Buffer.alloc(17).toString('base64')],
  ['a key of 18 bytes', Buffer.alloc(18).toString('base64')],
  ['a key of 24 bytes', Buffer.alloc(24).toString('base64')],
  ['a key of one byte', 'AA=='],
  ['a key without its padding', KEY.slice(0, 22)],
  ['a key with half of its padding', KEY.slice(0, 23)],
  ['a key with more padding than there is', `${KEY}=`],
  ['a key of 24 characters without padding', `${KEY.slice(0, 22)}AA`],
  ['a key whose padding comes first', `==${KEY.slice(0, 22)}`],
  ['a key with the alphabet of URLs', KEY.replace('G', '-').replace('h', '_')],
  ['a key with a blank in it', KEY.replace('G', ' ')],
  ['a key with a character beyond ASCII', KEY.replace('G', '\u00e4')],
  ['a key in quotes', `"${KEY}"`],
  ['a key with something behind a comma', `${KEY}, foo`],
].map(([what, value]) =>
  refuses(FIELD_KEY, what, header('Sec-WebSocket-Key', value)),
);

const twoKeys = refuses(
  FIELD_KEY,
  'two keys',
  header('Sec-WebSocket-Key', [KEY, KEY]),
);

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

const ACCEPTED_KEYS = [
  'AAAAAAAAAAAAAAAAAAAAAA==',
  '/////////////////////w==',
  '++++++++++++++++++++/w==',
  'x3JJHMbDL1EzLkh9GBhXDw==',
  'AQIDBAUGBwgJCgsMDQ4PEA==',
  '0123456789abcdefghijkw==',
].map((key) => ({
  section: RESPONSE,
  name: `the key ${key} is answered with its hash`,
  request: header('Sec-WebSocket-Key', key),
  expect: switched(
    {},
    crypto
      .createHash('sha1')
      .update(key + GUID)
      .digest('base64'),
  ),
}));

const SAMPLE = {
  section: 'RFC 6455, 1.3',
  name: 'the key of the example is answered with the hash of the example',
  request: header('Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='),
  expect: switched({}, 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='),
};

const NAMES_VERSIONS = { 'sec-websocket-version': '13, 8' };

const versions = [
  ...['0', '1', '7', '9', '12', '14', '25', '113', '130', '255', '256', '-13'],
  ...['x', '13x', '1 3', '""', '13;'],
].map((value) => ({
  ...refuses(
    VERSIONS,
    `the version ${value}`,
    header('Sec-WebSocket-Version', value),
  ),
  name: `a handshake with the version ${value} is refused, naming those that would do`,
  expect: refused(400, NAMES_VERSIONS),
}));

const OTHER_VERSIONS = [
  {
    ...refuses(
      FIELD_VERSION,
      'no version',
      header('Sec-WebSocket-Version', undefined),
    ),
    expect: refused(400, NAMES_VERSIONS),
  },
  {
    ...refuses(
      FIELD_VERSION,
      'an empty version',
      header('Sec-WebSocket-Version', ''),
    ),
    expect: refused(400, NAMES_VERSIONS),
  },
  {
    ...refuses(
      FIELD_VERSION,
      'two different versions',
      header('Sec-WebSocket-Version', ['13', '8']),
    ),
    expect: refused(400, NAMES_VERSIONS),
  },
  {
    ...refuses(
      FIELD_VERSION,
      'a list of versions',
      header('Sec-WebSocket-Version', '13, 8'),
    ),
    expect: refused(400, NAMES_VERSIONS),
  },
  {
    ...refuses(REQUEST, 'the version 8', header('Sec-WebSocket-Version', '8')),
    differs: {
      [BOTH]: {
        expect: switched(),
        why: 'The version of the drafts 8 to 12 differs in nothing that a server sees.',
      },
    },
  },
  ...['013', '13.0', '1.3e1', '0xd'].map((value) => ({
    ...refuses(
      FIELD_VERSION,
      `the version written as ${value}`,
      header('Sec-WebSocket-Version', value),
    ),
    differs: {
      [BOTH]: {
        expect: switched(),
        why: 'The value is read as JavaScript reads numbers, so that no client is lost that works today.',
      },
    },
  })),
];

const PROTOCOLS = [
  ['one', 'foo', 'foo'],
  ['two', 'foo, bar', 'foo'],
  ['two without a blank', 'foo,bar', 'foo'],
  ['two with blanks and tabs', 'foo \t,\t bar', 'foo'],
  ['two in two headers', ['foo', 'bar'], 'foo'],
  ['a list and one more header', ['foo, bar', 'baz'], 'foo'],
  ['all characters of a token', "a1!#$%&'*+-.^_`|~", "a1!#$%&'*+-.^_`|~"],
  ['one with a version', 'v12.stomp', 'v12.stomp'],
  ['two that differ in case', 'Foo, foo', 'Foo'],
  ['one named like a property', '__proto__', '__proto__'],
  ['fifty', Array.from({ length: 50 }, (_, i) => `p${i}`).join(', '), 'p0'],
].map(([what, value, chosen]) =>
  accepts(
    FIELD_PROTOCOL,
    `subprotocols: ${what},`,
    header('Sec-WebSocket-Protocol', value),
    { 'sec-websocket-protocol': chosen },
  ),
);

const BAD_PROTOCOLS = [
  ['an empty list of subprotocols', ''],
  ['a subprotocol with a blank', 'foo bar'],
  ['a subprotocol with a slash', 'foo/bar'],
  ['a subprotocol with a colon', 'foo:bar'],
  ['a subprotocol in quotes', '"foo"'],
  ['a subprotocol in parentheses', '(foo)'],
  ['a subprotocol with a semicolon', 'foo;bar'],
  ['a subprotocol with an equals sign', 'foo=bar'],
  ['a subprotocol with an at sign', 'foo@bar'],
  ['a subprotocol beyond ASCII', 'fo\u00f6'],
  ['a subprotocol twice', 'foo, foo'],
  ['a subprotocol twice among others', 'foo, bar, foo'],
  ['a subprotocol twice in two headers', ['foo', 'foo']],
].map(([what, value]) =>
  refuses(FIELD_PROTOCOL, what, header('Sec-WebSocket-Protocol', value)),
);

/** RFC 7230, 7 has a recipient of a list skip what is empty in it. */
const EMPTY_ELEMENTS = [
  ['a comma before the first subprotocol', ',foo'],
  ['a comma behind the last subprotocol', 'foo,'],
  ['two commas between subprotocols', 'foo,,bar'],
].map(([what, value]) => ({
  ...accepts(FIELD_PROTOCOL, what, header('Sec-WebSocket-Protocol', value), {
    'sec-websocket-protocol': 'foo',
  }),
  differs: {
    [BOTH]: {
      expect: refused(400),
      why: 'Empty elements of the list, which HTTP has recipients skip, are a fault of the grammar here.',
    },
  },
}));

const CHOOSES_SECOND = { handleProtocols: (protocols) => [...protocols][1] };
const CHOOSES_NONE = { handleProtocols: () => false };

const CHOICES = [
  {
    section: RESPONSE,
    name: 'the subprotocol that the server chooses is in the response',
    options: CHOOSES_SECOND,
    request: header('Sec-WebSocket-Protocol', 'foo, bar'),
    expect: switched({ 'sec-websocket-protocol': 'bar' }),
  },
  {
    section: RESPONSE,
    name: 'no subprotocol is in the response of a server that chooses none',
    options: CHOOSES_NONE,
    request: header('Sec-WebSocket-Protocol', 'foo, bar'),
    expect: switched(),
  },
  {
    section: RESPONSE,
    name: 'no subprotocol is in the response to a client that offers none',
    options: CHOOSES_SECOND,
    request: {},
    expect: switched(),
  },
];

const PATH = { path: '/foo' };

const PATHS = [
  ['/foo', switched()],
  ['/foo?bar', switched()],
  ['/bar', refused(400)],
  ['/foo/', refused(400)],
  ['/', refused(400)],
].map(([path, expect]) => ({
  section: REQUEST,
  name: `the resource ${path} of a server for /foo is answered with ${expect.status}`,
  options: PATH,
  request: { path },
  expect,
}));

const BODIES = [
  ['a body of three bytes', 'Content-Length: 3\r\n\r\nfoo'],
  ['a chunked body', 'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
].map(([what, end]) => ({
  ...refuses(
    'RFC 6455, 4.1',
    what,
    raw((text) => text.replace(/\r\n$/, end)),
  ),
  differs: {
    [WS]: {
      expect: { ...switched(), isUsable: false },
      why: 'The bytes of the body are read as frames, which fails the connection.',
    },
  },
}));

const EXTENSION_LISTS = [
  ['an unknown extension', 'foo'],
  ['an unknown extension with parameters', 'foo; bar; baz=1'],
  ['an unknown extension with a quoted value', 'foo; bar="baz"'],
  ['several unknown extensions', 'foo, bar; baz, qux'],
  ['the same unknown extension twice', 'foo, foo; bar'],
  ['an unknown extension named like a property', 'constructor'],
  ['an unknown parameter named like a property', 'foo; __proto__=1'],
  ['no blanks', 'foo;bar,baz;qux=1'],
  ['many blanks', 'foo \t ; \t bar , baz'],
].flatMap(([what, value]) => [
  accepts(
    EXTENSIONS,
    `${what} in Sec-WebSocket-Extensions`,
    header('Sec-WebSocket-Extensions', value),
    {},
    { options: WITH_EXTENSIONS },
  ),
]);

const BAD_EXTENSION_LISTS = [
  ['nothing', ''],
  ['a comma alone', ','],
  ['a comma at the start', ',foo'],
  ['a comma at the end', 'foo,'],
  ['two commas', 'foo,,bar'],
  ['a semicolon at the start', ';foo'],
  ['a semicolon at the end', 'foo;'],
  ['two semicolons', 'foo;;bar'],
  ['a value without a name', 'foo; =1'],
  ['a name without a value behind =', 'foo; bar='],
  ['an empty quoted value', 'foo; bar=""'],
  ['a quoted value with a blank', 'foo; bar="b z"'],
  ['a quoted value without its end', 'foo; bar="baz'],
  ['something behind a quoted value', 'foo; bar="baz"x'],
  ['a value of the extension itself', 'foo=1'],
  ['two words', 'foo bar'],
  ['a slash', 'foo/1'],
  ['a character beyond ASCII', 'fo\u00f6'],
].flatMap(([what, value]) => [
  refuses(
    EXTENSIONS,
    `${what} in Sec-WebSocket-Extensions`,
    header('Sec-WebSocket-Extensions', value),
    400,
    { options: WITH_EXTENSIONS },
  ),
]);

const NOT_READ = ['foo;', ',', 'foo; bar="'].map((value) => ({
  ...refuses(
    EXTENSIONS,
    `the malformed extensions ${value}, where the server has none,`,
    header('Sec-WebSocket-Extensions', value),
  ),
  differs: {
    [BOTH]: {
      expect: switched(),
      why: 'The header is not read where compression is off.',
    },
  },
}));

conform('opening handshake', [
  ...PLAIN,
  ...methods,
  ...NO_UPGRADE,
  ...UPGRADES,
  WITHOUT_HOST,
  ...KEYS,
  twoKeys,
  SAMPLE,
  ...ACCEPTED_KEYS,
  ...versions,
  ...OTHER_VERSIONS,
  ...PROTOCOLS,
  ...BAD_PROTOCOLS,
  ...EMPTY_ELEMENTS,
  ...CHOICES,
  ...PATHS,
  ...BODIES,
  ...EXTENSION_LISTS,
  ...BAD_EXTENSION_LISTS,
  ...NOT_READ,
]);
