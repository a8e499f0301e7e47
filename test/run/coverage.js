'use strict';

// `npm run coverage`: which lines of src/core the native tests and the replay of
// the fuzz corpus run through, by llvm-cov. Fails below the limit, or if a line
// is uncovered that docs/reliability.md does not list.

const { spawnSync } = require('child_process');
const fs = require('fs');
const path = require('path');

const { ROOT } = require('./setup');

const CORE = path.join(ROOT, 'src', 'core');
const FUZZ = path.join(ROOT, 'test', 'fuzz');
const NATIVE = path.join(ROOT, 'test', 'native');
const DOCS = path.join(ROOT, 'docs', 'reliability.md');

/** Percent of the lines, in all. */
const LIMIT = 97;

function run(command, args, options = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    ...options,
  });
  if (error) throw new Error(`cannot run ${command}: ${error.message}`);
  if (status !== 0) {
    throw new Error(`${command} ${args.join(' ')}:\n${stdout}${stderr}`);
  }
  return stdout;
}

/** The programs of a folder of tests, built to count, and where they run. */
function build(folder) {
  run('make', ['-s', '-C', folder, 'coverage']);
  const dir = path.join(folder, 'build', 'coverage');
  return fs
    .readdirSync(dir)
    .filter((name) => /^(test|fuzz)_[a-z0-9_]+$/.test(name))
    .map((name) => ({ folder, file: path.join(dir, name) }));
}

/** Runs the programs and merges what each has counted. */
function count(programs) {
  const profiles = programs.map(({ folder, file }) => {
    const profile = `${file}.profraw`;
    run(file, [], {
      cwd: folder,
      env: { ...process.env, LLVM_PROFILE_FILE: profile },
    });
    return profile;
  });
  const merged = path.join(FUZZ, 'build', 'coverage', 'all.profdata');
  run('llvm-profdata', ['merge', '-o', merged, ...profiles]);
  return merged;
}

/**
 * The lines of each file by llvm-cov: a line is covered if any program has run
 * it.
 *
 * @returns {Map<string, Map<number, boolean>>}
 */
function readLines(programs, merged) {
  const objects = programs.flatMap(({ file }, i) =>
    i === 0 ? [file] : ['-object', file],
  );
  const lcov = run('llvm-cov', [
    'export',
    '-format=lcov',
    `-instr-profile=${merged}`,
    ...objects,
    CORE,
  ]);
  const files = new Map();
  let lines;
  let text;
  for (const row of lcov.split('\n')) {
    const [kind, value] = row.split(/:(.*)/);
    if (kind === 'SF') {
      // Another folder may have a file of the same name.
      const name = path.relative(CORE, path.resolve(FUZZ, value));
      if (!files.has(name)) files.set(name, new Map());
      lines = files.get(name);
      text = fs.readFileSync(path.resolve(FUZZ, value), 'utf8').split('\n');
    } else if (kind === 'DA') {
      const [number, runs] = value.split(',').map(Number);
      // What runs is what a macro stands for, not the lines that define it.
      if (text[number - 1].startsWith('#')) continue;
      lines.set(number, runs > 0 || lines.get(number) === true);
    }
  }
  return new Map(
    [...files].filter(([name, { size }]) => !name.startsWith('..') && size > 0),
  );
}

/** The text of the lines that nothing has run, `file: text` each. */
function listUncovered(files) {
  return [...files].flatMap(([name, lines]) => {
    const text = fs.readFileSync(path.join(CORE, name), 'utf8').split('\n');
    return [...lines]
      .filter(([, isCovered]) => !isCovered)
      .map(([number]) => ({ name, number, text: text[number - 1].trim() }));
  });
}

function printTable(files) {
  let covered = 0;
  let total = 0;
  const print = (name, some, all) => {
    const percent = ((100 * some) / all).toFixed(2);
    console.log(
      `${name.padEnd(14)}${`${some} of ${all}`.padStart(14)}${percent.padStart(8)} %`,
    );
  };
  for (const [name, lines] of files) {
    const some = [...lines.values()].filter(Boolean).length;
    print(name, some, lines.size);
    covered += some;
    total += lines.size;
  }
  print('all', covered, total);
  return (100 * covered) / total;
}

function main() {
  const programs = [...build(NATIVE), ...build(FUZZ)];
  const files = readLines(programs, count(programs));
  const percent = printTable(files);
  const uncovered = listUncovered(files);
  const docs = fs.existsSync(DOCS) ? fs.readFileSync(DOCS, 'utf8') : '';
  // Braces and the like go with the statement beside them.
  const unexplained = uncovered.filter(
    ({ name, text }) => /\w/.test(text) && !docs.includes(`${name}: ${text}`),
  );
  for (const { name, number, text } of uncovered) {
    console.log(`  not run: ${name}:${number}: ${text}`);
  }
  for (const { name, text } of unexplained) {
    console.log(`  not explained in docs/reliability.md: ${name}: ${text}`);
  }
  if (percent < LIMIT || unexplained.length > 0) process.exitCode = 1;
}

try {
  main();
} catch (err) {
  process.stderr.write(`${err.message}\n`);
  process.exitCode = 1;
}
