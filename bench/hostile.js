'use strict';

const { spawnSync } = require('child_process');
const { parseArgs } = require('util');

const { attacks } = require('../test/hostile/attacks');
const { measure } = require('../test/hostile/measure');
const { alignRows } = require('./report');

const MIB = 1024 * 1024;
const TRANSPORTS = ['tcp', 'stream', 'tls'];
const SERVERS = { 'ws-upgrade': '', ws: 'ws' };

const USAGE = `Usage: node bench/hostile.js [options]

What hostile clients can have a server spend: CPU time next to that of ws under
the same attack, and memory. The exit status is 1 if it is more than the bound.

  --attack TEXT     only attacks whose name has this in it; may be repeated
  --transport NAME  ${TRANSPORTS.join(', ')}; may be repeated (tcp, tls)
  --rounds N        rounds, of which the table has the medians (3)
  --help            print this`;

function readOptions() {
  const { values } = parseArgs({
    options: {
      attack: { type: 'string', multiple: true, default: [''] },
      transport: { type: 'string', multiple: true, default: ['tcp', 'tls'] },
      rounds: { type: 'string', default: '3' },
      help: { type: 'boolean', default: false },
    },
  });
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new Error(`--rounds: '${values.rounds}' is not valid`);
  }
  for (const transport of values.transport) {
    if (!TRANSPORTS.includes(transport)) {
      throw new Error(`--transport is one of ${TRANSPORTS.join(', ')}`);
    }
  }
  const names = Object.keys(attacks).filter((name) =>
    values.attack.some((text) => name.includes(text)),
  );
  if (names.length === 0) {
    throw new Error(
      `--attack: there are these:\n${Object.keys(attacks).join('\n')}`,
    );
  }
  return { help: values.help, names, rounds, transports: values.transport };
}

/** Puts the server on one core and the clients on another, where it can. */
function findLauncher() {
  const { status } = spawnSync('taskset', ['-cp', '1', `${process.pid}`]);
  return status === 0 ? ['taskset', '-c', '0'] : [];
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

/** Both servers in each round, seconds apart, so that their ratio is of use. */
async function run(name, transport, rounds, launcher) {
  const attack = attacks[name];
  const { quick, full } = attack.sizes;
  const results = { 'ws-upgrade': [], ws: [] };
  for (let round = 1; round <= rounds; round++) {
    for (const [server, implementation] of Object.entries(SERVERS)) {
      const what = { implementation, transport, launcher };
      results[server].push(await measure(attack, full, what, quick));
    }
    console.error(`${name}, ${transport}: round ${round} of ${rounds}`);
  }
  const { 'ws-upgrade': ours, ws } = results;
  return {
    name: `${full.toLocaleString('en-US')} ${name}, ${transport}`,
    cpu: [ours, ws].map((list) => median(list.map((result) => result.cpu))),
    ratio: median(ours.map((result, i) => result.cpu / ws[i].cpu)),
    maxRatio: attack.cpu,
    peak: [ours, ws].map((list) => Math.max(...list.map(({ peak }) => peak))),
    maxPeak: attack.memory(full),
  };
}

function isMet({ ratio, maxRatio, peak, maxPeak }) {
  return ratio <= maxRatio && peak[0] <= maxPeak;
}

function cells(result) {
  const { name, cpu, ratio, maxRatio, peak, maxPeak } = result;
  return [
    name,
    ...cpu.map((time) => Math.round(time / 1000).toString()),
    ratio.toFixed(2),
    maxRatio.toFixed(2),
    ...[...peak, maxPeak].map((bytes) => (bytes / MIB).toFixed(1)),
    isMet(result) ? 'yes' : 'NO',
  ];
}

const HEADINGS =
  'attack,CPU ms,of ws,ratio,bound,peak MiB,of ws,bound,met'.split(',');

async function main() {
  const options = readOptions();
  if (options.help) {
    console.log(USAGE);
    return;
  }
  const launcher = findLauncher();
  const results = [];
  for (const name of options.names) {
    for (const transport of options.transports) {
      results.push(await run(name, transport, options.rounds, launcher));
    }
  }
  console.log(
    `CPU time of the server process, and its memory above that at rest; ` +
      `Node.js ${process.version}, ${options.rounds} rounds: the median of the ` +
      `time, the highest of the memory\n`,
  );
  console.log(alignRows([HEADINGS, ...results.map(cells)]).join('\n'));
  if (!results.every(isMet)) process.exitCode = 1;
}

main().catch((err) => {
  console.error(`bench: ${err.message}`);
  process.exit(1);
});
