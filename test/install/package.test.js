'use strict';

const assert = require('node:assert');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const { ROOT, ensureNode } = require('../run/setup');
const binaries = require('./binary');
const { BINARY, NODE_MAJORS, listPackage, pack } = require('./support');

const SIZE_LIMIT = 200 * 1024;
const ARCHS = process.env.INSTALL_ARCHS.split(',');

const AT_ROOT = [
  'CHANGELOG.md',
  'LICENSE',
  'README.md',
  'SECURITY.md',
  'package.json',
];

function prebuiltOf(arch) {
  return path.join('prebuilds', `linux-${arch}`, BINARY);
}

function trackedFiles() {
  const args = ['ls-files', 'lib', 'src', ...AT_ROOT];
  return String(execFileSync('git', args, { cwd: ROOT }))
    .trim()
    .split('\n');
}

describe('The package', function () {
  this.timeout(60 * 1000);

  it('has lib, src, the binaries and five files, and nothing else', async () => {
    const expected = [...trackedFiles(), ...ARCHS.map(prebuiltOf)].sort();
    const files = await listPackage(await pack());
    assert.deepStrictEqual(files, expected);
    const folders = files.map((name) => /^[^/]*\/|^/.exec(name)[0]);
    assert.deepStrictEqual([...new Set(folders)].sort(), [
      '',
      'lib/',
      'prebuilds/',
      'src/',
    ]);
  });

  it('runs nothing when it is installed', async () => {
    const file = path.join(ROOT, 'package.json');
    const { scripts } = JSON.parse(fs.readFileSync(file, 'utf8'));
    for (const name of ['preinstall', 'install', 'postinstall']) {
      assert.strictEqual(scripts[name], undefined);
    }
    const files = await listPackage(await pack());
    assert.ok(!files.includes('binding.gyp'), 'npm and pnpm would compile it');
  });

  it('has one dependency', () => {
    const { dependencies } = require('../../package.json');
    assert.deepStrictEqual(Object.keys(dependencies), ['node-gyp-build']);
  });
});

for (const arch of ARCHS) {
  const file = path.join(ROOT, prebuiltOf(arch));

  describe(`The binary for linux-${arch}`, () => {
    it('imports what Node-API 8, each Node.js and glibc 2.17 have', async function () {
      this.timeout(60 * 1000);
      const hosts = [];
      for (const major of NODE_MAJORS) {
        const node = await ensureNode(major);
        hosts.push(binaries.readExports(node.path));
      }
      const refused = binaries.findUnsupportedImports(file, hosts);
      assert.deepStrictEqual(refused, []);
    });

    it('is linked to the C library alone', () => {
      assert.deepStrictEqual(binaries.listLibraries(file), ['libc.so.6']);
    });

    it('exports the entry points of an addon and nothing else', () => {
      assert.deepStrictEqual(binaries.listExports(file), [
        'napi_register_module_v1',
        'node_api_module_get_api_version_v1',
      ]);
    });

    it('finds a missing function when it is loaded, not when it is called', () => {
      assert.ok(binaries.readProtection(file).bindsAtOnce);
    });

    it('has no memory that is both writable and executable', () => {
      const protection = binaries.readProtection(file);
      assert.ok(protection.hasReadOnlyRelocations);
      assert.strictEqual(protection.stackFlags, 'RW');
      assert.deepStrictEqual(protection.writableCode, []);
    });

    it('is stripped and smaller than 200 KiB', () => {
      assert.ok(binaries.isStripped(file));
      const size = binaries.sizeOf(file);
      assert.ok(size < SIZE_LIMIT, `${size} bytes`);
    });
  });
}
