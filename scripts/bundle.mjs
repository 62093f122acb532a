// Puts the sources into a few files: a third of the memory and half of the start-up time go into reading and stripping
// hundreds of TypeScript files. `npm run build` makes it for publication; `wherry up` in a checkout keeps it fresh.
import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { writeDescriptions } from './descriptions.mjs';
import { root } from './node24.mjs';

const dist = join(root, 'dist');
export const bundle = join(dist, 'main.js');
const source = join(root, 'src', 'cmd', 'main.ts');

function newest(dir) {
  let latest = 0;
  for (const entry of readdirSync(dir, { withFileTypes: true, recursive: true })) {
    if (entry.isFile())
      latest = Math.max(latest, statSync(join(entry.parentPath ?? entry.path, entry.name)).mtimeMs);
  }
  return latest;
}

/** The file to run: the bundle where there is one that is not older than the sources, else the sources. */
export function program() {
  if (!existsSync(join(root, 'src'))) return bundle;
  return existsSync(bundle) && statSync(bundle).mtimeMs > newest(join(root, 'src')) ? bundle : source;
}

/** Makes the bundle; false when it cannot (no esbuild, a directory that may not be written): the sources do as well. */
export async function build() {
  const esbuild = join(root, 'node_modules', 'esbuild', 'lib', 'main.js');
  if (!existsSync(esbuild)) return false;
  const outdir = `${dist}.new-${process.pid}`;
  try {
    const { default: library } = await import(pathToFileURL(esbuild).href);
    await library.build({
      // The program, and what runs in threads of its own.
      entryPoints: { main: source, 'yaml-worker': join(root, 'src', 'apiserver', 'node', 'yaml-worker.ts') },
      outdir,
      absWorkingDir: root,
      bundle: true,
      splitting: true,
      minifySyntax: true,
      platform: 'node',
      format: 'esm',
      target: 'node24',
      packages: 'external',
      logLevel: 'silent',
    });
    writeDescriptions(join(outdir, 'descriptions.json'));
    rmSync(dist, { recursive: true, force: true });
    renameSync(outdir, dist);
    return true;
  } catch (error) {
    if (process.env.WHERRY_DEBUG) console.error(error);
    return false;
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
}

if (process.argv[1]?.endsWith('bundle.mjs') && !(await build())) {
  console.error(
    'esbuild could not make the bundle: run "npm install", then "WHERRY_DEBUG=1 npm run build" to see why.',
  );
  process.exit(1);
}
