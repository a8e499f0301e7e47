'use strict';

// What a client has received of a server: messages, control frames, and the
// faults that no frame of a server may have, whatever the case.

const { OPCODES } = require('../../helpers/frame');
const { Inflater, TAIL, inflate } = require('../../helpers/deflate');
const { event } = require('./frames');

const EXTENSION = /^Sec-WebSocket-Extensions: (.*)\r$/im;
const RSV1 = 4;
const MAX_CONTROL_PAYLOAD = 125;

/** Whether bytes are UTF-8 (RFC 6455, 8.1). */
function isUtf8(bytes) {
  return Buffer.from(bytes.toString()).equals(bytes);
}

/** The length form that RFC 6455, 5.2 has for a payload. */
function shortestForm(length) {
  return length < 126 ? 7 : length < 65536 ? 16 : 64;
}

/** What is wrong with a frame of the server, whatever the case. */
function listFaults(frame, isContinued, hasExtension) {
  const faults = [];
  const { opcode, rsv, fin, masked, lengthBits, payload } = frame;
  const isControl = opcode >= 8;
  if (masked) faults.push('RFC 6455, 5.1: a frame has a mask');
  if (lengthBits !== shortestForm(payload.length)) {
    faults.push('RFC 6455, 5.2: a length has more bytes than it needs');
  }
  if (!Object.values(OPCODES).includes(opcode)) {
    faults.push(`RFC 6455, 5.2: the opcode ${opcode}`);
  }
  if (isControl && (!fin || payload.length > MAX_CONTROL_PAYLOAD)) {
    faults.push('RFC 6455, 5.5: a control frame is long or fragmented');
  }
  if (!isControl && isContinued !== (opcode === OPCODES.continuation)) {
    faults.push('RFC 6455, 5.4: fragments of two messages mix');
  }
  const mayCompress = hasExtension && !isControl && !isContinued;
  if (rsv !== 0 && !(mayCompress && rsv === RSV1)) {
    faults.push(`RFC 6455, 5.2: the reserved bits are ${rsv}`);
  }
  return faults;
}

/** What the client has received. */
class Received {
  #fragments = [];
  #inflater;

  constructor(response) {
    const match = EXTENSION.exec(response);
    /** The value of Sec-WebSocket-Extensions of the response, or undefined. */
    this.extension = match ? match[1] : undefined;
    this.count = 0;
    this.faults = [];
    this.sent = [];
    this.pongs = [];
    this.rsv = [];
    this.closeFrame = null;
  }

  async add(frame) {
    this.count += 1;
    const isContinued = this.#fragments.length > 0;
    const hasExtension = this.extension !== undefined;
    this.faults.push(...listFaults(frame, isContinued, hasExtension));
    if (frame.opcode === OPCODES.close) {
      this.closeFrame = frame.payload.toString('hex');
    } else if (frame.opcode >= 8) {
      const kind = frame.opcode === OPCODES.pong ? 'pong' : 'ping';
      this.pongs.push(event(kind, frame.payload));
    } else {
      this.#fragments.push(frame);
      this.rsv.push(frame.rsv);
      if (frame.fin) await this.#addMessage(this.#fragments.splice(0));
    }
  }

  async #addMessage(fragments) {
    const [{ opcode, rsv }] = fragments;
    let payload = Buffer.concat(fragments.map((frame) => frame.payload));
    if (rsv === RSV1 && this.extension !== undefined) {
      payload = await this.#inflate(payload);
    }
    const isText = opcode === OPCODES.text;
    if (isText && !isUtf8(payload)) this.faults.push('RFC 6455, 5.6: no UTF-8');
    this.sent.push(event(isText ? 'text' : 'binary', payload));
  }

  /** With no more than the context that the server has agreed to. */
  #inflate(bytes) {
    if (bytes.subarray(-TAIL.length).equals(TAIL)) {
      this.faults.push('RFC 7692, 7.2.1: a message has its tail');
    }
    const match = /server_max_window_bits=(\d+)/.exec(this.extension);
    const windowBits = match ? Number(match[1]) : 15;
    if (this.extension.includes('server_no_context_takeover')) {
      return inflate(bytes, { windowBits });
    }
    this.#inflater = this.#inflater || new Inflater({ windowBits });
    return this.#inflater.inflate(bytes);
  }
}

module.exports = { Received };
