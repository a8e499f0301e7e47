'use strict';

const assert = require('node:assert');
const fs = require('node:fs');

const { ensureNode } = require('../run/setup');
const {
  PREBUILT_BINARY,
  Project,
  ensureNpm,
  makeTools,
  pack,
  packWithoutBinaries,
  pathWithTools,
  pathWithoutTools,
} = require('./support');

const node = process.execPath;
const LOAD = `
  try {
    require('ws-upgrade');
  } catch (err) {
    console.log(err.name, err.code, err.message);
  }`;

async function install(tarball) {
  return Project.withPackage(tarball, { node, npm: await ensureNpm(10) });
}

function load(project, { args = [], env } = {}) {
  return project.runWell(node, [...args, '-e', LOAD], env);
}

function build(project, env, options = []) {
  const script = project.installed('lib', 'cli.js');
  return project.run(node, [script, 'build', ...options], env);
}

describe('The package without an addon', function () {
  this.timeout(60 * 1000);

  let tarball;
  let bare;
  let project;

  before(async () => {
    tarball = await pack();
    project = await install(tarball);
    bare = await install(await packWithoutBinaries());
  });

  it('says for which system there is none, and how to get one', async () => {
    const output = await load(bare);
    const { arch, platform, versions } = process;
    const host = `${platform}-${arch} with glibc \\d+\\.\\d+ and Node\\.js`;
    assert.match(output, new RegExp(`^Error WSU_ERR_NO_ADDON .* ${host}`));
    assert.ok(output.includes(`Node.js ${versions.node}: no binary came`));
    assert.match(output, /apt-get install gcc libc6-dev make python3/);
    assert.match(output, /apk add build-base python3/);
    assert.match(output, /run in your project: npx ws-upgrade build/);
  });

  it('names a command that exists, whatever the package manager', async () => {
    const [, script] = /node "(.*)" build/.exec(await load(bare));
    const output = await bare.runWell(node, [script, '--help']);
    assert.match(output, /^Usage: ws-upgrade build/);
  });

  it('names the systems that it has binaries for', async () => {
    const output = await load(project, { env: { LIBC: 'musl' } });
    assert.match(output, /has no addon for linux-\w+ with musl and Node\.js/);
    assert.match(output, /binaries for linux-.* with glibc\. To compile/);
  });

  it('says why a binary does not load', async () => {
    const broken = await install(tarball);
    const file = broken.installed(PREBUILT_BINARY);
    fs.writeFileSync(file, 'not a binary, yet long enough for a header of one');
    const output = await load(broken);
    assert.ok(output.includes(`${file} does not load: `), output);
    assert.match(output, /npx ws-upgrade build/);
  });

  it('says that addons are switched off', async () => {
    const output = await load(project, { args: ['--no-addons'] });
    assert.match(output, /WSU_ERR_NO_ADDON .* without --no-addons/);
    assert.doesNotMatch(output, /compile/);
  });

  it('compiles it with --if-missing only where none loads', async () => {
    const env = { PATH: pathWithoutTools(node) };
    const { code, output } = await build(project, env, ['--if-missing']);
    assert.strictEqual(output, 'There is an addon already, and it loads.\n');
    assert.strictEqual(code, 0);
    const second = await build(bare, env, ['--if-missing']);
    assert.match(second.output, /^Compiling the addon needs cc/);
    assert.strictEqual(second.code, 1);
  });

  it('says which tools are missing to compile it', async () => {
    const { code, output } = await build(bare, {
      PATH: pathWithoutTools(node),
    });
    assert.strictEqual(code, 1);
    assert.match(output, /^Compiling the addon needs cc, make, python3\. Deb/);
    assert.doesNotMatch(output, /^\s+at /m);
  });

  it('says that node-gyp is missing to compile it', async () => {
    // One that has no npm beside it.
    const { path: lonely } = await ensureNode(20);
    const tools = { cc: node, make: node, python3: node };
    const script = bare.installed('lib', 'cli.js');
    const env = { PATH: makeTools(tools) };
    const { code, output } = await bare.run(lonely, [script, 'build'], env);
    assert.strictEqual(code, 1);
    assert.match(output, /^Compiling the addon needs node-gyp, .* npm install/);
  });

  it('says that it could not be compiled, behind what the compiler said', async () => {
    const env = { PATH: pathWithTools(node), CC: 'false' };
    const { code, output } = await build(bare, env);
    assert.strictEqual(code, 1);
    assert.match(output, /node-gyp could not compile the addon\n$/);
    assert.ok(!fs.existsSync(bare.installed('binding.gyp')));
  });

  it('explains its command where the argument is wrong', async () => {
    const script = bare.installed('lib', 'cli.js');
    for (const args of [['biuld'], ['build', '--if-mising']]) {
      const { code, output } = await bare.run(node, [script, ...args]);
      assert.strictEqual(code, 1);
      assert.ok(
        output.startsWith(
          `ws-upgrade does not know "${args.pop()}".\n\nUsage: ws-upgrade build`,
        ),
        output,
      );
    }
  });

  it('explains its command where it is asked to', async () => {
    const script = bare.installed('lib', 'cli.js');
    for (const args of [['--help'], ['-h'], ['help'], ['build', '--help']]) {
      const { code, output } = await bare.run(node, [script, ...args]);
      assert.strictEqual(code, 0);
      assert.match(output, /^Usage: ws-upgrade build/);
    }
  });
});
