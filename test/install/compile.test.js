'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');

const { ensureNode } = require('../run/setup');
const {
  COMPILED_BINARY,
  Project,
  ensureNpm,
  packWithoutBinaries,
  pathWithTools,
} = require('./support');

/** The oldest node-gyp that has to work, and the newest. */
const COMPILED_WITH = [
  { major: 16, npm: 8 },
  { major: 26, npm: 11 },
];

async function ensureTools({ major, npm }) {
  return { node: (await ensureNode(major)).path, npm: await ensureNpm(npm) };
}

describe('The package without a binary, where there is a compiler', function () {
  this.timeout(180 * 1000);

  let tarball;

  before(async () => {
    tarball = await packWithoutBinaries();
  });

  for (const versions of COMPILED_WITH) {
    const { major, npm } = versions;

    it(`is compiled by npx of npm ${npm} on Node.js ${major}, for both`, async () => {
      const tools = await ensureTools(versions);
      const env = { PATH: pathWithTools(tools.node) };
      const project = await Project.withPackage(tarball, tools);
      const npx = path.join(tools.npm, 'bin', 'npx-cli.js');
      const args = [npx, 'ws-upgrade', 'build'];
      const output = await project.runWell(tools.node, args, env);
      assert.match(output, /The addon is compiled, and loads\.\n$/);
      assert.ok(!fs.existsSync(project.installed('binding.gyp')));
      for (const other of COMPILED_WITH) {
        const node = await ensureNode(other.major);
        await project.smoke([node.path], COMPILED_BINARY, env);
      }
    });
  }
});
