'use strict';

// What an addon binary asks of its host, and what every supported one has:
// the functions of Node-API 8, those of libuv and zlib that each Node.js of the
// matrix exports, and glibc 2.17.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');

const { symbols } = require('node-api-headers');

const NODE_API_VERSION = 'v8';
const GLIBC_LIMIT = [2, 17];
// The linker names these weakly in every shared object.
const WEAK = /^(__cxa_finalize|__gmon_start__|_ITM_\w+)$/;

const { js_native_api_symbols, node_api_symbols } = symbols[NODE_API_VERSION];
const nodeApi = new Set([...js_native_api_symbols, ...node_api_symbols]);

function listLines(command, args) {
  const output = execFileSync(command, args, { maxBuffer: 2 ** 28 });
  return String(output).trim().split('\n');
}

/** The names of symbols, with their version where they have one. */
function listSymbols(file, option) {
  return listLines('nm', ['-D', option, file]).map((line) =>
    line.trim().split(/\s+/).pop(),
  );
}

/** The functions that a Node.js binary has for addons. */
function readExports(file) {
  return new Set(listSymbols(file, '--defined-only'));
}

function isOldGlibc(version) {
  const match = /^GLIBC_(\d+)\.(\d+)/.exec(version || '');
  if (match === null) return false;
  const [major, minor] = [Number(match[1]), Number(match[2])];
  return major === GLIBC_LIMIT[0] && minor <= GLIBC_LIMIT[1];
}

/**
 * What a binary imports that not every host has.
 *
 * @param {string} file
 * @param {Set<string>[]} hosts What each Node.js of the matrix exports
 * @returns {string[]}
 */
function findUnsupportedImports(file, hosts) {
  return listSymbols(file, '--undefined-only').filter((symbol) => {
    const [name, version] = symbol.split(/@+/);
    if (nodeApi.has(name) || WEAK.test(name)) return false;
    if (version !== undefined) return !isOldGlibc(version);
    return !hosts.every((names) => names.has(name));
  });
}

/** The libraries that a binary is linked to. */
function listLibraries(file) {
  return listLines('readelf', ['-dW', file])
    .map((line) => /\(NEEDED\).*\[(.*)\]/.exec(line))
    .filter((match) => match !== null)
    .map((match) => match[1]);
}

/** The names that a binary has for others in the same process. */
function listExports(file) {
  return listSymbols(file, '--defined-only');
}

/** What the loader is told about a binary: bindings, and flags of segments. */
function readProtection(file) {
  const dynamic = listLines('readelf', ['-dW', file]).join('\n');
  const segments = listLines('readelf', ['-lW', file]);
  const flagsOf = (line) => line.trim().split(/\s+/).slice(6, -1).join('');
  const stack = segments.find((line) => line.includes('GNU_STACK'));
  const loaded = segments.filter((line) => /^\s+LOAD/.test(line));
  return {
    bindsAtOnce: /\(FLAGS\).*BIND_NOW/.test(dynamic),
    hasReadOnlyRelocations: segments.some((line) => /GNU_RELRO/.test(line)),
    stackFlags: flagsOf(stack),
    writableCode: loaded.filter(
      (line) => /W/.test(flagsOf(line)) && /E/.test(flagsOf(line)),
    ),
  };
}

function isStripped(file) {
  return !listLines('readelf', ['-SW', file]).some((line) =>
    /\.(symtab|debug_\w+)\s/.test(line),
  );
}

function sizeOf(file) {
  return fs.statSync(file).size;
}

module.exports = {
  findUnsupportedImports,
  isStripped,
  listExports,
  listLibraries,
  readExports,
  readProtection,
  sizeOf,
};
