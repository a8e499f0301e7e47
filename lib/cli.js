#!/usr/bin/env node
'use strict';

const path = require('path');

const { CompileError, compile } = require('./compile');
const { NO_ADDON } = require('./missing-addon');

const HELP = `Usage: ws-upgrade build [--if-missing]

Compiles the addon for this system, which the package needs where it has no
binary for: on musl (Alpine), macOS and others than x64 and arm64. It takes a C
compiler (CC names one), make, Python 3 and node-gyp, which comes with npm.

  --if-missing  only if there is none that loads
`;

/** Whether there is an addon that loads. */
function hasAddon() {
  try {
    require('./native');
    return true;
  } catch (err) {
    if (err.code !== NO_ADDON) throw err;
    return false;
  }
}

async function build({ ifMissing }) {
  if (ifMissing && hasAddon()) {
    console.log('There is an addon already, and it loads.');
    return;
  }
  await compile(path.join(__dirname, '..'));
  require('./native');
  console.log('The addon is compiled, and loads.');
}

const args = process.argv.slice(2);
const known = ['build', '--if-missing'];
const unknown = args.find((arg, i) => arg !== known[i]);

if (args.some((arg) => ['--help', '-h', 'help'].includes(arg))) {
  process.stdout.write(HELP);
} else if (args.length > 0 && unknown === undefined) {
  build({ ifMissing: args.length > 1 }).catch((err) => {
    process.exitCode = 1;
    if (!(err instanceof CompileError) && err.code !== NO_ADDON) throw err;
    console.error(err.message);
  });
} else {
  if (unknown !== undefined) {
    process.stderr.write(`ws-upgrade does not know "${unknown}".\n\n`);
  }
  process.stderr.write(HELP);
  process.exitCode = 1;
}
