'use strict';

const { Target } = require('./target');

/**
 * Attacks a server in a process of its own.
 *
 * @param {object} attack one of attacks.js
 * @param {number} count how often
 * @param {object} what as for `Target.start()`, without options
 * @param {number} [warmUp] how often before it is measured
 * @returns {Promise<{cpu: number, peak: number, kept: number}>} microseconds of
 *   CPU; bytes of memory, at most and in the end, above what it was before
 */
async function measure(attack, count, what, warmUp = 0) {
  const target = await Target.start({ ...what, options: attack.options || {} });
  try {
    await target.probe();
    if (warmUp > 0) await attack.run(target, warmUp);
    await target.ask('until', { sockets: 0 });
    const before = await target.ask('begin');
    await attack.run(target, count);
    const { cpu, peak } = await target.ask('measure');
    await target.probe();
    await target.ask('until', { sockets: 0 });
    const after = await target.ask('settledRss');
    return {
      cpu: cpu - before.cpu,
      peak: peak - before.rss,
      kept: after - before.rss,
    };
  } finally {
    await target.kill();
  }
}

module.exports = { measure };
