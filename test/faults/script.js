'use strict';

// The other side of script.h: what is to fail in a process with the preloaded
// library, and what that process has called.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

/** The calls, in the order of kind_t. */
const KINDS = [
  'recv',
  'send',
  'sendmsg',
  'dup',
  'setsockopt',
  'shutdown',
  'close',
  'epoll_ctl',
  'accept',
  'memory',
  'malloc',
  'calloc',
  'realloc',
];

/** Offsets in script_t. */
const COMMANDS = 4;
const RESULTS = 24;
const FAULTS = 32;
const COUNTS = 36;
const BLOCKS = 88;
const BYTES = 96;
const SIZE = 104;

const CFLAGS = [
  '-std=c11',
  '-D_GNU_SOURCE',
  '-Wall',
  '-Wextra',
  '-Wshadow',
  '-Wconversion',
  '-Werror',
  '-O1',
  '-fno-builtin',
  '-shared',
  '-fPIC',
];

class Script {
  #folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ws-upgrade-faults-'));
  #fd;

  constructor() {
    const file = path.join(this.#folder, 'script');
    const library = path.join(this.#folder, 'preload.so');
    const source = path.join(__dirname, 'preload.c');
    execFileSync('cc', [...CFLAGS, '-o', library, source, '-ldl']);
    fs.writeFileSync(file, Buffer.alloc(SIZE));
    this.#fd = fs.openSync(file, 'r+');
    /** Of the process that is to follow the script. */
    this.env = { LD_PRELOAD: library, WSU_FAULTS: file };
  }

  /**
   * Begins to count, and has a call fail.
   *
   * @param {object} fault
   * @param {string} fault.kind one of KINDS
   * @param {number} [fault.nth] the number of the call, from 1; 0: none fails
   * @param {boolean} [fault.lasts] those behind it fail as well
   * @param {string} [fault.err] the name of its errno
   * @param {number} [fault.amount] without one: bytes that it takes at most,
   *     or, below zero, that it leaves
   */
  arm({ kind, nth = 0, lasts = false, err, amount = 0 }) {
    this.disarm();
    const results = Buffer.alloc(BLOCKS - RESULTS);
    const commands = Buffer.alloc(RESULTS - COMMANDS);
    [
      KINDS.indexOf(kind),
      nth,
      Number(lasts),
      err === undefined ? 0 : os.constants.errno[err],
      amount,
    ].forEach((value, i) => commands.writeInt32LE(value, 4 * i));
    fs.writeSync(this.#fd, results, 0, results.length, RESULTS);
    fs.writeSync(this.#fd, commands, 0, commands.length, COMMANDS);
    this.#setArmed(1);
  }

  /** No call fails any more. */
  disarm() {
    this.#setArmed(0);
  }

  /** For a process that begins. */
  reset() {
    const zeros = Buffer.alloc(SIZE);
    fs.writeSync(this.#fd, zeros, 0, SIZE, 0);
  }

  /** Calls that have failed since arm(). */
  get faults() {
    return this.#read().readUInt32LE(FAULTS);
  }

  /** Calls since arm(), by their name. */
  get counts() {
    const bytes = this.#read();
    return Object.fromEntries(
      KINDS.map((name, i) => [name, bytes.readUInt32LE(COUNTS + 4 * i)]),
    );
  }

  /** What the addon has allocated and not freed. */
  get memory() {
    const bytes = this.#read();
    return {
      blocks: Number(bytes.readBigInt64LE(BLOCKS)),
      bytes: Number(bytes.readBigInt64LE(BYTES)),
    };
  }

  remove() {
    fs.closeSync(this.#fd);
    fs.rmSync(this.#folder, { recursive: true });
  }

  #setArmed(value) {
    fs.writeSync(this.#fd, Buffer.from([value, 0, 0, 0]), 0, 4, 0);
  }

  #read() {
    const bytes = Buffer.alloc(SIZE);
    fs.readSync(this.#fd, bytes, 0, SIZE, 0);
    return bytes;
  }
}

module.exports = { KINDS, Script };
