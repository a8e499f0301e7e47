'use strict';

const { execFileSync } = require('node:child_process');
const path = require('node:path');

const nodeGypBuild = require('node-gyp-build');

const ROOT = path.join(__dirname, '..', '..');

/** What preload.c takes the place of. */
const REPLACED = [
  'calloc',
  'close',
  'fcntl',
  'free',
  'malloc',
  'realloc',
  'recv',
  'send',
  'sendmsg',
  'setsockopt',
  'shutdown',
];

/** What asks the system for nothing, and what is Node's. */
const HARMLESS = /^(mem|str|__|_ITM_|napi_|node_api_|uv_|deflate|inflate)/;

/**
 * The functions that the addon imports and whose failure is not tested.
 *
 * @returns {string[]}
 */
function findUnknownCalls() {
  const addon = nodeGypBuild.path(ROOT);
  return execFileSync('nm', ['-D', '--undefined-only', addon])
    .toString()
    .match(/(?<= [Uw] )\w+/g)
    .filter((name) => !REPLACED.includes(name) && !HARMLESS.test(name));
}

module.exports = { findUnknownCalls };
