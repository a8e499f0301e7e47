'use strict';

const { OURS } = require('./servers');

/** A server that was idle for longer was waiting for the load generator. */
const BUSY = 0.9;

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2
    ? sorted[middle]
    : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * Sums up the rounds of a case.
 *
 * @param {object} testCase One of cases.js
 * @param {object[]} rounds For each round, the result of each server by name
 * @return {object[]} For each server, its medians and how it compares
 */
function summarize(testCase, rounds) {
  return Object.keys(rounds[0]).map((server) => {
    const results = rounds.map((round) => round[server]);
    const summary = {
      server,
      perCpuSecond: median(results.map((result) => result.perCpuSecond)),
      perSecond: median(results.map((result) => result.perSecond)),
      serverBusy: median(results.map((result) => result.cpu / result.wall)),
      loadBusy: median(results.map((result) => result.loadCpu / result.wall)),
      echoSize: median(results.map((result) => result.echoSize)),
    };
    if (server === OURS || !rounds[0][OURS]) {
      return summary;
    }
    const ratios = rounds.map(
      (round) => round[OURS].perCpuSecond / round[server].perCpuSecond,
    );
    const ratio = median(ratios);
    const target = testCase.targets[server];
    return {
      ...summary,
      ratio,
      lowest: Math.min(...ratios),
      highest: Math.max(...ratios),
      ...(target !== undefined && { target, met: ratio >= target }),
    };
  });
}

const HEADINGS = [
  'server',
  'msgs/CPU s',
  'msgs/s',
  'server CPU',
  'load CPU',
  `${OURS} is`,
  'over the rounds',
  'target',
  'met',
];

function cells(summary) {
  const count = (number) => Math.round(number).toLocaleString('en-US');
  const percent = (share) => `${Math.round(share * 100)} %`;
  // Cut, not rounded: a ratio just under its target must not look like it.
  const times = (ratio) =>
    `${(Math.floor(ratio * 100 + 1e-9) / 100).toFixed(2)}x`;
  const hasRatio = summary.ratio !== undefined;
  const hasTarget = summary.target !== undefined;
  return [
    summary.server,
    count(summary.perCpuSecond),
    count(summary.perSecond),
    percent(summary.serverBusy),
    percent(summary.loadBusy),
    hasRatio ? times(summary.ratio) : '',
    hasRatio ? `${times(summary.lowest)} to ${times(summary.highest)}` : '',
    hasTarget ? `>= ${times(summary.target)}` : '',
    hasTarget ? (summary.met ? 'yes' : 'NO') : '',
  ];
}

/**
 * Lays out a case as a table.
 *
 * @param {object} testCase
 * @param {object[]} summaries As summarize returns them
 * @param {boolean} markdown
 * @return {string}
 */
function format(testCase, summaries, markdown) {
  const rows = [HEADINGS, ...summaries.map(cells)];
  const lines = markdown
    ? markdownLines(testCase, rows)
    : [testCase.title, ...alignRows(rows)];
  const notes = [
    ...(testCase.load.deflate ? [sizeNote(summaries)] : []),
    ...busyNotes(summaries),
  ];
  return [...lines, ...(notes.length > 0 ? ['', ...notes] : [])].join('\n');
}

function alignCells(rows) {
  const widths = rows[0].map((_, column) =>
    Math.max(...rows.map((row) => row[column].length)),
  );
  return rows.map((row) =>
    row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]),
    ),
  );
}

/**
 * Lays out rows of cells: the first column to the left, numbers to the right.
 *
 * @param {string[][]} rows
 * @return {string[]} Lines
 */
function alignRows(rows) {
  return alignCells(rows).map((row) => row.join('  ').trimEnd());
}

/** Says how well each server compresses: less work is no merit. */
function sizeNote(summaries) {
  const sizes = summaries.map(
    ({ server, echoSize }) => `${server} ${Math.round(echoSize)}`,
  );
  return `Bytes of an echo, header included: ${sizes.join(', ')}.`;
}

/** Says where the server's core was not what limited the messages per second. */
function busyNotes(summaries) {
  const idle = summaries.filter((summary) => summary.serverBusy < BUSY);
  const names = (list) => list.map((summary) => summary.server).join(', ');
  const limited = idle.filter((summary) => summary.loadBusy >= BUSY);
  const disturbed = idle.filter((summary) => summary.loadBusy < BUSY);
  const notes = [];
  if (limited.length > 0) {
    notes.push(`The load generator was the limit for: ${names(limited)}.`);
  }
  if (disturbed.length > 0) {
    notes.push(
      `Neither side was busy all the time with: ${names(disturbed)}. ` +
        'Were other programs on the two cores?',
    );
  }
  return notes;
}

function markdownLines(testCase, rows) {
  const [headings, ...others] = alignCells(rows);
  const rule = headings.map(({ length }, column) =>
    column === 0 ? '-'.repeat(length) : `${'-'.repeat(length - 1)}:`,
  );
  return [
    `### ${testCase.title}`,
    '',
    ...[headings, rule, ...others].map((row) => `| ${row.join(' | ')} |`),
  ];
}

module.exports = { alignRows, format, median, summarize };
