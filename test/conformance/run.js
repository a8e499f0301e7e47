'use strict';

// `npm run conformance`: runs the suites of this folder against both packages
// and writes docs/conformance.md. Ends with the true totals.

const { runReport } = require('../run/conformance');
const { killAll } = require('../run/parts');
const { ensureProject, reportError } = require('../run/setup');

async function main() {
  await ensureProject();
  const { passed, failed, details } = await runReport({ write: true });
  if (details !== '') console.log(details.trimEnd());
  console.log(`${passed} passed, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    killAll();
    process.exit(1);
  });
}

main().catch((err) => {
  process.exitCode = 1;
  reportError(err);
});
