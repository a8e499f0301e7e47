'use strict';

const { randomFillSync } = require('crypto');
const { isUint8Array } = require('util').types;

const {
  CONTROL_PAYLOAD_MAX,
  closeReason,
  isValidCloseCode,
} = require('./close-code');
const { isBlob, toBytes } = require('./data');
const {
  EMPTY_BUFFER,
  OPCODE_BINARY,
  OPCODE_CLOSE,
  OPCODE_CONTINUATION,
  OPCODE_PING,
  OPCODE_PONG,
  OPCODE_TEXT,
} = require('./constants');

const FIN = 0x80;
const RSV1 = 0x40;
const MASK = 0x80;

const MASKING_KEY_SIZE = 4;

/** The longest payload whose length is in the second byte of the header. */
const LENGTH_7_MAX = 125;

/** The longest payload whose length is in two bytes of their own. */
const LENGTH_16_MAX = 0xffff;

/** What the second byte says where two or eight bytes of length come behind. */
const LENGTH_16 = 126;
const LENGTH_64 = 127;

function noop() {}

/**
 * Chooses the masking key of a frame.
 *
 * @param {Object} options of `Sender.frame()`
 * @return {Uint8Array} four bytes
 */
function createMaskingKey(options) {
  const key = options.maskBuffer || Buffer.alloc(MASKING_KEY_SIZE);

  if (options.generateMask) options.generateMask(key);
  else randomFillSync(key, 0, MASKING_KEY_SIZE);
  return key;
}

/**
 * Writes a header (RFC 6455, 5.2).
 *
 * @param {number} length of the payload in bytes
 * @param {Object} options of `Sender.frame()`
 * @param {(Uint8Array|null)} key the masking key
 * @param {number} room bytes to leave behind the header
 * @return {Buffer} of the size of the header and `room`
 */
function createHeader(length, options, key, room) {
  const keyOffset = length > LENGTH_16_MAX ? 10 : length > LENGTH_7_MAX ? 4 : 2;
  const size = keyOffset + (key === null ? 0 : MASKING_KEY_SIZE);
  const header = Buffer.allocUnsafe(size + room);

  header[0] =
    options.opcode | (options.fin ? FIN : 0) | (options.rsv1 ? RSV1 : 0);
  if (keyOffset === 2) {
    header[1] = length;
  } else if (keyOffset === 4) {
    header[1] = LENGTH_16;
    header.writeUInt16BE(length, 2);
  } else {
    header[1] = LENGTH_64;
    header.writeBigUInt64BE(BigInt(length), 2);
  }
  if (key !== null) {
    header[1] |= MASK;
    for (let i = 0; i < MASKING_KEY_SIZE; i++) header[keyOffset + i] = key[i];
  }
  return header;
}

/**
 * Masks or unmasks a payload (RFC 6455, 5.3).
 *
 * @param {Uint8Array} source
 * @param {Uint8Array} key four bytes
 * @param {Uint8Array} target may be `source`
 * @param {number} offset in `target`
 */
function mask(source, key, target, offset) {
  for (let i = 0; i < source.length; i++) {
    target[offset + i] = source[i] ^ key[i & 3];
  }
}

/**
 * Frames messages and writes them to a stream, without compression. The
 * WebSockets of this package do not use it: it is here for those who use the
 * one of `ws` on its own, and for `Sender.frame()`.
 */
class Sender {
  /**
   * @param {stream.Duplex} socket to write to
   * @param {Object} [extensions] without effect: none is known
   * @param {Function} [generateMask] called with four bytes to fill with a
   *     masking key; random by default
   */
  constructor(socket, extensions, generateMask) {
    this._socket = socket;
    this._extensions = extensions || {};
    this._generateMask = generateMask;
    this._isFragmenting = false;
    this._queue = [];
    this._isReadingBlob = false;
    /** Called with the error of a Blob that cannot be read. */
    this.onerror = noop;
  }

  /**
   * Frames a payload (RFC 6455, 5.2). Nothing is checked.
   *
   * @param {(string|Uint8Array)} data
   * @param {Object} options
   * @param {number} options.opcode
   * @param {boolean} [options.fin=false] whether this is the last fragment
   * @param {boolean} [options.rsv1=false]
   * @param {boolean} [options.mask=false]
   * @param {boolean} [options.readOnly=false] whether `data` has to stay as it
   *     is: otherwise masking changes it
   * @param {Function} [options.generateMask] called with four bytes to fill
   *     with a masking key; random by default
   * @param {Buffer} [options.maskBuffer] where the masking key is written
   * @return {Buffer[]} the header and the payload, or both in one buffer; the
   *     payload is `data` unless that is a string or must not be masked
   */
  static frame(data, options) {
    const payload = toBytes(data);
    const { length } = payload;
    const key = options.mask ? createMaskingKey(options) : null;

    if (length === 0) return [createHeader(0, options, key, 0)];
    if (key === null || (key[0] | key[1] | key[2] | key[3]) === 0) {
      return [createHeader(length, options, key, 0), payload];
    }
    if (options.readOnly && typeof data !== 'string') {
      const frame = createHeader(length, options, key, length);

      mask(payload, key, frame, frame.length - length);
      return [frame];
    }
    mask(payload, key, payload, 0);
    return [createHeader(length, options, key, 0), payload];
  }

  /**
   * Sends a close frame (RFC 6455, 5.5.1).
   *
   * @param {number} [code] 1000 to 1014 without 1004 to 1006, or 3000 to 4999
   * @param {(string|Uint8Array)} [reason] at most 123 bytes of UTF-8
   * @param {boolean} [mask=false]
   * @param {Function} [callback] called when it is written, or with an error
   * @throws {TypeError|RangeError} for any other code or reason
   */
  close(code, reason, mask, callback) {
    let payload = EMPTY_BUFFER;

    if (code !== undefined) {
      if (!isValidCloseCode(code)) {
        throw new TypeError('First argument must be a valid error code number');
      }
      payload = Buffer.concat([
        Buffer.from([code >> 8, code & 0xff]),
        closeReason(reason),
      ]);
    }
    this._send(payload, OPCODE_CLOSE, true, mask, callback);
  }

  /**
   * Sends a ping (RFC 6455, 5.5.2).
   *
   * @param {*} data at most 125 bytes
   * @param {boolean} [mask=false]
   * @param {Function} [callback] called when it is written, or with an error
   * @throws {RangeError} if there is more data
   */
  ping(data, mask, callback) {
    this._sendControl(data, OPCODE_PING, mask, callback);
  }

  /**
   * Sends a pong (RFC 6455, 5.5.3).
   *
   * @param {*} data at most 125 bytes
   * @param {boolean} [mask=false]
   * @param {Function} [callback] called when it is written, or with an error
   * @throws {RangeError} if there is more data
   */
  pong(data, mask, callback) {
    this._sendControl(data, OPCODE_PONG, mask, callback);
  }

  /**
   * Sends a message, or a fragment of one.
   *
   * @param {*} data a string, bytes in any form, or a Blob
   * @param {Object} options
   * @param {boolean} [options.binary=false]
   * @param {boolean} [options.fin=false] whether this is the last fragment
   * @param {boolean} [options.mask=false]
   * @param {boolean} [options.compress] without effect
   * @param {Function} [callback] called when it is written, or with an error
   */
  send(data, options, callback) {
    const payload = isBlob(data) ? data : toBytes(data);
    let opcode = options.binary ? OPCODE_BINARY : OPCODE_TEXT;

    if (this._isFragmenting) opcode = OPCODE_CONTINUATION;
    this._isFragmenting = !options.fin;
    this._send(payload, opcode, options.fin, options.mask, callback);
  }

  /**
   * Writes a frame, ahead of what waits for a Blob to be read.
   *
   * @param {Array<(Uint8Array|string)>} list the parts of the frame
   * @param {Function} [callback] called when it is written, or with an error
   */
  sendFrame(list, callback) {
    const last = list.length - 1;

    if (last > 0) this._socket.cork();
    for (let i = 0; i < last; i++) this._socket.write(list[i]);
    this._socket.write(list[last], callback);
    if (last > 0) this._socket.uncork();
  }

  _sendControl(data, opcode, mask, callback) {
    const isLater = isBlob(data);
    const payload = isLater ? data : toBytes(data);
    const size = isLater ? data.size : payload.length;

    if (size > CONTROL_PAYLOAD_MAX) {
      throw new RangeError('The data size must not be greater than 125 bytes');
    }
    this._send(payload, opcode, true, mask, callback);
  }

  /** A Blob is read first; frames that come meanwhile wait behind it. */
  _send(payload, opcode, fin, mask, callback) {
    const options = {
      fin,
      opcode,
      mask,
      readOnly: true,
      generateMask: this._generateMask,
    };

    if (!this._isReadingBlob && isUint8Array(payload)) {
      this.sendFrame(Sender.frame(payload, options), callback);
      return;
    }
    this._queue.push({ payload, options, callback });
    if (!this._isReadingBlob) this._sendQueue();
  }

  async _sendQueue() {
    this._isReadingBlob = true;
    try {
      while (this._queue.length > 0) {
        const { payload, options, callback } = this._queue[0];
        const bytes = isUint8Array(payload)
          ? payload
          : Buffer.from(await payload.arrayBuffer());

        if (this._socket.destroyed) {
          this._failQueue(
            new Error('The socket was closed while the blob was being read'),
          );
          break;
        }
        this._queue.shift();
        this.sendFrame(Sender.frame(bytes, options), callback);
      }
    } catch (err) {
      this._failQueue(err);
      process.nextTick(this.onerror, err);
    }
    this._isReadingBlob = false;
  }

  _failQueue(err) {
    for (const { callback } of this._queue.splice(0)) {
      if (callback) process.nextTick(callback, err);
    }
  }
}

module.exports = Sender;
