'use strict';

// A key that both ends know saves a certificate.

const KEY = Buffer.alloc(16, 1);

const CIPHER = {
  ciphers: 'PSK-AES128-GCM-SHA256',
  maxVersion: 'TLSv1.2',
};

/** Options for both ends of a TLS connection. */
const PRE_SHARED = {
  server: { ...CIPHER, pskCallback: () => KEY },
  client: {
    ...CIPHER,
    checkServerIdentity: () => undefined,
    pskCallback: () => ({ psk: KEY, identity: 'foo' }),
  },
};

module.exports = { PRE_SHARED };
