import WebSocket from './index.js';

export const {
  createWebSocketStream,
  extension,
  Sender,
  Server,
  subprotocol,
  WebSocketServer,
} = WebSocket;
export { WebSocket };
export default WebSocket;
