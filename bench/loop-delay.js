'use strict';

const { randomFillSync } = require('crypto');
const { once } = require('events');
const { parseArgs } = require('util');

const {
  ask,
  checkMachine,
  startProbedServer,
  stopServer,
} = require('./processes');
const { alignRows } = require('./report');
const { OURS, installPeers, servers } = require('./servers');

const PEER = 'ws';
/** Milliseconds for which one message may block the loop of ours. */
const TARGET = 5;
const MIB = 1024 * 1024;

const USAGE = `Usage: node bench/loop-delay.js [options]

How long large messages block the event loop of a server that inflates and
compresses them: one connection, one message on the way, and a timer of 1 ms.

  --size N         MiB of each message (16)
  --messages N     messages of each kind (5)
  --server NAME    measure this server only (${OURS}, ${PEER})
  --help           print this`;

function readOptions() {
  const { values } = parseArgs({
    options: {
      size: { type: 'string', default: '16' },
      messages: { type: 'string', default: '5' },
      server: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const count = (option, max) => {
    const number = Number(values[option]);
    if (!Number.isInteger(number) || number < 1 || number > max) {
      throw new Error(`--${option}: '${values[option]}' is not valid`);
    }
    return number;
  };
  const names = [OURS, PEER].filter(
    (name) => !values.server || values.server === name,
  );
  if (names.length === 0) {
    throw new Error(`--server: there is only ${OURS} and ${PEER}`);
  }
  return {
    help: values.help,
    names,
    // ws and ws-upgrade take messages of up to 100 MiB by default.
    size: count('size', 100) * MIB,
    messages: count('messages', 1000),
  };
}

/** JSON as applications send it, `size` bytes of it. */
function jsonText(size) {
  const records = [];
  let length = 0;
  for (let i = 0; length < size; i++) {
    const record = JSON.stringify({
      id: i,
      user: `user-${(i * 7919) % 10007}`,
      price: ((i * 104729) % 100000) / 100,
      at: 1716000000000 + ((i * 15485863) % 1000000007),
    });
    records.push(record);
    length += record.length + 1;
  }
  return Buffer.from(records.join('\n').slice(0, size));
}

const kinds = {
  json: { make: jsonText, binary: false },
  random: { make: (size) => randomFillSync(Buffer.alloc(size)), binary: true },
};

/** The client's side of what `BENCH_DEFLATE` says to the server. */
const clientOptions = {
  'no-takeover': {
    threshold: 0,
    serverNoContextTakeover: true,
    clientNoContextTakeover: true,
  },
  takeover: { threshold: 0 },
};

async function connect(server, mode) {
  const { WebSocket } = require('ws');
  const ws = new WebSocket(`ws://127.0.0.1:${server.port}`, {
    perMessageDeflate: clientOptions[mode],
  });
  await once(ws, 'open');
  if (!ws.extensions.includes('permessage-deflate')) {
    throw new Error(`'${server.name}' has not accepted compression`);
  }
  return ws;
}

/** Sends a message again and again, each time when the last one is back. */
async function echo(ws, server, data, binary, count) {
  for (let i = 0; i < count; i++) {
    ws.send(data, { binary });
    const [received, isBinary] = await Promise.race([
      once(ws, 'message'),
      once(ws, 'close').then(([code]) => {
        throw new Error(`'${server.name}' closed the connection: ${code}`);
      }),
    ]);
    if (isBinary !== binary || !data.equals(received)) {
      throw new Error(`'${server.name}' has changed a message`);
    }
  }
}

async function measure(name, mode, kind, options) {
  const { make, binary } = kinds[kind];
  const { start, env } = servers[name];
  const server = await startProbedServer(
    name,
    start(process.execPath),
    { ...env, BENCH_DEFLATE: mode },
    // Threads that compress have to find a core beside the loop's.
    { core: '0,1' },
  );
  const data = make(options.size);
  const ws = await connect(server, mode);
  await ask(server, 'startDelays');
  await echo(ws, server, data, binary, options.messages);
  const delays = await ask(server, 'stopDelays');
  ws.terminate();
  await stopServer(server);
  return { name, mode, kind, ...delays };
}

function row({ name, mode, kind, own, late }) {
  const numbers = [own.max, own.high, late.max, late.high];
  return [name, mode, kind, ...numbers.map((number) => number.toFixed(2))];
}

async function main() {
  const options = readOptions();
  if (options.help) {
    console.log(USAGE);
    return;
  }
  checkMachine();
  installPeers([PEER]);
  const results = [];
  for (const mode of Object.keys(clientOptions)) {
    for (const kind of Object.keys(kinds)) {
      for (const name of options.names) {
        results.push(await measure(name, mode, kind, options));
        console.error(row(results[results.length - 1]).join(', '));
      }
    }
  }
  console.log(
    `Milliseconds by which a timer was late: ${options.messages} messages of ` +
      `${options.size / MIB} MiB, Node.js ${process.version}\n` +
      'blocked: by the loop itself; late: with the time without a core\n',
  );
  const headings =
    'server,context,message,blocked: max,99.9 %,late: max,99.9 %';
  console.log(alignRows([headings.split(','), ...results.map(row)]).join('\n'));
  const ours = results.filter((result) => result.name === OURS);
  if (ours.length > 0) {
    const max = Math.max(...ours.map((result) => result.own.max));
    console.log(
      `\n${OURS} blocked the loop for ${max.toFixed(2)} ms at most ` +
        `(target ${TARGET} ms: ${max <= TARGET ? 'met' : 'NOT met'})`,
    );
  }
}

main().catch((err) => {
  console.error(`bench: ${err.message}`);
  process.exit(1);
});
