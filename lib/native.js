'use strict';

const path = require('path');

/** The native addon: a prebuilt binary, or what node-gyp has built here. */
module.exports = require('node-gyp-build')(path.join(__dirname, '..'));
