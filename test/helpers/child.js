'use strict';

const { fork } = require('node:child_process');
const path = require('node:path');

const { once } = require('./events');
const { RawClient } = require('./raw-client');

const running = new Set();

/** A server in a process of its own, see `child-server.js`. */
class Child {
  #waiting = new Set();

  constructor(scenario) {
    /** What the process reported: `[connection, event, detail]`. */
    this.reports = [];
    this.process = fork(path.join(__dirname, 'child-server.js'), [scenario], {
      stdio: ['ignore', 'inherit', 'ignore', 'ipc'],
    });
    this.process.on('message', (report) => {
      this.reports.push(report);
      for (const waiter of this.#waiting) waiter();
    });
    /** Resolves with the exit code and the signal. */
    this.exited = once(this.process, 'exit');
    this.exited.then(() => running.delete(this));
    running.add(this);
  }

  /**
   * Waits until `name` has reported `event`.
   *
   * @param {string} name
   * @param {string} event
   * @param {number} [count] so many times
   * @returns {Promise<any>} the detail of the last of these reports
   */
  reported(name, event, count = 1) {
    return new Promise((resolve) => {
      const waiter = () => {
        const found = this.reports.filter(
          (report) => report[0] === name && report[1] === event,
        );
        if (found.length < count) return;
        this.#waiting.delete(waiter);
        resolve(found[count - 1][2]);
      };
      this.#waiting.add(waiter);
      waiter();
    });
  }

  /** Connects a client under a name, which is the path of its URL. */
  async open(name) {
    return RawClient.open(await this.reported('process', 'listening'), {
      path: name,
    });
  }
}

/** Kills all servers that still run. */
async function killChildren() {
  const children = [...running];
  for (const child of children) child.process.kill('SIGKILL');
  await Promise.all(children.map((child) => child.exited));
}

module.exports = { Child, killChildren };
