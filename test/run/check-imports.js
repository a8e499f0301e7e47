'use strict';

// Holds what the addon imports against what every Node from 16 on has: symbols
// of Node-API 8, libuv and zlib, and of glibc no version after 2.17. Linux only.

const { execFileSync } = require('child_process');
const { symbols } = require('node-api-headers');

const { addonPath } = require('./setup');

const NODE_API_VERSION = 'v8';
const GLIBC_LIMIT = [2, 17];
// The linker names these weakly in every shared object.
const WEAK = /^(__cxa_finalize|__gmon_start__|_ITM_\w+)$/;
const ZLIB =
  /^(deflate|inflate|crc32|adler32|zlibVersion|zError|compress|uncompress)\w*$/;

const { js_native_api_symbols, node_api_symbols } = symbols[NODE_API_VERSION];
const nodeApi = new Set([...js_native_api_symbols, ...node_api_symbols]);

function isOldGlibc(version) {
  const match = /^GLIBC_(\d+)\.(\d+)/.exec(version || '');
  if (match === null) return false;
  const [major, minor] = [Number(match[1]), Number(match[2])];
  return major === GLIBC_LIMIT[0] && minor <= GLIBC_LIMIT[1];
}

function isAllowed(symbol) {
  const [name, version] = symbol.split(/@+/);
  if (nodeApi.has(name) || WEAK.test(name)) return true;
  if (name.startsWith('uv_') || ZLIB.test(name)) return true;
  return isOldGlibc(version);
}

const listing = execFileSync('nm', ['-D', '--undefined-only', addonPath()]);
const imports = String(listing).trim().split('\n');
const refused = imports
  .map((line) => line.trim().split(/\s+/).pop())
  .filter((symbol) => !isAllowed(symbol));

for (const symbol of refused) {
  console.error(`The addon imports ${symbol}, which not every host has.`);
}
if (refused.length > 0) process.exitCode = 1;
