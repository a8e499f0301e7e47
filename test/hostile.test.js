'use strict';

// Hostile clients, at a server in a process of its own: what they can have it
// spend is bounded, and it serves others meanwhile. How much time it takes is
// measured by bench/hostile.js.

const assert = require('node:assert');

const { isWs, transport } = require('./helpers/implementation');
const { destroyClients } = require('./helpers/raw-client');
const { MIB, attacks } = require('./hostile/attacks');
const { measure } = require('./hostile/measure');
const { killTargets } = require('./hostile/target');

describe('A server', () => {
  afterEach(async () => {
    destroyClients();
    await killTargets();
  });

  for (const [name, attack] of Object.entries(attacks)) {
    const count = attack.sizes.quick;
    const limit = attack.memory(count);

    it(`serves on, and takes no more than ${Math.floor(limit / MIB)} MiB, for ${count} ${name}`, async () => {
      const implementation = isWs ? 'ws' : '';
      const { peak, kept } = await measure(attack, count, {
        implementation,
        transport,
      });
      assert.ok(peak <= limit, `${peak} bytes at the peak, not ${limit}`);
      assert.ok(kept <= limit, `${kept} bytes are kept, not ${limit}`);
    });
  }
});
