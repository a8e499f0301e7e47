'use strict';

// Builds the binaries that the package brings, to prebuilds/: for x64 and arm64
// with the compilers of Debian and Ubuntu, on either. One binary of each serves
// every Node.js, as it uses Node-API alone, and every glibc from 2.17 on, which
// test/install holds it to.

const { spawnSync } = require('child_process');
const fs = require('fs');
const os = require('os');
const path = require('path');

const { CompileError, compile } = require('../../lib/compile');

const ROOT = path.join(__dirname, '..', '..');
const SOURCES = ['src', 'package.json'];
const TRIPLETS = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' };
const PACKAGES = {
  x64: 'gcc-x86-64-linux-gnu libc6-dev-amd64-cross',
  arm64: 'gcc-aarch64-linux-gnu libc6-dev-arm64-cross',
};

const HELP = `Usage: node test/run/prebuild.js [architectures]

Architectures: ${Object.keys(TRIPLETS).join(', ')}. Without one, each that there
is a compiler for.
`;

/** The prefix of the tools for an architecture: none for that of the host. */
function toolPrefix(arch) {
  return arch === process.arch ? '' : `${TRIPLETS[arch]}-`;
}

function toolsOf(arch) {
  const prefix = toolPrefix(arch);
  const compiler = prefix === '' ? process.env.CC || 'cc' : `${prefix}gcc`;
  return { compiler, strip: `${prefix}strip` };
}

function canRun(command) {
  return spawnSync(command, ['--version']).status === 0;
}

function strip(command, from, to) {
  const { status, stderr } = spawnSync(command, ['-o', to, from]);
  if (status !== 0) throw new CompileError(`${command}: ${stderr}`);
}

/** Builds in a copy of the sources: a clone's own build stays as it is. */
async function prebuild(arch) {
  const { compiler, strip: stripCommand } = toolsOf(arch);
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'ws-upgrade-prebuild-'));
  try {
    for (const name of SOURCES) {
      fs.cpSync(path.join(ROOT, name), path.join(dir, name), {
        recursive: true,
      });
    }
    const env = { ...process.env, CC: compiler, CXX: compiler, LINK: compiler };
    await compile(dir, { env, args: [`--arch=${arch}`] });
    const folder = path.join(ROOT, 'prebuilds', `linux-${arch}`);
    fs.mkdirSync(folder, { recursive: true });
    const file = path.join(folder, 'ws-upgrade.glibc.node');
    strip(stripCommand, path.join(dir, 'build/Release/ws_upgrade.node'), file);
    console.log(`${path.relative(ROOT, file)}: ${fs.statSync(file).size} B`);
  } finally {
    fs.rmSync(dir, { recursive: true });
  }
}

/** The architectures to build for; a missing compiler is said or thrown. */
function chooseArchs(named) {
  const unknown = named.find((arch) => TRIPLETS[arch] === undefined);
  if (unknown !== undefined) throw new CompileError(HELP);
  const wanted = named.length > 0 ? named : Object.keys(TRIPLETS);
  return wanted.filter((arch) => {
    if (canRun(toolsOf(arch).compiler)) return true;
    const problem =
      `There is no compiler for linux-${arch}: ` +
      `apt-get install ${PACKAGES[arch]}`;
    if (named.length > 0) throw new CompileError(problem);
    console.log(`${problem}. Its binary is left out.`);
    return false;
  });
}

async function main(args) {
  if (args.includes('--help')) {
    process.stdout.write(HELP);
    return;
  }
  if (process.platform !== 'linux') {
    throw new CompileError('The binaries are built on Linux.');
  }
  const archs = chooseArchs(args);
  fs.rmSync(path.join(ROOT, 'prebuilds'), { recursive: true, force: true });
  for (const arch of archs) await prebuild(arch);
}

main(process.argv.slice(2)).catch((err) => {
  process.exitCode = 1;
  if (!(err instanceof CompileError)) throw err;
  console.error(err.message);
});
