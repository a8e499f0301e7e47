'use strict';

const assert = require('node:assert');

const { Server } = require('./child');
const { Talk, converse } = require('./conversations');
const { JUDGES, assertIsWhole } = require('./judges');

const REST_LIMIT_MS = 5 * 1000;

/** Conversations until all that is made once has been made. */
const WARM_UP = 3;

/** The application has got the connection, although not all of the response. */
function isAccepted({ status }) {
  return status !== 503;
}

function isAnswered({ status }) {
  return status !== undefined;
}

/** A server, a connection that is there all the time, and what is normal. */
class Stage {
  constructor(script, { conversation, transport, takesOver }) {
    this.script = script;
    this.conversation = conversation;
    this.transport = transport;
    this.takesOver = takesOver;
    this.name = `${transport}, ${conversation}`;
  }

  async setUp() {
    this.server = await new Server(this.script).listen();
    this.bystander = new Talk('bystander', this.takesOver);
    await this.bystander.open(
      this.server.ports[this.transport],
      this.transport === 'tls',
    );
    // What connections without a context of their own share, once and for all.
    assertIsWhole(...(await this.talk('short', { takesOver: false })), 'short');
    for (let i = 0; i < WARM_UP; i++) {
      await this.talk(this.conversation);
      await this.isServing();
      this.normal = await this.server.left(true);
    }
  }

  /** Everybody else is served as before. */
  async isServing() {
    await this.bystander.echo('still here');
    await this.bystander.echo('compressed '.repeat(20), { compress: true });
    assertIsWhole(...(await this.talk('short')), 'short');
  }

  async talk(
    conversation,
    { takesOver = this.takesOver, isReported = isAccepted } = {},
  ) {
    const suffix = conversation === 'shutdown' ? '-shutdown' : '';
    const talk = new Talk(`client${suffix}`, takesOver);
    await converse(talk, conversation, this.server, this.transport);
    return [
      talk,
      isReported(talk) ? await this.server.report(talk.name) : undefined,
    ];
  }

  /** Nothing is left of connections that have ended. */
  async isAtRest() {
    const end = Date.now() + REST_LIMIT_MS;
    let left = await this.server.left(false);
    // Threads may be at work for one that is gone.
    while (!this.isNormal(left) && Date.now() < end) {
      left = await this.server.left(true);
    }
    assert.deepStrictEqual(left, this.normal);
    assert.deepStrictEqual(this.server.takeUnasked(), []);
  }

  isNormal(left) {
    return JSON.stringify(left) === JSON.stringify(this.normal);
  }

  /** The calls of a conversation in which nothing fails, by their kinds. */
  async count() {
    this.script.arm({ kind: 'recv' });
    await this.talk(this.conversation);
    const { counts } = this.script;
    this.script.disarm();
    await this.isServing();
    await this.isAtRest();
    return counts;
  }

  /**
   * Has a conversation in which something fails.
   *
   * @param {object} fault see Script.arm()
   * @param {string} expected see series.js
   * @returns {Promise<number>} how often it failed
   */
  async suffer(fault, expected) {
    const isReported = expected === 'drops' ? isAnswered : isAccepted;
    this.script.arm(fault);
    const [talk, report] = await this.talk(this.conversation, { isReported });
    const { faults } = this.script;
    this.script.disarm();
    const judge = faults > 0 ? JUDGES[expected] : assertIsWhole;
    judge(talk, report, this.conversation);
    // Node.js tells the HTTP server, and goes on.
    if (fault.kind === 'accept') this.server.takeErrors();
    await this.isServing();
    await this.isAtRest();
    return faults;
  }

  tearDown() {
    this.bystander.hangUp();
    this.server.kill();
  }
}

module.exports = { Stage };
