'use strict';

/** The types that have event objects; listeners of others are ignored. */
const TYPES = ['open', 'error', 'close', 'message'];

const kCode = Symbol('code');
const kData = Symbol('data');
const kError = Symbol('error');
const kMessage = Symbol('message');
const kReason = Symbol('reason');
const kTarget = Symbol('target');
const kType = Symbol('type');
const kWasClean = Symbol('wasClean');

/** The handler that a listener was made for. */
const kHandler = Symbol('handler');

/** Whether a listener was made by `onopen` and the like. */
const kIsAttribute = Symbol('is-attribute');

/** An event of a WebSocket, with the part of the DOM's `Event` that it needs. */
class Event {
  /**
   * @param {string} type
   * @param {WebSocket} target
   */
  constructor(type, target) {
    this[kType] = type;
    this[kTarget] = target;
  }

  /** The WebSocket whose event this is. */
  get target() {
    return this[kTarget];
  }

  /** 'open', 'error', 'close' or 'message'. */
  get type() {
    return this[kType];
  }
}

/** The end of a connection. */
class CloseEvent extends Event {
  /**
   * @param {WebSocket} target
   * @param {number} code
   * @param {Buffer} reason
   */
  constructor(target, code, reason) {
    super('close', target);
    this[kCode] = code;
    this[kReason] = reason.toString();
    this[kWasClean] = Boolean(
      target._closeFrameReceived && target._closeFrameSent,
    );
  }

  /** The close code (RFC 6455, 7.1.5); 1005 for none, 1006 for no close frame. */
  get code() {
    return this[kCode];
  }

  /** The close reason (RFC 6455, 7.1.6), a string. */
  get reason() {
    return this[kReason];
  }

  /** Whether a close frame was sent and one received. */
  get wasClean() {
    return this[kWasClean];
  }
}

/** An error of a WebSocket. */
class ErrorEvent extends Event {
  /**
   * @param {WebSocket} target
   * @param {Error} error
   */
  constructor(target, error) {
    super('error', target);
    this[kError] = error;
    this[kMessage] = error.message;
  }

  /** What 'error' listeners get. */
  get error() {
    return this[kError];
  }

  /** The message of the error. */
  get message() {
    return this[kMessage];
  }
}

/** A message from the peer. */
class MessageEvent extends Event {
  /**
   * @param {WebSocket} target
   * @param {(Buffer|ArrayBuffer|Buffer[]|Blob)} data
   * @param {boolean} isBinary
   */
  constructor(target, data, isBinary) {
    super('message', target);
    this[kData] = isBinary ? data : data.toString();
  }

  /** A string for text, otherwise what `binaryType` asks for. */
  get data() {
    return this[kData];
  }
}

for (const [EventClass, names] of [
  [Event, ['target', 'type']],
  [CloseEvent, ['code', 'reason', 'wasClean']],
  [ErrorEvent, ['error', 'message']],
  [MessageEvent, ['data']],
]) {
  for (const name of names) {
    Object.defineProperty(EventClass.prototype, name, { enumerable: true });
  }
}

/**
 * Runs a handler as the DOM does: a function with the WebSocket as `this`, an
 * object with itself.
 *
 * @param {(Function|Object)} handler
 * @param {WebSocket} ws
 * @param {Event} event
 */
function call(handler, ws, event) {
  if (typeof handler === 'function') handler.call(ws, event);
  else handler.handleEvent(event);
}

/** What listens to the events of a WebSocket in place of a handler, by type. */
const LISTENERS = {
  open: (handler) =>
    function onOpen() {
      call(handler, this, new Event('open', this));
    },
  error: (handler) =>
    function onError(error) {
      call(handler, this, new ErrorEvent(this, error));
    },
  close: (handler) =>
    function onClose(code, reason) {
      call(handler, this, new CloseEvent(this, code, reason));
    },
  message: (handler) =>
    function onMessage(data, isBinary) {
      call(handler, this, new MessageEvent(this, data, isBinary));
    },
};

/**
 * The listener of a handler.
 *
 * @param {EventEmitter} emitter
 * @param {string} type
 * @param {boolean} isAttribute
 * @param {*} [handler] any by default
 * @return {(Function|undefined)}
 */
function find(emitter, type, isAttribute, handler) {
  return emitter
    .listeners(type)
    .find(
      (listener) =>
        listener[kIsAttribute] === isAttribute &&
        (handler === undefined || listener[kHandler] === handler),
    );
}

/**
 * @param {string} type
 * @param {(Function|Object)} handler
 * @param {boolean} isAttribute
 * @return {Function}
 */
function createListener(type, handler, isAttribute) {
  const listener = LISTENERS[type](handler);

  listener[kHandler] = handler;
  listener[kIsAttribute] = isAttribute;
  return listener;
}

/** The part of the DOM's `EventTarget` that a WebSocket needs. */
const EventTarget = {
  /**
   * Adds a handler, unless it is there already. It gets an event object, and
   * the WebSocket as `this` if it is a function.
   *
   * @param {string} type 'open', 'error', 'close' or 'message'; others, and
   *     handlers that are neither, are ignored
   * @param {(Function|Object)} handler a function, or an object with the method
   *     `handleEvent()`
   * @param {Object} [options]
   * @param {boolean} [options.once=false] whether it is removed when called
   */
  addEventListener(type, handler, options) {
    if (
      !TYPES.includes(type) ||
      (typeof handler !== 'function' &&
        (typeof handler !== 'object' || handler === null)) ||
      find(this, type, false, handler) !== undefined
    ) {
      return;
    }
    const listener = createListener(type, handler, false);

    if (options && options.once) this.once(type, listener);
    else this.on(type, listener);
  },

  /**
   * Removes a handler that addEventListener() has added.
   *
   * @param {string} type
   * @param {(Function|Object)} handler
   */
  removeEventListener(type, handler) {
    if (!TYPES.includes(type) || handler === undefined) return;
    const listener = find(this, type, false, handler);

    if (listener !== undefined) this.removeListener(type, listener);
  },
};

/**
 * Gives a class of EventEmitters the methods of `EventTarget`, and the
 * attributes `onopen`, `onerror`, `onclose` and `onmessage`: null, or the
 * handler that was set last.
 *
 * @param {Function} EmitterClass
 */
function install(EmitterClass) {
  Object.assign(EmitterClass.prototype, EventTarget);
  for (const type of TYPES) {
    Object.defineProperty(EmitterClass.prototype, `on${type}`, {
      configurable: true,
      enumerable: true,
      get() {
        const listener = find(this, type, true);

        return listener === undefined ? null : listener[kHandler];
      },
      set(handler) {
        const listener = find(this, type, true);

        if (listener !== undefined) this.removeListener(type, listener);
        if (typeof handler !== 'function') return;
        this.on(type, createListener(type, handler, true));
      },
    });
  }
}

module.exports = { CloseEvent, ErrorEvent, Event, MessageEvent, install };
