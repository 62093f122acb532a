// Container images for tests, made from Debian's packages: no registry is asked for anything.
// Packages come through apt-get into a cache below the system's temporary directory; images are kept there too.

import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { dockerArchive, hostArchitecture, type ImageRunConfig } from '../../src/cri/node/pause-image.ts';
import { runCommand } from '../../src/machinery/node/command.ts';

export interface ImageSpec {
  /** With a tag: 'wherry.test/web:v1'. */
  readonly name: string;
  /** Debian's packages; the library packages (lib*) that they depend on come along. */
  readonly packages: readonly string[];
  readonly config: ImageRunConfig;
  /** Path in the image -> content; names ending in '!' are executable: '/bin/run!'. */
  readonly files?: Readonly<Record<string, string>>;
  /** Path in the image -> what it links to. */
  readonly links?: Readonly<Record<string, string>>;
}

export interface BuiltImage {
  readonly name: string;
  /** A docker-archive. Belongs to the cache: do not change it. */
  readonly tarPath: string;
}

const cacheDir = join(tmpdir(), 'wherry-test-images');
const building = new Map<string, Promise<BuiltImage>>();

/** Builds an image, or takes it from the cache. Needs a network only for packages not in the cache. */
export function buildImage(spec: ImageSpec): Promise<BuiltImage> {
  const key = createHash('sha256').update(JSON.stringify(spec)).digest('hex').slice(0, 16);
  let image = building.get(key);
  if (!image) building.set(key, (image = build(spec, key)));
  return image;
}

async function build(spec: ImageSpec, key: string): Promise<BuiltImage> {
  const tarPath = join(cacheDir, `${key}.tar`);
  const built = { name: spec.name, tarPath };
  await mkdir(cacheDir, { recursive: true });
  if ((await readdir(cacheDir)).includes(`${key}.tar`)) return built;
  const work = await mkdtemp(join(cacheDir, 'build-'));
  try {
    const root = join(work, 'root');
    for (const directory of ['bin', 'etc', 'proc', 'sys', 'dev', 'root', 'run', 'var']) {
      await mkdir(join(root, directory), { recursive: true });
    }
    for (const deb of await debsOf(await withLibraries(spec.packages))) {
      await runCommand('dpkg-deb', ['-x', deb, root]);
    }
    for (const docs of ['doc', 'man', 'locale', 'info', 'lintian', 'bug']) {
      await rm(join(root, 'usr/share', docs), { recursive: true, force: true });
    }
    await mkdir(join(root, 'tmp'), { recursive: true });
    await runCommand('chmod', ['1777', join(root, 'tmp')]);
    for (const [path, content] of Object.entries({ ...accounts, ...spec.files })) {
      const target = join(root, path.replace(/!$/, ''));
      await mkdir(dirname(target), { recursive: true });
      await writeFile(target, content, { mode: path.endsWith('!') ? 0o755 : 0o644 });
    }
    for (const [path, target] of Object.entries(spec.links ?? {})) {
      await mkdir(join(root, dirname(path)), { recursive: true });
      await symlink(target, join(root, path));
    }
    const layer = join(work, 'layer.tar');
    const reproducible = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner'];
    await runCommand('tar', [...reproducible, '-C', root, '-cf', layer, '.']);
    const archive = dockerArchive({
      name: spec.name,
      architecture: hostArchitecture(),
      layer: await readFile(layer),
      config: { Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'], ...spec.config },
    });
    await writeFile(join(work, 'image.tar'), archive);
    await rename(join(work, 'image.tar'), tarPath);
    return built;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

const accounts = {
  '/etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n',
  '/etc/group': 'root:x:0:\nnogroup:x:65534:\n',
  '/etc/nsswitch.conf': 'hosts: files dns\n',
};

/** The packages, and the lib* packages that they need, directly or through one another. */
async function withLibraries(packages: readonly string[]): Promise<string[]> {
  const all = new Set(packages);
  for (let next = [...packages]; next.length > 0; ) {
    const { stdout } = await runCommand('apt-cache', ['depends', ...next]);
    next = [...stdout.matchAll(/^\s*(?:Pre)?Depends: (lib[\w.+-]+)/gm)].map((match) => match[1]!);
    next = [...new Set(next)].filter((name) => !all.has(name));
    for (const name of next) all.add(name);
  }
  return [...all];
}

/** Paths of the packages' files, downloaded where the cache has not got them. */
async function debsOf(packages: readonly string[]): Promise<string[]> {
  const debs = join(cacheDir, 'debs');
  await mkdir(debs, { recursive: true });
  const find = (files: readonly string[], name: string) => files.find((file) => file.startsWith(`${name}_`));
  const present = await readdir(debs);
  const absent = packages.filter((name) => !find(present, name));
  if (absent.length > 0) {
    const work = await mkdtemp(join(cacheDir, 'download-'));
    try {
      const download = () => runCommand('apt-get', ['-q', 'download', ...absent], { cwd: work });
      await download().catch(async () => {
        await runCommand('apt-get', ['-q', 'update']);
        await download();
      });
      for (const file of await readdir(work)) await rename(join(work, file), join(debs, file));
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  }
  const files = await readdir(debs);
  return packages.map((name) => join(debs, find(files, name)!));
}
