'use strict';

const fs = require('fs');
const { createHistogram } = require('perf_hooks');

const { settledRss } = require('../../test/helpers/memory');

/**
 * Preloaded into a server that is started with an IPC channel and
 * `--expose-gc`, this answers to what its parent asks for: the name of one of
 * the functions of `answers`.
 */

/** Milliseconds between two ticks of the timer that notes delays. */
const INTERVAL = 1;

let interval;

/** The most that the RSS has been, in bytes. */
function peakRss() {
  const status = fs.readFileSync('/proc/self/status', 'utf8');
  return Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)[1]) * 1024;
}

/**
 * Returns a function that tells how many nanoseconds this thread has been ready
 * to run without a core to do so. It reads no more than one line of /proc.
 */
function runDelayReader() {
  const file = fs.openSync(`/proc/self/task/${process.pid}/schedstat`);
  const buffer = Buffer.alloc(64);
  return () => {
    const length = fs.readSync(file, buffer, 0, buffer.length, 0);
    return Number(buffer.latin1Slice(0, length).split(' ')[1]);
  };
}

/**
 * Notes for each tick of a timer by how much it was late: all of it, and the
 * part in which this thread was not waiting for a core.
 */
function startDelays() {
  const late = createHistogram();
  const own = createHistogram();
  const runDelay = runDelayReader();
  let lastTick = process.hrtime.bigint();
  let lastDelay = runDelay();
  const timer = setInterval(() => {
    const tick = process.hrtime.bigint();
    const delay = runDelay();
    const gap = Number(tick - lastTick) - INTERVAL * 1e6;
    late.record(Math.max(1, Math.round(gap)));
    own.record(Math.max(1, Math.round(gap - (delay - lastDelay))));
    lastTick = tick;
    lastDelay = delay;
  }, INTERVAL);
  interval = { timer, late, own };
}

/** Ends what startDelays began. All numbers are milliseconds. */
function stopDelays() {
  const { timer, late, own } = interval;
  const summary = (histogram) => ({
    max: histogram.max / 1e6,
    high: histogram.percentile(99.9) / 1e6,
  });
  clearInterval(timer);
  return { late: summary(late), own: summary(own) };
}

const answers = { peakRss, settledRss, startDelays, stopDelays };

process.on('message', async (question) => {
  process.send({ answer: await answers[question]() });
});
