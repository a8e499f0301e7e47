'use strict';

// What the scripts of this folder have in common: scenarios by name, each of
// which resolves when all that it expects has come true.

const { setTimeout: sleep } = require('node:timers/promises');

const TIME_LIMIT_MS = 5 * 1000;

/** How long the wait is between two looks at what has no event, in ms. */
const STEP_MS = 1;

/**
 * Waits for what tells nobody that it happens.
 *
 * @param {() => boolean} condition
 * @param {() => string} [describe] says what it has come to in vain
 * @throws {Error} if it does not come true in time
 */
async function until(condition, describe = () => String(condition)) {
  const end = Date.now() + TIME_LIMIT_MS;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`Waited in vain: ${describe()}`);
    await sleep(STEP_MS);
  }
}

/** What is printed when a scenario has come to its end. */
function passed(name) {
  return `passed: ${name}\n`;
}

/**
 * Runs scenarios one after the other. The first that fails ends the process.
 *
 * @param {Object<string, () => Promise>} scenarios
 * @param {string[]} names
 * @param {(run: () => Promise) => Promise} [around] runs each of them
 */
async function runScenarios(scenarios, names, around = (run) => run()) {
  for (const name of names) {
    await around(scenarios[name]);
    process.stdout.write(passed(name));
  }
}

module.exports = { passed, runScenarios, until };
