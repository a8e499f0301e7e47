'use strict';

// Frames as bytes, in both directions, independent of the implementation
// under test (RFC 6455, 5.2).

const OPCODES = {
  continuation: 0x0,
  text: 0x1,
  binary: 0x2,
  close: 0x8,
  ping: 0x9,
  pong: 0xa,
};

const DEFAULT_MASK = Buffer.from('37fa213d', 'hex');

/**
 * XORs `payload` with `mask` into a new buffer.
 *
 * @param {Buffer} payload
 * @param {Buffer} mask four bytes
 * @returns {Buffer}
 */
function applyMask(payload, mask) {
  const masked = Buffer.allocUnsafe(payload.length);
  for (let i = 0; i < payload.length; i++) {
    masked[i] = payload[i] ^ mask[i & 3];
  }
  return masked;
}

/**
 * Encodes one frame as a client sends it, well-formed or not.
 *
 * @param {object} frame
 * @param {number|string} frame.opcode a number or a name of `OPCODES`
 * @param {Buffer|string} [frame.payload] empty by default
 * @param {boolean} [frame.fin] true by default
 * @param {number} [frame.rsv] the bits RSV1 (4), RSV2 (2) and RSV3 (1)
 * @param {Buffer|false} [frame.mask] four bytes, or false for no mask
 * @param {7|16|64} [frame.lengthBits] the form of the length, the shortest
 *   by default
 * @param {number|bigint} [frame.declaredLength] the length that the header
 *   claims, that of the payload by default
 * @returns {Buffer}
 */
function encodeFrame(frame) {
  const { fin = true, rsv = 0, mask = DEFAULT_MASK } = frame;
  const opcode =
    typeof frame.opcode === 'string' ? OPCODES[frame.opcode] : frame.opcode;
  const payload = Buffer.from(frame.payload || '');
  const length = frame.declaredLength ?? payload.length;
  const lengthBits =
    frame.lengthBits || (length < 126 ? 7 : length < 65536 ? 16 : 64);

  const maskBit = mask ? 0x80 : 0;
  const first = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  let header;
  if (lengthBits === 7) {
    header = Buffer.from([first, maskBit | Number(length)]);
  } else if (lengthBits === 16) {
    header = Buffer.from([first, maskBit | 126, 0, 0]);
    header.writeUInt16BE(Number(length), 2);
  } else {
    header = Buffer.from([first, maskBit | 127, 0, 0, 0, 0, 0, 0, 0, 0]);
    header.writeBigUInt64BE(BigInt(length), 2);
  }
  return mask
    ? Buffer.concat([header, mask, applyMask(payload, mask)])
    : Buffer.concat([header, payload]);
}

/**
 * Encodes the payload of a close frame.
 *
 * @param {number} code
 * @param {Buffer|string} [reason]
 * @returns {Buffer}
 */
function closePayload(code, reason = '') {
  return Buffer.concat([
    Buffer.from([code >> 8, code & 0xff]),
    Buffer.from(reason),
  ]);
}

/**
 * Tells how many bytes the frame at the start of `bytes` takes.
 *
 * @param {Buffer} bytes at least two
 * @returns {number} no more than the size of the frame; exactly that once
 *   this many bytes are there
 */
function bytesNeeded(bytes) {
  const mask = bytes[1] & 0x80 ? 4 : 0;
  const length = bytes[1] & 0x7f;
  if (length < 126) return 2 + mask + length;
  if (length === 126) {
    return bytes.length < 4 ? 4 : 4 + mask + bytes.readUInt16BE(2);
  }
  if (bytes.length < 10) return 10;
  return 10 + mask + Number(bytes.readBigUInt64BE(2));
}

/**
 * Decodes one frame.
 *
 * @param {Buffer} bytes the whole frame
 * @returns {{fin: boolean, rsv: number, opcode: number, masked: boolean,
 *   lengthBits: number, payload: Buffer}} `lengthBits` as for `encodeFrame()`
 */
function decodeFrame(bytes) {
  const masked = (bytes[1] & 0x80) !== 0;
  const lengthForm = bytes[1] & 0x7f;
  let offset = lengthForm < 126 ? 2 : lengthForm === 126 ? 4 : 10;
  const mask = bytes.subarray(offset, masked ? (offset += 4) : offset);
  const payload = bytes.subarray(offset);
  return {
    fin: (bytes[0] & 0x80) !== 0,
    rsv: (bytes[0] >> 4) & 7,
    opcode: bytes[0] & 0xf,
    masked,
    lengthBits: lengthForm < 126 ? 7 : lengthForm === 126 ? 16 : 64,
    payload: masked ? applyMask(payload, mask) : payload,
  };
}

module.exports = {
  OPCODES,
  bytesNeeded,
  closePayload,
  decodeFrame,
  encodeFrame,
};
