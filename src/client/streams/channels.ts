// Messages of remote commands over WebSocket: a byte that says which channel, then bytes of it. In the base64 protocols
// the channel is a digit, and the bytes are text. Source: KEP-4006, and "Container runtime interface streaming".
//
//   [0, 'l', 's', '\n']    stdin     [255, 0]   stdin ends (v5 only)     [4, '{"Width":80,"Height":24}']   the terminal

export const Channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const;
const closeSignal = 255;

export interface ChannelProtocol {
  name: string;
  base64: boolean;
  /** A Status goes over the error channel; before v4 it was the bare text of an error. */
  status: boolean;
  /** Single channels can be ended. */
  halfClose: boolean;
}

const protocol = (name: string, version: number, base64: boolean): ChannelProtocol => ({
  name,
  base64,
  status: version >= 4,
  halfClose: version >= 5,
});

/** The best first. A client that names none gets the oldest. */
export const channelProtocols: readonly ChannelProtocol[] = [
  protocol('v5.channel.k8s.io', 5, false),
  protocol('v4.channel.k8s.io', 4, false),
  protocol('v4.base64.channel.k8s.io', 4, true),
  protocol('channel.k8s.io', 1, false),
  protocol('base64.channel.k8s.io', 1, true),
  protocol('', 1, false),
];

export const channelProtocol = (name: string): ChannelProtocol | undefined =>
  channelProtocols.find((p) => p.name === name);

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function channelMessage(
  { base64 }: Pick<ChannelProtocol, 'base64'>,
  channel: number,
  bytes: Uint8Array,
): Uint8Array | string {
  if (base64) return String.fromCharCode(48 + channel) + toBase64(bytes);
  const message = new Uint8Array(1 + bytes.length);
  message[0] = channel;
  message.set(bytes, 1);
  return message;
}

export const closeMessage = (channel: number): Uint8Array => new Uint8Array([closeSignal, channel]);

/** What a message says; undefined for one that says nothing. Throws for bytes that are not base64 where they must be. */
export function parseChannelMessage(
  { base64, halfClose }: Pick<ChannelProtocol, 'base64' | 'halfClose'>,
  message: Uint8Array,
): { channel: number; bytes: Uint8Array; close: boolean } | undefined {
  if (!message.length) return undefined;
  if (halfClose && message[0] === closeSignal)
    return message.length === 2
      ? { channel: message[1]!, bytes: message.subarray(2), close: true }
      : undefined;
  if (!base64) return { channel: message[0]!, bytes: message.subarray(1), close: false };
  return { channel: message[0]! - 48, bytes: fromBase64(decoder.decode(message.subarray(1))), close: false };
}

export function toBase64(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 8192)
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}

export const fromBase64 = (text: string): Uint8Array =>
  Uint8Array.from(atob(text.trim()), (letter) => letter.charCodeAt(0));

export interface TerminalSize {
  width: number;
  height: number;
}

/** As the resize channel carries it. */
export const encodeSize = ({ width, height }: TerminalSize): Uint8Array =>
  encoder.encode(JSON.stringify({ Width: width, Height: height }));
