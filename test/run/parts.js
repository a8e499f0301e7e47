'use strict';

// The parts of a test run. Each resolves to { passed, failed, details }, where
// details is the text to show: failing tests in full, and what tests printed.
// A part never rejects for a test that fails, crashes or hangs: those count.

const { spawn } = require('child_process');
const fs = require('fs');
const path = require('path');
const readline = require('readline');

const { ROOT, SetupError, ensureNode } = require('./setup');

const TIME_LIMIT_MS = 5 * 60 * 1000;
const EXIT_LIMIT_MS = 10 * 1000;

const running = new Set();

function killGroup(child) {
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch (err) {
    if (err.code !== 'ESRCH') throw err;
  }
}

/** Ends every child that still runs, with what it started. */
function killAll() {
  running.forEach(killGroup);
}

/**
 * Starts a command in a process group of its own, so that a time limit or
 * Ctrl-C takes what it started with it. `output` collects both streams.
 */
function start(command, args, options) {
  const child = spawn(command, args, { cwd: ROOT, detached: true, ...options });
  const job = { child, output: '', killedBecause: null };
  const keep = (chunk) => {
    job.output += chunk;
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  running.add(child);
  job.limit = (ms, reason) => {
    clearTimeout(job.timer);
    job.timer = setTimeout(() => {
      job.killedBecause = reason;
      killGroup(child);
    }, ms);
  };
  job.closed = new Promise((resolve) => {
    child.on('error', (err) => {
      job.output += `cannot run ${command}: ${err.message}\n`;
    });
    child.on('close', (code, signal) => {
      clearTimeout(job.timer);
      running.delete(child);
      resolve({ code, signal });
    });
  });
  job.limit(TIME_LIMIT_MS, `still running after ${TIME_LIMIT_MS / 1000} s`);
  return job;
}

function describeEnd({ code, signal }) {
  return signal === null ? `exit code ${code}` : `killed by ${signal}`;
}

/** Runs a command whose last `N passed, N failed` line has its counts. */
async function runCounted(command, args) {
  const job = start(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const end = await job.closed;
  const lines = job.output.match(/^\d+ passed, \d+ failed$/gm) || [];
  const last = lines.length === 0 ? '0 passed, 0 failed' : lines.pop();
  const [passed, failed] = last.match(/\d+/g).map(Number);
  const { output } = job;
  const result = { passed, failed, output, details: failed > 0 ? output : '' };
  if (job.killedBecause !== null || (end.code !== 0 && failed === 0)) {
    result.failed += 1;
    result.details = `${job.output}${job.killedBecause || describeEnd(end)}\n`;
  } else if (passed + failed === 0) {
    result.failed = 1;
    result.details = `${job.output}No test ran.\n`;
  }
  return result;
}

function runNative({ sanitize }) {
  const args = ['-s', '-C', 'test/native', 'check'];
  if (sanitize) args.push('SANITIZE=1');
  return runCounted('make', args);
}

function runFuzzCorpus() {
  return runCounted('make', ['-s', '-C', 'test/fuzz', 'check']);
}

/** Says what a run lacks, too. */
async function runLifecycle() {
  const result = await runCounted(process.execPath, ['test/lifecycle/run.js']);
  const lacks = result.output.match(/^.* is not installed.*$/gm) || [];
  return { ...result, details: result.details || lacks.join('\n') };
}

function runIntegration() {
  return runCounted(process.execPath, ['test/integration/run.js']);
}

/** Each compilation of the type tests is one that passes or fails. */
async function runTypes() {
  const job = start('npm', ['run', '--silent', 'test:types'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const { code } = await job.closed;
  return code === 0
    ? { passed: 1, failed: 0, details: '' }
    : { passed: 0, failed: 1, details: job.output };
}

function mochaFiles(folder = 'test') {
  return fs
    .readdirSync(path.join(ROOT, folder))
    .filter((name) => name.endsWith('.test.js'))
    .map((name) => path.join(folder, name));
}

/** Follows the lines of reporter.js; `current` is the test that runs now. */
function follow(stream, tally, job) {
  readline.createInterface({ input: stream }).on('line', (line) => {
    const event = JSON.parse(line);
    if (event.kind === 'start') tally.current = event.title;
    else if (event.kind === 'stop') tally.current = null;
    else if (event.kind === 'pass') tally.passed += 1;
    else if (event.kind === 'fail') {
      tally.failed += 1;
      tally.details += `${event.title}\n${event.error}\n\n`;
    } else if (event.kind === 'alive') {
      tally.details += `Active handles: ${event.names.join(', ')}\n`;
    } else {
      tally.ended = true;
      const reason =
        `the last test is over, yet ${EXIT_LIMIT_MS / 1000} s later ` +
        'something still keeps the process alive';
      job.limit(EXIT_LIMIT_MS, reason);
    }
  });
}

/**
 * A Node of the matrix, or the result of a part that cannot have it.
 *
 * @param {number} major
 * @returns {Promise<{node?: object, result?: object}>}
 */
async function findNode(major) {
  try {
    return { node: await ensureNode(major) };
  } catch (err) {
    if (!(err instanceof SetupError)) throw err;
    const details = `${err.output}${err.message}\n`;
    return {
      result: { passed: 0, failed: 1, details, version: String(major) },
    };
  }
}

/**
 * Runs the faults on one Node.
 *
 * @param {number} major
 * @returns {Promise<object>} `version` says which Node it was.
 */
async function runFaults(major) {
  const { node, result } = await findNode(major);
  if (node === undefined) return result;
  const counts = await runCounted(node.path, ['test/faults/run.js']);
  return { ...counts, version: node.version };
}

/**
 * Runs the mocha suite on one Node.
 *
 * @param {number} major
 * @param {{files: string[], grep?: string, env?: object}} options No files: all
 *   of the folder test. `env` adds to the environment.
 * @returns {Promise<object>} `version` says which Node it was.
 */
async function runMocha(major, { files, grep, env }) {
  const { node, result } = await findNode(major);
  if (node === undefined) return result;
  const args = [path.join('node_modules', 'mocha', 'bin', 'mocha.js')];
  args.push('--reporter', path.join('test', 'run', 'reporter.js'));
  if (grep !== undefined) args.push('--grep', grep);
  args.push(...(files.length > 0 ? files : mochaFiles()));
  const job = start(node.path, args, {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...env, TEST_REPORT_FD: '3' },
  });
  const tally = { passed: 0, failed: 0, details: '', current: null };
  follow(job.child.stdio[3], tally, job);
  const end = await job.closed;

  const exitedWell = end.signal === null && (end.code === 0) === !tally.failed;
  if (job.killedBecause !== null || !exitedWell || !tally.ended) {
    tally.failed += 1;
    tally.details += job.killedBecause || describeEnd(end);
    tally.details += tally.current ? `, in: ${tally.current}\n` : '\n';
  } else if (tally.passed + tally.failed === 0 && grep === undefined) {
    tally.failed = 1;
    tally.details += 'No test ran.\n';
  }
  return {
    passed: tally.passed,
    failed: tally.failed,
    details: job.output + tally.details,
    version: node.version,
  };
}

module.exports = {
  killAll,
  mochaFiles,
  runFaults,
  runFuzzCorpus,
  runIntegration,
  runLifecycle,
  runMocha,
  runNative,
  runTypes,
};
