'use strict';

/** A generator of random numbers ("mulberry32"). */
class Random {
  constructor(seed) {
    this.state = seed >>> 0;
  }

  /** At least 0, less than 1. */
  real() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let bits = this.state;
    bits = Math.imul(bits ^ (bits >>> 15), bits | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 4294967296;
  }

  /** At least `first`, at most `last`. */
  integer(first, last) {
    return first + Math.floor(this.real() * (last - first + 1));
  }

  /** At least 0, at most `last`, of each order of magnitude equally often. */
  logUniform(last) {
    return Math.floor(Math.exp(this.real() * Math.log(last + 2))) - 1;
  }

  chance(probability) {
    return this.real() < probability;
  }
}

/** @returns {number} TEST_SEED of the environment, or a random one */
function chooseSeed() {
  const { TEST_SEED } = process.env;
  return TEST_SEED === undefined
    ? Math.floor(Math.random() * 4294967296)
    : Number(TEST_SEED);
}

module.exports = { Random, chooseSeed };
