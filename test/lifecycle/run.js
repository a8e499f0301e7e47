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

/** Scenarios that share a process, at most. */
const GROUP_SIZE = 20;

/** Nodes that end threads in another order than the one that runs this. */
const OTHER_MAJORS = [16, 26];

/** Of the scenarios of workers, one of so many runs with a sanitizer. */
const SANITIZED_EACH = 3;

/** Of those in stages, one of so many runs on each of the other Nodes. */
const ELSEWHERE_EACH = 6;

/** In the main thread, one of so many stages ends with an exception. */
const THROWN_EACH = 3;

/** What the other Nodes run as well. */
const ELSEWHERE = {
  workers: ['terminate() with connections in every state'],
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
  const isWanted = (name, i) =>
    !name.startsWith('an exception in ') || i % THROWN_EACH === 0;
  return Object.entries(MAIN_ENDINGS)
    .filter(([name], i) => isWanted(name, i))
    .map(([name, [code]], i) => ({
      name: 'The main thread',
      scenarios: [name],
      args: [script('endings.js'), name, transportAt(i)],
      expected: { code, outputs: ['READY'] },
    }));
}

function transportAt(i) {
  return TRANSPORT_NAMES[i % TRANSPORT_NAMES.length];
}

/** Processes that run scenarios in groups, over one transport each. */
function listWorkers(names, options) {
  return TRANSPORT_NAMES.flatMap((transport) =>
    groupsOf(names.filter((name, i) => transportAt(i) === transport)).map(
      (group) => ({
        name: `Workers over ${transport}`,
        scenarios: group,
        args: [script('workers.js'), transport, ...group],
        ...options,
      }),
    ),
  );
}

/** All of it on the Node that runs this. */
function listHere(env) {
  const names = Object.keys(WORKERS).filter((name) => name !== FLAT);
  const isSanitized = (name, i) => env !== null && i % SANITIZED_EACH === 0;
  return [
    ...listWorkers(names.filter(isSanitized), {
      where: ', under AddressSanitizer',
      env,
    }),
    ...listWorkers(
      names.filter((name, i) => !isSanitized(name, i)),
      {},
    ),
    ...listMainThread(),
    {
      name: 'Workers one after the other',
      scenarios: [FLAT],
      args: [script('workers.js'), 'tcp', FLAT],
    },
    ...listContexts(Object.keys(CONTEXTS), {}),
    listCollected(Object.keys(COLLECTED), {}),
    {
      name: 'Two copies of the package',
      scenarios: ['both with connections in every state'],
      args: [script('copies.js'), 'tcp,stream'],
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

/** Some of it on each of the other Nodes. */
async function listElsewhere() {
  const stages = Object.keys(WORKERS).filter((name) => / in /.test(name));
  const tasks = [];
  for (const [i, major] of OTHER_MAJORS.entries()) {
    const { path: command } = await ensureNode(major);
    const names = stages.filter((name, j) => j % ELSEWHERE_EACH === i);
    const options = { command, where: ` on Node ${major}` };
    tasks.push(
      ...listWorkers([...ELSEWHERE.workers, ...names], options),
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
