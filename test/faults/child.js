'use strict';

const { fork } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const { once } = require('../helpers/events');

/** What has come over IPC, by kind, and who waits for it. */
class Server {
  #script;
  #messages = [];
  #waiting = new Set();

  /** @param {Script} script that it follows */
  constructor(script) {
    this.#script = script;
    /** Whether the process has ended, and how. */
    this.exit = undefined;
    script.reset();
    this.process = fork(path.join(__dirname, 'server.js'), {
      env: { ...process.env, ...script.env },
      execArgv: ['--expose-gc'],
    });
    this.process.on('message', (message) => {
      this.#messages.push(message);
      this.#wake();
    });
    this.process.on('exit', (code, signal) => {
      this.exit = signal || `code ${code}`;
      this.#wake();
    });
  }

  /** @returns {Promise<Server>} this, when it listens */
  async listen() {
    const { ports } = await this.#take(({ kind }) => kind === 'ports');
    this.ports = ports;
    return this;
  }

  /** Much waits to be sent to the client, or its connection has ended. */
  async isBlocked() {
    await this.#find(({ kind }) => kind === 'blocked' || kind === 'end');
    this.#remove(({ kind }) => kind === 'blocked');
  }

  /** @returns {Promise<object>} what a connection was to the application */
  async report(name) {
    const { report } = await this.#take(
      ({ kind, report }) => kind === 'end' && report.name === name,
    );
    return report;
  }

  /** @returns {object[]} errors of the HTTP server that have come */
  takeErrors() {
    return this.#remove(({ kind }) => kind === 'error');
  }

  /** @returns {object[]} what has come and nobody has asked for */
  takeUnasked() {
    return this.#messages.splice(0);
  }

  /**
   * @param {boolean} collects whether garbage is collected before
   * @returns {Promise<{counts: object, bytes: number}>} what there is of
   *     connections and of native memory
   */
  async left(collects) {
    this.process.send({ collects });
    const { left } = await this.#take(({ kind }) => kind === 'rest');
    const { blocks, bytes } = this.#script.memory;
    const { length } = fs.readdirSync(`/proc/${this.process.pid}/fd`);
    return { counts: { ...left, blocks, descriptors: length }, bytes };
  }

  /** @returns {Promise<void>} when the process has ended */
  async kill() {
    if (this.exit !== undefined) return;
    const exit = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await exit;
  }

  #remove(isUnwanted) {
    const removed = this.#messages.filter(isUnwanted);
    this.#messages = this.#messages.filter((each) => !isUnwanted(each));
    return removed;
  }

  async #take(isWanted) {
    const message = await this.#find(isWanted);
    this.#messages.splice(this.#messages.indexOf(message), 1);
    return message;
  }

  #find(isWanted) {
    return new Promise((resolve, reject) => {
      const waiter = () => {
        const message = this.#messages.find(isWanted);
        if (message === undefined && this.exit === undefined) return;
        this.#waiting.delete(waiter);
        if (message !== undefined) resolve(message);
        else reject(new Error(`The server has ended with ${this.exit}`));
      };
      this.#waiting.add(waiter);
      waiter();
    });
  }

  #wake() {
    for (const waiter of this.#waiting) waiter();
  }
}

module.exports = { Server };
