'use strict';

// Runs what ends threads and processes, each in a process of its own, and
// expects it to end as it should. Ends with `N passed, N failed`.

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const { ensureNode } = require('../run/setup');
const asan = require('./asan');
const { SCENARIOS: COLLECTED } = require('./collect');
const { SCENARIOS: CONTEXTS } = require('./contexts');
const { MAIN_ENDINGS } = require('./endings');
const { passed } = require('./scenarios');
const { TRANSPORTS } = require('./states');
const valgrind = require('./valgrind');
const { FLAT, SCENARIOS: WORKERS } = require('./workers');

const TIME_LIMIT_MS = 120 * 1000;
const VALGRIND_TIME_LIMIT_MS = 240 * 1000;
const PROCESSES = 2;

const TRANSPORT_NAMES = Object.keys(TRANSPORTS);
const ALL_TRANSPORTS = TRANSPORT_NAMES.join(',');

/** Scenarios that share a process, at most. */
const GROUP_SIZE = 20;

/** Nodes that end threads in another order than the one that runs this. */
const OTHER_MAJORS = [16, 26];

/** What these run as well, beside a third of the ends of workers each. */
const ELSEWHERE = {
  workers: [FLAT, 'terminate() with connections in every state'],
  contexts: ['a context behind the main one', 'the package loaded again'],
  collected: [
    'connections that have ended by terminate()',
    'connections that have ended by a reset',
    'open WebSockets and their server, which nobody holds',
  ],
};

/** What runs under valgrind, as few processes as that takes few minutes. */
const UNDER_VALGRIND = [
  ['terminate() under traffic'],
  [
    'terminate() with connections in every state',
    "process.exit() in 'message'",
    "an exception in 'message'",
    'the end of all connections',
  ],
];

function script(name) {
  return path.join(__dirname, name);
}

function groupsOf(names) {
  const groups = [];
  for (let i = 0; i < names.length; i += GROUP_SIZE) {
    groups.push(names.slice(i, i + GROUP_SIZE));
  }
  return groups;
}

/** Each in a process of its own, over one transport after the other. */
function listMainThread() {
  return Object.entries(MAIN_ENDINGS).map(([name, [code]], i) => ({
    name: 'The main thread',
    scenarios: [name],
    args: [script('endings.js'), name, TRANSPORT_NAMES[i % 3]],
    expected: { code, outputs: ['READY'] },
  }));
}

/**
 * Processes that run scenarios of workers in groups.
 *
 * @param {string[]} names
 * @param {(i: number) => string} transportOf the one with that index
 * @param {object} options of the tasks
 */
function listWorkers(names, transportOf, options) {
  return TRANSPORT_NAMES.flatMap((transport) =>
    groupsOf(names.filter((name, i) => transportOf(i) === transport)).map(
      (group) => ({
        name: `Workers over ${transport}${options.where}`,
        scenarios: group,
        args: [script('workers.js'), transport, ...group],
        ...options,
      }),
    ),
  );
}

/** All of it on the Node that runs this, workers with a sanitizer. */
function listHere(env) {
  const names = Object.keys(WORKERS).filter((name) => name !== FLAT);
  return [
    ...listWorkers(names, (i) => TRANSPORT_NAMES[i % 3], {
      where: env === null ? '' : ', under AddressSanitizer',
      env,
    }),
    ...listMainThread(),
    {
      name: 'Workers over all transports',
      scenarios: [FLAT],
      args: [script('workers.js'), ALL_TRANSPORTS, FLAT],
    },
    ...listContexts(Object.keys(CONTEXTS), { env }),
    listCollected(Object.keys(COLLECTED), {}),
    {
      name: 'Two copies of the package',
      scenarios: ['both with connections in every state'],
      args: [script('copies.js'), ALL_TRANSPORTS],
      env,
    },
  ];
}

function listContexts(names, options) {
  return names.map((name) => ({
    name: 'The package more than once',
    scenarios: [name],
    args: [script('contexts.js'), name],
    ...options,
  }));
}

function listCollected(names, options) {
  return {
    name: 'The garbage collector',
    scenarios: names,
    args: ['--expose-gc', script('collect.js'), ...names],
    ...options,
  };
}

/** A third of the ends of workers on each of the other Nodes. */
async function listElsewhere() {
  const ends = Object.keys(WORKERS).filter((name) => / in /.test(name));
  const tasks = [];
  for (const [i, major] of OTHER_MAJORS.entries()) {
    const { path: command } = await ensureNode(major);
    const names = ends.filter((name, index) => index % 3 === i);
    const options = { command, where: ` on Node ${major}` };
    tasks.push(
      ...listWorkers(
        [...ELSEWHERE.workers, ...names],
        (index) => TRANSPORT_NAMES[index % 3],
        options,
      ),
      ...listContexts(ELSEWHERE.contexts, options),
      listCollected(ELSEWHERE.collected, options),
    );
  }
  return tasks;
}

function listValgrind(folder) {
  return UNDER_VALGRIND.map((names, i) => {
    const logFile = path.join(folder, `${i}.log`);
    return {
      name: 'Workers under valgrind',
      scenarios: names,
      command: 'valgrind',
      args: [
        ...valgrind.makeArguments(logFile),
        script('workers.js'),
        'tcp',
        '--slow',
        ...names,
      ],
      timeLimit: VALGRIND_TIME_LIMIT_MS,
      readFindings: () => valgrind.readFindings(logFile),
    };
  });
}

/** Runs a process to its end. */
function run({ command = process.execPath, args, env, timeLimit }) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const result = { output: '', isLate: false };
    const keep = (chunk) => {
      result.output += chunk;
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const timer = setTimeout(() => {
      result.isLate = true;
      child.kill('SIGKILL');
    }, timeLimit || TIME_LIMIT_MS);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ ...result, code, signal });
    });
  });
}

/** What is wrong with a result; empty if nothing is. */
function judge(task, result) {
  const { code = 0, outputs = task.scenarios.map(passed) } =
    task.expected || {};
  const missing = outputs.find((output) => !result.output.includes(output));
  if (result.isLate) return 'It did not end.';
  if (result.signal !== null) return `It was killed by ${result.signal}.`;
  if (result.code !== code) return `Exit code ${result.code} and not ${code}.`;
  if (missing !== undefined) return `It has not come to "${missing.trim()}".`;
  return task.readFindings ? task.readFindings() : '';
}

/** A process that fails has failed in what it has not come to, or in one. */
function countPassed({ scenarios }, { output }, problem) {
  if (problem === '') return scenarios.length;
  const reached = scenarios.filter((name) => output.includes(passed(name)));
  return Math.min(reached.length, scenarios.length - 1);
}

async function runAll(tasks) {
  const waiting = [...tasks];
  const counts = { passed: 0, failed: 0 };
  const runNext = async () => {
    while (waiting.length > 0) {
      const task = waiting.shift();
      const result = await run(task);
      const problem = judge(task, result);
      const count = countPassed(task, result, problem);
      counts.passed += count;
      counts.failed += task.scenarios.length - count;
      if (problem !== '') {
        const names = task.scenarios.join('; ');
        console.log(`${task.name}${task.where || ''}: ${names}`);
        console.log(`${problem}\n${result.output}`);
      }
    }
  };
  await Promise.all(Array.from({ length: PROCESSES }, runNext));
  return counts;
}

async function main() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ws-upgrade-valgrind-'));
  const env = asan.environment();
  const tasks = [...listHere(env), ...(await listElsewhere())];
  if (env === null) console.log('AddressSanitizer is not installed.');
  if (valgrind.isAvailable()) tasks.unshift(...listValgrind(folder));
  else console.log('valgrind is not installed, so leaks are not looked for.');
  try {
    const { passed: good, failed } = await runAll(tasks);
    console.log(`${good} passed, ${failed} failed`);
    if (failed > 0) process.exitCode = 1;
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

main();
