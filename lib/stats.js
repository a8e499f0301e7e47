'use strict';

const native = require('./native');
const { kHandle, kServer } = require('./symbols');

const { RING_EVENTS, STATS_SIZE } = native.constants;

/** What native code calls the causes of terminations. */
const CAUSES = {};

native.causes.forEach((name, number) => {
  CAUSES[name] = number;
});

const [ACCEPTED_TCP, ACCEPTED_STREAM, ENDED_TCP, ENDED_STREAM] = [
  'ACCEPTED_TCP',
  'ACCEPTED_STREAM',
  'ENDED_TCP',
  'ENDED_STREAM',
].map((name) => native.counters.indexOf(name));

/**
 * The counters of the connections of a server. Native code writes them; the
 * memory is here, and lives as long as a WebSocket leads to its server.
 */
class Stats {
  constructor() {
    this._memory = new ArrayBuffer(STATS_SIZE);
    this._values = new BigUint64Array(this._memory);
    /** Handshakes that were refused. */
    this.refused = 0;
  }

  /**
   * Counts for a connection from now on, and the connection itself.
   *
   * @param {WebSocket} ws an open one
   */
  join(ws) {
    native.joinStats(ws[kHandle], this._memory);
  }

  /** Connections that are not gone yet. */
  get open() {
    const values = this._values;

    return Number(
      values[ACCEPTED_TCP] +
        values[ACCEPTED_STREAM] -
        values[ENDED_TCP] -
        values[ENDED_STREAM],
    );
  }

  /**
   * @param {WebSocketServer} server
   * @return {Object} see `ServerStats` in index.d.ts
   */
  read(server) {
    const values = Array.from(this._values, Number);
    const at = {};

    for (const name of native.counters) at[name] = values.shift();
    const terminations = {};

    for (const cause of native.causes) terminations[cause] = values.shift();
    const tcp = at.ACCEPTED_TCP - at.ENDED_TCP;
    const stream = at.ACCEPTED_STREAM - at.ENDED_STREAM;

    return {
      connections: {
        open: this.open,
        tcp,
        stream,
        accepted: at.ACCEPTED_TCP + at.ACCEPTED_STREAM,
        refused: this.refused,
      },
      messages: { received: at.MESSAGES_RECEIVED, sent: at.MESSAGES_SENT },
      payloadBytes: { received: at.PAYLOAD_RECEIVED, sent: at.PAYLOAD_SENT },
      wireBytes: { received: at.WIRE_RECEIVED, sent: at.WIRE_SENT },
      compression: {
        received: { bytes: at.INFLATED_TO, compressedBytes: at.INFLATED_FROM },
        sent: { bytes: at.DEFLATED_FROM, compressedBytes: at.DEFLATED_TO },
      },
      bufferedBytes: sumBuffered(server),
      pings: { received: at.PINGS_RECEIVED, sent: at.PINGS_SENT },
      pongs: { received: at.PONGS_RECEIVED, sent: at.PONGS_SENT },
      terminations,
      protocolErrors: readErrors(values),
      ...readRing(),
    };
  }
}

/** Errors by their code; several numbers may have the same. */
function readErrors(values) {
  const errors = {};

  values.forEach((count, number) => {
    if (count === 0) return;
    const { code } = native.errors[-number];

    errors[code] = (errors[code] || 0) + count;
  });
  return errors;
}

function sumBuffered(server) {
  let sum = 0;

  for (const ws of socketsOf(server)) sum += ws.bufferedAmount;
  return sum;
}

/** What the servers of a thread share. */
function readRing() {
  const [events, calls, peak, slabs, used] = native.readRing();

  return {
    ring: { events, calls, peak, capacity: RING_EVENTS },
    slab: { count: slabs, used },
  };
}

/**
 * The WebSockets of a server whose native connection has not ended, without
 * `clientTracking` as well.
 *
 * @param {WebSocketServer} server
 * @return {WebSocket[]}
 */
function socketsOf(server) {
  return native.sockets.filter(
    (ws) => ws !== undefined && ws[kServer] === server,
  );
}

module.exports = { CAUSES, Stats, socketsOf };
