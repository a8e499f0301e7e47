'use strict';

/** Limits how many jobs are at work at a time. */
class Limiter {
  /** @param {number} limit none unless it is positive */
  constructor(limit) {
    this._limit = limit > 0 ? limit : Infinity;
    this._running = 0;
    this._waiting = [];
  }

  /** @param {{start: Function}} job to start, now or later */
  enter(job) {
    if (this._running >= this._limit) {
      this._waiting.push(job);
      return;
    }
    this._running++;
    job.start();
  }

  /** A job that was started needs its place no more. */
  leave() {
    this._running--;
    if (this._waiting.length > 0) this.enter(this._waiting.shift());
  }

  /**
   * Has an asynchronous function called, at once if there is a place for it.
   *
   * @param {function(): Promise} job
   * @return {Promise} that of the job
   */
  run(job) {
    return new Promise((resolve) => {
      this.enter({ start: () => resolve(job()) });
    }).finally(() => this.leave());
  }
}

module.exports = Limiter;
