import WebSocket from './index.js';

export const { Server, WebSocketServer } = WebSocket;
export { WebSocket };
export default WebSocket;
