'use strict';

// `npm test`: sets the clone up, runs the C tests plain and under sanitizers,
// then the mocha suite with one and the same addon on every Node of the matrix,
// and ends with the true totals. The exit code is 0 only if nothing failed and
// no part ran empty.

const { parseArgs } = require('util');

const parts = require('./parts');
const { ensureProject, reportError } = require('./setup');

const NODE_MAJORS = [16, 18, 20, 22, 24, 26];
const KINDS = ['native', 'mocha', 'lifecycle'];

const HELP = `Usage: npm test -- [options] [test files]

  --node VERSIONS  only these Node versions, e.g. 20 or 16,26
  --grep TEXT      only the mocha tests whose name matches
  --only KIND      only this part: ${KINDS.join(', ')}
  --help           show this

Named test files, and --grep, run the mocha part alone.
`;

class UsageError extends Error {}

function parseMajors(values) {
  const majors = values.flatMap((value) => value.split(',')).map(Number);
  const unknown = majors.find((major) => !NODE_MAJORS.includes(major));
  if (unknown !== undefined) {
    throw new UsageError(`--node takes one of ${NODE_MAJORS.join(', ')}`);
  }
  return majors;
}

function readOptions(argv) {
  let parsed;
  try {
    parsed = parseArgs({
      args: argv,
      allowPositionals: true,
      options: {
        node: { type: 'string', multiple: true },
        grep: { type: 'string' },
        only: { type: 'string' },
        help: { type: 'boolean' },
      },
    });
  } catch (err) {
    throw new UsageError(err.message.split('. ')[0]);
  }
  const { values, positionals: files } = parsed;
  if (values.only !== undefined && !KINDS.includes(values.only)) {
    throw new UsageError(`--only takes one of ${KINDS.join(', ')}`);
  }
  const mochaAlone = files.length > 0 || values.grep !== undefined;
  const only = values.only || (mochaAlone ? 'mocha' : undefined);
  const majors = parseMajors(values.node || []);
  return {
    help: values.help,
    kinds: only === undefined ? KINDS : [only],
    majors: majors.length > 0 ? majors : NODE_MAJORS,
    mocha: { files, grep: values.grep },
  };
}

function listParts({ kinds, majors, mocha }) {
  const list = [];
  if (kinds.includes('native')) {
    list.push(['native', () => parts.runNative({ sanitize: false })]);
    list.push([
      'native, ASan + UBSan',
      () => parts.runNative({ sanitize: true }),
    ]);
    list.push(['fuzz corpus', () => parts.runFuzzCorpus()]);
  }
  if (kinds.includes('mocha')) {
    for (const major of majors) {
      list.push([`mocha, Node ${major}`, () => parts.runMocha(major, mocha)]);
    }
  }
  if (kinds.includes('lifecycle') && parts.hasLifecycle()) {
    list.push(['lifecycle', () => parts.runLifecycle()]);
  }
  return list;
}

function printPart(name, result, startedAt) {
  const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
  const label = result.version ? `mocha, Node ${result.version}` : name;
  const counts = `${result.passed} passed, ${result.failed} failed`;
  console.log(`${label.padEnd(24)}${counts} (${seconds} s)`);
  if (result.details) {
    console.log(result.details.trimEnd().replace(/^(?=.)/gm, '    '));
  }
}

async function runParts(options) {
  let passed = 0;
  let failed = 0;
  const failedParts = [];
  for (const [name, runPart] of listParts(options)) {
    const startedAt = Date.now();
    const result = await runPart();
    printPart(name, result, startedAt);
    passed += result.passed;
    failed += result.failed;
    if (result.failed > 0) failedParts.push(name);
  }
  if (passed + failed === 0) {
    failed = 1;
    console.log('No test ran.');
  }
  if (failedParts.length > 0) console.log(`Failed: ${failedParts.join('; ')}`);
  console.log(`${passed} passed, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
}

async function main() {
  const options = readOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(HELP);
    return;
  }
  await ensureProject();
  await runParts(options);
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    parts.killAll();
    process.exit(1);
  });
}

main().catch((err) => {
  process.exitCode = 1;
  if (err instanceof UsageError) {
    process.stderr.write(`${err.message}\n\n${HELP}`);
  } else {
    reportError(err);
  }
});
