'use strict';

const fs = require('fs');
const path = require('path');

const load = require('node-gyp-build');

const { TOOLS_HINT } = require('./compile');

const NO_ADDON = 'WSU_ERR_NO_ADDON';

/** The C library, spelt as node-gyp-build has it, which LIBC can override. */
function describeLibc() {
  if (process.env.LIBC) return process.env.LIBC;
  const { glibcVersionRuntime: version } = process.report.getReport().header;
  return version === undefined ? 'musl' : `glibc ${version}`;
}

function describeHost() {
  const { arch, platform, versions } = process;
  const libc = platform === 'linux' ? ` with ${describeLibc()}` : '';
  return `${platform}-${arch}${libc} and Node.js ${versions.node}`;
}

/** What the package brings, as text: the folders of prebuilt binaries. */
function listPrebuilt(root) {
  let names = [];
  try {
    names = fs.readdirSync(path.join(root, 'prebuilds'));
  } catch (err) {
    if (err.code !== 'ENOENT') throw err;
  }
  if (names.length === 0) return 'no binary came with the package';
  return `the package has binaries for ${names.sort().join(', ')} with glibc`;
}

function findAddon(root) {
  try {
    return load.resolve(root);
  } catch {
    return null;
  }
}

function howToCompile(root) {
  const script = path.join(root, 'lib', 'cli.js');
  return (
    'To compile it for this system, install a C compiler, make and Python 3 ' +
    `(${TOOLS_HINT}), and run in your project: npx ws-upgrade build (or, ` +
    `whatever the package manager: node "${script}" build)`
  );
}

function describeProblem(err, root) {
  if (err.code === 'ERR_DLOPEN_DISABLED') {
    return (
      'addons are switched off in this process. Run Node.js without ' +
      '--no-addons and, where there is --permission, with --allow-addons'
    );
  }
  if (process.platform === 'win32') return 'it does not run on Windows yet';
  const file = findAddon(root);
  const problem =
    file === null
      ? listPrebuilt(root)
      : `${file} does not load: ${err.message}`;
  return `${problem}. ${howToCompile(root)}`;
}

/**
 * The error to throw for an addon that did not load.
 *
 * @param {Error} cause What loading has thrown
 * @param {string} root The folder of the package
 * @returns {Error} with the code NO_ADDON; says what to do
 */
function explainMissing(cause, root) {
  const problem = describeProblem(cause, root);
  const err = new Error(
    `ws-upgrade has no addon for ${describeHost()}: ${problem}.`,
  );
  err.code = NO_ADDON;
  err.cause = cause;
  return err;
}

module.exports = { NO_ADDON, explainMissing };
