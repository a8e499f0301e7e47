'use strict';

const assert = require('node:assert');
const path = require('node:path');

const {
  PREBUILT_BINARY,
  Project,
  ensureManager,
  pack,
  pathWithoutTools,
} = require('./support');

const node = process.execPath;

/**
 * How each manager is started, and how it runs a script of the project; none is
 * told what to do with scripts of packages.
 */
const MANAGERS = {
  'npm@11': { script: 'bin/npm-cli.js', add: ['install', '--no-audit'] },
  'pnpm@8': { script: 'bin/pnpm.cjs', add: ['add'] },
  'pnpm@10': { script: 'bin/pnpm.cjs', add: ['add'] },
  // Later ones name packages in their lock file that this may not find.
  'pnpm@12.4.2': { script: 'bin/pnpm.mjs', add: ['add'] },
  'yarn@1': { script: 'bin/yarn.js', add: ['add'] },
  '@yarnpkg/cli-dist@4': {
    script: 'bin/yarn.js',
    add: ['add'],
    isPlugAndPlay: true,
  },
};

/** Caches of the project's own, so that nothing comes from an earlier run. */
function environmentOf(project) {
  const cache = path.join(project.dir, '.store');
  return {
    PATH: pathWithoutTools(node),
    npm_config_store_dir: cache,
    pnpm_config_store_dir: cache,
    YARN_CACHE_FOLDER: cache,
    YARN_ENABLE_GLOBAL_CACHE: 'false',
    YARN_ENABLE_TELEMETRY: 'false',
  };
}

describe('The package, installed where there is no compiler', function () {
  this.timeout(120 * 1000);

  let tarball;

  before(async () => {
    tarball = await pack();
  });

  for (const [spec, { script, add, isPlugAndPlay }] of Object.entries(
    MANAGERS,
  )) {
    it(`serves after a plain ${spec}, which finds no script to refuse`, async () => {
      const dir = await ensureManager(spec);
      const project = new Project();
      const env = environmentOf(project);
      const manager = [node, path.join(dir, script)];
      project.write('yarn.lock', '');
      const what = `ws-upgrade@file:${tarball}`;
      const output = await project.runWell(
        manager[0],
        [manager[1], ...add, what],
        env,
      );
      assert.doesNotMatch(output, /script|ignored|approve/i);
      const runScript = isPlugAndPlay ? [...manager, 'node'] : [node];
      await project.smoke(runScript, PREBUILT_BINARY, env);
    });
  }
});
