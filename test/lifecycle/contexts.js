'use strict';

// The package more than once in a thread: in vm contexts, as test runners load
// it, and again after it has left the cache of modules. The addon is there once
// or several times, and is never unloaded. `node contexts.js NAME` runs a
// scenario in the main thread and in a worker, both of which end with all
// connections as they are.

const assert = require('node:assert');
const fs = require('node:fs');
const { createRequire } = require('node:module');
const path = require('node:path');
const vm = require('node:vm');
const { Worker, isMainThread } = require('node:worker_threads');

const { passed } = require('./scenarios');

const ROOT = path.resolve(__dirname, '..', '..');
const LIB = path.join(ROOT, 'lib', path.sep);

/** More than an emitter may have listeners without a warning. */
const COPIES = 12;

/** Each instance of the addon listens to the end of the process. */
const ADDONS = 6;

/** What a context has of Node; all else is of its own realm. */
const GLOBALS = {
  Buffer,
  URL,
  clearTimeout,
  console,
  process,
  queueMicrotask,
  setImmediate,
  setTimeout,
};

function makeContext() {
  return vm.createContext({ ...GLOBALS });
}

/** The package, evaluated in a context; what is not JavaScript is shared. */
function loadInContext(context = makeContext()) {
  const modules = new Map();
  const load = (file) => {
    if (modules.has(file)) return modules.get(file).exports;
    const module = { exports: {} };
    const { resolve } = createRequire(file);
    modules.set(file, module);
    const requireFrom = (name) => {
      const resolved = resolve(name);
      return resolved.startsWith(LIB) ? load(resolved) : require(resolved);
    };
    vm.compileFunction(
      fs.readFileSync(file, 'utf8'),
      ['module', 'exports', 'require', '__dirname'],
      { filename: file, parsingContext: context },
    )(module, module.exports, requireFrom, path.dirname(file));
    return module.exports;
  };
  return load(path.join(LIB, 'index.js'));
}

/** The package once more, with or without another instance of the addon. */
function loadAgain(withAddon) {
  for (const name of Object.keys(require.cache)) {
    if (name.startsWith(LIB) || (withAddon && name.endsWith('.node'))) {
      delete require.cache[name];
    }
  }
  return require(ROOT);
}

/** Not loaded before: it loads the package. */
function makeWorld(wsUpgrade, transports) {
  const { World } = require('./states');
  return new World(wsUpgrade, transports);
}

async function openWorld(wsUpgrade) {
  // Here a copy is asked for more than over TCP.
  const world = makeWorld(wsUpgrade, ['stream']);
  await world.listen();
  await world.openAll();
  await assertEchoes(world);
  return world;
}

/** Opens a connection over each transport, and has it answer. */
async function assertEchoes(world) {
  for (const site of world.sites) {
    const { client, ws } = await site.open();
    ws.on('message', (data) => ws.send(data));
    client.write('818100000000 61');
    await client.expect('820161');
  }
}

async function openWorlds(...packages) {
  assert.strictEqual(new Set(packages).size, packages.length);
  const worlds = [];
  for (const wsUpgrade of packages) worlds.push(await openWorld(wsUpgrade));
  for (const world of worlds) await assertEchoes(world);
  for (const world of worlds) world.act();
}

/** Loads the package again and again, with a connection open on each copy. */
async function loadOften(count, load) {
  const worlds = [];
  for (let i = 0; i < count; i++) {
    const world = makeWorld(load());
    await world.listen();
    await assertEchoes(world);
    worlds.push(world);
  }
  for (const world of worlds) await assertEchoes(world);
}

const SCENARIOS = {
  'a context behind the main one': () =>
    openWorlds(require(ROOT), loadInContext()),

  async 'the main context behind another one'() {
    const first = loadInContext();
    await openWorlds(first, require(ROOT));
  },

  'two contexts': () => openWorlds(loadInContext(), loadInContext()),

  'the package loaded again': () => openWorlds(require(ROOT), loadAgain(false)),

  'the package loaded again with its addon': () =>
    openWorlds(require(ROOT), loadAgain(true)),

  'the package loaded many times': () =>
    loadOften(COPIES, () => loadAgain(false)),

  'the package loaded many times with its addon': () =>
    loadOften(ADDONS, () => loadAgain(true)),

  'many contexts': () => loadOften(COPIES, () => loadInContext()),

  async 'what is sent by the code of another realm'() {
    const context = makeContext();
    const evaluate = (code) => vm.runInContext(code, context);
    for (const wsUpgrade of [require(ROOT), loadInContext(context)]) {
      const world = makeWorld(wsUpgrade);
      await world.listen();
      for (const site of world.sites) {
        const { client, ws } = await site.open();
        await assertSendsForeign(client, ws, evaluate);
        await assertCallsForeign(client, ws, evaluate);
      }
    }
  },
};

/** Bytes in every form that another realm may give them. */
const FOREIGN_BYTES = [
  'new Uint8Array([97, 98])',
  'new Uint8Array([96, 97, 98]).subarray(1)',
  'new Uint8Array([97, 98]).buffer',
  'new DataView(new Uint8Array([97, 98]).buffer)',
  'new Int16Array([25185])',
  'Buffer.from("ab")',
  '[97, 98]',
  `(() => {
    const bytes = new Uint8Array(new SharedArrayBuffer(2));
    bytes.set([97, 98]);
    return bytes.buffer;
  })()`,
];

async function assertSendsForeign(client, ws, evaluate) {
  for (const code of FOREIGN_BYTES) {
    await new Promise((resolve, reject) => {
      const settle = (err) => (err ? reject(err) : resolve());
      ws.send(evaluate(code), evaluate('({ binary: true })'), settle);
    });
    ws.ping(evaluate(code));
    await client.expect('82026162 89026162');
  }
  const large = 'new Uint8Array(100000).fill(97)';
  ws.send(evaluate(large));
  assert.strictEqual((await client.frame()).payload.length, 100000);
  ws.send(evaluate('new String("ab")'));
  await client.expect('82026162');
  assert.throws(
    () => ws.send(evaluate('({ valueOf() { throw new RangeError("foo"); } })')),
    (err) => err.message === 'foo' && !(err instanceof Error),
  );
}

/** Listeners, callbacks and errors of another realm. */
async function assertCallsForeign(client, ws, evaluate) {
  const thrown = new Promise((resolve) => {
    process.once('uncaughtException', resolve);
  });
  ws.on('message', evaluate('() => { throw new RangeError("foo"); }'));
  client.write('818100000000 61');
  const err = await thrown;
  assert.strictEqual(err.message, 'foo');
  assert.ok(!(err instanceof Error));
  ws.close(4000, evaluate('new Uint8Array([97])'));
  await client.expect('8803 0fa0 61');
}

function runInWorker(name) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(__filename, { argv: [name] });
    worker.on('error', reject);
    worker.on('exit', (code) => {
      assert.strictEqual(code, 0);
      resolve();
    });
  });
}

/** Runs the scenario of the command line; a warning fails it. */
async function main(name) {
  process.on('warning', (warning) => {
    throw warning;
  });
  if (isMainThread) await runInWorker(name);
  await SCENARIOS[name]();
  if (isMainThread) process.stdout.write(passed(name));
  process.exit();
}

module.exports = { SCENARIOS, loadInContext };

if (require.main === module || process.argv[1] === __filename) {
  main(process.argv[2]);
}
