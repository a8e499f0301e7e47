'use strict';

const fs = require('fs');
const path = require('path');

const { compile, run } = require('./processes');
const { dependencies } = require('./package.json');

const BUN = '@oven/bun-linux-x64';

/** The one that the others are measured against. */
const OURS = 'ws-upgrade';

/**
 * Each echo server: the npm packages it needs, and how it is started. `start`
 * gets the path of the Node binary and returns a command line, and `env` adds
 * to its environment. One with `tls` speaks it when it finds the paths of a key
 * and a certificate in `BENCH_KEY` and `BENCH_CERT`. One with `deflate`
 * compresses each message when `BENCH_DEFLATE` is `takeover` or `no-takeover`.
 */
const servers = {
  [OURS]: {
    packages: [],
    tls: true,
    deflate: true,
    start: (node) => [node, script('ws-upgrade.js')],
  },
  ws: {
    packages: ['ws'],
    tls: true,
    deflate: true,
    start: (node) => [node, script('ws.js')],
    env: { WS_NO_BUFFER_UTIL: '1' },
  },
  'ws+bufferutil': {
    packages: ['ws', 'bufferutil'],
    tls: true,
    start: (node) => [node, script('ws.js')],
  },
  uws: {
    packages: ['uwebsockets'],
    tls: true,
    deflate: true,
    start: (node) => [node, script('uws.js')],
  },
  bun: {
    packages: [BUN],
    tls: true,
    start: () => [packagePath(BUN, 'bin', 'bun'), script('bun.js')],
  },
  epoll: {
    packages: [],
    start: () => [compile('epoll', [script('epoll.c')])],
  },
};

function script(name) {
  return path.join(__dirname, 'servers', name);
}

function packagePath(name, ...parts) {
  return path.join(__dirname, 'node_modules', name, ...parts);
}

function isInstalled(name) {
  try {
    const manifest = fs.readFileSync(packagePath(name, 'package.json'), 'utf8');
    return JSON.parse(manifest).version === dependencies[name];
  } catch {
    return false;
  }
}

/**
 * Installs the peers where one that is needed is missing or of another version.
 *
 * @param {string[]} names Servers
 */
function installPeers(names) {
  const packages = names.flatMap((name) => servers[name].packages);
  if (packages.every(isInstalled)) {
    return;
  }
  console.error('Installing the peers (npm ci in bench/) ...');
  run('npm', ['ci'], 'npm comes with Node.js', { cwd: __dirname });
}

module.exports = { OURS, installPeers, servers };
