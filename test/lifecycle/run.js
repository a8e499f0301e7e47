'use strict';

// Runs what ends threads and processes, each in a process of its own, and
// expects it to end as it should. Ends with `N passed, N failed`.

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const { ENDINGS } = require('./endings');
const valgrind = require('./valgrind');
const { SCENARIOS } = require('./workers');

const TIME_LIMIT_MS = 60 * 1000;
const VALGRIND_TIME_LIMIT_MS = 240 * 1000;
const PROCESSES = 2;

/** What runs under valgrind, as few processes as that takes few minutes. */
const UNDER_VALGRIND = [
  ['terminate() under traffic'],
  [
    'terminate() with connections in every state',
    "process.exit() in a listener of 'message'",
    "an exception in a listener of 'message'",
    'the end of all connections',
  ],
];

function script(name) {
  return path.join(__dirname, name);
}

function listMainThread() {
  return Object.entries(ENDINGS).map(([name, [code]]) => ({
    name: `The main thread ends by ${name}`,
    args: [script('endings.js'), name],
    expected: { code, output: 'READY' },
  }));
}

function listWorkers() {
  return Object.keys(SCENARIOS).map((name) => ({
    name: `A worker thread ends by ${name}`,
    args: [script('workers.js'), name],
  }));
}

function listValgrind(folder) {
  return UNDER_VALGRIND.map((names, i) => {
    const logFile = path.join(folder, `${i}.log`);
    return {
      name: `Under valgrind, worker threads end by ${names.join('; ')}`,
      command: 'valgrind',
      args: [
        ...valgrind.makeArguments(logFile),
        script('workers.js'),
        '--slow',
        ...names,
      ],
      timeLimit: VALGRIND_TIME_LIMIT_MS,
      readFindings: () => valgrind.readFindings(logFile),
    };
  });
}

/** Runs a process to its end; `problem` says what is wrong with that. */
function run({ command = process.execPath, args, timeLimit = TIME_LIMIT_MS }) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const result = { output: '', isLate: false };
    const keep = (chunk) => {
      result.output += chunk;
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const timer = setTimeout(() => {
      result.isLate = true;
      child.kill('SIGKILL');
    }, timeLimit);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ ...result, code, signal });
    });
  });
}

/** What is wrong with a result; empty if nothing is. */
function judge(task, result) {
  const { code = 0, output = '' } = task.expected || {};
  if (result.isLate) return 'It did not end.';
  if (result.signal !== null) return `It was killed by ${result.signal}.`;
  if (result.code !== code) return `Exit code ${result.code} and not ${code}.`;
  if (!result.output.includes(output)) return 'It ended too early.';
  return task.readFindings ? task.readFindings() : '';
}

async function runAll(tasks) {
  const waiting = [...tasks];
  const counts = { passed: 0, failed: 0 };
  const runNext = async () => {
    while (waiting.length > 0) {
      const task = waiting.shift();
      const result = await run(task);
      const problem = judge(task, result);
      if (problem === '') {
        counts.passed += 1;
      } else {
        counts.failed += 1;
        console.log(`${task.name}\n${problem}\n${result.output}`);
      }
    }
  };
  await Promise.all(Array.from({ length: PROCESSES }, runNext));
  return counts;
}

async function main() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ws-upgrade-valgrind-'));
  const tasks = [
    ...listMainThread(),
    ...listWorkers(),
    { name: 'Two copies of the package', args: [script('copies.js')] },
  ];
  if (valgrind.isAvailable()) tasks.unshift(...listValgrind(folder));
  else console.log('valgrind is not installed, so leaks are not looked for.');
  try {
    const { passed, failed } = await runAll(tasks);
    console.log(`${passed} passed, ${failed} failed`);
    if (failed > 0) process.exitCode = 1;
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

main();
