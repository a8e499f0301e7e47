'use strict';

// `npm run test:install`: packs what npm would publish, installs it in empty
// folders as users would, and ends with the true totals.

const { spawnSync } = require('node:child_process');
const path = require('node:path');
const { parseArgs } = require('node:util');

const { killAll, mochaFiles, runMocha } = require('../run/parts');
const {
  ROOT,
  SetupError,
  ensureNode,
  ensureProject,
  headersDir,
  reportError,
} = require('../run/setup');

const NODE_MAJOR = 20;
const ARM64_SUITE = 'arm64.test.js';

/** Suites that need tools which a clone can do without. */
const OPTIONAL = {
  [ARM64_SUITE]: {
    tools: ['aarch64-linux-gnu-gcc', 'qemu-aarch64'],
    packages: 'gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user',
  },
  'musl.test.js': { tools: ['musl-gcc'], packages: 'musl-tools' },
};

const HELP = `Usage: npm run test:install -- [options]

  --all   fail where the tools for arm64 or musl are missing; else their tests
          are left out
  --help  show this
`;

class UsageError extends Error {}

function readOptions(argv) {
  try {
    return parseArgs({
      args: argv,
      options: {
        all: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    }).values;
  } catch (err) {
    throw new UsageError(err.message.split('. ')[0]);
  }
}

function canRun(command) {
  return spawnSync(command, ['--version']).status === 0;
}

/** The suites to run: those whose tools are there. */
function chooseSuites({ all }) {
  return mochaFiles('test/install').filter((file) => {
    const optional = OPTIONAL[path.basename(file)];
    if (optional === undefined || optional.tools.every(canRun)) return true;
    const { tools, packages } = optional;
    const problem = `${file} needs ${tools.join(' and ')}: apt-get install ${packages}.`;
    if (all) throw new SetupError(problem);
    console.log(`${problem} It is left out.`);
    return false;
  });
}

function prebuild(archs) {
  const script = path.join('test', 'run', 'prebuild.js');
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [script, ...archs],
    { cwd: ROOT },
  );
  if (status === 0) return;
  throw new SetupError('The binaries cannot be built.', `${stdout}${stderr}`);
}

async function runGroup(name, options) {
  const startedAt = Date.now();
  const { passed, failed, details } = await runMocha(NODE_MAJOR, options);
  const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
  console.log(`${name}: ${passed} passed, ${failed} failed (${seconds} s)`);
  if (details) console.log(details.trimEnd().replace(/^(?=.)/gm, '    '));
  return { passed, failed };
}

async function runSuites(archs, suites) {
  const env = {
    INSTALL_ARCHS: archs.join(','),
    npm_config_nodedir: path.resolve(headersDir(), '../..'),
  };
  const isSlow = (file) => path.basename(file) === ARM64_SUITE;
  const groups = [
    ['install', suites.filter((file) => !isSlow(file))],
    ['install, arm64', suites.filter(isSlow)],
  ];
  const results = await Promise.all(
    groups
      .filter(([, files]) => files.length > 0)
      .map(([name, files]) => runGroup(name, { files, env })),
  );
  const sum = (key) =>
    results.reduce((total, result) => total + result[key], 0);
  console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
  if (sum('failed') > 0) process.exitCode = 1;
}

async function main() {
  const options = readOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(HELP);
    return;
  }
  await ensureProject();
  // Before two groups want it.
  await ensureNode(NODE_MAJOR);
  const suites = chooseSuites(options);
  const hasArm64 = suites.some((file) => path.basename(file) === ARM64_SUITE);
  const archs = [...new Set([process.arch, ...(hasArm64 ? ['arm64'] : [])])];
  prebuild(archs);
  await runSuites(archs, suites);
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    killAll();
    process.exit(1);
  });
}

main().catch((err) => {
  process.exitCode = 1;
  if (err instanceof UsageError) {
    process.stderr.write(`${err.message}\n\n${HELP}`);
  } else {
    reportError(err);
  }
});
