'use strict';

// The addon with AddressSanitizer, for a Node that has none: its runtime is
// preloaded, and the addon takes the place of the one in build/Release. Leaks
// are for valgrind, since Node itself leaves much to the end of the process.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const { ROOT, filesBelow, headersDir, modifiedAt } = require('../run/setup');

/** In place of the folder of the package, for node-gyp-build. */
const FOLDER = path.join(ROOT, 'build', 'asan');
const ADDON = path.join(FOLDER, 'build', 'Release', 'ws_upgrade.node');

const COMPILER = process.env.CC || 'cc';

const FLAGS = [
  '-std=c11',
  '-D_GNU_SOURCE',
  '-DNAPI_VERSION=8',
  '-O1',
  '-g',
  '-fno-omit-frame-pointer',
  '-fsanitize=address',
  '-fvisibility=hidden',
  '-fPIC',
  '-shared',
];

/** Of a process in which the sanitizer has found something. */
const EXIT_CODE = 99;

/** The runtime of the sanitizer as GCC has it, or null. */
function runtimePath() {
  const { stdout } = spawnSync(COMPILER, ['-print-file-name=libasan.so']);
  const file = String(stdout).trim();
  return path.isAbsolute(file) ? file : null;
}

/** @throws {Error} what the compiler has to say */
function build() {
  const files = filesBelow(path.join(ROOT, 'src'));
  const isCurrent =
    fs.existsSync(ADDON) &&
    files.every((file) => modifiedAt(file) <= modifiedAt(ADDON));
  if (isCurrent) return;
  fs.mkdirSync(path.dirname(ADDON), { recursive: true });
  const sources = files.filter((file) => file.endsWith('.c'));
  const include = [path.join(ROOT, 'src', 'core'), headersDir()];
  const result = spawnSync(COMPILER, [
    ...FLAGS,
    ...include.map((folder) => `-I${folder}`),
    ...sources,
    '-o',
    ADDON,
  ]);
  if (result.status !== 0) {
    throw new Error(`No addon with AddressSanitizer:\n${result.stderr}`);
  }
}

/**
 * Builds the addon unless that was done before.
 *
 * @returns {object|null} the environment of processes that use it; null if this
 *   machine has no GCC with the sanitizer
 */
function environment() {
  const runtime = process.platform === 'linux' ? runtimePath() : null;
  if (runtime === null) return null;
  build();
  return {
    LD_PRELOAD: runtime,
    ASAN_OPTIONS: `detect_leaks=0:exitcode=${EXIT_CODE}`,
    WS_UPGRADE_PREBUILD: FOLDER,
  };
}

module.exports = { environment };
