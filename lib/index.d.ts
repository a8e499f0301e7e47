/// <reference types="node" />

import { EventEmitter } from 'events';
import {
  IncomingMessage,
  OutgoingHttpHeaders,
  Server as HTTPServer,
} from 'http';
import { Server as HTTPSServer } from 'https';
import { Duplex, DuplexOptions, Writable } from 'stream';
import { ZlibOptions } from 'zlib';

/** What can be sent: strings, numbers, and all that `Buffer.from()` takes. */
type BufferLike =
  | string
  | number
  | ArrayBuffer
  | SharedArrayBuffer
  | ArrayBufferView
  | Blob
  | readonly any[]
  | { valueOf(): ArrayBuffer }
  | { valueOf(): SharedArrayBuffer }
  | { valueOf(): Uint8Array }
  | { valueOf(): readonly number[] }
  | { valueOf(): string }
  | { [Symbol.toPrimitive](hint: string): string };

/**
 * One WebSocket connection of a server (RFC 6455). It is made by a
 * {@link WebSocket.Server}; the client is not part of this package.
 *
 * Without an 'error' listener, an error of the connection is thrown.
 */
declare class WebSocket extends EventEmitter {
  /** `readyState` before the connection is open. */
  static readonly CONNECTING: 0;
  /** `readyState` while messages can be sent. */
  static readonly OPEN: 1;
  /** `readyState` during the closing handshake (RFC 6455, 7.1.2). */
  static readonly CLOSING: 2;
  /** `readyState` when 'close' has been emitted. */
  static readonly CLOSED: 3;

  /** `readyState` before the connection is open. */
  readonly CONNECTING: 0;
  /** `readyState` while messages can be sent. */
  readonly OPEN: 1;
  /** `readyState` during the closing handshake (RFC 6455, 7.1.2). */
  readonly CLOSING: 2;
  /** `readyState` when 'close' has been emitted. */
  readonly CLOSED: 3;

  /**
   * The form of binary messages: 'nodebuffer' (the default) for a `Buffer`,
   * 'arraybuffer' for an `ArrayBuffer`, 'fragments' for a list of `Buffer`s.
   * Where Node.js has a global `Blob`, 'blob' can be set as well, for a `Blob`;
   * `RawData` does not name it, as the types of `ws` do not. Other values are
   * ignored.
   */
  get binaryType(): 'nodebuffer' | 'arraybuffer' | 'fragments';
  set binaryType(type: 'nodebuffer' | 'arraybuffer' | 'fragments' | 'blob');

  /**
   * Bytes that were sent by the application but not taken by the kernel, frame
   * headers included; 0 as long as it takes all. The option `maxBackpressure`
   * limits them.
   */
  readonly bufferedAmount: number;

  /** The negotiated extensions (RFC 6455, 9.1); '' for none. */
  readonly extensions: string;

  /**
   * Whether a byte has come from the peer since this was set to `false`, or the
   * heartbeat has sent a ping; `true` at first, `false` once closed. No 'pong'
   * listener is needed. Not in `ws`: what an application keeps here and is no
   * boolean stays as it is.
   *
   * @example
   * ```ts
   * if (!ws.isAlive) {
   *   ws.terminate();
   * } else {
   *   ws.isAlive = false;
   *   ws.ping();
   * }
   * ```
   */
  isAlive: boolean;

  /** Whether `pause()` was called and `resume()` was not. */
  readonly isPaused: boolean;

  /**
   * Milliseconds from the heartbeat's last ping that was answered to its pong;
   * `NaN` before the first one and once closed. Not in `ws`: an application may
   * have a `latency` of its own instead.
   */
  readonly latency: number;

  /** The subprotocol that was selected (RFC 6455, 1.9); '' for none. */
  readonly protocol: string;

  /** `CONNECTING`, `OPEN`, `CLOSING` or `CLOSED`. */
  readonly readyState: 0 | 1 | 2 | 3;

  /** Of a client only: `undefined` on a server, whatever the type says. */
  readonly url: string;

  /** The handler of 'open' events: a server emits none. */
  onopen: ((event: WebSocket.Event) => void) | null;
  /** The handler of 'error' events that was set last. */
  onerror: ((event: WebSocket.ErrorEvent) => void) | null;
  /** The handler of 'close' events that was set last. */
  onclose: ((event: WebSocket.CloseEvent) => void) | null;
  /** The handler of 'message' events that was set last. */
  onmessage: ((event: WebSocket.MessageEvent) => void) | null;

  /**
   * Called by a {@link WebSocket.Server}, also for its option `WebSocket`.
   *
   * @param address `null`
   * @throws Error for anything else: there is no client
   */
  constructor(address: null);

  /**
   * Begins the closing handshake (RFC 6455, 7.1.2), or does nothing if it has
   * begun.
   *
   * @param code 1000 to 1014 without 1004 to 1006, or 3000 to 4999 (RFC 6455,
   *   7.4); none by default
   * @param data the reason, at most 123 bytes of UTF-8
   * @throws TypeError if the code is none of these, or the reason no string and
   *   no bytes
   * @throws RangeError if the reason is longer
   */
  close(code?: number, data?: string | Buffer | Uint8Array): void;

  /**
   * Gives this connection a heartbeat of its own, or none. What `idleTimeout`
   * and `maxLifetime` say goes on. Not in `ws`.
   *
   * @param options as the option `heartbeat` of the server; `true` stands for
   *   that option, or for its defaults if there is none
   * @throws TypeError if it is neither a boolean nor an object
   * @throws RangeError if a time is not valid
   */
  heartbeat(options: boolean | WebSocket.HeartbeatOptions): void;

  /**
   * Sends a ping (RFC 6455, 5.5.2). It does not wait behind messages.
   *
   * @param data at most 125 bytes; none by default
   * @param mask whether to mask it, `false` by default (RFC 6455, 5.3)
   * @param cb called when it is sent, or with an error
   * @throws RangeError if there is more data
   */
  ping(data?: any, mask?: boolean, cb?: (err: Error) => void): void;

  /**
   * Sends a pong (RFC 6455, 5.5.3), which does not wait behind messages. Pings are answered without it, unless the
   * option `autoPong` is `false`.
   *
   * @param data at most 125 bytes; none by default
   * @param mask whether to mask it, `false` by default (RFC 6455, 5.3)
   * @param cb called when it is sent, or with an error
   * @throws RangeError if there is more data
   */
  pong(data?: any, mask?: boolean, cb?: (err: Error) => void): void;

  /**
   * Sends a message: text if `data` is a string or a number, binary otherwise.
   *
   * @param cb called when it is sent, or with an error, for example when the
   *   WebSocket is not open
   * @returns `false` if more than `highWaterMark` bytes wait, or the WebSocket is
   *   not open: 'drain' comes when no more than that wait, unless the connection
   *   ends before. `ws` returns nothing.
   * @throws TypeError if `data` has no bytes
   */
  send(data: BufferLike, cb?: (err?: Error) => void): boolean;

  /**
   * Sends a message, or a fragment of one (RFC 6455, 5.4).
   *
   * @param options
   * @param cb called when it is sent, or with an error, for example when the
   *   WebSocket is not open
   * @returns as without options
   * @throws TypeError if `data` has no bytes
   */
  send(
    data: BufferLike,
    options: WebSocket.SendOptions,
    cb?: (err?: Error) => void,
  ): boolean;

  /** Ends the connection at once; the close code is 1006. */
  terminate(): void;

  /**
   * Stops receiving. What has been received already is still emitted. Does
   * nothing while `CONNECTING` or `CLOSED`.
   */
  pause(): void;

  /** Goes on receiving. Does nothing while `CONNECTING` or `CLOSED`. */
  resume(): void;

  /**
   * Adds a handler of event objects, unless it is there already.
   *
   * @param type others than these are ignored
   * @param listener a function, called with the WebSocket as `this`, or an
   *   object with the method `handleEvent()`
   * @param options
   */
  addEventListener<K extends keyof WebSocket.WebSocketEventMap>(
    type: K,
    listener:
      | ((event: WebSocket.WebSocketEventMap[K]) => void)
      | { handleEvent(event: WebSocket.WebSocketEventMap[K]): void },
    options?: WebSocket.EventListenerOptions,
  ): void;

  /** Removes a handler that `addEventListener()` has added. */
  removeEventListener<K extends keyof WebSocket.WebSocketEventMap>(
    type: K,
    listener:
      | ((event: WebSocket.WebSocketEventMap[K]) => void)
      | { handleEvent(event: WebSocket.WebSocketEventMap[K]): void },
  ): void;

  on(
    event: 'close',
    listener: (this: WebSocket, code: number, reason: Buffer) => void,
  ): this;
  on(event: 'error', listener: (this: WebSocket, error: Error) => void): this;
  on(
    event: 'message',
    listener: (
      this: WebSocket,
      data: WebSocket.RawData,
      isBinary: boolean,
    ) => void,
  ): this;
  on(
    event: 'dropped',
    listener: (this: WebSocket, data: any, isBinary: boolean) => void,
  ): this;
  on(event: 'drain' | 'open', listener: (this: WebSocket) => void): this;
  on(
    event: 'ping' | 'pong',
    listener: (this: WebSocket, data: Buffer) => void,
  ): this;
  on(
    event: string | symbol,
    listener: (this: WebSocket, ...args: any[]) => void,
  ): this;

  once(
    event: 'close',
    listener: (this: WebSocket, code: number, reason: Buffer) => void,
  ): this;
  once(event: 'error', listener: (this: WebSocket, error: Error) => void): this;
  once(
    event: 'message',
    listener: (
      this: WebSocket,
      data: WebSocket.RawData,
      isBinary: boolean,
    ) => void,
  ): this;
  once(
    event: 'dropped',
    listener: (this: WebSocket, data: any, isBinary: boolean) => void,
  ): this;
  once(event: 'drain' | 'open', listener: (this: WebSocket) => void): this;
  once(
    event: 'ping' | 'pong',
    listener: (this: WebSocket, data: Buffer) => void,
  ): this;
  once(
    event: string | symbol,
    listener: (this: WebSocket, ...args: any[]) => void,
  ): this;

  off(
    event: 'close',
    listener: (this: WebSocket, code: number, reason: Buffer) => void,
  ): this;
  off(event: 'error', listener: (this: WebSocket, error: Error) => void): this;
  off(
    event: 'message',
    listener: (
      this: WebSocket,
      data: WebSocket.RawData,
      isBinary: boolean,
    ) => void,
  ): this;
  off(
    event: 'dropped',
    listener: (this: WebSocket, data: any, isBinary: boolean) => void,
  ): this;
  off(event: 'drain' | 'open', listener: (this: WebSocket) => void): this;
  off(
    event: 'ping' | 'pong',
    listener: (this: WebSocket, data: Buffer) => void,
  ): this;
  off(
    event: string | symbol,
    listener: (this: WebSocket, ...args: any[]) => void,
  ): this;

  addListener(
    event: 'close',
    listener: (code: number, reason: Buffer) => void,
  ): this;
  addListener(event: 'error', listener: (error: Error) => void): this;
  addListener(
    event: 'message',
    listener: (data: WebSocket.RawData, isBinary: boolean) => void,
  ): this;
  addListener(
    event: 'dropped',
    listener: (data: any, isBinary: boolean) => void,
  ): this;
  addListener(event: 'drain' | 'open', listener: () => void): this;
  addListener(event: 'ping' | 'pong', listener: (data: Buffer) => void): this;
  addListener(event: string | symbol, listener: (...args: any[]) => void): this;

  removeListener(
    event: 'close',
    listener: (code: number, reason: Buffer) => void,
  ): this;
  removeListener(event: 'error', listener: (error: Error) => void): this;
  removeListener(
    event: 'message',
    listener: (data: WebSocket.RawData, isBinary: boolean) => void,
  ): this;
  removeListener(
    event: 'dropped',
    listener: (data: any, isBinary: boolean) => void,
  ): this;
  removeListener(event: 'drain' | 'open', listener: () => void): this;
  removeListener(
    event: 'ping' | 'pong',
    listener: (data: Buffer) => void,
  ): this;
  removeListener(
    event: string | symbol,
    listener: (...args: any[]) => void,
  ): this;

  prependListener(
    event: 'close',
    listener: (code: number, reason: Buffer) => void,
  ): this;
  prependListener(event: 'error', listener: (error: Error) => void): this;
  prependListener(
    event: 'message',
    listener: (data: WebSocket.RawData, isBinary: boolean) => void,
  ): this;
  prependListener(
    event: 'dropped',
    listener: (data: any, isBinary: boolean) => void,
  ): this;
  prependListener(event: 'drain' | 'open', listener: () => void): this;
  prependListener(
    event: 'ping' | 'pong',
    listener: (data: Buffer) => void,
  ): this;
  prependListener(
    event: string | symbol,
    listener: (...args: any[]) => void,
  ): this;

  prependOnceListener(
    event: 'close',
    listener: (code: number, reason: Buffer) => void,
  ): this;
  prependOnceListener(event: 'error', listener: (error: Error) => void): this;
  prependOnceListener(
    event: 'message',
    listener: (data: WebSocket.RawData, isBinary: boolean) => void,
  ): this;
  prependOnceListener(
    event: 'dropped',
    listener: (data: any, isBinary: boolean) => void,
  ): this;
  prependOnceListener(event: 'drain' | 'open', listener: () => void): this;
  prependOnceListener(
    event: 'ping' | 'pong',
    listener: (data: Buffer) => void,
  ): this;
  prependOnceListener(
    event: string | symbol,
    listener: (...args: any[]) => void,
  ): this;
}

declare const WebSocketAlias: typeof WebSocket;
interface WebSocketAlias extends WebSocket {}

declare namespace WebSocket {
  /**
   * A received message: always a `Buffer` for text, otherwise what `binaryType`
   * asks for. A `Buffer` of up to 16 KiB shares its memory with others: copy it
   * if you keep it for long, or to transfer it.
   */
  type RawData = Buffer | ArrayBuffer | Buffer[];

  /** The data of a `MessageEvent`: a string for text. */
  type Data = string | Buffer | ArrayBuffer | Buffer[];

  /**
   * Decides whether to accept a handshake.
   *
   * @param info `origin` is the Origin header (Sec-WebSocket-Origin for version
   *   8), `secure` whether the connection is encrypted
   * @returns `false` for a refusal with 401
   */
  type VerifyClientCallbackSync<
    Request extends IncomingMessage = IncomingMessage,
  > = (info: { origin: string; secure: boolean; req: Request }) => boolean;

  /**
   * Decides later whether to accept a handshake, by a call of `callback`: with
   * `false` for a refusal with the HTTP status `code` (401 by default), a body
   * and headers.
   */
  type VerifyClientCallbackAsync<
    Request extends IncomingMessage = IncomingMessage,
  > = (
    info: { origin: string; secure: boolean; req: Request },
    callback: (
      res: boolean,
      code?: number,
      message?: string,
      headers?: OutgoingHttpHeaders,
    ) => void,
  ) => void;

  /** Options of `send()`. */
  interface SendOptions {
    /** Whether it is a binary message; by default, if `data` is no string. */
    binary?: boolean | undefined;
    /** Whether to compress it, `true` by default if that was negotiated. */
    compress?: boolean | undefined;
    /** Whether this is the last fragment, `true` by default (RFC 6455, 5.4). */
    fin?: boolean | undefined;
    /** Whether to mask it, `false` by default (RFC 6455, 5.3). */
    mask?: boolean | undefined;
  }

  /** Options of permessage-deflate (RFC 7692). */
  interface PerMessageDeflateOptions {
    /** Whether messages to the client are compressed one by one (7.1.1.1). */
    serverNoContextTakeover?: boolean | undefined;
    /** Whether messages of the client have to be so as well (7.1.1.2). */
    clientNoContextTakeover?: boolean | undefined;
    /** Base-2 logarithm of our window in bytes, 8 to 15 (7.1.2.1). */
    serverMaxWindowBits?: number | undefined;
    /** Base-2 logarithm of the client's window in bytes, 8 to 15 (7.1.2.2). */
    clientMaxWindowBits?: number | undefined;
    /**
     * Options of zlib for what is sent. A server reads `level`, `memLevel` and
     * `strategy`.
     */
    zlibDeflateOptions?:
      | {
          flush?: number | undefined;
          finishFlush?: number | undefined;
          /** Bytes, 64 or more. */
          chunkSize?: number | undefined;
          /** 8 to 15. */
          windowBits?: number | undefined;
          /** -1 to 9; -1, the default, is the fastest for small messages. */
          level?: number | undefined;
          /** 1 to 9. */
          memLevel?: number | undefined;
          strategy?: number | undefined;
          dictionary?: Buffer | Buffer[] | DataView | undefined;
          info?: boolean | undefined;
        }
      | undefined;
    /** Options of zlib for what is received. Not for a server. */
    zlibInflateOptions?: ZlibOptions | undefined;
    /** Bytes; shorter messages are not compressed. 1024 by default. */
    threshold?: number | undefined;
    /**
     * Calls of zlib at a time in the whole process. 10 by default. Not for a
     * server, which compresses eight large messages at a time and inflates four.
     */
    concurrencyLimit?: number | undefined;
  }

  /** What `addEventListener()` handlers get. */
  interface Event {
    type: string;
    target: WebSocket;
  }

  /** An error: what 'error' listeners get is in `error`. */
  interface ErrorEvent {
    error: any;
    message: string;
    type: string;
    target: WebSocket;
  }

  /** The end of the connection. */
  interface CloseEvent {
    /** Whether a close frame was sent and one received. */
    wasClean: boolean;
    /** RFC 6455, 7.1.5; 1005 for none, 1006 if no close frame has come. */
    code: number;
    /** RFC 6455, 7.1.6; at most 123 bytes of UTF-8. */
    reason: string;
    type: string;
    target: WebSocket;
  }

  /** A message. */
  interface MessageEvent {
    /** A string for text, otherwise what `binaryType` asks for. */
    data: Data;
    type: string;
    target: WebSocket;
  }

  /** The types of `addEventListener()`. */
  interface WebSocketEventMap {
    open: Event;
    error: ErrorEvent;
    close: CloseEvent;
    message: MessageEvent;
  }

  /** Options of `addEventListener()`. */
  interface EventListenerOptions {
    /** Whether the handler is removed when it is called. */
    once?: boolean | undefined;
  }

  /** Times of a heartbeat, in whole milliseconds from 1 to 2147483647. */
  interface HeartbeatOptions {
    /** Of silence until a ping is sent. 30000 by default. */
    interval?: number | undefined;
    /** Of silence behind a ping until the end. 10000 by default. */
    timeout?: number | undefined;
  }

  /** What a sweep of the heartbeat has done to the clients of a server. */
  interface HeartbeatCounts {
    /** Those with a heartbeat that are left. */
    alive: number;
    /** Those of them that were silent, and have been sent a ping. */
    pinged: number;
    /** Those that had not answered theirs. */
    terminated: number;
  }

  /**
   * Options of a {@link Server}. Exactly one of `port`, `server` and `noServer`
   * has to be there. In limits, 0 means none.
   */
  interface ServerOptions<
    U extends typeof WebSocket.WebSocket = typeof WebSocket.WebSocket,
    V extends typeof IncomingMessage = typeof IncomingMessage,
  > {
    /**
     * The origins whose pages may connect, exactly as browsers send them:
     * `https://example.com`, with a port unless it is that of the scheme. Or a
     * function that says so; anything but `true`, a promise too, refuses. Others
     * are refused with 403. Requests without an origin, which no browser makes,
     * are accepted, and the function is not asked. By default, all are. Not in
     * `ws`.
     *
     * @throws TypeError for what no browser sends, such as a path or `*`
     */
    allowedOrigins?:
      | readonly string[]
      | ((origin: string, request: InstanceType<V>) => boolean)
      | null
      | undefined;
    /**
     * Whether several events may be emitted in a turn of the event loop; `true`
     * by default.
     */
    allowSynchronousEvents?: boolean | undefined;
    /** Whether pings are answered with pongs; `true` by default. */
    autoPong?: boolean | undefined;
    /** Of `port`: connections that may wait to be accepted. */
    backlog?: number | undefined;
    /** Whether there is a set of `clients`; `true` by default. */
    clientTracking?: boolean | undefined;
    /**
     * Milliseconds from our close frame, or the peer's FIN, to the end of the
     * connection. 30000 by default.
     */
    closeTimeout?: number | undefined;
    /**
     * Selects the subprotocol (RFC 6455, 4.2.2). By default, the first one.
     *
     * @param protocols in the order of the request
     * @returns one of them, or `false` for none
     */
    handleProtocols?: (
      protocols: Set<string>,
      request: InstanceType<V>,
    ) => string | false;
    /**
     * Whether silent clients are sent pings, and terminated unless they answer
     * by any byte; `false` by default. Not in `ws`.
     */
    heartbeat?: boolean | HeartbeatOptions | undefined;
    /**
     * Bytes waiting to be sent above which `send()` returns `false`: 0 or more,
     * and no more than half of `maxBackpressure` counts. 65536 by default. Not
     * in `ws`.
     */
    highWaterMark?: number | undefined;
    /**
     * Whether the first message of a connection, and all that comes behind it,
     * waits for a 'message' listener; `false` by default: as in `ws`, messages
     * that nobody listens to are lost. What waits is that one message and at
     * most 512 KiB; the rest stays with the client. It waits no longer once
     * `close()` is called, or `closeTimeout` ms after the client is gone. Not in
     * `ws`.
     */
    holdUntilListening?: boolean | undefined;
    /** Of `port`: the address to listen on. */
    host?: string | undefined;
    /**
     * Milliseconds without a message of the client, or another piece of one,
     * after which the connection is closed with 1001; at most 2147483647. 0, no
     * limit, by default. Not in `ws`.
     */
    idleTimeout?: number | undefined;
    /**
     * Bytes that may wait to be sent on a connection: a message with which it
     * were more is dropped, unless no more than `highWaterMark` wait before it.
     * 67108864 by default; 0: any. Not in `ws`.
     */
    maxBackpressure?: number | undefined;
    /** Chunks of received data that may wait. 262144 by default. */
    maxBufferedChunks?: number | undefined;
    /**
     * Connections that are open, counting handshakes that an asynchronous
     * `verifyClient` looks at; more are refused with 503. 0 by default: any. Not
     * in `ws`.
     *
     * @throws TypeError | RangeError unless it is a whole number, 0 or more
     */
    maxConnections?: number | undefined;
    /**
     * Frames of a message, empty ones too; with more, the connection is closed
     * with 1008. 16384 by default.
     */
    maxFragments?: number | undefined;
    /**
     * Milliseconds after which a connection is closed with 1001; at most
     * 2147483647. 0, no limit, by default. Not in `ws`.
     */
    maxLifetime?: number | undefined;
    /**
     * Bytes of a message; with more, the connection is closed with 1009.
     * 104857600 by default.
     */
    maxPayload?: number | undefined;
    /**
     * Automatic pongs that the peer has not read; with more, the connection is
     * terminated. 60 by default.
     */
    maxPendingAutoPongs?: number | undefined;
    /**
     * Handshakes that are looked at in a second, and as many at a time after
     * quiet: at most `(1 + t) * maxUpgradesPerSecond` in `t` seconds. More are
     * refused with 503 and `Retry-After: 1`. 0 by default: any. Not in `ws`.
     *
     * @throws TypeError | RangeError unless it is a whole number, 0 or more
     */
    maxUpgradesPerSecond?: number | undefined;
    /**
     * What becomes of a connection when one of its messages is dropped since
     * too much waits: 'terminate', the default; 'close' for a closing handshake
     * with 1013; or 'drop' for nothing, unless the beginning of the message was
     * sent. 'dropped' is emitted with the message, and the callback of `send()`
     * gets an error with the code `WSU_ERR_BACKPRESSURE`. Not in `ws`.
     */
    onBackpressure?: 'terminate' | 'close' | 'drop' | undefined;
    /** Whether the application calls `handleUpgrade()`; `false` by default. */
    noServer?: boolean | undefined;
    /** The only path of requests that is accepted, without a query. */
    path?: string | undefined;
    /** permessage-deflate (RFC 7692); `false` by default. */
    perMessageDeflate?: boolean | PerMessageDeflateOptions | undefined;
    /** Where a server of its own listens: 0 to 65535, 0 for any free port. */
    port?: number | undefined;
    /** An HTTP server whose 'upgrade' requests are handled. */
    server?: HTTPServer<V> | HTTPSServer<V> | undefined;
    /**
     * Whether text and close reasons may be invalid UTF-8; `false` by default
     * (RFC 6455, 8.1).
     */
    skipUTF8Validation?: boolean | undefined;
    /**
     * 'auto', the default, takes the file descriptor of a connection where that
     * is safe, and goes through Node's stream otherwise; 'stream' always goes
     * through the stream. Not in `ws`.
     */
    transport?: 'auto' | 'stream' | undefined;
    /** Decides whether to accept a handshake. */
    verifyClient?:
      | VerifyClientCallbackAsync<InstanceType<V>>
      | VerifyClientCallbackSync<InstanceType<V>>
      | undefined;
    /** The class of connections, which extends {@link WebSocket}. */
    WebSocket?: U | undefined;
  }

  /** Options of `shutdown()`. */
  interface ShutdownOptions {
    /**
     * The close code: 1000 to 1014 without 1004 to 1006, or 3000 to 4999 (RFC
     * 6455, 7.4). 1001, "going away", by default.
     */
    code?: number | undefined;
    /** At most 123 bytes of UTF-8; none by default. */
    reason?: string | Uint8Array | undefined;
    /**
     * Milliseconds that clients have to answer, 0 to 2147483647; then they are
     * terminated. 5000 by default.
     */
    timeout?: number | undefined;
  }

  /** How the connections of a server have ended in `shutdown()`. */
  interface ShutdownResult {
    /** With a closing handshake (RFC 6455, 7.1.2). */
    closed: number;
    /** Without one: terminated in the end, or lost before. */
    terminated: number;
  }

  /** Two of a kind: what was received, and what was sent. */
  interface Traffic<T = number> {
    received: T;
    sent: T;
  }

  /** What compression has made of messages. */
  interface CompressedBytes {
    /** Bytes of the messages. */
    bytes: number;
    /** Bytes that stand for them in frames. */
    compressedBytes: number;
  }

  /** Why a connection was terminated: see {@link ServerStats.terminations}. */
  type TerminationCause =
    /** `terminate()`, or `destroy()` of the socket. */
    | 'application'
    /** The closing handshake took longer than `closeTimeout`. */
    | 'closeTimeout'
    /** The connection broke. */
    | 'connectionLost'
    /** The limit of that name. */
    | 'maxPendingAutoPongs'
    /** There was no memory for what it sends or receives. */
    | 'outOfMemory'
    /** The client did not answer in the time that `shutdown()` has. */
    | 'shutdown'
    /** The client was silent for too long. */
    | 'heartbeat'
    /** The client does not read what it is sent. */
    | 'backpressure';

  /**
   * What has happened on a server: see `Server.stats()`. All numbers but those
   * of `connections.open`, `.tcp` and `.stream`, `bufferedBytes`, `ring.peak`,
   * `ring.capacity` and `slab.used` only grow.
   */
  interface ServerStats {
    connections: {
      /** Those that are open: the sum of the next two. */
      open: number;
      /** Those whose file descriptor was taken over. */
      tcp: number;
      /** Those that go through Node's stream: TLS for example. */
      stream: number;
      /** All up to now. */
      accepted: number;
      /** Handshakes that were refused. */
      refused: number;
    };
    /** Whole messages; sent ones count when they are given away. */
    messages: Traffic;
    /** Bytes of messages as the application sees them. */
    payloadBytes: Traffic;
    /** Bytes of frames, headers included, as they were decoded or written. */
    wireBytes: Traffic;
    /** Messages that were compressed: what they are, and what was sent. */
    compression: Traffic<CompressedBytes>;
    /** The sum of `bufferedAmount`. */
    bufferedBytes: number;
    pings: Traffic;
    /** Automatic ones included. */
    pongs: Traffic;
    /**
     * Connections that were dropped, by the cause. What ends with a closing
     * handshake, or with the end of the client's bytes, was not.
     */
    terminations: Record<TerminationCause, number>;
    /** Errors of connections by the `code` of the error, those that came up. */
    protocolErrors: Record<string, number>;
    /** How events reach JavaScript, for all servers of this thread. */
    ring: {
      events: number;
      /** Calls of JavaScript in which they have come, and some without any. */
      calls: number;
      /** The most events of one call. */
      peak: number;
      /** Events beyond this take another call. */
      capacity: number;
    };
    /** Memory that small messages share, for all servers of this thread. */
    slab: {
      /** Slabs of 64 KiB that were allocated. */
      count: number;
      /** Bytes of the current one that are in use. */
      used: number;
    };
  }

  /** Where a server listens. */
  interface AddressInfo {
    address: string;
    /** 'IPv4' or 'IPv6'. */
    family: string;
    port: number;
  }

  /**
   * A WebSocket server.
   *
   * @typeParam T the class of connections
   * @typeParam U the class of requests
   */
  class Server<
    T extends typeof WebSocket.WebSocket = typeof WebSocket.WebSocket,
    U extends typeof IncomingMessage = typeof IncomingMessage,
  > extends EventEmitter {
    /** With defaults for what was not given. */
    options: ServerOptions<T, U>;
    /** As in the types of `ws`; `undefined` at run time: see `options.path`. */
    path: string;
    /** All that are not closed; none without the option `clientTracking`. */
    clients: Set<InstanceType<T>>;

    /**
     * @param options
     * @param callback a listener of 'listening', with the option `port`
     * @throws TypeError unless there is exactly one of the options `port`,
     *   `server` and `noServer`
     * @throws TypeError|RangeError if another option is not valid
     */
    constructor(options?: ServerOptions<T, U>, callback?: () => void);

    /**
     * Where the HTTP server listens: a string for a Unix socket, `null` once
     * closed.
     *
     * @throws Error with the option `noServer`
     */
    address(): AddressInfo | string | null;

    /**
     * Accepts no more connections; those that are open stay so, see
     * `shutdown()`. An HTTP server that was given is not closed.
     *
     * @param cb called when the last connection has ended, with an error if
     *   the server is closed already
     */
    close(cb?: (err?: Error) => void): void;

    /**
     * Completes a handshake (RFC 6455, 4.2) and takes the connection over, or
     * answers with an error. It can be called in an 'upgrade' listener and in a
     * request handler.
     *
     * @param socket `request.socket`, or the one that 'upgrade' has come with
     * @param upgradeHead what has come behind the request
     * @param callback called at once, unless `verifyClient` is asynchronous;
     *   not called after a refusal
     * @throws Error if it is called twice with the same socket
     */
    handleUpgrade(
      request: InstanceType<U>,
      socket: Duplex,
      upgradeHead: Buffer,
      callback: (client: InstanceType<T>, request: InstanceType<U>) => void,
    ): void;

    /**
     * Ends the server and its connections. From now on handshakes are refused
     * with 503; each client gets a close frame behind all that was sent to it
     * before, and is terminated if it does not answer in time. 'close' is
     * emitted when all have ended, and the HTTP server of the option `port` as
     * well; an HTTP server that was given is not closed. Not in `ws`.
     *
     * @returns when all of that is over, how the connections have ended; each
     *   call returns the same promise, and only the options of the first count
     * @throws TypeError | RangeError (the promise is rejected) for other options;
     *   nothing has changed then
     */
    shutdown(options?: ShutdownOptions): Promise<ShutdownResult>;

    /**
     * What has happened since the server was made. Native code counts; a call
     * takes a few microseconds, and a fraction of one for each open connection.
     * Not in `ws`.
     */
    stats(): ServerStats;

    /**
     * Whether to handle a request; can be overridden. By default, whether its
     * path is that of the options.
     *
     * @returns falsy for a refusal with 400
     */
    shouldHandle(request: InstanceType<U>): boolean | Promise<boolean>;

    on(
      event: 'connection',
      listener: (
        this: Server<T, U>,
        websocket: InstanceType<T>,
        request: InstanceType<U>,
      ) => void,
    ): this;
    on(
      event: 'error',
      listener: (this: Server<T, U>, error: Error) => void,
    ): this;
    on(
      event: 'headers',
      listener: (
        this: Server<T, U>,
        headers: string[],
        request: InstanceType<U>,
      ) => void,
    ): this;
    on(
      event: 'close' | 'listening',
      listener: (this: Server<T, U>) => void,
    ): this;
    on(
      event: 'heartbeat',
      listener: (this: Server<T, U>, counts: WebSocket.HeartbeatCounts) => void,
    ): this;
    on(
      event: 'wsClientError',
      listener: (
        this: Server<T, U>,
        error: Error,
        socket: Duplex,
        request: InstanceType<U>,
      ) => void,
    ): this;
    on(
      event: string | symbol,
      listener: (this: Server<T, U>, ...args: any[]) => void,
    ): this;

    once(
      event: 'connection',
      listener: (
        this: Server<T, U>,
        websocket: InstanceType<T>,
        request: InstanceType<U>,
      ) => void,
    ): this;
    once(
      event: 'error',
      listener: (this: Server<T, U>, error: Error) => void,
    ): this;
    once(
      event: 'headers',
      listener: (
        this: Server<T, U>,
        headers: string[],
        request: InstanceType<U>,
      ) => void,
    ): this;
    once(
      event: 'close' | 'listening',
      listener: (this: Server<T, U>) => void,
    ): this;
    once(
      event: 'heartbeat',
      listener: (this: Server<T, U>, counts: WebSocket.HeartbeatCounts) => void,
    ): this;
    once(
      event: 'wsClientError',
      listener: (
        this: Server<T, U>,
        error: Error,
        socket: Duplex,
        request: InstanceType<U>,
      ) => void,
    ): this;
    once(
      event: string | symbol,
      listener: (this: Server<T, U>, ...args: any[]) => void,
    ): this;

    off(
      event: 'connection',
      listener: (
        this: Server<T, U>,
        websocket: InstanceType<T>,
        request: InstanceType<U>,
      ) => void,
    ): this;
    off(
      event: 'error',
      listener: (this: Server<T, U>, error: Error) => void,
    ): this;
    off(
      event: 'headers',
      listener: (
        this: Server<T, U>,
        headers: string[],
        request: InstanceType<U>,
      ) => void,
    ): this;
    off(
      event: 'close' | 'listening',
      listener: (this: Server<T, U>) => void,
    ): this;
    off(
      event: 'heartbeat',
      listener: (this: Server<T, U>, counts: WebSocket.HeartbeatCounts) => void,
    ): this;
    off(
      event: 'wsClientError',
      listener: (
        this: Server<T, U>,
        error: Error,
        socket: Duplex,
        request: InstanceType<U>,
      ) => void,
    ): this;
    off(
      event: string | symbol,
      listener: (this: Server<T, U>, ...args: any[]) => void,
    ): this;

    addListener(
      event: 'connection',
      listener: (websocket: InstanceType<T>, request: InstanceType<U>) => void,
    ): this;
    addListener(event: 'error', listener: (error: Error) => void): this;
    addListener(
      event: 'headers',
      listener: (headers: string[], request: InstanceType<U>) => void,
    ): this;
    addListener(event: 'close' | 'listening', listener: () => void): this;
    addListener(
      event: 'heartbeat',
      listener: (counts: WebSocket.HeartbeatCounts) => void,
    ): this;
    addListener(
      event: 'wsClientError',
      listener: (
        error: Error,
        socket: Duplex,
        request: InstanceType<U>,
      ) => void,
    ): this;
    addListener(
      event: string | symbol,
      listener: (...args: any[]) => void,
    ): this;

    removeListener(
      event: 'connection',
      listener: (websocket: InstanceType<T>, request: InstanceType<U>) => void,
    ): this;
    removeListener(event: 'error', listener: (error: Error) => void): this;
    removeListener(
      event: 'headers',
      listener: (headers: string[], request: InstanceType<U>) => void,
    ): this;
    removeListener(event: 'close' | 'listening', listener: () => void): this;
    removeListener(
      event: 'heartbeat',
      listener: (counts: WebSocket.HeartbeatCounts) => void,
    ): this;
    removeListener(
      event: 'wsClientError',
      listener: (
        error: Error,
        socket: Duplex,
        request: InstanceType<U>,
      ) => void,
    ): this;
    removeListener(
      event: string | symbol,
      listener: (...args: any[]) => void,
    ): this;

    prependListener(
      event: 'connection',
      listener: (websocket: InstanceType<T>, request: InstanceType<U>) => void,
    ): this;
    prependListener(event: 'error', listener: (error: Error) => void): this;
    prependListener(
      event: 'headers',
      listener: (headers: string[], request: InstanceType<U>) => void,
    ): this;
    prependListener(event: 'close' | 'listening', listener: () => void): this;
    prependListener(
      event: 'heartbeat',
      listener: (counts: WebSocket.HeartbeatCounts) => void,
    ): this;
    prependListener(
      event: 'wsClientError',
      listener: (
        error: Error,
        socket: Duplex,
        request: InstanceType<U>,
      ) => void,
    ): this;
    prependListener(
      event: string | symbol,
      listener: (...args: any[]) => void,
    ): this;

    prependOnceListener(
      event: 'connection',
      listener: (websocket: InstanceType<T>, request: InstanceType<U>) => void,
    ): this;
    prependOnceListener(event: 'error', listener: (error: Error) => void): this;
    prependOnceListener(
      event: 'headers',
      listener: (headers: string[], request: InstanceType<U>) => void,
    ): this;
    prependOnceListener(
      event: 'close' | 'listening',
      listener: () => void,
    ): this;
    prependOnceListener(
      event: 'heartbeat',
      listener: (counts: WebSocket.HeartbeatCounts) => void,
    ): this;
    prependOnceListener(
      event: 'wsClientError',
      listener: (
        error: Error,
        socket: Duplex,
        request: InstanceType<U>,
      ) => void,
    ): this;
    prependOnceListener(
      event: string | symbol,
      listener: (...args: any[]) => void,
    ): this;
  }

  const WebSocketServer: typeof Server;
  interface WebSocketServer extends Server {}

  const WebSocket: typeof WebSocketAlias;
  interface WebSocket extends WebSocketAlias {}

  /**
   * Makes a stream of a WebSocket: a chunk that is written is a message, and
   * each message is pushed. Reading too slowly pauses the WebSocket. The end of
   * the stream closes it, `destroy()` terminates it, and 'close' comes when it
   * is closed.
   *
   * @param options `objectMode` and `writableObjectMode` are always `false`,
   *   `autoDestroy` and `emitClose` always `true`; with `readableObjectMode`
   *   each message is one chunk, text a string; with `decodeStrings: false`
   *   strings are sent as text
   */
  function createWebSocketStream(
    websocket: WebSocket,
    options?: DuplexOptions,
  ): Duplex;

  /** Frames messages and writes them to a stream, without compression. */
  class Sender {
    /**
     * @param socket to write to
     * @param extensions without effect
     * @param generateMask fills four bytes with a masking key; random by
     *   default
     */
    constructor(
      socket: Duplex,
      extensions?: object,
      generateMask?: (mask: Buffer) => void,
    );

    /** Called with the error of a `Blob` that cannot be read. */
    onerror: (err: Error) => void;

    /**
     * Frames a payload (RFC 6455, 5.2). Nothing is checked.
     *
     * @returns the header and the payload, or both in one `Buffer`; the payload
     *   is `data` itself unless that is a string, or is `readOnly` and masked
     */
    static frame(data: string | Buffer, options: FrameOptions): Buffer[];

    /**
     * Sends a close frame (RFC 6455, 5.5.1).
     *
     * @param code 1000 to 1014 without 1004 to 1006, or 3000 to 4999
     * @param data the reason, at most 123 bytes of UTF-8
     * @throws TypeError | RangeError for any other code or reason
     */
    close(
      code?: number,
      data?: string | Uint8Array,
      mask?: boolean,
      cb?: (err?: Error | null) => void,
    ): void;

    /**
     * Sends a ping (RFC 6455, 5.5.2).
     *
     * @param data at most 125 bytes
     * @throws RangeError if there is more
     */
    ping(data: any, mask?: boolean, cb?: (err?: Error | null) => void): void;

    /**
     * Sends a pong (RFC 6455, 5.5.3).
     *
     * @param data at most 125 bytes
     * @throws RangeError if there is more
     */
    pong(data: any, mask?: boolean, cb?: (err?: Error | null) => void): void;

    /** Sends a message, or a fragment; options that are left out are false. */
    send(
      data: any,
      options: SendOptions,
      cb?: (err?: Error | null) => void,
    ): void;

    /** Writes the parts of a frame, as `frame()` returns them. */
    sendFrame(
      list: ReadonlyArray<Uint8Array | string>,
      cb?: (err?: Error | null) => void,
    ): void;
  }

  /** Options of `Sender.frame()`; `false` is the default. */
  interface FrameOptions {
    /** Whether this is the last fragment. */
    fin?: boolean | undefined;
    /** Fills four bytes with the masking key; random by default. */
    generateMask?: ((mask: Buffer) => void) | undefined;
    /** Whether to mask the payload (RFC 6455, 5.3). */
    mask?: boolean | undefined;
    /** Four bytes where the masking key is written. */
    maskBuffer?: Buffer | undefined;
    /** RFC 6455, 11.8: 0 to 15. */
    opcode: number;
    /** Whether `data` has to stay as it is; otherwise masking changes it. */
    readOnly?: boolean | undefined;
    /** The bit RSV1, which marks a compressed message (RFC 7692, 6). */
    rsv1?: boolean | undefined;
  }

  /** Options of a {@link Receiver}. In limits, 0 means none: the default. */
  interface ReceiverOptions {
    /**
     * Whether several events may be emitted in a turn of the event loop; `true`
     * by default.
     */
    allowSynchronousEvents?: boolean | undefined;
    /** The form of binary messages, 'nodebuffer' by default. */
    binaryType?:
      'nodebuffer' | 'arraybuffer' | 'fragments' | 'blob' | undefined;
    /** None is known yet. */
    extensions?: object | undefined;
    /** Whether frames have to be masked, as clients do; `false` by default. */
    isServer?: boolean | undefined;
    /** Pieces that a frame may come in. */
    maxBufferedChunks?: number | undefined;
    /** Frames of a message, empty ones too. */
    maxFragments?: number | undefined;
    /** Bytes of a message. */
    maxPayload?: number | undefined;
    /**
     * Whether text and close reasons may be invalid UTF-8; `false` by default
     * (RFC 6455, 8.1).
     */
    skipUTF8Validation?: boolean | undefined;
  }

  /**
   * Decodes what a peer sends: the bytes of its frames are written to it. What
   * breaks the protocol is an 'error', with a `code` that begins with
   * 'WS_ERR_'. A close frame is a 'conclude' event, and ends the stream.
   */
  class Receiver extends Writable {
    /**
     * @param options
     * @throws Error if permessage-deflate is among the extensions
     */
    constructor(options?: ReceiverOptions);

    on(
      event: 'message',
      listener: (this: Receiver, data: RawData, isBinary: boolean) => void,
    ): this;
    on(
      event: 'ping' | 'pong',
      listener: (this: Receiver, data: Buffer) => void,
    ): this;
    on(
      event: 'conclude',
      listener: (this: Receiver, code: number, reason: Buffer) => void,
    ): this;
    on(event: 'error', listener: (this: Receiver, error: Error) => void): this;
    on(
      event: string | symbol,
      listener: (this: Receiver, ...args: any[]) => void,
    ): this;

    once(
      event: 'message',
      listener: (this: Receiver, data: RawData, isBinary: boolean) => void,
    ): this;
    once(
      event: 'ping' | 'pong',
      listener: (this: Receiver, data: Buffer) => void,
    ): this;
    once(
      event: 'conclude',
      listener: (this: Receiver, code: number, reason: Buffer) => void,
    ): this;
    once(
      event: 'error',
      listener: (this: Receiver, error: Error) => void,
    ): this;
    once(
      event: string | symbol,
      listener: (this: Receiver, ...args: any[]) => void,
    ): this;

    off(
      event: 'message',
      listener: (this: Receiver, data: RawData, isBinary: boolean) => void,
    ): this;
    off(
      event: 'ping' | 'pong',
      listener: (this: Receiver, data: Buffer) => void,
    ): this;
    off(
      event: 'conclude',
      listener: (this: Receiver, code: number, reason: Buffer) => void,
    ): this;
    off(event: 'error', listener: (this: Receiver, error: Error) => void): this;
    off(
      event: string | symbol,
      listener: (this: Receiver, ...args: any[]) => void,
    ): this;

    addListener(
      event: 'message',
      listener: (data: RawData, isBinary: boolean) => void,
    ): this;
    addListener(event: 'ping' | 'pong', listener: (data: Buffer) => void): this;
    addListener(
      event: 'conclude',
      listener: (code: number, reason: Buffer) => void,
    ): this;
    addListener(event: 'error', listener: (error: Error) => void): this;
    addListener(
      event: string | symbol,
      listener: (...args: any[]) => void,
    ): this;

    removeListener(
      event: 'message',
      listener: (data: RawData, isBinary: boolean) => void,
    ): this;
    removeListener(
      event: 'ping' | 'pong',
      listener: (data: Buffer) => void,
    ): this;
    removeListener(
      event: 'conclude',
      listener: (code: number, reason: Buffer) => void,
    ): this;
    removeListener(event: 'error', listener: (error: Error) => void): this;
    removeListener(
      event: string | symbol,
      listener: (...args: any[]) => void,
    ): this;

    prependListener(
      event: 'message',
      listener: (data: RawData, isBinary: boolean) => void,
    ): this;
    prependListener(
      event: 'ping' | 'pong',
      listener: (data: Buffer) => void,
    ): this;
    prependListener(
      event: 'conclude',
      listener: (code: number, reason: Buffer) => void,
    ): this;
    prependListener(event: 'error', listener: (error: Error) => void): this;
    prependListener(
      event: string | symbol,
      listener: (...args: any[]) => void,
    ): this;

    prependOnceListener(
      event: 'message',
      listener: (data: RawData, isBinary: boolean) => void,
    ): this;
    prependOnceListener(
      event: 'ping' | 'pong',
      listener: (data: Buffer) => void,
    ): this;
    prependOnceListener(
      event: 'conclude',
      listener: (code: number, reason: Buffer) => void,
    ): this;
    prependOnceListener(event: 'error', listener: (error: Error) => void): this;
    prependOnceListener(
      event: string | symbol,
      listener: (...args: any[]) => void,
    ): this;
  }

  /**
   * permessage-deflate (RFC 7692): its negotiation, and messages to compressed
   * ones and back.
   */
  class PerMessageDeflate {
    /** The name of the extension in the header (RFC 7692, 7). */
    static readonly extensionName: 'permessage-deflate';

    /**
     * @param options `isServer` says which side this is, a client by default;
     *   `maxPayload` limits the bytes that `decompress()` makes, 0 for any
     *   number of them. `concurrencyLimit` counts for the first instance only.
     */
    constructor(
      options?: PerMessageDeflateOptions & {
        isServer?: boolean | undefined;
        maxPayload?: number | undefined;
      },
    );

    /** The parameters that were negotiated; `null` before `accept()`. */
    params: Record<string, number | true> | null;

    /** The parameters of a client's offer: see `extension.format()`. */
    offer(): Record<string, number | true>;

    /**
     * Accepts the first acceptable offer of a client, or the response of a
     * server.
     *
     * @param configurations from `extension.parse()`; they are changed
     * @returns the parameters of the response, or those that count for a client
     * @throws Error if none is acceptable, or one is invalid
     */
    accept(configurations: extension.Offer[]): Record<string, number | true>;

    /** Frees what zlib has; calls that are not finished fail. */
    cleanup(): void;

    /**
     * Decompresses a message, or a fragment of one.
     *
     * @param fin whether the message ends with it
     */
    decompress(
      data: Uint8Array,
      fin: boolean,
      callback: (err: Error | null, data?: Buffer) => void,
    ): void;

    /**
     * Compresses a message, or a fragment of one.
     *
     * @param fin whether the message ends with it
     */
    compress(
      data: Uint8Array | string,
      fin: boolean,
      callback: (err: Error | null, data?: Buffer) => void,
    ): void;
  }

  /** The Sec-WebSocket-Extensions header (RFC 6455, 9.1). */
  namespace extension {
    /** The values of each parameter of an offer; `true` where there is none. */
    type Offer = Record<string, Array<string | true>>;

    /**
     * Parses the value of the header.
     *
     * @returns the offers of each extension; no object has a prototype
     * @throws SyntaxError
     */
    function parse(header: string): Record<string, Offer[]>;

    /**
     * Makes the value of the header. Names and values are not checked.
     *
     * @param extensions an offer or a list of them, by the name of the
     *   extension; an offer has a value or a list of them for each parameter
     */
    function format(extensions: Record<string, object | object[]>): string;
  }

  /** The Sec-WebSocket-Protocol header (RFC 6455, 4.1). */
  namespace subprotocol {
    /**
     * Parses the value of the header of a request.
     *
     * @returns the names in the order of the header
     * @throws SyntaxError also if a name is there twice
     */
    function parse(header: string): Set<string>;
  }
}

export = WebSocket;
