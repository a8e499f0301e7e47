'use strict';

// Short names for what the tables of the cases have in every row: frames that
// a client sends, and the events that a server makes of them.

const crypto = require('node:crypto');

const { closePayload, encodeFrame } = require('../../helpers/frame');

/** Payloads of more bytes are described by their hash. */
const MAX_SHOWN = 64;

const NOT_LAST = { fin: false };

/** In `send`: goes on only once the client has `count` frames of the server. */
class AfterFrames {
  constructor(count) {
    this.count = count;
  }
}

/** In `send`: the client sends FIN, or what ends a connection of TLS. */
const FIN = Symbol('FIN');

const frame = (opcode) => (payload, options) => ({
  opcode,
  payload,
  ...options,
});

const text = frame('text');
const binary = frame('binary');
const more = frame('continuation');
const ping = frame('ping');
const pong = frame('pong');

function close(code, reason, options) {
  const payload = code === undefined ? '' : closePayload(code, reason);
  return { opcode: 'close', payload, ...options };
}

/** Bytes in hex; white space is ignored. */
function hex(digits) {
  return Buffer.from(digits.replace(/\s/g, ''), 'hex');
}

/** A frame without its last bytes, so that nobody can take it for complete. */
function unfinished(wholeFrame, missing = 1) {
  const bytes = encodeFrame(wholeFrame);
  return bytes.subarray(0, bytes.length - missing);
}

/** The first two bytes of a frame. */
function start(wholeFrame) {
  return encodeFrame(wholeFrame).subarray(0, 2);
}

/** The first bytes of a frame up to its masking key. */
function header(wholeFrame) {
  const { length } = Buffer.from(wholeFrame.payload || '');
  const masked = wholeFrame.mask === false ? 0 : 4;
  const bytes = encodeFrame(wholeFrame);
  return bytes.subarray(0, bytes.length - length - masked);
}

/**
 * How a message or a control frame shows in the logs of both ends.
 *
 * @param {'text'|'binary'|'ping'|'pong'} kind
 * @param {Buffer|string} [payload]
 * @returns {string}
 */
function event(kind, payload = '') {
  const bytes = Buffer.from(payload);
  if (bytes.length <= MAX_SHOWN) return `${kind} ${bytes.toString('hex')}`;
  const hash = crypto.createHash('sha1').update(bytes).digest('hex');
  return `${kind} of ${bytes.length} bytes, SHA-1 ${hash}`;
}

module.exports = {
  AfterFrames,
  FIN,
  NOT_LAST,
  binary,
  close,
  event,
  header,
  hex,
  more,
  ping,
  pong,
  start,
  text,
  unfinished,
};
