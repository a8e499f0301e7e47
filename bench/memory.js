'use strict';

const readline = require('readline');
const { parseArgs } = require('util');

const {
  ask,
  checkDeflate,
  checkMachine,
  startLoad,
  startProbedServer,
  stopServer,
} = require('./processes');
const { alignRows } = require('./report');
const { OURS, installPeers, servers } = require('./servers');

const PEER = 'ws';
/** How many times the memory of ours the peer has to need. */
const TARGET = 3;

const USAGE = `Usage: node bench/memory.js [options]

Memory for each connection with permessage-deflate: JSON of 1 KiB, echoed and
compressed both ways on many connections at the same time.

  --connections N  connections (2000)
  --messages N     messages on each in each repetition (200)
  --repetitions N  repetitions of these messages for ${OURS} (10)
  --help           print this`;

function readOptions() {
  const { values } = parseArgs({
    options: {
      connections: { type: 'string', default: '2000' },
      messages: { type: 'string', default: '200' },
      repetitions: { type: 'string', default: '10' },
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
    messages: count('messages'),
    repetitions: count('repetitions'),
  };
}

/** Starts the connections. next() returns the next line that the load says. */
function startConnections(server, mode, options) {
  const load = startLoad(
    server,
    {
      deflate: mode,
      connections: options.connections,
      messages: options.messages,
      size: 1024,
      type: 'json',
    },
    { stdin: 'pipe' },
  );
  const lines = readline.createInterface({ input: load.stdout });
  const iterator = lines[Symbol.asyncIterator]();
  const next = async () => {
    const { done, value } = await iterator.next();
    if (done) {
      const end = await load.ended;
      throw new Error(
        `The load on '${server.name}' ended with ${end}\n` +
          `${load.errorOutput}${server.child.errorOutput}`.trim(),
      );
    }
    return value;
  };
  return { load, next };
}

/** Returns bytes for each connection: before, after each repetition, at most. */
async function measure(name, mode, repetitions, options) {
  const { start, env } = servers[name];
  const server = await startProbedServer(name, start(process.execPath), {
    ...env,
    BENCH_DEFLATE: mode,
  });
  const before = await ask(server, 'settledRss');
  const each = (rss) => (rss - before) / options.connections;
  const { load, next } = startConnections(server, mode, options);
  await next();
  const connected = each(await ask(server, 'settledRss'));
  const after = [];
  let echoSize;
  for (let i = 0; i < repetitions; i++) {
    load.stdin.write('\n');
    echoSize = Number((await next()).split(' ')[1]);
    after.push(each(await ask(server, 'settledRss')));
    console.error(
      `${name}, ${mode}, repetition ${i + 1} of ${repetitions}: ` +
        `${kib(after[i])} KiB for each connection`,
    );
  }
  const peak = each(await ask(server, 'peakRss'));
  load.stdin.end();
  await load.ended;
  await stopServer(server);
  return { name, mode, connected, after, peak, echoSize };
}

function kib(bytes) {
  return (bytes / 1024).toFixed(1);
}

function table(results) {
  const rows = results.map((result) => [
    result.name,
    result.mode,
    ...[
      result.connected,
      result.after[0],
      result.after.at(-1),
      result.peak,
    ].map(kib),
    String(result.after.length),
    String(Math.round(result.echoSize)),
  ]);
  const headings =
    'server,context,connected,after,at the end,peak,repetitions,B an echo';
  return alignRows([headings.split(','), ...rows]).join('\n');
}

/** Says how ours and the peer compare, and how much ours has grown. */
function verdict(results, mode) {
  const find = (name) =>
    results.find((result) => result.name === name && result.mode === mode);
  const ours = find(OURS).after;
  const most = Math.max(...ours);
  const ratio = find(PEER).after[0] / most;
  const growth = most / ours[0] - 1;
  return (
    `${mode}: ${PEER} needs ${ratio.toFixed(1)} times as much ` +
    `(target ${TARGET.toFixed(1)}: ${ratio >= TARGET ? 'met' : 'NOT met'}); ` +
    `${OURS} has grown by ${(growth * 100).toFixed(1)} % at most`
  );
}

async function main() {
  const options = readOptions();
  if (options.help) {
    console.log(USAGE);
    return;
  }
  checkMachine();
  checkDeflate();
  installPeers([PEER]);
  const modes = ['no-takeover', 'takeover'];
  const results = [];
  for (const mode of modes) {
    results.push(await measure(OURS, mode, options.repetitions, options));
    results.push(await measure(PEER, mode, 1, options));
  }
  console.log(
    `KiB of RSS for each of ${options.connections} connections, ` +
      `${options.messages} messages of 1 KiB each way in a repetition, ` +
      `Node.js ${process.version}\n`,
  );
  console.log(table(results));
  console.log(`\n${modes.map((mode) => verdict(results, mode)).join('\n')}`);
}

main().catch((err) => {
  console.error(`bench: ${err.message}`);
  process.exit(1);
});
