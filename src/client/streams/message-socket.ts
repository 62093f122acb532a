/** A WebSocket as both ends of a stream see it. */
export interface MessageSocket {
  /** The subprotocol that was agreed on, '' for none. */
  readonly protocol: string;
  /** Resolves when the peer keeps up. Does nothing once the socket is closed. A string goes out as a text message. */
  send(message: Uint8Array | string): Promise<void>;
  /** In order, until the socket is closed. What is not taken holds the peer back. Iterate it once. */
  messages(): AsyncIterable<Uint8Array>;
  /** Says good-bye; what was sent before still arrives. */
  close(code?: number, reason?: string): void;
  /** Cuts the connection. */
  terminate(): void;
  /** Settles when the socket is closed: with the code that the peer gave, 1006 for none. */
  readonly closed: Promise<{ code: number; reason: string }>;
  isOpen(): boolean;
}
