'use strict';

// Makes tests of the tables: one for each case and split.

const { isWs } = require('../../helpers/implementation');
const { closeServers, createServer } = require('../../helpers/server');
const { destroyClients } = require('../../helpers/raw-client');
const { BOTH, OURS, WS } = require('./cases');
const { runCase } = require('./exchange');
const { SPLITS } = require('./splits');
const results = require('./results');

const IMPLEMENTATION = isWs ? WS : OURS;
const DEFAULTS = {};

/** The case as it is for the package under test. */
function resolve(oneCase) {
  const { differs = {} } = oneCase;
  const difference = differs[IMPLEMENTATION] || differs[BOTH];
  return difference ? { ...oneCase, ...difference } : oneCase;
}

/** Of a case that differs, the name says what the RFC has. */
function titleOf({ section, name, why }, split) {
  const rest = why === undefined ? '' : ` (but differs: ${why})`;
  return `${section}: ${name}, ${split.name}${rest}`;
}

class Servers {
  #byOptions = new Map();

  /** The server that has these options; it stays for the cases to come. */
  async get(options = DEFAULTS) {
    let server = this.#byOptions.get(options);
    if (server !== undefined) return server;
    server = await createServer({
      ...options,
      onConnection: (ws) => server.onConnection(ws),
    });
    // What Node.js takes for no upgrade request.
    server.http.on('request', (req, res) => {
      res.writeHead(426, { Connection: 'close' });
      res.end();
    });
    this.#byOptions.set(options, server);
    return server;
  }

  async close() {
    this.#byOptions.clear();
    await closeServers();
  }
}

/**
 * Defines the tests of an area.
 *
 * @param {string} area
 * @param {object[]} cases see cases.js
 */
function conform(area, cases) {
  describe(`Conformance: ${area}`, () => {
    const servers = new Servers();
    const tally = results.open(area, cases);

    afterEach(function keep() {
      if (this.currentTest.state === 'failed') destroyClients();
      tally.add(this.currentTest);
    });
    after(() => servers.close());

    for (const oneCase of cases) {
      const resolved = resolve(oneCase);
      for (const split of SPLITS) {
        const test = it(titleOf(resolved, split), async () => {
          await runCase(await servers.get(oneCase.options), resolved, split);
        });
        tally.expect(test, oneCase.section);
      }
    }
  });
}

module.exports = { conform };
