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

/**
 * Has what listeners have thrown be uncaught exceptions, behind what runs now:
 * the stream that emits is not to be left in the middle of that.
 */
function reportFailures() {
  if (failures.length === 0) return;
  for (const err of failures.splice(0)) process.nextTick(raise, err);
}

module.exports = { failures, reportFailures };
