'use strict';

// What the suites of permessage-deflate share: offers, and compressed frames.

const { NO_TAKEOVER, OFFER, deflate } = require('../../helpers/deflate');
const { message } = require('./cases');
const { hex, more } = require('./frames');

/** Of a frame whose payload is compressed. */
const RSV1 = { rsv: 4 };

const options = { perMessageDeflate: { threshold: 0 } };

/** A case whose connection has permessage-deflate as it was offered. */
const offering = (offer) => ({
  options,
  request: { headers: { 'Sec-WebSocket-Extensions': offer } },
});

const TAKEOVER = offering(OFFER);
const FRESH = offering(NO_TAKEOVER);
const PER_CONTEXT = [
  ['with context takeover', TAKEOVER],
  ['without context takeover', FRESH],
];

/** A frame of a type with a compressed payload. */
function compressed(frame, payload, zlibOptions) {
  return frame(deflate(payload, zlibOptions), RSV1);
}

/** The frames of a message whose compressed payload is cut at some places. */
function fragments(frame, payload, places) {
  const ends = [...places, payload.length];
  return ends.map((end, i) => {
    const piece = payload.subarray(i === 0 ? 0 : ends[i - 1], end);
    const fin = i === ends.length - 1;
    return i === 0 ? frame(piece, { ...RSV1, fin }) : more(piece, { fin });
  });
}

/** The blocks of the examples in RFC 7692, 7.2.3. */
const HELLO = hex('f248cdc9c90700');
const HELLO_FINAL = hex('f348cdc9c90700');
const HELLO_EVENT = message('text', 'Hello');

module.exports = {
  FRESH,
  HELLO,
  HELLO_EVENT,
  HELLO_FINAL,
  PER_CONTEXT,
  RSV1,
  TAKEOVER,
  compressed,
  fragments,
  offering,
};
