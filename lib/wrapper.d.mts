import WebSocket from './index.js';

export import AddressInfo = WebSocket.AddressInfo;
export import CloseEvent = WebSocket.CloseEvent;
export import CompressedBytes = WebSocket.CompressedBytes;
export import Data = WebSocket.Data;
export import ErrorEvent = WebSocket.ErrorEvent;
export import Event = WebSocket.Event;
export import EventListenerOptions = WebSocket.EventListenerOptions;
export import FrameOptions = WebSocket.FrameOptions;
export import HeartbeatCounts = WebSocket.HeartbeatCounts;
export import HeartbeatOptions = WebSocket.HeartbeatOptions;
export import MessageEvent = WebSocket.MessageEvent;
export import PerMessageDeflateOptions = WebSocket.PerMessageDeflateOptions;
export import RawData = WebSocket.RawData;
export import ReceiverOptions = WebSocket.ReceiverOptions;
export import SendOptions = WebSocket.SendOptions;
export import ServerOptions = WebSocket.ServerOptions;
export import ServerStats = WebSocket.ServerStats;
export import ShutdownOptions = WebSocket.ShutdownOptions;
export import ShutdownResult = WebSocket.ShutdownResult;
export import TerminationCause = WebSocket.TerminationCause;
export import Traffic = WebSocket.Traffic;
export import VerifyClientCallbackAsync = WebSocket.VerifyClientCallbackAsync;
export import VerifyClientCallbackSync = WebSocket.VerifyClientCallbackSync;
export import WebSocketEventMap = WebSocket.WebSocketEventMap;

export import PerMessageDeflate = WebSocket.PerMessageDeflate;
export import Receiver = WebSocket.Receiver;
export import Sender = WebSocket.Sender;
export import Server = WebSocket.Server;
export import WebSocketServer = WebSocket.WebSocketServer;
export import createWebSocketStream = WebSocket.createWebSocketStream;
export import extension = WebSocket.extension;
export import subprotocol = WebSocket.subprotocol;

export { WebSocket };
export default WebSocket;
