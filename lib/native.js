'use strict';

const path = require('path');

const load = require('node-gyp-build');

const { explainMissing } = require('./missing-addon');

const ROOT = path.join(__dirname, '..');

function loadAddon() {
  try {
    return load(ROOT);
  } catch (err) {
    throw explainMissing(err, ROOT);
  }
}

/** The native addon: what was compiled here, or else a prebuilt binary. */
module.exports = loadAddon();
