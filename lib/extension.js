'use strict';

const { Scanner } = require('./scanner');

/**
 * Adds a value to the list of a name.
 *
 * @param {Object} lists without a prototype, as names come from the peer
 * @param {string} name
 * @param {*} value
 */
function push(lists, name, value) {
  if (lists[name] === undefined) lists[name] = [value];
  else lists[name].push(value);
}

/**
 * Parses the value of a Sec-WebSocket-Extensions header (RFC 6455, 9.1).
 *
 * @param {string} header
 * @return {Object<string, Array<Object<string, Array<(string|boolean)>>>>} by
 *     the name of an extension, its offers in the order of the header; an offer
 *     has, by the name of a parameter, its values; true stands for no value
 * @throws {SyntaxError}
 */
function parse(header) {
  const extensions = Object.create(null);
  const scanner = new Scanner(header);
  let delimiter;

  do {
    const name = scanner.token();
    const params = Object.create(null);

    delimiter = scanner.delimiter(',;');
    while (delimiter === ';') {
      const param = scanner.token();

      push(params, param, scanner.skip('=') ? scanner.value() : true);
      delimiter = scanner.delimiter(',;');
    }
    push(extensions, name, params);
  } while (delimiter !== '');
  return extensions;
}

/**
 * Formats one offer.
 *
 * @param {string} name of the extension
 * @param {Object} params a value, or a list of values, by name
 * @return {string}
 */
function formatOffer(name, params) {
  const parts = Object.keys(params).map((param) =>
    [params[param]]
      .flat()
      .map((value) => (value === true ? param : `${param}=${value}`))
      .join('; '),
  );

  return [name, ...parts].join('; ');
}

/**
 * Makes the value of a Sec-WebSocket-Extensions header (RFC 6455, 9.1). Names
 * and values have to be tokens: they are not checked.
 *
 * @param {Object} extensions an offer, or a list of offers, by the name of the
 *     extension; see `parse()`
 * @return {string}
 */
function format(extensions) {
  return Object.keys(extensions)
    .map((name) =>
      [extensions[name]]
        .flat()
        .map((params) => formatOffer(name, params))
        .join(', '),
    )
    .join(', ');
}

module.exports = { format, parse };
