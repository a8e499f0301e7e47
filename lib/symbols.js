'use strict';

// Where WebSocket and WebSocketServer keep what is theirs. Applications give
// both of them properties, and subclasses methods, of whatever names they like:
// with symbols none of them can be one of ours. Names that begin with `_` are
// those that `ws` uses as well.
//
// Registered, since copies of this package that share the addon hand each
// other's WebSockets events.

/** @return {symbol} */
function symbol(name) {
  return Symbol.for(`ws-upgrade.${name}`);
}

module.exports = {
  // WebSocket: the native connection.
  kHandle: symbol('handle'),
  kSlot: symbol('slot'),
  kIsStream: symbol('isStream'),
  kServer: symbol('server'),
  kOpen: symbol('open'),
  kOpenStream: symbol('openStream'),
  kTerminate: symbol('terminate'),
  kWriteOutput: symbol('writeOutput'),
  kIsAlive: symbol('isAlive'),
  kIsSocketClosed: symbol('isSocketClosed'),

  // WebSocket: what comes from native code.
  kDeferred: symbol('deferred'),
  kIsMuted: symbol('isMuted'),
  kEmitError: symbol('emitError'),
  kOnMessage: symbol('onMessage'),
  kOnFragments: symbol('onFragments'),
  kOnDetached: symbol('onDetached'),
  kOnPing: symbol('onPing'),
  kOnPong: symbol('onPong'),
  kOnCloseFrame: symbol('onCloseFrame'),
  kOnError: symbol('onError'),
  kOnEnd: symbol('onEnd'),
  kOnNotice: symbol('onNotice'),
  kOnGone: symbol('onGone'),
  kOnClosed: symbol('onClosed'),

  // WebSocket: what is sent.
  kIsFragmenting: symbol('isFragmenting'),
  kIsCompressing: symbol('isCompressing'),
  kThreshold: symbol('threshold'),
  kOnDeflated: symbol('onDeflated'),
  kJobs: symbol('jobs'),
  kBatches: symbol('batches'),
  kNewCallbacks: symbol('newCallbacks'),
  kFrameSender: symbol('frameSender'),
  kUnsentBytes: symbol('unsentBytes'),
  kHighWaterMark: symbol('highWaterMark'),
  kMaxBackpressure: symbol('maxBackpressure'),
  kOnBackpressure: symbol('onBackpressure'),
  kNeedsDrain: symbol('needsDrain'),
  kIsDropping: symbol('isDropping'),

  // WebSocketServer.
  kAdmission: symbol('admission'),
  kBeginClosing: symbol('beginClosing'),
  kDeflateOptions: symbol('deflateOptions'),
  kEnd: symbol('end'),
  kForget: symbol('forget'),
  kHeartbeat: symbol('heartbeat'),
  kIsClosed: symbol('isClosed'),
  kListeners: symbol('listeners'),
  kOwnServer: symbol('ownServer'),
  kShutdown: symbol('shutdown'),
  kStats: symbol('stats'),
  kVerifying: symbol('verifying'),
};
