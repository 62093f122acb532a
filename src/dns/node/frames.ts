import type { Socket } from 'node:net';

/** Messages over TCP have their length, two bytes, before them. RFC 1035, section 4.2.2. */
export function readFrames(socket: Socket, onFrame: (bytes: Uint8Array) => void): void {
  let pending: Buffer[] = [];
  let size = 0;
  socket.on('data', (chunk: Buffer) => {
    pending.push(chunk);
    size += chunk.length;
    // Joined only when there is enough: a slow sender of single bytes must not cost more the longer it goes on.
    while (size >= 2) {
      if (pending[0]!.length < 2) pending = [Buffer.concat(pending)];
      const wanted = pending[0]!.readUInt16BE() + 2;
      if (size < wanted) return;
      const all = pending.length === 1 ? pending[0]! : Buffer.concat(pending);
      pending = size > wanted ? [all.subarray(wanted)] : [];
      size -= wanted;
      onFrame(all.subarray(2, wanted));
    }
  });
}
