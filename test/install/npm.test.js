'use strict';

const assert = require('node:assert');

const { ensureNode } = require('../run/setup');
const {
  NODE_MAJORS,
  PREBUILT_BINARY,
  Project,
  ensureNpm,
  pack,
} = require('./support');

/** The npm that came with each Node.js. */
const NPM_MAJORS = { 16: 8, 18: 10, 20: 10, 22: 10, 24: 11, 26: 11 };

describe('The package, installed with npm where there is no compiler', function () {
  this.timeout(120 * 1000);

  let tarball;

  before(async () => {
    tarball = await pack();
  });

  for (const major of NODE_MAJORS) {
    it(`serves on Node.js ${major}, installed with --ignore-scripts`, async () => {
      const { path: node } = await ensureNode(major);
      const npm = await ensureNpm(NPM_MAJORS[major]);
      const project = await Project.withPackage(tarball, { node, npm });
      await project.smoke([node], PREBUILT_BINARY);
      const output = await project.runWell(node, ['smoke.mjs']);
      assert.strictEqual(output, 'closed\n');
    });
  }
});
