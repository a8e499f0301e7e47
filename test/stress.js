'use strict';

// `npm run stress`: random traffic in quantity, and a look at the memory of the
// server, which is a process of its own.

const { fork } = require('node:child_process');
const path = require('node:path');

const { once } = require('./helpers/events');
const { chooseSeed } = require('./helpers/random');
const { RandomTraffic } = require('./helpers/random-traffic');

const ROUNDS = 40;
const MEBIBYTE = 1024 * 1024;
const GROWTH_SHARE = 0.03;

/** What `memoryUsage()` tells, and by how many bytes it may always grow. */
const FIGURES = {
  rss: 2 * MEBIBYTE,
  heapUsed: MEBIBYTE / 4,
  external: MEBIBYTE / 4,
};
const NAMES = Object.keys(FIGURES);

/** Samples at the start and at the end of the second half. */
const WINDOW = ROUNDS / 8;

const HELP = `Usage: npm run stress -- [options]

  --messages N     in all (100000)
  --connections N  at once (20)
  --seed N         what makes the same traffic again (random)
  --help           show this

Every message has to come back as it was and in order. The memory of the server
is looked at ${ROUNDS} times, with all messages back and garbage collected. It is
flat over the second half of the run if the median of its last quarter is not
over that of its first by more than 3 %, or 2 MiB (rss) or 256 KiB (the others).
`;

class UsageError extends Error {}

/** Node 16 has no `util.parseArgs()` in all of its minor versions. */
function readOptions(argv) {
  const options = { messages: 100000, connections: 20, seed: chooseSeed() };
  const args = [...argv];
  while (args.length > 0) {
    const name = args.shift();
    if (name === '--help') return null;
    const key = name.replace(/^--/, '');
    const value = Number(args.shift());
    if (!(key in options) || !Number.isInteger(value) || value < 0) {
      throw new UsageError(`Not understood: ${name}`);
    }
    options[key] = value;
  }
  return options;
}

function startServer() {
  return fork(path.join(__dirname, 'helpers', 'echo-server.js'), [], {
    execArgv: ['--expose-gc'],
  });
}

async function takeSample(server) {
  server.send('sample');
  const [sample] = await once(server, 'message');
  return sample;
}

function inMebibytes(bytes) {
  return (bytes / MEBIBYTE).toFixed(1).padStart(7);
}

function printSample(messages, sample) {
  const figures = NAMES.map((name) => `  ${inMebibytes(sample[name])}`);
  console.log(`${figures.join('')} after ${messages} messages`);
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

/** Prints how each figure has grown; returns whether all are flat. */
function judge(samples) {
  const first = samples.slice(ROUNDS / 2, ROUNDS / 2 + WINDOW);
  const last = samples.slice(ROUNDS - WINDOW);
  let isFlat = true;
  for (const name of NAMES) {
    const before = median(first.map((sample) => sample[name]));
    const after = median(last.map((sample) => sample[name]));
    const limit = Math.max(before * GROWTH_SHARE, FIGURES[name]);
    const verdict = after - before <= limit ? 'flat' : 'GROWS';
    if (verdict !== 'flat') isFlat = false;
    console.log(
      `${name.padEnd(9)}${inMebibytes(before)} ->${inMebibytes(after)} MiB, ` +
        `limit +${inMebibytes(limit).trim()}: ${verdict}`,
    );
  }
  return isFlat;
}

async function run({ messages, connections, seed }, server) {
  const [port] = await once(server, 'message');
  const traffic = new RandomTraffic({ seed, connections });
  const samples = [];
  const startedAt = Date.now();
  console.log(`${NAMES.map((name) => name.padStart(9)).join('')} in MiB`);
  await traffic.open(port);
  for (let i = 0; i < ROUNDS; i++) {
    await traffic.run(Math.floor((messages + i) / ROUNDS));
    samples.push(await takeSample(server));
    printSample(traffic.stats.messages, samples[i]);
  }
  await traffic.close();
  const seconds = (Date.now() - startedAt) / 1000;
  const { stats } = traffic;
  console.log(
    `${stats.messages} messages and ${stats.pings} pings on ${connections} ` +
      `connections, ${inMebibytes(stats.bytes).trim()} MiB in ` +
      `${stats.pieces} pieces, all back unchanged and in order ` +
      `(${seconds.toFixed(1)} s)`,
  );
  return judge(samples);
}

async function main() {
  const options = readOptions(process.argv.slice(2));
  if (options === null) {
    process.stdout.write(HELP);
    return;
  }
  console.log(`Node ${process.versions.node}, --seed ${options.seed}`);
  const server = startServer();
  const died = once(server, 'exit').then(([code, signal]) => {
    throw new Error(`The server has ended: ${signal || `exit code ${code}`}`);
  });
  try {
    const isFlat = await Promise.race([run(options, server), died]);
    if (!isFlat) process.exitCode = 1;
  } finally {
    died.catch(() => {});
    server.kill();
  }
}

main().catch((error) => {
  process.exitCode = 1;
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message}\n\n${HELP}`);
  } else {
    console.error(error);
  }
});
