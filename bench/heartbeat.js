'use strict';

const path = require('path');
const { parseArgs } = require('util');

const {
  checkMachine,
  compile,
  descriptorLimit,
  runIdle,
  startServer,
  stopServer,
} = require('./processes');
const { alignRows, median } = require('./report');
const { OURS, installPeers } = require('./servers');

const PEER = 'ws';
/** What the system calls alone cost: see servers/pings.c. */
const LIMIT = 'epoll';
/** How many times the CPU time of ours the peer has to need. */
const TARGET = 10;
/** Descriptors of a server beside those of its clients. */
const OWN_DESCRIPTORS = 100;

const USAGE = `Usage: node bench/heartbeat.js [options]

CPU time of a server that keeps idle clients alive: the heartbeat of ${OURS}
against the loop of the README of ${PEER}, in turn, and a plain C program that does
nothing but send pings and receive (${LIMIT}).

  --connections N  idle clients (20000)
  --interval N     milliseconds between two pings to a client (5000)
  --beats N        intervals in the measured window (4)
  --rounds N       rounds (3)
  --help           print this`;

function readOptions() {
  const { values } = parseArgs({
    options: {
      connections: { type: 'string', default: '20000' },
      interval: { type: 'string', default: '5000' },
      beats: { type: 'string', default: '4' },
      rounds: { type: 'string', default: '3' },
      help: { type: 'boolean', default: false },
    },
  });
  const count = (option) => {
    const number = Number(values[option]);
    if (!Number.isInteger(number) || number < 1) {
      throw new Error(`--${option}: '${values[option]}' is not valid`);
    }
    return number;
  };
  return {
    help: values.help,
    connections: count('connections'),
    interval: count('interval'),
    beats: count('beats'),
    rounds: count('rounds'),
  };
}

/** As many connections as were asked for, or as one process may have. */
function limitConnections(wanted) {
  const limit = descriptorLimit() - OWN_DESCRIPTORS;
  if (wanted <= limit) {
    return wanted;
  }
  console.error(
    `${limit} clients instead of ${wanted}: 'ulimit -Hn' allows no more`,
  );
  return limit;
}

function commandLine(name, interval) {
  const script = (file) => path.join(__dirname, 'servers', file);
  return name === LIMIT
    ? [compile('pings', [script('pings.c')]), String(interval)]
    : [process.execPath, script('heartbeat.js'), name, String(interval)];
}

async function measure(name, { connections, interval, beats }) {
  const server = await startServer(name, commandLine(name, interval));
  const result = await runIdle(server, {
    connections,
    // Two intervals have passed for the last client as well.
    warmup: (2 * interval) / 1000,
    duration: (beats * interval) / 1000,
  });
  await stopServer(server);
  const expected = connections * beats;
  // A client of ours is pinged an interval after its last answer, or up to an
  // eighth of it later.
  if (result.pings < expected * 0.8) {
    throw new Error(
      `The server '${name}' has sent ${result.pings} pings instead of about ` +
        expected,
    );
  }
  return result;
}

function row(name, results) {
  const each = (value) => median(results.map(value));
  return [
    name,
    (100 * each(({ cpu, wall }) => cpu / wall)).toFixed(2),
    (1e6 * each(({ cpu, pings }) => cpu / pings)).toFixed(1),
    String(Math.round(each(({ pings, wall }) => pings / wall))),
    (100 * each(({ loadCpu, wall }) => loadCpu / wall)).toFixed(2),
  ];
}

async function main() {
  const options = readOptions();
  if (options.help) {
    console.log(USAGE);
    return;
  }
  checkMachine();
  installPeers([PEER]);
  options.connections = limitConnections(options.connections);
  const results = { [OURS]: [], [PEER]: [], [LIMIT]: [] };
  for (let round = 0; round < options.rounds; round++) {
    const names = Object.keys(results);
    for (const name of round % 2 === 0 ? names : names.reverse()) {
      console.error(`Round ${round + 1} of ${options.rounds}: ${name}`);
      results[name].push(await measure(name, options));
    }
  }
  const ratiosTo = (name) =>
    results[OURS].map(({ cpu }, round) => results[name][round].cpu / cpu);
  const ratios = ratiosTo(PEER);
  const ratio = median(ratios);

  console.log(
    `\n${options.connections} idle clients, a ping to each every ` +
      `${options.interval} ms, Node.js ${process.version}\n`,
  );
  console.log(
    alignRows([
      ['server', 'server CPU %', 'µs a ping', 'pings/s', 'load CPU %'],
      row(OURS, results[OURS]),
      row(PEER, results[PEER]),
      row(LIMIT, results[LIMIT]),
    ]).join('\n'),
  );
  console.log(
    `\n${PEER} needs ${ratio.toFixed(1)} times as much CPU time ` +
      `(${Math.min(...ratios).toFixed(1)} to ` +
      `${Math.max(...ratios).toFixed(1)} over the rounds; ` +
      `target ${TARGET.toFixed(1)}: ${ratio >= TARGET ? 'met' : 'NOT met'}), ` +
      `the system calls alone ${median(ratiosTo(LIMIT)).toFixed(2)} times`,
  );
}

main().catch((err) => {
  console.error(`bench: ${err.message}`);
  process.exit(1);
});
