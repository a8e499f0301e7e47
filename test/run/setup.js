'use strict';

// Sets up what a clone lacks, once, and leaves alone what is there: the
// packages of package-lock.json, the addon, and the Node binaries of the test
// matrix. Everything lands in git-ignored folders of the clone. `npm start` and
// `npm test` both begin here.

const { spawn, spawnSync } = require('child_process');
const fs = require('fs');
const path = require('path');

const { nodeDir } = require('../../lib/compile');

const ROOT = path.resolve(__dirname, '../..');
const CACHE = path.join(ROOT, '.cache');

/** A failure that the reader can act on; `output` is what the command said. */
class SetupError extends Error {
  constructor(message, output = '') {
    super(message);
    this.name = 'SetupError';
    this.output = output;
  }
}

/** Runs a command of the set-up quietly; its output shows only on failure. */
function run(what, command, args, env = process.env) {
  process.stdout.write(`${what} ...\n`);
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: ROOT,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const keep = (chunk) => {
      output += chunk;
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (err) => {
      reject(new SetupError(`${what}: cannot run ${command}: ${err.message}`));
    });
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new SetupError(`${what}: failed`, output));
    });
  });
}

function readPackages(file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8')).packages;
  } catch {
    return null;
  }
}

/**
 * Whether node_modules holds what package-lock.json names. npm records what it
 * installed in a lock file of its own, so versions are compared and not times,
 * which a checkout changes.
 */
function dependenciesAreCurrent() {
  const wanted = readPackages(path.join(ROOT, 'package-lock.json'));
  const present = readPackages(
    path.join(ROOT, 'node_modules', '.package-lock.json'),
  );
  if (wanted === null || present === null) return false;
  return Object.keys(wanted).every((name) => {
    if (name === '') return true;
    if (present[name] === undefined) return wanted[name].optional === true;
    return present[name].version === wanted[name].version;
  });
}

async function ensureDependencies() {
  if (dependenciesAreCurrent()) return;
  await run('Installing the development dependencies', 'npm', [
    'ci',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ]);
}

function filesBelow(dir) {
  return fs.readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const name = path.join(dir, entry.name);
    return entry.isDirectory() ? filesBelow(name) : [name];
  });
}

function modifiedAt(file) {
  return fs.statSync(file).mtimeMs;
}

/** The path of the addon that node-gyp built, or null. */
function addonPath() {
  const dir = path.join(ROOT, 'build', 'Release');
  if (!fs.existsSync(dir)) return null;
  const name = fs.readdirSync(dir).find((file) => file.endsWith('.node'));
  return name === undefined ? null : path.join(dir, name);
}

function addonIsCurrent() {
  const addon = addonPath();
  if (addon === null) return false;
  const sources = filesBelow(path.join(ROOT, 'src'));
  const builtAt = modifiedAt(addon);
  return sources.every((file) => modifiedAt(file) <= builtAt);
}

/**
 * The folder of the Node headers that the last build used: those beside the
 * running Node, or those that node-gyp fetched.
 */
function headersDir() {
  const prefix = nodeDir();
  if (prefix !== null) return path.join(prefix, 'include', 'node');
  const config = fs.readFileSync(path.join(ROOT, 'build/config.gypi'), 'utf8');
  const { variables } = JSON.parse(config.replace(/^#.*$/gm, ''));
  return path.join(variables.nodedir, 'include', 'node');
}

async function ensureAddon() {
  if (addonIsCurrent()) return;
  await run('Building the addon', process.execPath, [
    path.join('lib', 'cli.js'),
    'build',
  ]);
}

/** Name of the npm package that carries a Node binary for this platform. */
function nodePackageName() {
  const target = `${process.platform}-${process.arch}`;
  return target === 'darwin-arm64' ? `node-bin-${target}` : `node-${target}`;
}

/**
 * Installs a package from the npm registry to a folder of .cache, unless it is
 * there.
 *
 * @param {string} spec Name and version, as for `npm install`
 * @param {string} folder Below .cache
 * @param {string[]} [options] More options for npm
 * @returns {Promise<string>} the folder of the package
 */
async function ensurePackage(spec, folder, options = []) {
  const name = spec.slice(0, spec.lastIndexOf('@'));
  const prefix = path.join(CACHE, folder);
  const dir = path.join(prefix, 'node_modules', name);
  if (fs.existsSync(path.join(dir, 'package.json'))) return dir;
  fs.mkdirSync(prefix, { recursive: true });
  await run(`Installing ${spec}`, 'npm', [
    'install',
    `--prefix=${prefix}`,
    '--ignore-scripts',
    '--no-save',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    ...options,
    spec,
  ]);
  return dir;
}

/**
 * Installs the newest Node of a major version, unless it is there. The package
 * of the platform is taken and not `node` itself, whose install script npm may
 * block.
 *
 * @param {number} major
 * @returns {Promise<{path: string, version: string}>}
 */
async function ensureNode(major) {
  const spec = `${nodePackageName()}@${major}`;
  const dir = await ensurePackage(spec, path.join('node', String(major)));
  const binary = path.join(dir, 'bin', 'node');
  const { status, stdout } = spawnSync(binary, ['-p', 'process.versions.node']);
  if (status !== 0) {
    throw new SetupError(`${binary} does not run; remove ${dir}`);
  }
  return { path: binary, version: String(stdout).trim() };
}

/** Says on stderr what went wrong, the command's own words first. */
function reportError(err) {
  if (!(err instanceof SetupError)) throw err;
  if (err.output) process.stderr.write(`${err.output.trimEnd()}\n`);
  process.stderr.write(`${err.message}\n`);
}

async function ensureProject() {
  await ensureDependencies();
  await ensureAddon();
}

module.exports = {
  ROOT,
  SetupError,
  addonPath,
  ensureNode,
  ensurePackage,
  ensureProject,
  filesBelow,
  headersDir,
  modifiedAt,
  reportError,
};

if (require.main === module) {
  ensureProject().catch((err) => {
    process.exitCode = 1;
    reportError(err);
  });
}
