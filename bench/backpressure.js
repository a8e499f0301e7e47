'use strict';

const net = require('net');
const path = require('path');
const { parseArgs } = require('util');

const { ask, checkMachine, startServer, stopServer } = require('./processes');
const { alignRows } = require('./report');

const MIB = 1024 * 1024;
/** What the rate of the others has to be at least, with a slow one among them. */
const TARGET = 0.9;
const POLICIES = ['drop', 'close', 'terminate'];

const USAGE = `Usage: node bench/backpressure.js [options]

A broadcast of 1 KiB to many clients that read, and to one that does not: how
many messages the others get, and what becomes of the one.

  --clients N    clients that read (1000)
  --duration N   seconds of each measurement (3)
  --rounds N     rounds (5)
  --limit N      maxBackpressure in MiB (16)
  --help         print this`;

function readOptions() {
  const { values } = parseArgs({
    options: {
      clients: { type: 'string', default: '1000' },
      duration: { type: 'string', default: '3' },
      rounds: { type: 'string', default: '5' },
      limit: { type: 'string', default: '16' },
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
    clients: count('clients'),
    duration: count('duration'),
    rounds: count('rounds'),
    limit: count('limit') * MIB,
  };
}

/** Connects a client and returns its socket behind the answer. */
function connect(port, url) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', reject);
    socket.write(
      `GET ${url} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n` +
        'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
    socket.once('data', (data) => {
      if (!data.toString('latin1').startsWith('HTTP/1.1 101 ')) {
        reject(new Error('The server has refused a client'));
        return;
      }
      socket.removeListener('error', reject);
      socket.on('error', () => {});
      resolve(socket);
    });
  });
}

/** Counts the messages of a client that reads all, and keeps its pings. */
class Reader {
  constructor(socket) {
    this.rest = Buffer.alloc(0);
    this.messages = 0;
    this.pings = [];
    this.code = 0;
    this.ended = new Promise((resolve) => socket.on('close', resolve));
    socket.on('data', (data) => this.read(data));
    socket.resume();
  }

  read(data) {
    let bytes = Buffer.concat([this.rest, data]);
    for (;;) {
      const isLong = bytes.length >= 2 && bytes[1] === 126;
      const start = isLong ? 4 : 2;
      if (bytes.length < start) break;
      const end = start + (isLong ? bytes.readUInt16BE(2) : bytes[1]);
      if (bytes.length < end) break;
      const opcode = bytes[0] & 15;
      const payload = bytes.subarray(start, end);
      if (opcode === 9) this.pings.push(Number(payload));
      else if (opcode === 8) this.code = payload.readUInt16BE();
      else this.messages++;
      bytes = bytes.subarray(end);
    }
    this.rest = bytes;
  }
}

/** Whether a slow client has got its pings in order, before what waited. */
function checkPings(pings) {
  pings.forEach((ping, i) => {
    if (ping !== i) throw new Error(`Ping ${ping} came in the place of ${i}`);
  });
}

async function measure(policy, options) {
  const server = await startServer(
    'broadcast',
    [process.execPath, path.join(__dirname, 'servers', 'broadcast.js')],
    {
      BENCH_BACKPRESSURE: JSON.stringify([policy || 'drop', options.limit]),
    },
    { ipc: true },
  );
  const sockets = [];
  let slow = null;
  for (let i = 0; i < options.clients; i++) {
    const socket = await connect(server.port, '/');
    sockets.push(socket.on('data', () => {}));
  }
  if (policy) {
    slow = await connect(server.port, '/slow');
    slow.pause();
  }
  const result = await ask(server, options.duration * 1000);
  if (slow !== null) {
    const reader = new Reader(slow);
    if (policy === 'drop') {
      // All that was not dropped, and all pings, are still to come.
      while (
        reader.messages < result.accepted ||
        reader.pings.length < result.pings
      ) {
        await new Promise((resolve) => slow.once('data', resolve));
      }
    } else if (policy === 'close') {
      while (reader.code === 0) {
        await new Promise((resolve) => slow.once('data', resolve));
      }
    } else {
      await reader.ended;
    }
    checkPings(reader.pings);
    result.got = reader.messages;
    result.code = reader.code;
    result.gotPings = reader.pings.length;
  }
  for (const socket of [...sockets, ...(slow ? [slow] : [])]) socket.destroy();
  await stopServer(server);
  if (result.most > options.limit) {
    throw new Error(`${result.most} bytes have waited, with '${policy}'`);
  }
  return result;
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

async function main() {
  const options = readOptions();
  if (options.help) {
    console.log(USAGE);
    return;
  }
  checkMachine();
  const results = new Map(['', ...POLICIES].map((policy) => [policy, []]));
  for (let round = 1; round <= options.rounds; round++) {
    for (const [policy, list] of results) {
      list.push(await measure(policy, options));
      console.error(`round ${round}, ${policy || 'no slow client'}`);
    }
  }
  const rows = [
    'slow client,messages/CPU s,of that without one,most that waited,dropped,it got,pings,close code,RSS'.split(
      ',',
    ),
  ];
  let isMet = true;
  for (const [policy, list] of results) {
    const last = list[list.length - 1];
    const ratio = median(
      list.map(
        (result, i) => result.perCpuSecond / results.get('')[i].perCpuSecond,
      ),
    );
    isMet = isMet && ratio >= TARGET;
    rows.push([
      policy || 'none',
      Math.round(median(list.map((result) => result.perCpuSecond))).toString(),
      ratio.toFixed(3),
      `${(Math.max(...list.map((result) => result.most)) / MIB).toFixed(2)} MiB`,
      ...(policy
        ? [
            last.dropped,
            last.got,
            `${last.gotPings} of ${last.pings}`,
            last.code || (policy === 'drop' ? '' : 1006),
          ].map(String)
        : ['', '', '', '']),
      `${Math.round(last.rss / MIB)} MiB`,
    ]);
  }
  console.log(
    `Broadcast of 1 KiB to ${options.clients} clients that read and one that ` +
      `does not, maxBackpressure ${options.limit / MIB} MiB, Node.js ${process.version}; ` +
      `${options.rounds} rounds of ${options.duration} s, medians\n`,
  );
  console.log(alignRows(rows).join('\n'));
  console.log(`\nThe others are within 10 %: ${isMet ? 'yes' : 'NO'}`);
}

main().catch((err) => {
  console.error(`bench: ${err.message}`);
  process.exit(1);
});
