'use strict';

// What the rows of the tables are made of: a case with what is sent and what
// has to come of it.
//
// A case is { section, name, send, expect } and may have these:
//   options  of the WebSocketServer; cases that share the object share a server
//   request  of the handshake, as for upgradeRequest(), or its bytes
//   act      (ws) => void, what the server does at 'connection'
//   isSilent whether the server does not echo messages
//   differs  what is otherwise with one package, by its name (OURS or WS) or
//            with BOTH: replaces properties of the case and says why
//
// `expect` is what has to be seen of a connection: `events` of the server's
// WebSocket, `sent` and `pongs` by the server, the payload of its close frame,
// and which side ends the TCP connection; or, of a handshake, its response.

const { closePayload } = require('../../helpers/frame');
const { close, event } = require('./frames');

const OURS = 'ws-upgrade';
const WS = 'ws';
const BOTH = 'both';

/** The normal end that closes a case whose connection survives it. */
const END = close(1000);

const isMessage = (entry) => /^(text|binary) /.test(entry);
const isPing = (entry) => entry.startsWith('ping ');

function answers(events) {
  return {
    sent: events.filter(isMessage),
    pongs: events.filter(isPing).map((entry) => entry.replace('ping', 'pong')),
  };
}

function asHex(code, reason) {
  return code === undefined ? '' : closePayload(code, reason).toString('hex');
}

/**
 * What a closing handshake that the client starts looks like. Both packages
 * send the reason back with the code, which RFC 6455, 5.5.1 leaves open.
 */
function closed(events, code, reason = '') {
  return {
    events: [...events, `close ${code === undefined ? 1005 : code} ${reason}`],
    ...answers(events),
    closeFrame: asHex(code, reason),
    endsFirst: 'server',
  };
}

/** What failing the connection looks like (RFC 6455, 7.1.7). */
function failed(events, code) {
  return {
    events: [...events, 'error', 'close 1006 '],
    ...answers(events),
    closeFrame: asHex(code),
    endsFirst: 'client',
  };
}

/** What a connection looks like that ends without a close frame. */
function cutOff(events) {
  return {
    events: [...events, 'close 1006 '],
    ...answers(events),
    closeFrame: null,
    endsFirst: 'server',
  };
}

/** A case in which frames lead to events, and then to a normal end. */
function delivers(section, what, send, events, rest) {
  return {
    section,
    name: `${what} is delivered`,
    send: [...send, END],
    expect: closed(events, 1000),
    ...rest,
  };
}

/** A case in which frames fail the connection with a close code. */
function fails(section, what, send, code, { before = [], ...rest } = {}) {
  return {
    section,
    name: `${what} fails the connection with ${code}`,
    send,
    expect: failed(before, code),
    ...rest,
  };
}

/** The events of a message in each of the types that it may have. */
function message(kind, payload) {
  return [event(kind, payload)];
}

module.exports = {
  BOTH,
  END,
  OURS,
  WS,
  answers,
  closed,
  cutOff,
  delivers,
  failed,
  fails,
  message,
};
