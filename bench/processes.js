'use strict';

const { spawn, spawnSync } = require('child_process');
const fs = require('fs');
const os = require('os');
const path = require('path');
const readline = require('readline');

const SERVER_CORE = '0';
const LOAD_CORE = '1';
const START_TIMEOUT = 15000;
const KEPT_OUTPUT = 4096;

const children = new Set();
const programs = new Map();
let buildDir;
let certificate;

process.on('exit', () => {
  for (const child of children) {
    child.kill('SIGKILL');
  }
  if (buildDir) {
    fs.rmSync(buildDir, { recursive: true, force: true });
  }
});

for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM']) {
  process.on(signal, () => process.exit(128 + os.constants.signals[signal]));
}

/**
 * Runs a program to its end and returns what it printed.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {string} hint What to do when there is no such program
 * @param {object} [options] Options of child_process.spawnSync
 * @return {string}
 */
function run(command, args, hint, options) {
  const result = spawnSync(command, args, { encoding: 'utf8', ...options });
  if (result.error && result.error.code === 'ENOENT') {
    throw new Error(`${command} was not found: ${hint}`);
  }
  if (result.error) {
    throw result.error;
  }
  if (result.status !== 0) {
    const output = `${result.stdout}${result.stderr}`.trim();
    throw new Error(`${command} ${args.join(' ')} failed:\n${output}`);
  }
  return result.stdout;
}

/** Throws where this machine cannot run the benchmark. */
function checkMachine() {
  if (process.platform !== 'linux') {
    throw new Error('The benchmark needs Linux: the load generator uses epoll');
  }
  if (os.cpus().length < 2) {
    throw new Error('The benchmark needs two cores: one for each side');
  }
  run('taskset', ['--version'], 'install util-linux');
}

/** The path of a file in a folder that is removed at exit. */
function temporary(name) {
  buildDir ??= fs.mkdtempSync(path.join(os.tmpdir(), 'ws-upgrade-bench-'));
  return path.join(buildDir, name);
}

/** Runs the C compiler. */
function cc(args, options) {
  const hint =
    'install a C compiler (Debian and Ubuntu: apt-get install build-essential)';
  return run('cc', args, hint, options);
}

/**
 * Compiles a C program once, into a folder that is removed at exit.
 *
 * @param {string} name
 * @param {string[]} sources
 * @param {string[]} [more] Macros and libraries
 * @return {string} Path of the program
 */
function compile(name, sources, more = []) {
  if (!programs.has(name)) {
    const program = temporary(name);
    const flags = ['-O2', '-std=c11', '-Wall', '-Wextra', '-Werror'];
    cc([...flags, '-o', program, ...sources, ...more]);
    programs.set(name, program);
  }
  return programs.get(name);
}

/**
 * Compiles the load generator with the libraries that a case needs, and none
 * else.
 *
 * @param {object} load Flags of the load generator
 * @return {string} Path of the program
 */
function compileLoad({ tls, deflate }) {
  const sources = ['load', 'options', 'handshake', 'client', 'json', 'plain'];
  const parts = [
    tls && { source: 'tls', flags: ['-DWITH_TLS', '-lssl', '-lcrypto'] },
    deflate && { source: 'deflate', flags: ['-DWITH_DEFLATE', '-lz'] },
  ].filter(Boolean);
  return compile(
    ['load', ...parts.map((part) => part.source)].join('-'),
    [...sources, ...parts.map((part) => part.source)].map((source) =>
      path.join(__dirname, `${source}.c`),
    ),
    parts.flatMap((part) => part.flags),
  );
}

/** Compiles the program that is many idle clients. */
function compileIdle() {
  const sources = ['idle', 'options', 'handshake', 'client', 'json', 'plain'];
  return compile(
    'idle',
    sources.map((source) => path.join(__dirname, `${source}.c`)),
  );
}

/** How many descriptors a process may have. */
function descriptorLimit() {
  const limit = run('sh', ['-c', 'ulimit -Hn'], 'it is part of every system');
  return limit.trim() === 'unlimited' ? Infinity : Number(limit);
}

/** Throws where this machine cannot run the cases with TLS. */
function checkTls() {
  certificateFiles();
  checkLibrary(
    '#include <openssl/ssl.h>\nint main(void) { return !SSL_new; }',
    ['-lssl', '-lcrypto'],
    'The cases with TLS need the C library of OpenSSL: install it ' +
      '(Debian and Ubuntu: apt-get install libssl-dev)',
  );
}

/** Throws where this machine cannot run the cases with permessage-deflate. */
function checkDeflate() {
  checkLibrary(
    '#include <zlib.h>\nint main(void) { return !zlibVersion(); }',
    ['-lz'],
    'The cases with permessage-deflate need the C library of zlib: install ' +
      'it (Debian and Ubuntu: apt-get install zlib1g-dev)',
  );
}

/** Throws `problem` where a program that needs a library cannot be compiled. */
function checkLibrary(source, libraries, problem) {
  cc(['--version']);
  try {
    cc(['-x', 'c', '-o', temporary('probe'), '-', ...libraries], {
      input: source,
    });
  } catch {
    throw new Error(problem);
  }
}

/**
 * Makes a self-signed certificate once, and returns where servers find it, as
 * additions to their environment.
 *
 * @return {{BENCH_KEY: string, BENCH_CERT: string}} Paths of PEM files
 */
function certificateFiles() {
  if (!certificate) {
    const files = {
      BENCH_KEY: temporary('key'),
      BENCH_CERT: temporary('cert'),
    };
    const kind = '-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes';
    const name = '-days 2 -subj /CN=localhost';
    run(
      'openssl',
      [
        ...`req ${kind} ${name}`.split(' '),
        ...['-keyout', files.BENCH_KEY, '-out', files.BENCH_CERT],
      ],
      'the cases with TLS need it ' +
        '(Debian and Ubuntu: apt-get install openssl)',
    );
    certificate = files;
  }
  return certificate;
}

/**
 * Starts a program on one core. taskset becomes the program: same pid.
 *
 * @param {string} core
 * @param {string[]} command
 * @param {object} [options]
 * @param {object} [options.env] Additions to the environment
 * @param {string} [options.stdin] What the program reads: nothing
 * @param {boolean} [options.ipc] Whether a Node program has process.send()
 * @return {object} The child, with the promise `ended`
 */
function spawnPinned(core, command, { env, stdin = 'ignore', ipc } = {}) {
  const child = spawn('taskset', ['-c', core, ...command], {
    env: { ...process.env, ...env },
    stdio: [stdin, 'pipe', 'pipe', ...(ipc ? ['ipc'] : [])],
  });
  child.errorOutput = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    child.errorOutput = (child.errorOutput + text).slice(-KEPT_OUTPUT);
  });
  children.add(child);
  child.ended = new Promise((resolve) => {
    child.on('error', (err) => {
      child.errorOutput += err.message;
    });
    child.on('close', (code, signal) => {
      children.delete(child);
      resolve(signal || `status ${code}`);
    });
  });
  return child;
}

/**
 * Starts an echo server and waits until it listens.
 *
 * @param {string} name
 * @param {string[]} command
 * @param {object} [env] Additions to the environment
 * @param {object} [more] Further options of spawnPinned, and another `core`
 * @return {Promise<{name: string, pid: number, port: string, child: object}>}
 */
async function startServer(name, command, env, more = {}) {
  const { core = SERVER_CORE, ...options } = more;
  const child = spawnPinned(core, [...command, '0'], { env, ...options });
  const lines = readline.createInterface({ input: child.stdout });
  let timer;
  const outcome = await Promise.race([
    new Promise((resolve) => {
      lines.on('line', (line) => {
        const match = /^listening (\d+)$/.exec(line);
        if (match) {
          resolve({ port: match[1] });
        }
      });
    }),
    child.ended.then((end) => ({ error: `ended with ${end}` })),
    new Promise((resolve) => {
      timer = setTimeout(resolve, START_TIMEOUT, {
        error: `did not listen within ${START_TIMEOUT / 1000} s`,
      });
    }),
  ]);
  clearTimeout(timer);
  if (outcome.error) {
    child.kill('SIGKILL');
    throw new Error(
      `The server '${name}' ${outcome.error}\n${child.errorOutput}`.trim(),
    );
  }
  return { name, pid: child.pid, port: outcome.port, child };
}

/**
 * Starts an echo server that runs in Node with servers/probe.js in it.
 *
 * @param {string} name
 * @param {string[]} command The Node binary and the script
 * @param {object} [env] Additions to the environment
 * @param {object} [more] As for startServer
 * @return {Promise<object>} As startServer returns it
 */
function startProbedServer(name, [node, ...args], env, more) {
  const probe = path.join(__dirname, 'servers', 'probe.js');
  const command = [node, '--expose-gc', '--require', probe, ...args];
  return startServer(name, command, env, { ...more, ipc: true });
}

/**
 * Asks the probe in a server.
 *
 * @param {object} server As startProbedServer returns it
 * @param {string} question One that servers/probe.js answers
 * @return {Promise<*>} The answer
 */
async function ask({ name, child }, question) {
  child.send(question);
  const answer = new Promise((resolve) => {
    child.once('message', (message) => resolve({ message }));
  });
  const { message, end } = await Promise.race([
    answer,
    child.ended.then((end) => ({ end })),
  ]);
  if (end) {
    throw new Error(
      `The server '${name}' ended with ${end}\n${child.errorOutput}`.trim(),
    );
  }
  return message.answer;
}

/** Ends a server and waits until it is gone. */
async function stopServer(server) {
  server.child.kill('SIGKILL');
  await server.child.ended;
}

/**
 * Starts the load generator.
 *
 * @param {object} server As startServer returns it
 * @param {object} flags Flags of the load generator
 * @param {object} [options] Options of spawnPinned
 * @return {object} The child
 */
function startLoad(server, flags, options) {
  return startClient(compileLoad(flags), server, flags, options);
}

function startClient(program, server, flags, options) {
  const all = { ...flags, port: server.port, pid: server.pid };
  const args = Object.entries(all).flatMap(([key, value]) =>
    value === true ? [`--${key}`] : [`--${key}`, String(value)],
  );
  return spawnPinned(LOAD_CORE, [program, ...args], options);
}

/**
 * Loads a server and returns what the load generator measured.
 *
 * @param {object} server As startServer returns it
 * @param {object} flags Flags of the load generator
 * @return {Promise<object>}
 */
function runLoad(server, flags) {
  return readResult(server, startLoad(server, flags));
}

/** The same with idle clients: flags and result are those of idle.c. */
function runIdle(server, flags) {
  return readResult(server, startClient(compileIdle(), server, flags));
}

async function readResult(server, child) {
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text;
  });
  const end = await child.ended;
  if (end !== 'status 0') {
    throw new Error(
      `The load on '${server.name}' ended with ${end}\n` +
        `${child.errorOutput}${server.child.errorOutput}`.trim(),
    );
  }
  return JSON.parse(output);
}

module.exports = {
  ask,
  certificateFiles,
  checkDeflate,
  checkMachine,
  checkTls,
  compile,
  descriptorLimit,
  run,
  runIdle,
  runLoad,
  startLoad,
  startProbedServer,
  startServer,
  stopServer,
};
