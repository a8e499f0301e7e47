'use strict';

// `npm test`: sets the clone up, runs the C tests plain and under sanitizers,
// then the mocha suites with one and the same addon on every Node of the matrix,
// over TCP and TLS, and at its ends over any stream, those of classes that need
// no connection once, and ends with the true totals. The exit code is 0 only if
// nothing failed and no part ran empty.

const { parseArgs } = require('util');

const conformance = require('./conformance');
const parts = require('./parts');
const { ensureNode, ensureProject, reportError } = require('./setup');

const NODE_MAJORS = [16, 18, 20, 22, 24, 26];
const KINDS = [
  'native',
  'types',
  'mocha',
  'parity',
  'conformance',
  'faults',
  'lifecycle',
  'integration',
];
const TRANSPORTS = ['tcp', 'stream', 'tls'];

/** Nodes on which faults are injected, unless others are asked for. */
const FAULT_MAJORS = [20, 26];

/** Parts that run at the same time: they wait more than they work. */
const CONCURRENCY = 3;

const HELP = `Usage: npm test -- [options] [test files]

  --node VERSIONS  only these Node versions, e.g. 20 or 16,26
  --transport NAME only over this transport: ${TRANSPORTS.join(', ')}
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
        transport: { type: 'string' },
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
  if (values.transport && !TRANSPORTS.includes(values.transport)) {
    throw new UsageError(`--transport takes one of ${TRANSPORTS.join(', ')}`);
  }
  const mochaAlone = files.length > 0 || values.grep !== undefined;
  const only = values.only || (mochaAlone ? 'mocha' : undefined);
  const majors = parseMajors(values.node || []);
  return {
    help: values.help,
    kinds: only === undefined ? KINDS : [only],
    majors: majors.length > 0 ? majors : NODE_MAJORS,
    faultMajors: majors.length > 0 ? majors : FAULT_MAJORS,
    transports: values.transport ? [values.transport] : TRANSPORTS,
    // Who asks for some tests gets them over each transport.
    isChosen: mochaAlone || values.transport !== undefined,
    mocha: { files, grep: values.grep },
  };
}

function isAtEnd(major) {
  return [NODE_MAJORS[0], NODE_MAJORS.at(-1)].includes(major);
}

/**
 * The suites on one Node, over each transport. TLS goes through a stream, too:
 * one without TLS is for the ends of the matrix, unless it is asked for.
 */
function listMocha(major, { transports, isChosen, mocha }) {
  const used = transports.filter(
    (transport) => transport !== 'stream' || isChosen || isAtEnd(major),
  );
  const list = used.map((transport) => [
    `mocha, ${transport}, Node ${major}`,
    () => parts.runMocha(major, { ...mocha, env: { WS_TRANSPORT: transport } }),
  ]);
  return mocha.files.length > 0 ? list : [...list, listClasses(major, mocha)];
}

/** The suites of what works without a connection. */
function listClasses(major, { grep }) {
  const files = parts.mochaFiles('test/classes');
  return [
    `mocha, classes, Node ${major}`,
    () => parts.runMocha(major, { files, grep }),
  ];
}

/** One suite, held against this package and against `ws`. */
function listParity(major) {
  const files = parts.mochaFiles('test/parity');
  return [
    [`parity, ours, Node ${major}`, () => parts.runMocha(major, { files })],
    [
      `parity, ws, Node ${major}`,
      () => parts.runMocha(major, { files, env: { WS_IMPLEMENTATION: 'ws' } }),
    ],
  ];
}

/** Against both packages on one Node; elsewhere ours, and TLS at both ends. */
function listConformance(major) {
  if (major === conformance.REPORT_MAJOR) {
    return [
      [
        `conformance, ws, Node ${major}`,
        () => conformance.runReport({ write: false }),
      ],
    ];
  }
  const transports = isAtEnd(major) ? ['tcp', 'tls'] : ['tcp'];
  return [
    [
      `conformance, Node ${major}`,
      () => conformance.runOurs(major, transports),
    ],
  ];
}

/** Parts that use both cores by themselves come first, one after the other. */
function listParts(options) {
  const { kinds, majors, faultMajors } = options;
  const alone = [];
  const together = [];
  if (kinds.includes('native')) {
    alone.push(['native', () => parts.runNative({ sanitize: false })]);
    alone.push([
      'native, ASan + UBSan',
      () => parts.runNative({ sanitize: true }),
    ]);
    alone.push(['fuzz corpus', () => parts.runFuzzCorpus()]);
  }
  if (kinds.includes('types')) {
    alone.push(['types', () => parts.runTypes()]);
  }
  for (const major of majors) {
    if (kinds.includes('mocha')) together.push(...listMocha(major, options));
    if (kinds.includes('parity')) together.push(...listParity(major));
    if (kinds.includes('conformance')) {
      together.push(...listConformance(major));
    }
  }
  if (kinds.includes('faults') && process.platform === 'linux') {
    for (const major of faultMajors) {
      together.push([`faults, Node ${major}`, () => parts.runFaults(major)]);
    }
  }
  if (kinds.includes('lifecycle')) {
    together.push(['lifecycle', () => parts.runLifecycle()]);
  }
  if (kinds.includes('integration')) {
    together.push(['integration', () => parts.runIntegration()]);
  }
  return { alone, together };
}

function printPart(name, result, startedAt) {
  const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
  const label = name.replace(/Node \d+$/, `Node ${result.version}`);
  const counts = `${result.passed} passed, ${result.failed} failed`;
  console.log(`${label.padEnd(30)}${counts} (${seconds} s)`);
  if (result.details) {
    console.log(result.details.trimEnd().replace(/^(?=.)/gm, '    '));
  }
}

async function runParts(options) {
  let passed = 0;
  let failed = 0;
  const failedParts = [];
  const runPart = async ([name, run]) => {
    const startedAt = Date.now();
    const result = await run();
    printPart(name, result, startedAt);
    passed += result.passed;
    failed += result.failed;
    if (result.failed > 0) failedParts.push(name);
  };
  const { alone, together } = listParts(options);
  const work = async () => {
    while (together.length > 0) await runPart(together.shift());
  };
  for (const part of alone) await runPart(part);
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
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
  // Before two parts want the same one.
  for (const major of options.majors) await ensureNode(major).catch(() => {});
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
