'use strict';

// What both ends of a conversation know.

const { sample } = require('../helpers/deflate');

/** Bytes of the smallest message that the server compresses. */
const DEFLATE_THRESHOLD = 64;

/** What the server sends until no more is taken, and how often at most. */
const CHUNK = sample('random', 64 * 1024);
const BACKLOG_MAX = 64;

/** The content of the Blob that it sends. */
const BLOB = sample('random', 3000, 7);

module.exports = { BACKLOG_MAX, BLOB, CHUNK, DEFLATE_THRESHOLD };
