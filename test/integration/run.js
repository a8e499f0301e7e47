'use strict';

// Runs the suites of this folder: software from the npm registry that is built
// on `ws`, on the module that WS_IMPLEMENTATION names, or else on this package.
// Installs what they need first, and ends with the true totals.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');

const { killAll, runMocha } = require('../run/parts');
const { ROOT, ensureProject, reportError } = require('../run/setup');
const { dependencies } = require('./package.json');

const NODE_MAJORS = [20, 24];
const OLDEST_NODE = 20;
/** The first Node.js that has a WebSocket client. */
const NODE_WITH_CLIENT = 22;

const CHROMIUM_SUITE = 'chromium.test.js';
const NODE_CLIENT_SUITE = 'node-client.test.js';

const HELP = `Usage: node test/integration/run.js [options]

  --node VERSIONS  the Node versions, ${NODE_MAJORS.join(',')} if not given
  --grep TEXT      only the tests whose name matches
  --browser        the suite in headless Chromium, too
  --help           show this

WS_IMPLEMENTATION=ws runs the suites on ws.
`;

class UsageError extends Error {}

function readOptions(argv) {
  let values;
  try {
    ({ values } = parseArgs({
      args: argv,
      options: {
        node: { type: 'string', multiple: true },
        grep: { type: 'string' },
        browser: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    }));
  } catch (err) {
    throw new UsageError(err.message);
  }
  const majors = (values.node || NODE_MAJORS.map(String))
    .flatMap((value) => value.split(','))
    .map(Number);
  if (!majors.every((major) => major >= OLDEST_NODE)) {
    throw new UsageError(`--node takes versions from ${OLDEST_NODE} on`);
  }
  return { ...values, majors };
}

function isInstalled(name) {
  const manifest = path.join(__dirname, 'node_modules', name, 'package.json');
  try {
    const { version } = JSON.parse(fs.readFileSync(manifest, 'utf8'));
    return version === dependencies[name];
  } catch {
    return false;
  }
}

function installPackages() {
  if (Object.keys(dependencies).every(isInstalled)) return;
  console.log('Installing the packages of test/integration (npm ci) ...');
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund'];
  const { error, status } = spawnSync('npm', [...args, '--loglevel=error'], {
    cwd: __dirname,
    stdio: 'inherit',
  });
  if (error) throw error;
  if (status !== 0) throw new Error('npm ci failed in test/integration');
}

function suites(major, { browser }) {
  return fs
    .readdirSync(__dirname)
    .filter((name) => name.endsWith('.test.js'))
    .filter((name) => browser || name !== CHROMIUM_SUITE)
    .filter((name) => major >= NODE_WITH_CLIENT || name !== NODE_CLIENT_SUITE)
    .map((name) => path.relative(ROOT, path.join(__dirname, name)));
}

async function runAll(options) {
  let passed = 0;
  let failed = 0;
  for (const major of options.majors) {
    const result = await runMocha(major, {
      files: suites(major, options),
      grep: options.grep,
    });
    const counts = `${result.passed} passed, ${result.failed} failed`;
    console.log(`Node ${result.version}: ${counts}`);
    if (result.details) {
      console.log(result.details.trimEnd().replace(/^(?=.)/gm, '    '));
    }
    passed += result.passed;
    failed += result.failed;
  }
  console.log(`${passed} passed, ${failed} failed`);
  if (failed > 0 || passed === 0) process.exitCode = 1;
}

async function main() {
  const options = readOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(HELP);
    return;
  }
  await ensureProject();
  installPackages();
  await runAll(options);
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    killAll();
    process.exit(1);
  });
}

main().catch((err) => {
  process.exitCode = 1;
  if (err instanceof UsageError) process.stderr.write(`${err.message}\n`);
  else reportError(err);
});
