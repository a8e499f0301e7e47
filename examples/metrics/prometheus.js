'use strict';

// The numbers of WebSocketServer.stats() in the text format of Prometheus,
// version 0.0.4.

const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** One sample for what was received, and one for what was sent. */
function byDirection(traffic) {
  return byKey('direction', traffic);
}

/** One sample for each property. */
function byKey(label, numbers) {
  return Object.entries(numbers).map(([key, value]) => [
    `{${label}="${key}"}`,
    value,
  ]);
}

/** One sample without a label. */
function single(value) {
  return [['', value]];
}

/** Name, type, help, and the samples: pairs of labels and a value. */
const METRICS = [
  [
    'websocket_connections',
    'gauge',
    'Open connections by what carries them.',
    ({ connections: { tcp, stream } }) => byKey('transport', { tcp, stream }),
  ],
  [
    'websocket_connections_accepted_total',
    'counter',
    'Handshakes that were completed.',
    ({ connections }) => single(connections.accepted),
  ],
  [
    'websocket_connections_refused_total',
    'counter',
    'Handshakes that were refused.',
    ({ connections }) => single(connections.refused),
  ],
  [
    'websocket_messages_total',
    'counter',
    'Whole messages.',
    ({ messages }) => byDirection(messages),
  ],
  [
    'websocket_payload_bytes_total',
    'counter',
    'Bytes of messages as the application sees them.',
    ({ payloadBytes }) => byDirection(payloadBytes),
  ],
  [
    'websocket_wire_bytes_total',
    'counter',
    'Bytes of frames, headers included.',
    ({ wireBytes }) => byDirection(wireBytes),
  ],
  [
    'websocket_compression_plain_bytes_total',
    'counter',
    'Bytes of messages that were compressed, before that.',
    ({ compression: { received, sent } }) =>
      byDirection({ received: received.bytes, sent: sent.bytes }),
  ],
  [
    'websocket_compression_compressed_bytes_total',
    'counter',
    'Bytes that stand for them in frames.',
    ({ compression: { received, sent } }) =>
      byDirection({
        received: received.compressedBytes,
        sent: sent.compressedBytes,
      }),
  ],
  [
    'websocket_buffered_bytes',
    'gauge',
    'Bytes that were sent but not taken by the kernel.',
    ({ bufferedBytes }) => single(bufferedBytes),
  ],
  [
    'websocket_pings_total',
    'counter',
    'Pings.',
    ({ pings }) => byDirection(pings),
  ],
  [
    'websocket_pongs_total',
    'counter',
    'Pongs.',
    ({ pongs }) => byDirection(pongs),
  ],
  [
    'websocket_terminations_total',
    'counter',
    'Connections that ended without a closing handshake, by the cause.',
    ({ terminations }) => byKey('cause', terminations),
  ],
  [
    'websocket_errors_total',
    'counter',
    'Errors of connections by their code.',
    ({ protocolErrors }) => byKey('code', protocolErrors),
  ],
  [
    'websocket_ring_events_total',
    'counter',
    'Events that native code has handed to JavaScript in this thread.',
    ({ ring }) => single(ring.events),
  ],
  [
    'websocket_ring_calls_total',
    'counter',
    'Calls into JavaScript that these events took.',
    ({ ring }) => single(ring.calls),
  ],
  [
    'websocket_ring_peak_events',
    'gauge',
    'The most events of one call.',
    ({ ring }) => single(ring.peak),
  ],
  [
    'websocket_slabs_total',
    'counter',
    'Slabs of 64 KiB that small messages have taken in this thread.',
    ({ slab }) => single(slab.count),
  ],
];

/**
 * @param {Object} stats of WebSocketServer.stats()
 * @return {string} what an exporter answers, with CONTENT_TYPE
 */
function format(stats) {
  return METRICS.map(([name, type, help, read]) => {
    const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];

    for (const [labels, value] of read(stats)) {
      lines.push(`${name}${labels} ${value}`);
    }
    return `${lines.join('\n')}\n`;
  }).join('');
}

module.exports = { CONTENT_TYPE, format };
