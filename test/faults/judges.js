'use strict';

// What has to be right about a connection, on both sides, after a fault.

const assert = require('node:assert');

const { CONVERSATIONS } = require('./conversations');

/** Codes of errors that say that there is no memory. */
const NO_MEMORY = ['ENOMEM', 'WSU_ERR_OUT_OF_MEMORY'];

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

/** libuv has closed it, or has accepted it behind the failure. */
function assertIsDropped(talk, report, name) {
  if (talk.status !== undefined) assertIsWhole(talk, report, name);
}

/** By what is expected: see series.js. */
const JUDGES = {
  survives: assertIsWhole,
  refuses: assertIsRefused,
  ends: assertIsLost,
  drops: assertIsDropped,
  clear: assertIsClear,
};

module.exports = { JUDGES, assertIsWhole };
