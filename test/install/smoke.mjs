// Copied to a project that has installed the package, as smoke.js is.

import { WebSocketServer } from 'ws-upgrade';

new WebSocketServer({ noServer: true }).close(() => console.log('closed'));
