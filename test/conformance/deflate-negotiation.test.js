'use strict';

// RFC 7692, 5 and 7.1: which offers of permessage-deflate a server accepts,
// and how it answers them.

const { ACCEPT } = require('../helpers/raw-client');
const { BOTH, WS } = require('./helpers/cases');
const { conform } = require('./helpers/suite');

const OFFER = 'permessage-deflate';
const SNCT = 'server_no_context_takeover';
const CNCT = 'client_no_context_takeover';
const SMWB = 'server_max_window_bits';
const CMWB = 'client_max_window_bits';

const NEGOTIATION = 'RFC 7692, 5';
const PARAMETERS = 'RFC 7692, 7.1';

const ON = { perMessageDeflate: true };
const OFF = { perMessageDeflate: false };
const configured = (perMessageDeflate) => ({ perMessageDeflate });

const SERVER_FORGETS = configured({ serverNoContextTakeover: true });
const SERVER_KEEPS = configured({ serverNoContextTakeover: false });
const CLIENT_FORGETS = configured({ clientNoContextTakeover: true });
const SERVER_BITS_10 = configured({ serverMaxWindowBits: 10 });
const SERVER_BITS_8 = configured({ serverMaxWindowBits: 8 });
const NO_SERVER_BITS = configured({ serverMaxWindowBits: false });
const CLIENT_BITS_10 = configured({ clientMaxWindowBits: 10 });
const NO_CLIENT_BITS = configured({ clientMaxWindowBits: false });
const ALL_SET = configured({
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  serverMaxWindowBits: 12,
  clientMaxWindowBits: 11,
});

function switched(answer) {
  return {
    status: 101,
    headers: {
      upgrade: 'websocket',
      connection: 'Upgrade',
      'sec-websocket-accept': ACCEPT,
      ...(answer && { 'sec-websocket-extensions': answer }),
    },
  };
}

const REFUSED = { status: 400 };

function offering(value) {
  return { headers: { 'Sec-WebSocket-Extensions': value } };
}

function nameOf(options) {
  const option = options.perMessageDeflate;
  return typeof option === 'boolean'
    ? `a server with compression ${option ? 'on' : 'off'}`
    : `a server with ${Object.entries(option)
        .map((entry) => entry.join(' '))
        .join(', ')}`;
}

/** An offer, and the value of the header of the response. */
function accepts(section, offer, answer, options = ON) {
  return {
    section,
    name: `"${[].concat(offer).join('" and "')}" is answered with "${answer}" by ${nameOf(options)}`,
    options,
    request: offering(offer),
    expect: switched(answer),
  };
}

const WHY_REFUSED =
  'The handshake is refused with 400 instead of going on without the extension, as RFC 6455, 9.1 has it for a header that is malformed.';
const WHY_UNACCEPTABLE =
  'The handshake is refused with 400 instead of going on without the extension.';

/** An offer that the RFC has the server decline, so that the connection is plain. */
function declines(section, offer, options = ON, why = WHY_REFUSED) {
  return {
    section,
    name: `"${offer}" is declined by ${nameOf(options)}`,
    options,
    request: offering(offer),
    expect: switched(),
    differs: { [BOTH]: { expect: REFUSED, why } },
  };
}

const WITHOUT = [
  [ON, 'x-webkit-deflate-frame'],
  [ON, 'permessage-bzip2; client_max_bits'],
  [ON, 'permessage-deflat'],
  [ON, 'permessage-deflate2'],
  [ON, 'foo, bar'],
  [OFF, OFFER],
  [OFF, `${OFFER}; ${SMWB}=10`],
  [OFF, `${OFFER}; foo`],
].map(([options, offer]) => ({
  section: NEGOTIATION,
  name: `"${offer}" is answered without an extension by ${nameOf(options)}`,
  options,
  request: offering(offer),
  expect: switched(),
}));

const NOT_OFFERED = [ON, SERVER_FORGETS, ALL_SET].map((options) => ({
  section: NEGOTIATION,
  name: `no offer is answered without an extension by ${nameOf(options)}`,
  options,
  request: {},
  expect: switched(),
}));

const CHOICES = [
  [[OFFER], OFFER],
  [`${OFFER}, ${OFFER}; ${SNCT}`, OFFER],
  [`${OFFER}; ${SNCT}, ${OFFER}`, `${OFFER}; ${SNCT}`],
  [`foo, ${OFFER}`, OFFER],
  [`${OFFER}, foo`, OFFER],
  [`foo; bar, ${OFFER}; ${CNCT}, baz`, `${OFFER}; ${CNCT}`],
  [[OFFER, `${OFFER}; ${SNCT}`], OFFER],
  [['foo', OFFER], OFFER],
  [`${OFFER}; ${SMWB}=10, ${OFFER}`, `${OFFER}; ${SMWB}=10`],
].map(([offer, answer]) => accepts(NEGOTIATION, offer, answer));

const SPELLINGS = [
  [`${OFFER};${SNCT};${CNCT}`, `${OFFER}; ${SNCT}; ${CNCT}`],
  [`${OFFER} ; ${SNCT}`, `${OFFER}; ${SNCT}`],
  [`${OFFER};\t${SNCT}`, `${OFFER}; ${SNCT}`],
  [`${OFFER}; ${SMWB}="10"`, `${OFFER}; ${SMWB}=10`],
  [`${OFFER}; ${CMWB}; ${SMWB}="15"`, `${OFFER}; ${SMWB}=15`],
].map(([offer, answer]) => accepts('RFC 6455, 9.1', offer, answer));

const TAKEOVER = [
  ['RFC 7692, 7.1.1.1', `${OFFER}; ${SNCT}`, `${OFFER}; ${SNCT}`],
  ['RFC 7692, 7.1.1.1', OFFER, `${OFFER}; ${SNCT}`, SERVER_FORGETS],
  [
    'RFC 7692, 7.1.1.1',
    `${OFFER}; ${SNCT}`,
    `${OFFER}; ${SNCT}`,
    SERVER_FORGETS,
  ],
  ['RFC 7692, 7.1.1.1', OFFER, OFFER, SERVER_KEEPS],
  ['RFC 7692, 7.1.1.2', `${OFFER}; ${CNCT}`, `${OFFER}; ${CNCT}`],
  ['RFC 7692, 7.1.1.2', OFFER, `${OFFER}; ${CNCT}`, CLIENT_FORGETS],
  [
    'RFC 7692, 7.1.1.2',
    `${OFFER}; ${CNCT}`,
    `${OFFER}; ${CNCT}`,
    CLIENT_FORGETS,
  ],
  [PARAMETERS, `${OFFER}; ${SNCT}; ${CNCT}`, `${OFFER}; ${SNCT}; ${CNCT}`],
].map((row) => accepts(...row));

const BITS = [8, 9, 10, 11, 12, 13, 14, 15];

const serverBits = BITS.map((bits) =>
  accepts(
    'RFC 7692, 7.1.2.1',
    `${OFFER}; ${SMWB}=${bits}`,
    `${OFFER}; ${SMWB}=${bits}`,
  ),
);

const WINDOWS = [
  ['RFC 7692, 7.1.2.1', OFFER, `${OFFER}; ${SMWB}=10`, SERVER_BITS_10],
  [
    'RFC 7692, 7.1.2.1',
    `${OFFER}; ${SMWB}=10`,
    `${OFFER}; ${SMWB}=10`,
    SERVER_BITS_10,
  ],
  ['RFC 7692, 7.1.2.1', OFFER, `${OFFER}; ${SMWB}=8`, SERVER_BITS_8],
  ['RFC 7692, 7.1.2.1', OFFER, OFFER, NO_SERVER_BITS],
  [
    'RFC 7692, 7.1.2.1',
    `${OFFER}; ${SMWB}=9, ${OFFER}; ${SNCT}`,
    `${OFFER}; ${SNCT}`,
    NO_SERVER_BITS,
  ],
  ['RFC 7692, 7.1.2.2', `${OFFER}; ${CMWB}`, OFFER],
  ['RFC 7692, 7.1.2.2', `${OFFER}; ${CMWB}`, OFFER, NO_CLIENT_BITS],
  [
    'RFC 7692, 7.1.2.2',
    `${OFFER}; ${CMWB}`,
    `${OFFER}; ${CMWB}=10`,
    CLIENT_BITS_10,
  ],
  [
    'RFC 7692, 7.1.2.2',
    `${OFFER}; ${CMWB}=12`,
    `${OFFER}; ${CMWB}=10`,
    CLIENT_BITS_10,
  ],
  [
    'RFC 7692, 7.1.2.2',
    `${OFFER}; ${CMWB}=10`,
    `${OFFER}; ${CMWB}=10`,
    CLIENT_BITS_10,
  ],
  [
    'RFC 7692, 7.1.2.2',
    `${OFFER}, ${OFFER}; ${CMWB}`,
    `${OFFER}; ${CMWB}=10`,
    CLIENT_BITS_10,
  ],
  [
    PARAMETERS,
    `${OFFER}; ${CMWB}`,
    `${OFFER}; ${CMWB}=11; ${SNCT}; ${CNCT}; ${SMWB}=12`,
    ALL_SET,
  ],
  [
    PARAMETERS,
    `${OFFER}; ${SNCT}; ${CNCT}; ${SMWB}=15; ${CMWB}=15`,
    `${OFFER}; ${SNCT}; ${CNCT}; ${SMWB}=12; ${CMWB}=11`,
    ALL_SET,
  ],
].map((row) => accepts(...row));

const clientBits = BITS.map((bits) =>
  accepts(
    'RFC 7692, 7.1.2.2',
    `${OFFER}; ${CMWB}=${bits}`,
    `${OFFER}; ${CMWB}=${bits}`,
  ),
);

const BAD_PARAMETERS = [
  [PARAMETERS, `${OFFER}; foo`],
  [PARAMETERS, `${OFFER}; foo=1`],
  [PARAMETERS, `${OFFER}; constructor`],
  [PARAMETERS, `${OFFER}; __proto__`],
  [PARAMETERS, `${OFFER}; ${SNCT}; ${SNCT}`],
  [PARAMETERS, `${OFFER}; ${CNCT}; ${CNCT}`],
  [PARAMETERS, `${OFFER}; ${SMWB}=10; ${SMWB}=10`],
  [PARAMETERS, `${OFFER}; ${CMWB}; ${CMWB}`],
  [PARAMETERS, `${OFFER}; ${CMWB}; ${CMWB}=10`],
  ['RFC 7692, 7.1.1.1', `${OFFER}; ${SNCT}=1`],
  ['RFC 7692, 7.1.1.1', `${OFFER}; ${SNCT}=true`],
  ['RFC 7692, 7.1.1.2', `${OFFER}; ${CNCT}=0`],
  ['RFC 7692, 7.1.1.2', `${OFFER}; ${CNCT}="foo"`],
  ['RFC 7692, 7.1.2.1', `${OFFER}; ${SMWB}`],
  ...['7', '16', '0', '255', '100', '-8', 'foo', '8.5', '9a'].flatMap(
    (value) => [
      ['RFC 7692, 7.1.2.1', `${OFFER}; ${SMWB}=${value}`],
      ['RFC 7692, 7.1.2.2', `${OFFER}; ${CMWB}=${value}`],
    ],
  ),
].map(([section, offer]) => declines(section, offer));

/** What JavaScript reads as 8 to 15, and RFC 7692, 7.1.2 has not. */
const NUMBERS = [
  ['010', '10'],
  ['08', '8'],
  ['0xa', '10'],
  ['1e1', '10'],
  ['10.0', '10'],
].map(([value, bits]) => ({
  ...declines('RFC 7692, 7.1.2.1', `${OFFER}; ${SMWB}=${value}`),
  differs: {
    [WS]: {
      expect: switched(`${OFFER}; ${SMWB}=${bits}`),
      why: 'The value is read as JavaScript reads numbers.',
    },
    'ws-upgrade': { expect: REFUSED, why: WHY_REFUSED },
  },
}));

const BEHIND_BAD = [
  `${OFFER}; foo, ${OFFER}`,
  `${OFFER}; ${SMWB}=16, ${OFFER}`,
  `${OFFER}; ${SNCT}; ${SNCT}, ${OFFER}`,
].map((offer) => ({
  ...accepts(PARAMETERS, offer, OFFER),
  differs: {
    [BOTH]: {
      expect: REFUSED,
      why: 'One bad offer has the handshake refused, whatever comes behind it.',
    },
  },
}));

const UNACCEPTABLE = [
  ['RFC 7692, 7.1.1.1', `${OFFER}; ${SNCT}`, SERVER_KEEPS],
  ['RFC 7692, 7.1.2.1', `${OFFER}; ${SMWB}=10`, NO_SERVER_BITS],
  ['RFC 7692, 7.1.2.1', `${OFFER}; ${SMWB}=9`, SERVER_BITS_10],
  ['RFC 7692, 7.1.2.2', OFFER, CLIENT_BITS_10],
  ['RFC 7692, 7.1.2.2', `${OFFER}; ${CMWB}=9`, CLIENT_BITS_10],
].map(([section, offer, options]) =>
  declines(section, offer, options, WHY_UNACCEPTABLE),
);

conform('negotiation of permessage-deflate', [
  ...WITHOUT,
  ...NOT_OFFERED,
  ...CHOICES,
  ...SPELLINGS,
  ...TAKEOVER,
  ...serverBits,
  ...clientBits,
  ...WINDOWS,
  ...BAD_PARAMETERS,
  ...NUMBERS,
  ...BEHIND_BAD,
  ...UNACCEPTABLE,
]);
