'use strict';

// `npm run fuzz`: builds the fuzz targets with clang, runs each for some minutes
// of CPU time, one after the other, and prints what came of it. Inputs that fail
// land in findings/, what was learnt stays in build/corpus/.

const { spawn, spawnSync } = require('child_process');
const fs = require('fs');
const os = require('os');
const path = require('path');
const { parseArgs } = require('util');

const FINDINGS = path.join(__dirname, 'findings');
const CORPUS = path.join(__dirname, 'corpus');
const LEARNT = path.join(__dirname, 'build', 'corpus');

/** Bytes of an input at most. */
const INPUT_MAX = 4096;

/** After as many failing inputs a target has been fuzzed enough. */
const FINDINGS_MAX = 5;

/** Exit code of a fuzzer that was told to end. */
const INTERRUPTED = 72;

/** How often the CPU time of a target is read. */
const LOOK_INTERVAL_MS = 500;

/** Of the times in /proc, on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

const HELP = `Usage: npm run fuzz -- --minutes N [--jobs N] [--target NAME] [--merge]

  --minutes N    CPU time that each target gets; fractions are fine
  --jobs N       as many targets at the same time, 1 if not given
  --target NAME  only this one, more than once for several: see test/fuzz
  --merge        adds what covers new code to test/fuzz/corpus
  --help         show this
`;

class UsageError extends Error {}

function make(...args) {
  const { status, stdout, stderr, error } = spawnSync(
    'make',
    ['-s', '-C', __dirname, ...args],
    { encoding: 'utf8' },
  );
  if (error) throw new Error(`cannot run make: ${error.message}`);
  if (status !== 0) throw new Error(`make ${args.join(' ')}:\n${stderr}`);
  return stdout;
}

function listTargets() {
  return make('targets').trim().split(/\s+/);
}

function readOptions(argv) {
  let values;
  try {
    ({ values } = parseArgs({
      args: argv,
      options: {
        minutes: { type: 'string' },
        jobs: { type: 'string', default: '1' },
        target: { type: 'string', multiple: true },
        merge: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    }));
  } catch (err) {
    throw new UsageError(err.message.split('. ')[0]);
  }
  if (values.help) return { help: true };
  const minutes = Number(values.minutes);
  if (!(minutes > 0)) throw new UsageError('--minutes takes a number above 0');
  const jobs = Number(values.jobs);
  if (!Number.isInteger(jobs) || jobs < 1) {
    throw new UsageError('--jobs takes an integer above 0');
  }
  const all = listTargets();
  const targets = values.target || all;
  const unknown = targets.find((name) => !all.includes(name));
  if (unknown !== undefined) {
    throw new UsageError(`--target takes one of ${all.join(', ')}`);
  }
  return { minutes, jobs, targets, merge: values.merge };
}

/** Seconds of CPU time that a process took so far; 0 once it has ended. */
function readCpuSeconds(pid) {
  let stat;
  try {
    stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch (err) {
    if (err.code !== 'ENOENT' && err.code !== 'ESRCH') throw err;
    return 0;
  }
  // utime and stime of proc(5); the name before them may have spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/**
 * Runs one of the programs at the lowest priority, and tells it to end when it
 * has had its CPU time. Resolves to what it says and took.
 */
function run(target, args, cpuSeconds = Infinity) {
  const program = path.join(__dirname, 'build', 'fuzz', target);
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: __dirname,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const result = { output: '', seconds: 0, isOver: false };
    const timer = setInterval(() => {
      result.seconds = Math.max(result.seconds, readCpuSeconds(child.pid));
      if (result.isOver || result.seconds < cpuSeconds) return;
      result.isOver = true;
      child.kill('SIGINT');
    }, LOOK_INTERVAL_MS);
    child.stderr.setEncoding('utf8').on('data', (chunk) => {
      result.output += chunk;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      clearInterval(timer);
      resolve({ ...result, code });
    });
    os.setPriority(child.pid, os.constants.priority.PRIORITY_LOW);
  });
}

function lastNumber(text, pattern) {
  const matches = [...text.matchAll(pattern)];
  return matches.length === 0 ? 0 : Number(matches[matches.length - 1][1]);
}

/** Runs one target until its CPU time is up, again after each failing input. */
async function fuzz(target, cpuSeconds) {
  const learnt = path.join(LEARNT, target);
  const result = {
    target,
    executions: 0,
    seconds: 0,
    findings: [],
    failures: '',
  };
  fs.mkdirSync(learnt, { recursive: true });
  fs.mkdirSync(FINDINGS, { recursive: true });
  for (;;) {
    const left = cpuSeconds - result.seconds;
    if (left < 1 || result.findings.length >= FINDINGS_MAX) break;
    const { code, output, seconds } = await run(
      target,
      [
        `-max_len=${INPUT_MAX}`,
        '-timeout=60',
        '-rss_limit_mb=1024',
        '-print_final_stats=1',
        `-artifact_prefix=${FINDINGS}/${target}-`,
        learnt,
        path.join(CORPUS, target),
      ],
      left,
    );
    result.seconds += seconds;
    result.executions += lastNumber(output, /number_of_executed_units: (\d+)/g);
    result.corpus = lastNumber(output, /corp: (\d+)/g);
    result.covered = lastNumber(output, /cov: (\d+)/g);
    result.edges = lastNumber(output, /\((\d+) inline 8-bit counters\)/g);
    if (code === INTERRUPTED) continue;
    result.findings.push(
      (output.match(/Test unit written to (.*)/) || ['', '(no file)'])[1],
    );
    result.failures += `${output.split('\n').slice(-40).join('\n')}\n`;
    // An input of the corpus that fails does so again.
    if (/^INFO: seed corpus/m.test(output) && !/INITED/.test(output)) break;
  }
  return result;
}

/** Adds the few inputs to the corpus that reach code which no other does. */
async function merge(target) {
  const { code, output } = await run(target, [
    '-merge=1',
    '-use_counters=0',
    '-timeout=10',
    path.join(CORPUS, target),
    path.join(LEARNT, target),
  ]);
  if (code !== 0) return `cannot merge: ${output.trim()}`;
  const added = lastNumber(output, /MERGE-OUTER: (\d+) new files/g);
  return `${added} inputs added to the corpus`;
}

const COLUMNS = [
  ['target', (result) => result.target],
  ['CPU minutes', (result) => (result.seconds / 60).toFixed(1)],
  ['executions', (result) => result.executions],
  ['per second', (result) => Math.round(result.executions / result.seconds)],
  ['corpus', (result) => result.corpus],
  ['edges', (result) => `${result.covered} of ${result.edges}`],
  ['findings', (result) => result.findings.length],
];

function printTable(results) {
  const rows = [
    COLUMNS.map(([title]) => title),
    ...results.map((result) => COLUMNS.map(([, cell]) => String(cell(result)))),
  ];
  const widths = COLUMNS.map((_, i) =>
    Math.max(...rows.map((row) => row[i].length)),
  );
  for (const row of rows) {
    console.log(
      row
        .map((cell, i) =>
          i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]),
        )
        .join('  '),
    );
  }
}

/** Runs one target, and prints what came of it when it is over. */
async function report(target, { minutes, merge: isMerging }) {
  const result = await fuzz(target, minutes * 60);
  const isClean = result.findings.length === 0;
  console.log(`${target}: ${result.executions} executions`);
  for (const file of result.findings) {
    console.log(`  ${path.relative(process.cwd(), file)}`);
  }
  if (!isClean) console.log(result.failures);
  else if (isMerging) console.log(`  ${await merge(target)}`);
  return result;
}

async function main() {
  const options = readOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(HELP);
    return;
  }
  const { jobs, targets } = options;
  make(...targets.map((target) => `build/fuzz/${target}`));
  const results = [];
  const waiting = [...targets];
  const work = async () => {
    while (waiting.length > 0) {
      results.push(await report(waiting.shift(), options));
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  printTable(results);
  if (results.some((result) => result.findings.length > 0)) {
    process.exitCode = 1;
  }
}

main().catch((err) => {
  process.exitCode = 1;
  process.stderr.write(
    err instanceof UsageError
      ? `${err.message}\n\n${HELP}`
      : `${err.message}\n`,
  );
});
