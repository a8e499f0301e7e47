'use strict';

const { Scanner } = require('./scanner');

/**
 * Parses the value of a Sec-WebSocket-Protocol header of a request, a list of
 * tokens (RFC 6455, 4.1).
 *
 * @param {string} header
 * @return {Set<string>} the names, in the order of the header
 * @throws {SyntaxError} if it is no such list, or has a name twice
 */
function parse(header) {
  const protocols = new Set();
  const scanner = new Scanner(header);
  let delimiter;

  do {
    const protocol = scanner.token();

    delimiter = scanner.delimiter(',');
    if (protocols.has(protocol)) {
      throw new SyntaxError(`The "${protocol}" subprotocol is duplicated`);
    }
    protocols.add(protocol);
  } while (delimiter !== '');
  return protocols;
}

module.exports = { parse };
