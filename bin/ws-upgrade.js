#!/usr/bin/env node
'use strict';

const path = require('path');

const { CompileError, compile } = require('../lib/compile');
const { NO_ADDON } = require('../lib/missing-addon');

const HELP = `Usage: ws-upgrade build

Compiles the addon for this system, which the package needs where it has no
binary for: on musl (Alpine), macOS and others than x64 and arm64. It takes a C
compiler (CC names one), make, Python 3 and node-gyp, which comes with npm.
`;

async function build() {
  await compile(path.join(__dirname, '..'));
  require('../lib/native');
  console.log('The addon is compiled, and loads.');
}

const args = process.argv.slice(2);
if (args.length === 1 && args[0] === 'build') {
  build().catch((err) => {
    process.exitCode = 1;
    if (!(err instanceof CompileError) && err.code !== NO_ADDON) throw err;
    console.error(err.message);
  });
} else if (args.length === 1 && args[0] === '--help') {
  process.stdout.write(HELP);
} else {
  process.stderr.write(HELP);
  process.exitCode = 1;
}
