'use strict';

const native = require('./native');

/**
 * What listeners have thrown while native code handed over what a stream has
 * read, which adds to it. Copies of this package that share the addon share it.
 */
const failures = native.failures || [];

native.failures = failures;

function raise(err) {
  throw err;
}

/** Forgets what nobody was left to be told of, on a stack that was exhausted. */
function dropFailures() {
  if (failures.length > 0 && !native.isDispatching()) failures.length = 0;
}

/** Has what listeners have thrown be uncaught exceptions, behind what runs now. */
function reportFailures() {
  if (failures.length === 0 || native.isDispatching()) return;
  for (const err of failures.splice(0)) process.nextTick(raise, err);
}

/**
 * Throws what a listener has thrown, as in `ws`: to who has the stream emit. In
 * a listener it does not: who called first is told.
 *
 * @throws {*}
 */
function throwFailure() {
  if (failures.length === 0 || native.isDispatching()) return;
  const err = failures.shift();

  reportFailures();
  throw err;
}

module.exports = { dropFailures, failures, reportFailures, throwFailure };
