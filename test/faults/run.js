'use strict';

// Has each system call and each allocation of a conversation fail, one after
// the other, in a server that goes on from fault to fault, and expects a clear
// end of the one connection, or none, and nothing of it that is left behind.
// Prints how often what has failed, and ends with `N passed, N failed`.

const { Server } = require('./child');
const { findUnknownCalls } = require('./imports');
const { Script } = require('./script');
const { SERIES } = require('./series');
const { Stage } = require('./stage');

const TIME_LIMIT_MS = 20 * 1000;
const FAILURES_MAX = 20;

function within(ms, promise) {
  let timer;
  const late = new Promise((resolve, reject) => {
    timer = setTimeout(() => reject(new Error('It does not end')), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function describe({ kind, nth, lasts, err, amount }) {
  const what = err || (amount < 0 ? `all but ${-amount}` : `only ${amount}`);
  return `${kind} ${nth}${lasts ? ' and later' : ''}: ${what}`;
}

class Run {
  constructor(script) {
    this.script = script;
    this.server = null;
    this.passed = 0;
    this.failed = 0;
    /** Faults by what has failed. */
    this.table = {};
  }

  fail(what, problem) {
    this.failed++;
    console.log(`${what}\n${problem}\n`);
  }

  /** The library sees all that the addon can ask the system for. */
  checkImports() {
    const unknown = findUnknownCalls();
    if (unknown.length === 0) this.passed++;
    else this.fail('The addon calls what cannot fail', unknown.join(', '));
  }

  /** @returns {Promise<boolean>} whether it failed, as it should */
  async runFault(stage, fault, expected) {
    if (stage.isFirst) await this.renew(stage);
    try {
      const faults = await within(TIME_LIMIT_MS, stage.suffer(fault, expected));
      if (faults === 0) return false;
      this.passed++;
    } catch (err) {
      this.fail(`${stage.name}, ${describe(fault)}`, err.stack);
      // Whatever it has come to, the next one begins anew.
      await this.renew(stage);
    }
    return true;
  }

  async renew(stage) {
    await this.startServer();
    await within(TIME_LIMIT_MS, stage.setUp(this.server));
  }

  async startServer() {
    await this.stopServer();
    this.server = await new Server(this.script).listen();
  }

  async stopServer() {
    if (this.server !== null) await this.server.kill();
  }

  /** Each of the calls fails, up to the first one that is not made. */
  async runCalls(stage, { expected, last = Infinity, ...fault }, count) {
    let nth = 0;
    do nth++;
    while (
      nth <= last &&
      this.failed < FAILURES_MAX &&
      (await this.runFault(stage, { ...fault, nth }, expected))
    );
    const { kind } = fault;
    this.table[kind] = (this.table[kind] || 0) + nth - 1;
    // How bytes are cut differs a little from time to time.
    if (nth - 1 < Math.min(last, count / 2)) {
      this.fail(
        `${stage.name}, ${describe({ ...fault, nth })}`,
        `It was not reached, of about ${count}.`,
      );
    }
  }

  async runSeries(stage, faults) {
    if (stage.isFirst) await this.startServer();
    await within(TIME_LIMIT_MS, stage.setUp(this.server));
    const counts = await within(TIME_LIMIT_MS, stage.count());
    for (const fault of faults) {
      if (counts[fault.kind] > 0) {
        await this.runCalls(stage, fault, counts[fault.kind]);
      }
    }
    await stage.tearDown();
  }

  async runAll() {
    this.checkImports();
    await this.startServer();
    for (const { faults, ...about } of SERIES) {
      if (this.failed >= FAILURES_MAX) break;
      const stage = new Stage(this.script, about);
      try {
        await this.runSeries(stage, faults);
      } catch (err) {
        this.fail(`${stage.name}, without a fault`, err.stack);
        await this.startServer();
      }
    }
    this.checkTable();
  }

  /** Some conversations lack some of the calls. */
  checkTable() {
    const kinds = SERIES.flatMap(({ faults }) =>
      faults.map(({ kind }) => kind),
    );
    for (const kind of new Set(kinds)) {
      if (!this.table[kind]) this.fail(kind, 'It has never failed.');
    }
  }
}

async function main() {
  const script = new Script();
  const run = new Run(script);
  try {
    await run.runAll();
  } finally {
    await run.stopServer();
    script.remove();
  }
  for (const [kind, count] of Object.entries(run.table)) {
    console.log(`${kind.padEnd(12)}${count} faults`);
  }
  console.log(`${run.passed} passed, ${run.failed} failed`);
  if (run.failed > 0) process.exitCode = 1;
}

main();
