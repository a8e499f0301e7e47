'use strict';

// Compiles the addon where the package has no binary for, with node-gyp and
// what the host has. The package comes without a binding.gyp, since package
// managers take one for a script to run at install, and may refuse to.

const { spawn } = require('child_process');
const fs = require('fs');
const path = require('path');

const PROJECT_FILE = 'binding.gyp';
const PROJECT = '{ "includes": ["src/addon.gypi"] }\n';
const NODE_GYP = path.join('node_modules', 'node-gyp', 'bin', 'node-gyp.js');
const PYTHON_VARIABLES = [
  'NODE_GYP_FORCE_PYTHON',
  'PYTHON',
  'npm_config_python',
];

const TOOLS_HINT =
  'Debian and Ubuntu: apt-get install gcc libc6-dev make python3; ' +
  'Alpine: apk add build-base python3; macOS: xcode-select --install';

/** A reason why the addon cannot be compiled that the reader can act on. */
class CompileError extends Error {
  constructor(message) {
    super(message);
    this.name = 'CompileError';
  }
}

function isFile(file) {
  try {
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}

function findInPath(name, env) {
  return (env.PATH || '')
    .split(path.delimiter)
    .map((dir) => path.join(dir, name))
    .find(isFile);
}

/**
 * The folder that has `include/node` with the headers of the running Node, or
 * null. Where a Node came with its headers they need no download.
 */
function nodeDir() {
  const prefix = path.resolve(fs.realpathSync(process.execPath), '../..');
  const header = path.join(prefix, 'include', 'node', 'node_api.h');
  return isFile(header) ? prefix : null;
}

function requireTools(env) {
  const compiler = (env.CC || 'cc').split(' ')[0];
  const wanted = [compiler, /bsd$/.test(process.platform) ? 'gmake' : 'make'];
  if (!PYTHON_VARIABLES.some((name) => env[name])) wanted.push('python3');
  const missing = wanted.filter(
    (tool) => !isFile(tool) && findInPath(tool, env) === undefined,
  );
  if (missing.length === 0) return;
  throw new CompileError(
    `Compiling the addon needs ${missing.join(', ')}. ${TOOLS_HINT}`,
  );
}

/** The script of node-gyp: what npm names, the project's own, or npm's. */
function findNodeGyp(dir, env) {
  const npm = env.npm_execpath || findInPath('npm', env);
  const candidates = [
    env.npm_config_node_gyp,
    path.join(dir, NODE_GYP),
    path.resolve(NODE_GYP),
    npm && path.resolve(fs.realpathSync(npm), '../..', NODE_GYP),
    path.resolve(process.execPath, '../../lib/node_modules/npm', NODE_GYP),
  ];
  const script = candidates.find((file) => file && isFile(file));
  if (script !== undefined) return script;
  const command = findInPath('node-gyp', env);
  if (command !== undefined) return fs.realpathSync(command);
  throw new CompileError(
    'Compiling the addon needs node-gyp, which comes with npm: ' +
      'npm install --global node-gyp',
  );
}

/** Writes the project file where there is none; whether it has done so. */
function addProject(file) {
  try {
    fs.writeFileSync(file, PROJECT, { flag: 'wx' });
    return true;
  } catch (err) {
    if (err.code === 'EEXIST') return false;
    throw new CompileError(`Cannot write to the package: ${err.message}`);
  }
}

function run(args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, options);
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new CompileError('node-gyp could not compile the addon'));
    });
  });
}

/**
 * Compiles the addon in a folder with the sources, to `build/Release`. Its
 * output goes to that of this process.
 *
 * @param {string} dir
 * @param {object} [options]
 * @param {object} [options.env] The environment: CC names the compiler
 * @param {string[]} [options.args] More arguments for node-gyp
 * @returns {Promise<void>}
 * @throws {CompileError} which says what to do
 */
async function compile(dir, { env = process.env, args = [] } = {}) {
  requireTools(env);
  const prefix = nodeDir();
  const nodeGypArgs = ['rebuild', '--jobs=max', '--loglevel=error', ...args];
  if (prefix !== null && !env.npm_config_nodedir) {
    nodeGypArgs.push(`--nodedir=${prefix}`);
  }
  const nodeGyp = findNodeGyp(dir, env);
  const project = path.join(dir, PROJECT_FILE);
  const isAdded = addProject(project);
  try {
    await run([nodeGyp, ...nodeGypArgs], {
      cwd: dir,
      stdio: ['ignore', 'inherit', 'inherit'],
      // gyp links with g++ unless told otherwise, and there is no C++ here.
      env: { LINK: env.CC || 'cc', ...env },
    });
  } finally {
    if (isAdded) fs.unlinkSync(project);
  }
}

module.exports = { CompileError, TOOLS_HINT, compile, nodeDir };
