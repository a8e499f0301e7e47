'use strict';

const assert = require('node:assert');

const { ensureNode } = require('../run/setup');
const binaries = require('./binary');
const {
  COMPILED_BINARY,
  NODE_MAJORS,
  Project,
  ensureNpm,
  packWithoutBinaries,
} = require('./support');

const node = process.execPath;

/** The loader of musl, which is its C library, too. */
const MACHINE = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
const MUSL = `/lib/ld-musl-${MACHINE}.so.1`;

/** What each Node.js of the matrix would export, with musl as its library. */
async function readHosts() {
  const musl = binaries.readExports(MUSL);
  const hosts = [];
  for (const major of NODE_MAJORS) {
    const { path: file } = await ensureNode(major);
    hosts.push(new Set([...binaries.readExports(file), ...musl]));
  }
  return hosts;
}

describe('The package, compiled with musl-gcc', function () {
  this.timeout(120 * 1000);

  let file;
  let built;

  before(async () => {
    const tools = { node, npm: await ensureNpm(10) };
    const tarball = await packWithoutBinaries();
    const project = await Project.withPackage(tarball, tools);
    const script = project.installed('lib', 'cli.js');
    built = await project.run(node, [script, 'build'], { CC: 'musl-gcc' });
    file = project.installed(COMPILED_BINARY);
  });

  it('is linked to the library of musl alone', () => {
    assert.deepStrictEqual(binaries.listLibraries(file), ['libc.so']);
  });

  it('imports what musl has', async () => {
    const refused = binaries.findUnsupportedImports(file, await readHosts());
    assert.deepStrictEqual(refused, []);
  });

  it('says that it does not load where the library is another one', () => {
    assert.strictEqual(built.code, 1);
    assert.match(built.output, /ws_upgrade\.node does not load: .*libc\.so/);
    assert.doesNotMatch(built.output, /^\s+at /m);
  });
});
