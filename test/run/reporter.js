'use strict';

// A mocha reporter for the test driver: it writes each event as one line of
// JSON to the descriptor that TEST_REPORT_FD names, at once and synchronously,
// so that a crash or a hang still leaves what came before it, and the name of
// the test it happened in.

const fs = require('fs');
const util = require('util');

const fd = Number(process.env.TEST_REPORT_FD);
const ALIVE_AFTER_MS = 5000;

function report(event) {
  const line = Buffer.from(`${JSON.stringify(event)}\n`);
  for (let written = 0; written < line.length;) {
    written += fs.writeSync(fd, line, written);
  }
}

function describeError(err) {
  if (err && err.code === 'ERR_ASSERTION') return err.stack;
  return util.inspect(err);
}

/** Names what keeps the process alive, if it still is after a while. */
function reportWhenAlive() {
  const timer = setTimeout(() => {
    const handles = process._getActiveHandles();
    const names = handles.map((handle) => handle.constructor.name);
    report({ kind: 'alive', names });
  }, ALIVE_AFTER_MS);
  timer.unref();
}

class Reporter {
  constructor(runner) {
    runner.on('test', (test) => {
      report({ kind: 'start', title: test.fullTitle() });
    });
    runner.on('pass', () => report({ kind: 'pass' }));
    runner.on('fail', (test, err) => {
      report({
        kind: 'fail',
        title: test.fullTitle(),
        error: describeError(err),
      });
    });
    runner.on('test end', () => report({ kind: 'stop' }));
    runner.on('end', () => {
      report({ kind: 'end' });
      reportWhenAlive();
    });
  }
}

module.exports = Reporter;
