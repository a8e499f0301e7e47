'use strict';

// A server in a process of its own, for what ends or endangers a process.
// The first argument names the scenario. The process tells its port and what
// happens to each connection, named by its URL, over IPC.

const { WebSocketServer } = require('./implementation');
const { createHttpServer, transportOptions } = require('./http-server');

function report(...event) {
  process.send(event);
}

/** Each scenario gets the WebSocket and the name of the connection. */
const SCENARIOS = {
  'a listener throws'(ws, name) {
    const throwing = (event) => (data, detail) => {
      const text = (event === 'close' ? detail : data).toString();
      report(name, event, text);
      if (text === 'end') ws.send('end');
      if (text === 'throw') throw new Error(`${name} ${event}`);
    };
    for (const event of ['message', 'ping', 'pong', 'close']) {
      ws.on(event, throwing(event));
    }
    ws.on('error', (error) => {
      report(name, 'error', error.code);
      throw new Error(`${name} error`);
    });
  },

  'a tick throws'(ws, name) {
    for (const event of ['message', 'close']) {
      ws.on(event, (data) => {
        report(name, event, data.toString());
        if (data.toString() === 'end') ws.send('end');
        process.nextTick(() => {
          throw new Error(event);
        });
      });
    }
  },

  'process.exit() after send()'(ws) {
    ws.on('message', (phase) => {
      const sendAndExit = () => {
        for (let i = 0; i < 1000; i++) ws.send(`${i}`);
        process.exit(7);
      };
      PHASES[phase](sendAndExit);
    });
  },

  'process.exit() after send() to another'(ws, name) {
    if (name === '/other') other = ws;
    ws.on('message', () => {
      other.send('foo');
      process.exit(7);
    });
  },

  'process.exit() after close()'(ws) {
    ws.on('message', () => {
      ws.send('foo');
      ws.close(1001, 'bar');
      process.exit(7);
    });
  },

  'an uncaught exception after send()'(ws) {
    ws.on('message', (phase) => {
      const sendAndThrow = () => {
        for (let i = 0; i < 1000; i++) ws.send(`${i}`);
        throw new Error('foo');
      };
      PHASES[phase](sendAndThrow);
    });
  },
};

const PHASES = {
  'the listener': (callback) => callback(),
  'process.nextTick()': (callback) => process.nextTick(callback),
  'a microtask': (callback) => queueMicrotask(callback),
  'setImmediate()': (callback) => setImmediate(callback),
  'setTimeout()': (callback) => setTimeout(callback, 0),
};

let other;
const scenario = SCENARIOS[process.argv[2]];

if (/ throws$/.test(process.argv[2])) {
  process.on('uncaughtException', (error) =>
    report('process', 'uncaughtException', error.message),
  );
}

const server = createHttpServer();
const wss = new WebSocketServer({ noServer: true, ...transportOptions });
server.on('upgrade', (req, socket, head) => {
  wss.handleUpgrade(req, socket, head, (ws) => scenario(ws, req.url));
});
server.listen(0, '127.0.0.1', () => {
  report('process', 'listening', server.address().port);
});
