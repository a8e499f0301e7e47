'use strict';

const { spawn } = require('node:child_process');
const path = require('node:path');

const { once } = require('../helpers/events');
const { RawClient } = require('../helpers/raw-client');

const running = new Set();

/** A server that is attacked, in a process of its own. */
class Target {
  /**
   * @param {object} what
   * @param {'ws'|''} [what.implementation] this package, if it is empty
   * @param {'tcp'|'stream'|'tls'} what.transport
   * @param {object} what.options of WebSocketServer
   * @param {string[]} [what.launcher] a command that starts a process
   * @returns {Promise<Target>} one that listens
   */
  static async start({
    implementation = '',
    transport,
    options,
    launcher = [],
  }) {
    const [command, ...args] = [
      ...launcher,
      process.execPath,
      '--expose-gc',
      path.join(__dirname, 'server.js'),
      JSON.stringify(options),
    ];
    const child = spawn(command, args, {
      env: {
        ...process.env,
        WS_IMPLEMENTATION: implementation,
        WS_NO_BUFFER_UTIL: '1',
        WS_TRANSPORT: transport,
      },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const target = new Target(child);
    running.add(target);
    const { port } = await target.#message();
    target.port = port;
    target.isOurs = implementation === '';
    target.usesTls = transport === 'tls';
    return target;
  }

  #child;
  #exited;

  constructor(child) {
    this.#child = child;
    this.#exited = once(child, 'exit');
  }

  async #message() {
    const answer = once(this.#child, 'message');
    const end = this.#exited.then(([code, signal]) => {
      throw new Error(`The server has ended with ${signal || code}`);
    });
    const [message] = await Promise.race([answer, end]);
    return message;
  }

  /**
   * Asks the server; one question at a time.
   *
   * @param {string} question a name of `answers` in server.js
   * @param {any} [argument]
   * @returns {Promise<any>}
   */
  async ask(question, argument) {
    const message = this.#message();
    this.#child.send({ question, argument });
    return (await message).answer;
  }

  /** Connects a client that sends nothing. */
  connect() {
    return RawClient.connect(this.port, this.usesTls);
  }

  /** Opens a connection; `options` are those of `RawClient.open()`. */
  open(options) {
    return RawClient.open(this.port, { isTls: this.usesTls, ...options });
  }

  /** Resolves when a client that does no harm has got an echo. */
  async probe() {
    const client = await this.open({ path: '/echo' });
    client.send({ opcode: 'text', payload: 'foo' });
    await client.expect('8103666f6f');
    client.send({ opcode: 'close' });
    await client.expect('8800');
    client.end();
    await client.closed();
  }

  async kill() {
    running.delete(this);
    this.#exited.catch(() => {});
    this.#child.kill('SIGKILL');
    await this.#exited;
  }
}

/** Ends all servers that still run. */
async function killTargets() {
  await Promise.all([...running].map((target) => target.kill()));
}

module.exports = { Target, killTargets };
