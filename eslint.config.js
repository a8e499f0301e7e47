'use strict';

const js = require('@eslint/js');
const globals = require('globals');

// Globals that Node has now but Node 16, the oldest supported, had not.
const NEWER_THAN_NODE_16 = [
  'BroadcastChannel',
  'CloseEvent',
  'CompressionStream',
  'CustomEvent',
  'DecompressionStream',
  'EventSource',
  'File',
  'FormData',
  'Headers',
  'ReadableStream',
  'Request',
  'Response',
  'TransformStream',
  'WebSocket',
  'WritableStream',
  'crypto',
  'fetch',
  'navigator',
  'structuredClone',
];

const nodeGlobals = {
  ...globals.node,
  ...Object.fromEntries(NEWER_THAN_NODE_16.map((name) => [name, 'off'])),
};

module.exports = [
  { ignores: ['build/', '.cache/', 'prebuilds/', '**/node_modules/'] },
  js.configs.recommended,
  {
    linterOptions: { reportUnusedDisableDirectives: 'error' },
  },
  {
    files: ['**/*.js'],
    languageOptions: {
      ecmaVersion: 2022,
      sourceType: 'commonjs',
      globals: nodeGlobals,
    },
  },
  {
    files: ['**/*.mjs'],
    languageOptions: {
      ecmaVersion: 2022,
      sourceType: 'module',
      globals: nodeGlobals,
    },
  },
  {
    files: ['test/**/*.js'],
    languageOptions: { globals: globals.mocha },
  },
];
