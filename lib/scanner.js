'use strict';

const WHITESPACE = /[ \t]/;

/** RFC 9110, 5.6.2: tchar. */
const TOKEN_CHARACTER = /[!#$%&'*+\-.^_`|~0-9A-Za-z]/;

/**
 * Reads tokens and what is between them from the value of a header. Like `ws`
 * it is stricter than RFC 9110: there are no empty elements, no white space at
 * either end or around '=', and a quoted string has to be a token as well
 * (RFC 6455, 9.1).
 */
class Scanner {
  /** @param {string} header */
  constructor(header) {
    this._header = header;
    this._pos = 0;
  }

  /**
   * Reads a token, and white space before it that is not at the start.
   *
   * @return {string}
   * @throws {SyntaxError}
   */
  token() {
    if (this._pos > 0) this._skipWhitespace();
    return this._token();
  }

  /**
   * Reads a token or a quoted string.
   *
   * @return {string} without quotes and backslashes
   * @throws {SyntaxError}
   */
  value() {
    if (this._header[this._pos] !== '"') return this._token();
    let value = '';

    this._pos++;
    while (value === '' || this._header[this._pos] !== '"') {
      if (this._header[this._pos] === '\\') this._pos++;
      if (!this._isAtTokenCharacter()) this._fail();
      value += this._header[this._pos++];
    }
    this._pos++;
    return value;
  }

  /**
   * Reads `character` if it is next.
   *
   * @param {string} character
   * @return {boolean} whether it was
   */
  skip(character) {
    if (this._header[this._pos] !== character) return false;
    this._pos++;
    return true;
  }

  /**
   * Reads white space and one of `characters`.
   *
   * @param {string} characters
   * @return {string} which one, or '' at the end
   * @throws {SyntaxError} if there is anything else
   */
  delimiter(characters) {
    if (this._pos === this._header.length) return '';
    this._skipWhitespace();
    if (
      this._pos === this._header.length ||
      !characters.includes(this._header[this._pos])
    ) {
      this._fail();
    }
    return this._header[this._pos++];
  }

  _token() {
    const start = this._pos;

    while (this._isAtTokenCharacter()) this._pos++;
    if (this._pos === start) this._fail();
    return this._header.slice(start, this._pos);
  }

  _isAtTokenCharacter() {
    return (
      this._pos < this._header.length &&
      TOKEN_CHARACTER.test(this._header[this._pos])
    );
  }

  _skipWhitespace() {
    while (
      this._pos < this._header.length &&
      WHITESPACE.test(this._header[this._pos])
    ) {
      this._pos++;
    }
  }

  _fail() {
    throw new SyntaxError(
      this._pos < this._header.length
        ? `Unexpected character at index ${this._pos}`
        : 'Unexpected end of input',
    );
  }
}

module.exports = { Scanner };
