'use strict';

// Has each system call and each allocation of a conversation fail, one after
// the other, in a server that goes on from fault to fault, and expects a clear
// end of the one connection, or none, and nothing of it that is left behind.
// Ends with `N passed, N failed`.

const assert = require('node:assert');

const { Server } = require('./child');
const { CONVERSATIONS, Talk, converse } = require('./conversations');
const { NO_MEMORY, SERIES } = require('./series');
const { Script } = require('./script');

const TIME_LIMIT_MS = 20 * 1000;

/** Conversations until all that is made once has been made. */
const WARM_UP = 3;

function within(ms, promise, what) {
  let timer;
  const late = new Promise((resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} is not over`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function isPrefix(list, whole) {
  return (
    list.length <= whole.length && list.every((each, i) => each === whole[i])
  );
}

/** The connection has ended as if nothing had failed. */
function assertIsWhole(talk, report, name) {
  assert.deepStrictEqual(
    [talk.status, talk.isOver, talk.failedWith],
    [101, true, undefined],
    'The conversation was not had to its end',
  );
  assert.deepStrictEqual(report.errors, []);
  assert.deepStrictEqual(report.thrown, []);
  assert.deepStrictEqual(report.closes, [CONVERSATIONS[name].close]);
  assert.deepStrictEqual(report.messages, talk.sent);
}

function assertIsRefused(talk, report) {
  assert.deepStrictEqual([talk.status, report], [503, undefined]);
}

/** The connection is lost: 1006, or what was agreed on before. */
function assertIsLost(talk, report, name) {
  assert.deepStrictEqual(report.errors, []);
  assert.deepStrictEqual(report.thrown, []);
  assert.strictEqual(talk.failedWith, undefined);
  assertHasEnded(talk, report, name);
}

function assertHasEnded(talk, report, name) {
  const [close, ...others] = report.closes;
  assert.deepStrictEqual(others, [], "more than one 'close'");
  if (close[0] !== 1006) {
    assert.deepStrictEqual(close, CONVERSATIONS[name].close);
  }
  assert(isPrefix(report.messages, talk.sent), 'messages that were not sent');
}

/** There was no memory for something, which may have been of no importance. */
function assertIsClear(talk, report, name) {
  if (report === undefined) {
    assertIsRefused(talk, report);
    return;
  }
  for (const [, code] of report.errors.concat(report.thrown)) {
    assert(NO_MEMORY.includes(code), code);
  }
  if (talk.failedWith !== undefined) {
    assert.strictEqual(talk.failedWith, 1011);
    assert.strictEqual(report.errors.length, 1);
  }
  assertHasEnded(talk, report, name);
}

const JUDGES = {
  survives: assertIsWhole,
  refuses: assertIsRefused,
  ends: assertIsLost,
  clear: assertIsClear,
};

/** A server, a connection that is there all the time, and what is normal. */
class Stage {
  constructor(script, { conversation, transport, takesOver }) {
    this.script = script;
    this.conversation = conversation;
    this.transport = transport;
    this.takesOver = takesOver;
  }

  async setUp() {
    this.server = await new Server(this.script).listen();
    this.bystander = new Talk('bystander', this.takesOver);
    await this.bystander.open(
      this.server.ports[this.transport],
      this.transport === 'tls',
    );
    // What connections without a context of their own share, once and for all.
    assertIsWhole(...(await this.talk('short', false)), 'short');
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

  async talk(conversation, takesOver = this.takesOver) {
    const suffix = conversation === 'shutdown' ? '-shutdown' : '';
    const talk = new Talk(`client${suffix}`, takesOver);
    await converse(talk, conversation, this.server, this.transport);
    const report =
      talk.status === 503 ? undefined : await this.server.report(talk.name);
    return [talk, report];
  }

  /** Nothing is left of connections that have ended. */
  async isAtRest() {
    const end = Date.now() + TIME_LIMIT_MS / 4;
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

  /** @returns {Promise<number>} how often it failed */
  async suffer(fault, judge) {
    this.script.arm(fault);
    const [talk, report] = await this.talk(this.conversation);
    const { faults } = this.script;
    this.script.disarm();
    (faults > 0 ? judge : assertIsWhole)(talk, report, this.conversation);
    await this.isServing();
    await this.isAtRest();
    return faults;
  }

  tearDown() {
    this.bystander.hangUp();
    this.server.kill();
  }
}

function describe({ kind, nth, lasts, err, amount }) {
  const what = err === undefined ? `at most ${amount} bytes` : err;
  return `${kind} ${nth}${lasts ? ' and later' : ''}: ${what}`;
}

class Run {
  constructor(script) {
    this.script = script;
    this.passed = 0;
    this.failed = 0;
    this.table = [];
  }

  /** The calls of a conversation by their kinds. */
  async count(stage) {
    this.script.arm({ kind: 'recv' });
    await stage.talk(stage.conversation);
    const { counts } = this.script;
    this.script.disarm();
    await stage.isServing();
    await stage.isAtRest();
    return counts;
  }

  /** Fails the nth call, for each n that is reached. */
  async runFault(stage, fault, expected, count) {
    let reached = 0;
    for (let nth = fault.nth || 1; nth <= (fault.last || Infinity); nth++) {
      const one = { ...fault, nth };
      let faults = 0;
      try {
        faults = await within(
          TIME_LIMIT_MS,
          stage.suffer(one, JUDGES[expected]),
          'The conversation',
        );
        if (faults === 0) break;
        this.passed++;
      } catch (err) {
        this.failed++;
        console.log(
          `${stage.transport}, ${stage.conversation}, ${describe(one)}\n` +
            `${err.stack}\n`,
        );
        if (this.failed > 20) throw new Error('Too many failures');
        stage.tearDown();
        await stage.setUp();
      }
      reached++;
    }
    if (reached < count / 2) {
      this.failed++;
      console.log(`${describe({ ...fault, nth: reached + 1 })}: not reached`);
    }
    return reached;
  }

  async runSeries({ faults, ...about }) {
    const stage = new Stage(this.script, about);
    await stage.setUp();
    const counts = await this.count(stage);
    const { conversation, transport } = stage;
    console.log(transport, conversation, JSON.stringify(counts));
    for (const { expected, ...fault } of faults) {
      const startedAt = Date.now();
      const reached = await this.runFault(
        stage,
        fault,
        expected,
        fault.last === undefined ? counts[fault.kind] : 1,
      );
      console.log(
        transport,
        conversation,
        JSON.stringify(fault),
        reached,
        Date.now() - startedAt,
      );
    }
    stage.tearDown();
  }
}

async function main() {
  const script = new Script();
  const run = new Run(script);
  try {
    for (const series of SERIES) await run.runSeries(series);
  } finally {
    script.remove();
  }
  console.log(`${run.passed} passed, ${run.failed} failed`);
  process.exitCode = run.failed === 0 ? 0 : 1;
}

main();
