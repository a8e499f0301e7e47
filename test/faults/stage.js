'use strict';

const assert = require('node:assert');
const { isDeepStrictEqual } = require('node:util');

const { Talk, converse } = require('./conversations');
const { JUDGES, assertIsWhole } = require('./judges');

/**
 * Bytes by which three buffers may differ that native code keeps for the next
 * compressed message: as large as the last ones were, up to 64 KiB.
 */
const KEPT_MAX = 3 * 64 * 1024;

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

/** A conversation, a connection beside it, and what the server holds at rest. */
class Stage {
  /**
   * @param {Script} script
   * @param {object} series see series.js
   */
  constructor(script, { conversation, transport, takesOver, isFirst = false }) {
    this.isFirst = isFirst;
    this.script = script;
    this.conversation = conversation;
    this.transport = transport;
    this.takesOver = takesOver;
    this.service = conversation === 'everything' ? 'large' : 'short';
    this.name = `${transport}, ${isFirst ? 'first ' : ''}${conversation}`;
  }

  /** @param {Server} server which is new if this is about its first connection */
  async setUp(server) {
    this.server = server;
    this.bystander = null;
    if (this.isFirst) return;
    await this.openBystander();
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
    if (this.bystander === null) await this.openBystander();
    await this.bystander.echo('still here');
    await this.bystander.echo('compressed '.repeat(20), { compress: true });
    assertIsWhole(...(await this.talk(this.service)), this.service);
  }

  async openBystander() {
    const port = this.server.ports[this.transport];
    this.bystander = new Talk('bystander', this.takesOver);
    await this.bystander.open(port, this.transport === 'tls');
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
    while (
      !isDeepStrictEqual(left.counts, this.normal.counts) &&
      Date.now() < end
    ) {
      left = await this.server.left(true);
    }
    assert.deepStrictEqual(left.counts, this.normal.counts);
    const growth = Math.abs(left.bytes - this.normal.bytes);
    assert(growth <= KEPT_MAX, `${left.bytes} bytes of ${this.normal.bytes}`);
    assert.deepStrictEqual(this.server.takeUnasked(), []);
  }

  /** The calls of a conversation in which nothing fails, by their kinds. */
  async count() {
    this.script.arm({ kind: 'recv' });
    await this.talk(this.conversation);
    const { counts } = this.script;
    this.script.disarm();
    await this.isServing();
    if (this.isFirst) this.normal = await this.server.left(true);
    else await this.isAtRest();
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

  async tearDown() {
    this.bystander.hangUp();
    await this.server.report(this.bystander.name);
  }
}

module.exports = { Stage };
