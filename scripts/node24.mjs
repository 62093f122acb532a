// Runs under any Node from 18 on: installs the packages when they are missing, then finds the pinned Node 24.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** The pinned Node, or undefined while the packages are not installed. A package that npm installed us into has it above us. */
export function pinnedNode() {
  for (const dir of [join(root, 'node_modules'), join(root, '..')]) {
    const path = join(dir, 'node', 'bin', 'node');
    if (existsSync(path)) return path;
  }
  return undefined;
}

function complete() {
  if (!pinnedNode()) return false;
  const { dependencies = {}, devDependencies = {} } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  );
  const wanted = existsSync(join(root, 'package-lock.json'))
    ? { ...dependencies, ...devDependencies }
    : dependencies;
  return Object.keys(wanted).every(
    (name) => existsSync(join(root, 'node_modules', name)) || existsSync(join(root, '..', name)),
  );
}

/** Installs what package-lock.json names. Says so, since it takes a while. */
export function ensurePackages({ install = true } = {}) {
  if (complete()) return;
  if (!install) {
    console.error(
      'Node packages are missing: run "npm install" here (--no-install was given, so nothing was installed).',
    );
    process.exit(1);
  }
  console.error('installing Node packages (once; Node 24 is among them) ...');
  // Not `npm ci`: it refuses a lock file without the optional packages of other systems, which some registries do not carry.
  const npm = spawnSync('npm', ['install', '--no-save', '--no-fund', '--no-audit', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (npm.status !== 0 || !pinnedNode()) {
    console.error(
      'npm install failed: see above; check the network and the npm registry, then run this again.',
    );
    process.exit(1);
  }
}

/** Runs a program of ours under Node 24, passes signals on, and ends as it ends. */
export function run(args, { env = {} } = {}) {
  const node = pinnedNode();
  const path = [dirname(node), join(root, 'node_modules', '.bin'), process.env.PATH].join(':');
  // Where this Node can, it becomes the other one: no second process stays behind.
  if (typeof process.execve === 'function')
    process.execve(node, [node, ...args], { ...process.env, PATH: path, ...env });
  const child = spawn(node, args, { stdio: 'inherit', env: { ...process.env, PATH: path, ...env } });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) =>
    process.exit(
      signal ? 128 + ({ SIGINT: 2, SIGTERM: 15, SIGKILL: 9, SIGHUP: 1 }[signal] ?? 1) : (code ?? 1),
    ),
  );
}
