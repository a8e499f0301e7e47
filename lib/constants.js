'use strict';

const BINARY_TYPES = ['nodebuffer', 'arraybuffer', 'fragments'];

if (typeof Blob !== 'undefined') BINARY_TYPES.push('blob');

module.exports = {
  BINARY_TYPES,
  EMPTY_BUFFER: Buffer.alloc(0),

  /** `readyState` of a WebSocket. */
  CONNECTING: 0,
  OPEN: 1,
  CLOSING: 2,
  CLOSED: 3,
  READY_STATES: ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'],

  /** The first bit of a frame (RFC 6455, 5.2). */
  FIN: 0x80,

  /** Opcodes of RFC 6455, 11.8. */
  OPCODE_CONTINUATION: 0x0,
  OPCODE_TEXT: 0x1,
  OPCODE_BINARY: 0x2,
  OPCODE_CLOSE: 0x8,
  OPCODE_PING: 0x9,
  OPCODE_PONG: 0xa,

  /** A close code of RFC 6455, 7.4.1: the server ends, or has had enough. */
  CLOSE_GOING_AWAY: 1001,

  /** Those that are never on the wire. */
  CLOSE_NO_STATUS: 1005,
  CLOSE_ABNORMAL: 1006,

  /** The property of a net.Socket that holds the WebSocket it has become. */
  kWebSocket: Symbol('websocket'),
};
