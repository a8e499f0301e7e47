'use strict';

/** Garbage collections in a row that have to free nothing. */
const IDLE_COLLECTIONS = 5;

/** Bytes that are nothing. */
const NOISE = 256 * 1024;

/**
 * Collects garbage until that frees nothing more, with `--expose-gc`.
 *
 * @returns {Promise<number>} the RSS in bytes
 */
async function settledRss() {
  let lowest = Infinity;
  for (let idle = 0; idle < IDLE_COLLECTIONS; idle++) {
    global.gc();
    // Close callbacks and finalizers run in these turns.
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    const rss = process.memoryUsage.rss();
    if (rss < lowest - NOISE) {
      lowest = rss;
      idle = 0;
    }
  }
  return lowest;
}

module.exports = { settledRss };
