'use strict';

// Runs of Node under valgrind, of which only what has the addon in its stack
// counts: reads and writes of memory that is not there, and blocks that nobody
// can free any more.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const { addonPath } = require('../run/setup');

/** Whether valgrind is installed. */
function isAvailable() {
  return spawnSync('valgrind', ['--version']).status === 0;
}

/** @param {string} logFile where its findings go */
function makeArguments(logFile) {
  return [
    `--log-file=${logFile}`,
    '--leak-check=full',
    '--show-leak-kinds=definite',
    '--errors-for-leak-kinds=definite',
    // A worker unloads the addon, and with it the names in its stacks.
    '--keep-debuginfo=yes',
    '--num-callers=30',
    '--fair-sched=try',
    process.execPath,
  ];
}

/** A finding down to the last frame of the addon, without what varies. */
function shorten(finding, name) {
  const lines = finding
    .split('\n')
    .filter((line) => !line.includes('Warning: set address range'));
  const last = lines.map((line) => line.includes(name)).lastIndexOf(true);
  return lines
    .slice(0, last + 1)
    .map((line) => line.replace(/^==\d+== |0x[0-9A-F]+: | in loss .*/g, ''))
    .join('\n');
}

/**
 * @param {string} logFile
 * @returns {string} the findings that concern the addon; empty if it is clean
 */
function readFindings(logFile) {
  const log = fs.readFileSync(logFile, 'utf8');
  if (!log.includes('ERROR SUMMARY')) return `valgrind did not finish:\n${log}`;
  const name = path.basename(addonPath());
  const counts = new Map();
  for (const finding of log.split(/^==\d+== \n/m)) {
    if (!finding.includes(name)) continue;
    const short = shorten(finding, name);
    counts.set(short, (counts.get(short) || 0) + 1);
  }
  return [...counts]
    .map(([finding, count]) => `${count} x ${finding}`)
    .join('\n\n');
}

module.exports = { isAvailable, makeArguments, readFindings };
