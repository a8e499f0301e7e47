'use strict';

// A soak: thousands of clients, most of them bad ones, against a server that is
// let come to rest in between. What it holds at rest has to stay the same.

const { fork } = require('node:child_process');
const path = require('node:path');
const { parseArgs } = require('node:util');

const { Random } = require('../helpers/random');
const { runClient } = require('./clients');

const MIB = 1024 * 1024;
/** The share of the time in which caches and pools of Node.js fill. */
const WARM_UP = 0.25;
/** What the RSS may differ by, between the thirds of the time behind that. */
const RSS_SLACK = 16 * MIB;
/** ms in which the last connections have to be gone. */
const REST_LIMIT = 30 * 1000;

const TRANSPORTS = ['tcp', 'stream', 'tls'];

const USAGE = `Usage: npm run soak -- [options]

  --minutes N      how long (20)
  --clients N      clients at the same time (1000)
  --cycle N        seconds between two times at rest (20)
  --transport NAME tcp, stream or tls (tcp)
  --seed N         of the random numbers
  --help           print this`;

function readOptions() {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '20' },
      clients: { type: 'string', default: '1000' },
      cycle: { type: 'string', default: '20' },
      transport: { type: 'string', default: 'tcp' },
      seed: { type: 'string', default: String(Date.now() % 1e9) },
      help: { type: 'boolean', default: false },
    },
  });
  const count = (option) => {
    const number = Number(values[option]);
    if (!(number > 0)) {
      throw new Error(`--${option}: '${values[option]}' is not valid`);
    }
    return number;
  };
  if (!TRANSPORTS.includes(values.transport)) {
    throw new Error(`--transport takes one of ${TRANSPORTS.join(', ')}`);
  }
  return {
    help: values.help,
    minutes: count('minutes'),
    clients: count('clients'),
    cycle: count('cycle'),
    transport: values.transport,
    seed: count('seed'),
  };
}

function message(server) {
  return new Promise((resolve, reject) => {
    server.once('message', resolve);
    server.once('exit', (code, signal) =>
      reject(new Error(`The server ended with ${signal || code}`)),
    );
  });
}

async function sample(server) {
  const answer = message(server);

  server.send('sample');
  const result = await answer;
  server.removeAllListeners('exit');
  return result;
}

/** Keeps clients coming for so many milliseconds, and waits for the last. */
async function load(port, random, options, counts) {
  const { clients, cycle, transport } = options;
  const to = { port, isTls: transport === 'tls' };
  const end = Date.now() + cycle * 1000;
  const keepOneComing = async () => {
    while (Date.now() < end) {
      const name = await runClient(to, random);

      counts[name] = (counts[name] || 0) + 1;
    }
  };

  await Promise.all(Array.from({ length: clients }, keepOneComing));
}

/** What the server holds when its last connection is gone. */
async function rest(server) {
  const limit = Date.now() + REST_LIMIT;

  for (;;) {
    const result = await sample(server);

    if (result.clients === 0 || Date.now() > limit) return result;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);

  return sorted[sorted.length >> 1];
}

/** What is wrong with the samples, as texts. */
function judge(samples) {
  const kept = samples.slice(Math.floor(samples.length * WARM_UP));
  const third = Math.max(1, Math.floor(kept.length / 3));
  const first = median(kept.slice(0, third).map(({ rss }) => rss));
  const last = median(kept.slice(-third).map(({ rss }) => rss));
  const problems = [];

  for (const name of ['clients', 'descriptors', 'handles']) {
    const values = new Set(kept.map((result) => result[name]));

    if (
      name === 'clients' ? !values.has(0) || values.size > 1 : values.size > 1
    ) {
      problems.push(`${name} at rest: ${[...values].join(', ')}`);
    }
  }
  if (last - first > RSS_SLACK) {
    problems.push(
      `the RSS has grown from ${mib(first)} to ${mib(last)} MiB at rest`,
    );
  }
  return problems;
}

function mib(bytes) {
  return (bytes / MIB).toFixed(1);
}

async function main() {
  const options = readOptions();

  if (options.help) {
    console.log(USAGE);
    return;
  }
  const random = new Random(options.seed);
  const server = fork(path.join(__dirname, 'server.js'), {
    env: { ...process.env, WS_TRANSPORT: options.transport },
    execArgv: ['--expose-gc'],
  });
  const { port } = await message(server);
  const end = Date.now() + options.minutes * 60 * 1000;
  const samples = [];
  const counts = {};

  server.removeAllListeners('exit');
  console.log(
    `Soak of ${options.minutes} minutes, ${options.clients} clients, ` +
      `transport ${options.transport}, seed ${options.seed}, ` +
      `Node.js ${process.version}`,
  );
  do {
    await load(port, random, options, counts);
    const result = await rest(server);

    samples.push(result);
    console.log(
      `${result.stats.connections.accepted} connections; at rest: ` +
        `${result.descriptors} descriptors, ${result.handles} handles, ` +
        `RSS ${mib(result.rss)}, heap ${mib(result.heapUsed)}, ` +
        `array buffers ${mib(result.arrayBuffers)} MiB`,
    );
  } while (Date.now() < end);
  server.disconnect();

  const { stats } = samples[samples.length - 1];
  const problems = judge(samples);

  console.log('\nClients:', counts);
  console.log('Terminations:', stats.terminations);
  console.log('Protocol errors:', stats.protocolErrors);
  console.log('Messages:', stats.messages, 'Compression:', stats.compression);
  for (const problem of problems) console.log(`FAILED: ${problem}`);
  console.log(problems.length === 0 ? 'Flat.' : 'NOT flat.');
  process.exitCode = problems.length === 0 ? 0 : 1;
}

main().catch((err) => {
  console.error(`soak: ${err.message}`);
  process.exit(1);
});
