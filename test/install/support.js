'use strict';

// Packages as `npm pack` makes them, and projects that install them.

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const { ROOT, ensurePackage } = require('../run/setup');

const NODE_MAJORS = [16, 18, 20, 22, 24, 26];
const TIME_LIMIT_MS = 120 * 1000;
const PREBUILT = path.join('prebuilds', `linux-${process.arch}`);
const BINARY = 'ws-upgrade.glibc.node';

/** What of npm's variables is the machine's set-up and not of an `npm run`. */
const NPM_SETUP =
  /^npm_config_(cache|cafile|https?_proxy|nodedir|noproxy|registry|userconfig)$/i;

const folders = [];

function makeFolder() {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'ws-upgrade-install-'));
  folders.push(dir);
  return dir;
}

after(function () {
  this.timeout(TIME_LIMIT_MS);
  for (const dir of folders) fs.rmSync(dir, { recursive: true, force: true });
});

/** The environment of a shell, whoever started this process. */
function shellEnvironment(changes) {
  const isKept = ([name]) => !/^npm_/i.test(name) || NPM_SETUP.test(name);
  const kept = Object.entries(process.env).filter(isKept);
  return { ...Object.fromEntries(kept), ...changes };
}

/**
 * Runs a command to its end.
 *
 * @returns {Promise<{code: number|null, output: string}>}
 */
function run(command, args, { cwd, env = {} }) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: shellEnvironment(env),
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: TIME_LIMIT_MS,
      killSignal: 'SIGKILL',
    });
    let output = '';
    const keep = (chunk) => {
      output += chunk;
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });
}

/** Runs a command that has to succeed, and resolves with its output. */
async function runWell(command, args, options) {
  const { code, output } = await run(command, args, options);
  assert.strictEqual(code, 0, `${command} ${args.join(' ')}\n${output}`);
  return output;
}

async function packFolder(dir) {
  const target = makeFolder();
  const args = ['pack', '--ignore-scripts', `--pack-destination=${target}`];
  await runWell('npm', args, { cwd: dir });
  const [name] = fs.readdirSync(target);
  return path.join(target, name);
}

/** The files of a package, by their paths in it. */
async function listPackage(tarball) {
  const output = await runWell('tar', ['-tzf', tarball], { cwd: ROOT });
  return output
    .trim()
    .split('\n')
    .map((name) => name.replace(/^package\//, ''))
    .sort();
}

let packed;

/** The package as it would be published. */
function pack() {
  packed ??= packFolder(ROOT);
  return packed;
}

/** The package as it would be published for a system of another kind. */
async function packWithoutBinaries() {
  const dir = makeFolder();
  await runWell('tar', ['-xzf', await pack()], { cwd: dir });
  const source = path.join(dir, 'package');
  fs.rmSync(path.join(source, 'prebuilds'), { recursive: true });
  return packFolder(source);
}

/** A folder that is a PATH with these tools and no other. */
function makeTools(tools) {
  const dir = makeFolder();
  for (const [name, file] of Object.entries(tools)) {
    fs.symlinkSync(file, path.join(dir, name));
  }
  return dir;
}

/** A PATH with a Node.js and a shell: no compiler, no make, no Python. */
function pathWithoutTools(node) {
  return makeTools({ node, sh: '/bin/sh' });
}

/** The PATH of this process behind a Node.js. */
function pathWithTools(node) {
  return [path.dirname(node), process.env.PATH].join(path.delimiter);
}

/** The folder of a package manager, by its name and version. */
function ensureManager(spec) {
  return ensurePackage(spec, path.join('managers', spec.replace('/', '-')));
}

function ensureNpm(major) {
  return ensureManager(`npm@${major}`);
}

/** An empty project, to install the package in. */
class Project {
  constructor() {
    this.dir = makeFolder();
    const project = { name: 'project', version: '1.0.0', private: true };
    this.write('package.json', JSON.stringify(project));
    for (const name of ['smoke.js', 'smoke.mjs']) {
      fs.copyFileSync(path.join(__dirname, name), path.join(this.dir, name));
    }
  }

  /**
   * A project that has installed a package with npm, where there are no tools.
   *
   * @param {string} tarball
   * @param {{node: string, npm: string}} tools The path of a Node.js, and the
   *   folder of an npm that runs on it
   */
  static async withPackage(tarball, { node, npm }) {
    const project = new Project();
    const args = [path.join(npm, 'bin', 'npm-cli.js'), 'install'];
    args.push('--ignore-scripts', '--no-audit', tarball);
    await project.runWell(node, args, { PATH: pathWithoutTools(node) });
    return project;
  }

  write(name, text) {
    fs.writeFileSync(path.join(this.dir, name), text);
  }

  /** A path in the installed package. */
  installed(...names) {
    return path.join(this.dir, 'node_modules', 'ws-upgrade', ...names);
  }

  run(command, args, env) {
    return run(command, args, { cwd: this.dir, env });
  }

  runWell(command, args, env) {
    return runWell(command, args, { cwd: this.dir, env });
  }

  /**
   * Echoes messages, with the command that runs a script, and holds which
   * binary was loaded against the end of its path.
   */
  async smoke(command, binary, env) {
    const ws = path.join(ROOT, 'node_modules', 'ws');
    const [file, ...args] = [...command, 'smoke.js', ws];
    const output = await this.runWell(file, args, env);
    const { addons, arch } = JSON.parse(output.trim().split('\n').pop());
    assert.strictEqual(addons.length, 1, output);
    const expected = path.join('ws-upgrade', binary);
    assert.ok(addons[0].endsWith(expected), `${addons[0]} was loaded`);
    return arch;
  }
}

module.exports = {
  BINARY,
  NODE_MAJORS,
  PREBUILT_BINARY: path.join(PREBUILT, BINARY),
  COMPILED_BINARY: path.join('build', 'Release', 'ws_upgrade.node'),
  Project,
  ensureManager,
  ensureNpm,
  listPackage,
  makeTools,
  pack,
  packWithoutBinaries,
  pathWithTools,
  pathWithoutTools,
  run,
};
