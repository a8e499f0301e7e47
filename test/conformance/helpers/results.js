'use strict';

// Counts the tests of a run for docs/conformance.md: by area and section, with
// what the tables say about differences. The file that CONFORMANCE_RESULTS
// names has them once the run is over.

const fs = require('node:fs');

const file = process.env.CONFORMANCE_RESULTS;
const areas = [];

class Tally {
  #sections = new Map();
  #sectionOf = new Map();

  constructor(area, cases) {
    this.area = area;
    this.cases = cases;
  }

  #section(name) {
    if (!this.#sections.has(name)) {
      const cases = this.cases.filter(({ section }) => section === name);
      this.#sections.set(name, {
        section: name,
        cases: cases.length,
        tests: 0,
        passed: 0,
      });
    }
    return this.#sections.get(name);
  }

  /** Says which section a test belongs to. */
  expect(test, section) {
    this.#section(section).tests += 1;
    this.#sectionOf.set(test, section);
  }

  /** Counts a test that is over. */
  add(test) {
    if (test.state === 'passed') {
      this.#section(this.#sectionOf.get(test)).passed += 1;
    }
  }

  toJSON() {
    const differences = this.cases.flatMap(({ section, name, differs = {} }) =>
      Object.entries(differs).map(([who, { why }]) => ({
        section,
        name,
        who,
        why,
      })),
    );
    const sections = [...this.#sections.values()].sort((a, b) =>
      a.section.localeCompare(b.section, 'en', { numeric: true }),
    );
    return {
      area: this.area,
      sections,
      differences,
    };
  }
}

/** @returns {Tally} of an area, which is a part of the results */
function open(area, cases) {
  const tally = new Tally(area, cases);
  areas.push(tally);
  return tally;
}

if (file !== undefined) {
  process.on('exit', () => fs.writeFileSync(file, JSON.stringify(areas)));
}

module.exports = { open };
