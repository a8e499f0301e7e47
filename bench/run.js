'use strict';

const fs = require('fs');
const os = require('os');
const { parseArgs } = require('util');

const cases = require('./cases');
const {
  certificateFiles,
  checkDeflate,
  checkMachine,
  checkTls,
  run,
  runLoad,
  startServer,
  stopServer,
} = require('./processes');
const { format, summarize } = require('./report');
const { installPeers, servers } = require('./servers');

/** What only some servers and machines can do, by the flag that asks for it. */
const FEATURES = {
  tls: {
    check: checkTls,
    without: 'None of the chosen servers speaks TLS',
    env: certificateFiles,
  },
  deflate: {
    check: checkDeflate,
    without: 'None of the chosen servers compresses',
    env: (mode) => ({ BENCH_DEFLATE: mode }),
  },
};

const USAGE = `Usage: node bench/run.js [options]

  --case NAME      measure this case only; may be repeated
                   (${cases.map((testCase) => testCase.name).join(', ')})
  --server NAME    measure this server only; may be repeated
                   (${Object.keys(servers).join(', ')})
  --rounds N       rounds of each case, every server in turn (5)
  --warmup S       seconds of load before the measured window (1)
  --duration S     seconds of the measured window (3)
  --node PATH      the Node.js that runs the servers (this one)
  --json FILE      write all results to a file
  --markdown       print the tables as Markdown
  --help           print this`;

function readOptions() {
  const { values } = parseArgs({
    options: {
      case: { type: 'string', multiple: true },
      server: { type: 'string', multiple: true },
      rounds: { type: 'string', default: '5' },
      warmup: { type: 'string', default: '1' },
      duration: { type: 'string', default: '3' },
      node: { type: 'string', default: process.execPath },
      json: { type: 'string' },
      markdown: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const caseNames = cases.map((testCase) => testCase.name);
  const names = choose('server', values.server, Object.keys(servers));
  const chosen = choose('case', values.case, caseNames);
  return {
    ...values,
    servers: names,
    cases: cases.filter((testCase) => chosen.includes(testCase.name)),
    rounds: number('rounds', values.rounds, 1, Number.isInteger),
    warmup: number('warmup', values.warmup, 0),
    duration: number('duration', values.duration, 0.1),
  };
}

function choose(option, wanted, known) {
  const strangers = (wanted || []).filter((name) => !known.includes(name));
  if (strangers.length > 0) {
    throw new Error(
      `--${option}: there is no '${strangers[0]}', only ${known.join(', ')}`,
    );
  }
  return known.filter((name) => !wanted || wanted.includes(name));
}

function number(option, text, min, isValid = Number.isFinite) {
  const value = Number(text);
  if (!isValid(value) || value < min) {
    throw new Error(`--${option}: '${text}' is not valid`);
  }
  return value;
}

async function measure(name, testCase, options) {
  const { start, env } = servers[name];
  const server = await startServer(
    name,
    start(options.node),
    featuresOf(testCase).reduce(
      (all, flag) => ({ ...all, ...FEATURES[flag].env(testCase.load[flag]) }),
      env,
    ),
  );
  try {
    return await runLoad(server, {
      ...testCase.load,
      warmup: options.warmup,
      duration: options.duration,
    });
  } finally {
    await stopServer(server);
  }
}

/** The features that a case needs. */
function featuresOf(testCase) {
  return Object.keys(FEATURES).filter((flag) => testCase.load[flag]);
}

/** The chosen servers that can take part in a case. */
function serversOf(testCase, options) {
  return options.servers.filter((name) =>
    featuresOf(testCase).every((flag) => servers[name][flag]),
  );
}

/** Every server in turn, each round beginning with another one. */
async function measureRound(testCase, round, options) {
  const results = {};
  const names = serversOf(testCase, options);
  for (let i = 0; i < names.length; i++) {
    const name = names[(i + round) % names.length];
    results[name] = await measure(name, testCase, options);
    console.error(
      `${testCase.name}, round ${round + 1} of ${options.rounds}, ${name}: ` +
        `${Math.round(results[name].perCpuSecond)} messages per CPU second`,
    );
  }
  return Object.fromEntries(names.map((name) => [name, results[name]]));
}

/**
 * Returns the chosen cases that can run. A case that was not asked for by name
 * and cannot run on this machine, or with no chosen server, is left out with a
 * line that says so; one that was asked for is an error.
 */
function runnableCases(options) {
  const problems = {};
  for (const flag of new Set(options.cases.flatMap(featuresOf))) {
    try {
      FEATURES[flag].check();
    } catch (err) {
      problems[flag] = err.message;
    }
  }
  return options.cases.filter((testCase) => {
    const flags = featuresOf(testCase);
    const reason =
      serversOf(testCase, options).length === 0
        ? FEATURES[flags[0]].without
        : flags.map((flag) => problems[flag]).find(Boolean);
    if (reason && options.case) {
      throw new Error(reason);
    }
    if (reason) {
      console.log(`Without ${testCase.name}: ${reason}.\n`);
    }
    return !reason;
  });
}

async function main() {
  const options = readOptions();
  if (options.help) {
    console.log(USAGE);
    return;
  }
  checkMachine();
  const version = run(options.node, ['--version'], 'see --node').trim();
  const machine = `Node.js ${version}, ${os.cpus()[0].model}`;
  console.log(
    `${machine}; ${options.rounds} rounds of ${options.duration} s\n`,
  );
  const runnable = runnableCases(options);
  installPeers(options.servers);
  const report = [];
  for (const testCase of runnable) {
    const rounds = [];
    for (let round = 0; round < options.rounds; round++) {
      rounds.push(await measureRound(testCase, round, options));
    }
    const summary = summarize(testCase, rounds);
    report.push({ ...testCase, summary, rounds });
    console.log(`${format(testCase, summary, options.markdown)}\n`);
  }
  if (options.json) {
    fs.writeFileSync(
      options.json,
      `${JSON.stringify({ machine, cases: report }, null, 2)}\n`,
    );
  }
}

main().catch((err) => {
  console.error(`bench: ${err.message}`);
  process.exit(1);
});
