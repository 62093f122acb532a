// Just enough of tar for images: writing archives of generated files, and listing what is in one without loading it.
// Format: POSIX.1 ustar, https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html

import { type FileHandle, open } from 'node:fs/promises';

export interface TarEntry {
  readonly name: string;
  readonly content: Uint8Array;
  readonly mode?: number;
}

const block = 512;
const padding = (size: number): number => (block - (size % block)) % block;

/** Regular files owned by root, with a fixed time, so that equal content gives equal bytes. Names up to 100 bytes. */
export function writeTar(entries: readonly TarEntry[]): Uint8Array {
  const parts: Buffer[] = [];
  for (const { name, content, mode = 0o644 } of entries) {
    if (Buffer.byteLength(name) > 100) throw new RangeError(`tar: name longer than 100 bytes: ${name}`);
    const header = Buffer.alloc(block);
    const octal = (value: number, at: number, length: number) =>
      header.write(value.toString(8).padStart(length - 1, '0'), at, 'latin1');
    header.write(name, 0);
    octal(mode, 100, 8);
    octal(0, 108, 8); // uid
    octal(0, 116, 8); // gid
    octal(content.length, 124, 12);
    octal(0, 136, 12); // mtime
    header.write('        0', 148, 'latin1'); // checksum field as spaces while summing; then the type flag '0'
    header.write('ustar\x0000', 257, 'latin1');
    octal(
      header.reduce((sum, byte) => sum + byte, 0),
      148,
      7,
    );
    header[154] = 0;
    parts.push(header, Buffer.from(content), Buffer.alloc(padding(content.length)));
  }
  return Buffer.concat([...parts, Buffer.alloc(2 * block)]);
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}

/**
 * The contents of the named files of an uncompressed tar archive; names not in it are left out. Reads headers and the
 * wanted files only. Throws a RangeError for something that is not a tar archive.
 */
export async function readTarFiles(path: string, names: readonly string[]): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  const file = await open(path);
  try {
    for (let position = 0; found.size < names.length; ) {
      const header = await readAt(file, position, block);
      if (header.length < block || header[0] === 0) break;
      if (header.toString('latin1', 257, 262) !== 'ustar')
        throw new RangeError(`${path} is not a tar archive`);
      const text = (start: number, end: number) => header.toString('utf8', start, end).replace(/\0.*$/s, '');
      const size = Number.parseInt(text(124, 136).trim(), 8);
      if (!(size >= 0)) throw new RangeError(`${path} is not a tar archive`);
      const name = text(0, 100).replace(/^\.\//, '');
      if (names.includes(name)) found.set(name, await readAt(file, position + block, size));
      position += block + size + padding(size);
    }
  } finally {
    await file.close();
  }
  return found;
}
