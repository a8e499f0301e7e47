'use strict';

/**
 * What is measured. `load` holds flags of the load generator, true for one that
 * takes no value; with `tls` or `deflate` only servers that can do so take part.
 * `targets` says how many times the messages per CPU second of each peer
 * `ws-upgrade` has to reach.
 *
 * @type {{name: string, title: string, load: object, targets: object}[]}
 */
module.exports = [
  {
    name: '64b',
    title: '64 B binary, 64 connections, 1 in flight',
    load: { connections: 64, 'in-flight': 1, size: 64, type: 'binary' },
    targets: { ws: 2.0, 'ws+bufferutil': 2.0, uws: 1.1 },
  },
  {
    name: '64b-x16',
    title: '64 B binary, 64 connections, 16 in flight',
    load: { connections: 64, 'in-flight': 16, size: 64, type: 'binary' },
    targets: { ws: 15, 'ws+bufferutil': 15, uws: 1.8, bun: 1.1 },
  },
  {
    name: '1k-text',
    title: '1 KiB text, 64 connections, 1 in flight',
    load: { connections: 64, 'in-flight': 1, size: 1024, type: 'text' },
    targets: { ws: 1.6, 'ws+bufferutil': 1.6, uws: 1.05 },
  },
  {
    name: '64k',
    title: '64 KiB binary, 16 connections, 1 in flight',
    load: { connections: 16, 'in-flight': 1, size: 65536, type: 'binary' },
    targets: { ws: 2.6, 'ws+bufferutil': 2.6 },
  },
  {
    name: 'tls-64b',
    title: 'TLS, 64 B binary, 64 connections, 1 in flight',
    load: {
      tls: true,
      connections: 64,
      'in-flight': 1,
      size: 64,
      type: 'binary',
    },
    targets: { ws: 1.2, 'ws+bufferutil': 1.2 },
  },
  {
    name: 'tls-64b-x16',
    title: 'TLS, 64 B binary, 64 connections, 16 in flight',
    load: {
      tls: true,
      connections: 64,
      'in-flight': 16,
      size: 64,
      type: 'binary',
    },
    targets: { ws: 1.5, 'ws+bufferutil': 1.5 },
  },
  {
    name: 'tls-64k',
    title: 'TLS, 64 KiB binary, 16 connections, 1 in flight',
    load: {
      tls: true,
      connections: 16,
      'in-flight': 1,
      size: 65536,
      type: 'binary',
    },
    targets: { ws: 1.2, 'ws+bufferutil': 1.2 },
  },
  {
    name: 'deflate-200b',
    title: 'Compressed, 200 B JSON, 64 connections, 1 in flight',
    load: {
      deflate: 'no-takeover',
      connections: 64,
      'in-flight': 1,
      size: 200,
      type: 'json',
    },
    targets: { ws: 5.0, uws: 1.0 },
  },
  {
    name: 'deflate-200b-x8',
    title: 'Compressed, 200 B JSON, 64 connections, 8 in flight',
    load: {
      deflate: 'no-takeover',
      connections: 64,
      'in-flight': 8,
      size: 200,
      type: 'json',
    },
    targets: { ws: 5.0, uws: 1.0 },
  },
  {
    name: 'deflate-1k',
    title: 'Compressed, 1 KiB JSON, 64 connections, 1 in flight',
    load: {
      deflate: 'no-takeover',
      connections: 64,
      'in-flight': 1,
      size: 1024,
      type: 'json',
    },
    targets: { ws: 5.0, uws: 1.0 },
  },
  {
    name: 'deflate-1k-x8',
    title: 'Compressed, 1 KiB JSON, 64 connections, 8 in flight',
    load: {
      deflate: 'no-takeover',
      connections: 64,
      'in-flight': 8,
      size: 1024,
      type: 'json',
    },
    targets: { ws: 5.0, uws: 1.0 },
  },
  {
    name: 'deflate-200b-takeover',
    title:
      'Compressed with context takeover, 200 B JSON, 64 connections, 1 in flight',
    load: {
      deflate: 'takeover',
      connections: 64,
      'in-flight': 1,
      size: 200,
      type: 'json',
    },
    targets: { ws: 4.0 },
  },
  {
    name: 'deflate-1k-takeover',
    title:
      'Compressed with context takeover, 1 KiB JSON, 64 connections, 1 in flight',
    load: {
      deflate: 'takeover',
      connections: 64,
      'in-flight': 1,
      size: 1024,
      type: 'json',
    },
    targets: { ws: 4.0 },
  },
];
