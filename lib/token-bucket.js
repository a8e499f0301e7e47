'use strict';

/**
 * A limit on how often something happens: a bucket that holds as many tokens
 * as come into it in a second, and is full at first. So in any `t` seconds at
 * most `(1 + t) * rate` tokens can be taken.
 */
class TokenBucket {
  /**
   * @param {number} rate tokens in a second
   * @param {number} now in ms, of a clock that is never set back
   */
  constructor(rate, now) {
    this._rate = rate;
    this._tokens = rate;
    this._time = now;
  }

  /**
   * Takes a token.
   *
   * @param {number} now in ms
   * @return {boolean} false if there is none
   */
  take(now) {
    const added = ((now - this._time) * this._rate) / 1000;

    this._tokens = Math.min(this._tokens + added, this._rate);
    this._time = now;
    if (this._tokens < 1) return false;
    this._tokens -= 1;
    return true;
  }
}

module.exports = TokenBucket;
