// Importing images from archives: for `wherry load IMAGE.tar`, and for the pause image. Done with ctr, which comes with
// containerd; what ctr leaves odd is put right here:
//   - compressed archives it does not read: they are unpacked first (gzip, zstd);
//   - names are stored as they stand in an OCI archive, where the CRI only finds complete ones (docker.io/library/x:tag);
//   - an OCI archive may have a tag only, or no name at all: the file's name is taken, busybox.tar -> busybox.

import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { type Clock, sleep } from '../../machinery/clock.ts';
import type { Log } from '../../machinery/log.ts';
import { runCommand } from '../../machinery/node/command.ts';
import { completeImageName } from '../image-name.ts';
import { connectRuntime } from './containerd-client.ts';
import { readTarFiles } from './tar.ts';

const knownTimeoutMs = 10_000;

export interface LoadOptions {
  readonly socket: string;
  /** The one that containerd's CRI uses. */
  readonly snapshotter: string;
  readonly log: Log;
  readonly clock: Clock;
}

/**
 * Imports a docker-archive or OCI archive, also compressed with gzip or zstd. Returns the complete names of its images.
 * Errors say what is wrong with the file. When it resolves, the CRI knows the images.
 */
export async function loadImage(tarPath: string, options: LoadOptions): Promise<string[]> {
  const directory = await mkdtemp(join(tmpdir(), 'wherry-image-'));
  try {
    const path = await uncompressed(tarPath, join(directory, 'image.tar'));
    const base = completeImageName(
      basename(tarPath)
        .toLowerCase()
        .replace(/\.(tar|tgz|oci)\b.*$/, ''),
    );
    return await importTar(path, base.replace(/:[^:/]*$/, ''), tarPath, options);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** The same for an archive in memory that names its images. */
export async function loadImageBytes(archive: Uint8Array, options: LoadOptions): Promise<string[]> {
  const directory = await mkdtemp(join(tmpdir(), 'wherry-image-'));
  try {
    const path = join(directory, 'image.tar');
    await writeFile(path, archive);
    return await importTar(path, '', path, options);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function uncompressed(path: string, target: string): Promise<string> {
  const file = await open(path);
  const magic = Buffer.alloc(4);
  await file.read(magic, 0, 4, 0).finally(() => file.close());
  const unpack =
    magic.readUInt16BE(0) === 0x1f8b
      ? createGunzip
      : magic.readUInt32BE(0) === 0x28b52ffd
        ? createZstdDecompress
        : undefined;
  if (!unpack) return path;
  await pipeline(createReadStream(path), unpack(), createWriteStream(target));
  return target;
}

async function importTar(
  path: string,
  base: string,
  shownPath: string,
  options: LoadOptions,
): Promise<string[]> {
  const { socket, snapshotter, log } = options;
  const ctr = async (...args: string[]) =>
    (await runCommand('ctr', ['-n', 'k8s.io', '-a', socket, 'images', ...args])).stdout;
  const names = await namesIn(path, shownPath);
  const partial = names.length === 0 || names.some((name) => /^[\w.-]*$/.test(name));
  const naming = partial ? ['--base-name', base, ...(names.length === 0 ? ['--digests'] : [])] : [];
  const output = await ctr('import', '--snapshotter', snapshotter, ...naming, path);
  // One line per image: 'unpacking NAME (sha256:...)...done'.
  const stored = [...output.matchAll(/^unpacking (\S+) \(/gm)].map((match) => match[1]!);
  if (stored.length === 0) throw new Error(`${shownPath} has no image for this machine's architecture.`);
  const complete: string[] = [];
  for (const name of stored) {
    const wanted = names.length === 0 ? `${base}:latest` : completeImageName(name);
    if (wanted !== name) {
      await ctr('tag', '--force', name, wanted);
      await ctr('rm', name);
    }
    complete.push(wanted);
  }
  await untilKnown(complete, options);
  log.info('images loaded', { path: shownPath, images: complete });
  return complete;
}

/** containerd tells its CRI part of new images by events, some milliseconds later. */
async function untilKnown(names: readonly string[], { socket, clock, log }: LoadOptions): Promise<void> {
  await using runtime = connectRuntime(socket, { log });
  const deadline = clock.now() + knownTimeoutMs;
  for (const name of names) {
    for (let delayMs = 2; !(await runtime.imageStatus({ image: { image: name } })).image; delayMs *= 2) {
      if (clock.now() > deadline)
        throw new Error(`containerd does not see the image ${name}: restart Wherry.`);
      await sleep(clock, delayMs);
    }
  }
}

interface Descriptor {
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The names that the archive itself gives; a tag alone stays one. */
async function namesIn(path: string, shownPath: string): Promise<string[]> {
  const wrong = (cause?: unknown) =>
    new Error(`${shownPath} is not an image archive: write one with "docker save -o FILE IMAGE".`, { cause });
  let files: Map<string, Uint8Array>;
  try {
    files = await readTarFiles(path, ['oci-layout', 'index.json', 'manifest.json']);
  } catch (error) {
    if (error instanceof RangeError) throw wrong(error);
    throw error;
  }
  const json = (name: string) => JSON.parse(new TextDecoder().decode(files.get(name)));
  // Newer docker writes both; containerd prefers OCI too.
  if (files.has('oci-layout') && files.has('index.json')) {
    return (json('index.json').manifests as Descriptor[]).flatMap(
      ({ annotations = {} }) =>
        annotations['io.containerd.image.name'] ?? annotations['org.opencontainers.image.ref.name'] ?? [],
    );
  }
  if (!files.has('manifest.json')) throw wrong();
  return (json('manifest.json') as { RepoTags?: string[] | null }[]).flatMap(
    ({ RepoTags }) => RepoTags ?? [],
  );
}
