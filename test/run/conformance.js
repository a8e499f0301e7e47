'use strict';

// Runs test/conformance against this package and `ws`, and holds
// docs/conformance.md to what comes of it.

const fs = require('fs');
const os = require('os');
const path = require('path');

const { writeReport } = require('../conformance/helpers/report');
const { mochaFiles, runMocha } = require('./parts');
const { ROOT } = require('./setup');

const FOLDER = path.join('test', 'conformance');
const REPORT = path.join(ROOT, 'docs', 'conformance.md');

/** The Node.js whose run makes the report. */
const REPORT_MAJOR = 20;

const OURS = 'ws-upgrade';
const WS = 'ws';

const RUNS = [
  { implementation: OURS, transport: 'tcp' },
  { implementation: OURS, transport: 'tls' },
  { implementation: WS, transport: 'tcp' },
  { implementation: WS, transport: 'tls' },
];

function nameOf({ implementation, transport }) {
  return `${implementation}, ${transport.toUpperCase()}`;
}

/** Resolves to the result of runMocha(), with what each area has counted. */
async function runOne(major, run, folder) {
  const file = path.join(folder, `${run.implementation}-${run.transport}.json`);
  const result = await runMocha(major, {
    files: mochaFiles(FOLDER),
    env: {
      WS_IMPLEMENTATION: run.implementation === WS ? WS : '',
      WS_TRANSPORT: run.transport,
      CONFORMANCE_RESULTS: file,
    },
  });
  const areas = fs.existsSync(file)
    ? JSON.parse(fs.readFileSync(file, 'utf8'))
    : null;
  return { ...result, name: nameOf(run), areas };
}

async function runEach(major, runs) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'conformance-'));
  const results = [];
  try {
    for (const run of runs) results.push(await runOne(major, run, folder));
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
  return results;
}

function add(results) {
  const total = { passed: 0, failed: 0, details: '', version: undefined };
  for (const { name, passed, failed, details, version } of results) {
    total.passed += passed;
    total.failed += failed;
    if (details !== '') total.details += `${name}\n${details}`;
    total.version = version;
  }
  return total;
}

/** The report as Prettier would have it. */
function formatReport(results) {
  const prettier = require('prettier');
  const { version } = require('ws/package.json');
  return prettier.format(writeReport(results, version), {
    parser: 'markdown',
  });
}

/**
 * Runs the suites on one Node: our package over the transports that are given.
 *
 * @param {number} major
 * @param {string[]} transports
 * @returns {Promise<object>} as runMocha()
 */
async function runOurs(major, transports) {
  const runs = RUNS.filter(
    ({ implementation, transport }) =>
      implementation === OURS && transports.includes(transport),
  );
  return add(await runEach(major, runs));
}

/**
 * Runs the suites on REPORT_MAJOR against both packages, over TCP and TLS.
 *
 * @param {{write: boolean}} options `write`: write the report, or else hold the
 *   file to it, which is a test more
 * @returns {Promise<object>} as runMocha()
 */
async function runReport({ write }) {
  const results = await runEach(REPORT_MAJOR, RUNS);
  const total = add(results);
  if (results.some(({ areas }) => areas === null)) return total;
  const report = await formatReport(results);
  if (write) {
    fs.writeFileSync(REPORT, report);
  } else if (
    fs.existsSync(REPORT) &&
    fs.readFileSync(REPORT, 'utf8') === report
  ) {
    total.passed += 1;
  } else {
    total.failed += 1;
    total.details +=
      'docs/conformance.md is not what this run makes: npm run conformance\n';
  }
  return total;
}

module.exports = { REPORT_MAJOR, runOurs, runReport };
