'use strict';

// The text of docs/conformance.md. It depends on nothing but the tables of the
// cases and on what passed.

const SPLIT_COUNT = require('./splits').SPLITS.length;
const { BOTH, OURS, WS } = require('./cases');

/** More cases with one reason are not listed. */
const MAX_LISTED = 3;

const HEADINGS = [
  [BOTH, 'Of both packages from the RFC'],
  [WS, 'Of `ws`'],
  [OURS, 'Of `ws-upgrade`'],
];

/** Text that Markdown would take for more than text. */
function escape(text) {
  return text.replace(/[_*<>|\\`[\]]/g, '\\$&');
}

function sum(rows, key) {
  return rows.reduce((total, row) => total + row[key], 0);
}

/** `passed` alone if that is all, as most of the time. */
function fraction(rows) {
  const passed = sum(rows, 'passed');
  const tests = sum(rows, 'tests');
  return passed === tests ? `${passed}` : `**${passed} of ${tests}**`;
}

function tableRow(cells) {
  return `| ${cells.join(' | ')} |`;
}

function writeTable(runs) {
  const [first] = runs;
  const lines = [
    tableRow(['area', 'section', 'cases', ...runs.map((run) => run.name)]),
    tableRow(['---', '---', '--:', ...runs.map(() => '--:')]),
  ];
  first.areas.forEach(({ area, sections }, areaIndex) => {
    sections.forEach(({ section, cases }, i) => {
      const cells = runs.map((run) =>
        fraction([run.areas[areaIndex].sections[i]]),
      );
      lines.push(tableRow([i === 0 ? area : '', section, cases, ...cells]));
    });
  });
  const all = (run) => run.areas.flatMap(({ sections }) => sections);
  const totals = runs.map((run) => fraction(all(run)));
  lines.push(tableRow(['all', '', sum(all(first), 'cases'), ...totals]));
  return lines.join('\n');
}

/** The cases that differ for the same reason, as one item of a list. */
function writeReason(why, differences) {
  const sections = [...new Set(differences.map(({ section }) => section))];
  const count = differences.length;
  const lines = [
    `- ${escape(why)} (${sections.join('; ')}: ${count} ${count === 1 ? 'case' : 'cases'})`,
    ...differences
      .slice(0, MAX_LISTED)
      .map(({ name }) => `  - ${escape(name)}`),
  ];
  if (count > MAX_LISTED) lines.push(`  - and ${count - MAX_LISTED} more`);
  return lines.join('\n');
}

function writeDifferences(areas) {
  const all = areas.flatMap(({ differences }) => differences);
  return HEADINGS.flatMap(([name, heading]) => {
    const byReason = new Map();
    for (const difference of all.filter(({ who }) => who === name)) {
      const { why } = difference;
      byReason.set(why, [...(byReason.get(why) || []), difference]);
    }
    if (byReason.size === 0) return [];
    return [
      `### ${heading}`,
      [...byReason].map(([why, list]) => writeReason(why, list)).join('\n'),
    ];
  }).join('\n\n');
}

/**
 * @param {{name: string, areas: object[]}[]} runs what each has counted: see
 *   results.js
 * @param {string} wsVersion
 * @returns {string} Markdown
 */
function writeReport(runs, wsVersion) {
  const [{ areas }] = runs;
  const cases = areas.flatMap(({ sections }) => sections);
  return `# Conformance

\`ws-upgrade\` and \`ws\` ${wsVersion} held against RFC 6455 and RFC 7692. This file
is written by \`npm run conformance\`, and \`npm test\` fails if it is not what
the run makes. The cases are in \`test/conformance\`; the name of each has the
section that it is from.

Each of the ${sum(cases, 'cases')} cases opens a connection to a server, sends bytes and looks at all
that comes of it: the events of the server's WebSocket, the messages, pongs and
the close frame that the client gets, which side ends the TCP connection, and
whether every frame of the server is as RFC 6455, 5 has it. The bytes are cut in
${SPLIT_COUNT} ways: not at all, byte by byte (of long payloads and common header lines the
start and the end), in random pieces from a fixed seed, and behind the start and
the header of each frame, or at the ends of header lines. Over TCP \`ws-upgrade\`
takes the descriptor over; over TLS it goes through the stream of Node.js.

The numbers of a package are tests that pass: cases times ${SPLIT_COUNT}. A case that is
known to differ passes if it differs as is said below.

${writeTable(runs)}

## Known differences

What happens, and below it the cases: their names say what the RFC has, or the
stricter reading of it.

${writeDifferences(areas)}
`;
}

module.exports = { writeReport };
