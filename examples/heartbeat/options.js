'use strict';

// Reads the command line of the heartbeat example.

const util = require('util');

const HELP = `Usage: npm start -- [options]

  --port PORT  where to listen, 0 for any free port (default 8080)
  --host HOST  the address to listen on (default 127.0.0.1)
  --help       show this
`;

/** A command line that cannot be used; the message says why. */
class UsageError extends Error {}

function readPort(text) {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  if (port <= 65535) return port;
  throw new UsageError(
    `--port takes a whole number from 0 to 65535, not "${text}"`,
  );
}

function parse(argv) {
  if (util.parseArgs === undefined) {
    throw new UsageError('Options need Node 16.17 or later');
  }
  try {
    return util.parseArgs({
      args: argv,
      allowPositionals: true,
      options: {
        port: { type: 'string' },
        host: { type: 'string' },
        help: { type: 'boolean' },
      },
    });
  } catch (err) {
    throw new UsageError(err.message.split('. ')[0]);
  }
}

/**
 * @param {string[]} argv
 * @returns {{host: string, port: number, help: boolean}}
 * @throws {UsageError}
 */
function readOptions(argv) {
  const options = { host: '127.0.0.1', port: 8080, help: false };
  if (argv.length === 0) return options;
  const { values, positionals } = parse(argv);
  // npm keeps `--port 9000` for itself unless it stands behind a `--`.
  if (positionals.length > 0) {
    throw new UsageError(
      `Unexpected argument "${positionals[0]}". ` +
        'Options follow a double dash: npm start -- --port 9000',
    );
  }
  if (values.port !== undefined) options.port = readPort(values.port);
  if (values.host === '') throw new UsageError('--host takes an address');
  return { ...options, host: values.host || options.host, help: values.help };
}

module.exports = { HELP, UsageError, readOptions };
