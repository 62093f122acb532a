// The node's own containerd, as a supervised child that outlives us. When Wherry dies (even by kill -9) or restarts,
// containerd, its shims and the containers go on; the next start finds the live containerd and takes it over.
//
//   start -> alive with the same config? yes -> adopt
//            no -> spawn (detached) -> answers? -> supervise: when it dies, spawn again with backoff
//   dispose: stop supervising, leave it running       stop(): end it, containers go on (shims hold them)
//   stop({ containers: true }): end everything, leave no process, mount or network namespace

import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, sleep } from '../../machinery/clock.ts';
import { type Log, silentLog } from '../../machinery/log.ts';
import { connectRuntime } from './containerd-client.ts';
import { containerdConfig, type Registries, registryHosts } from './containerd-config.ts';
import {
  type ContainerdPlaces,
  containerdPlaces,
  findContainerd,
  stopContainerd,
} from './containerd-stop.ts';
import { type LoadOptions, loadImage, loadImageBytes } from './image-load.ts';
import { cniBinDir, findProgram } from './install.ts';
import { pauseImage, pauseImageName } from './pause-image.ts';
import { hasCapability, overlayWorks } from './preflight.ts';
import { endProcess, isAlive } from './process.ts';

export interface ContainerdOptions extends ContainerdPlaces {
  /** Default: our own, which is imported from memory; another one is pulled by containerd. */
  readonly sandboxImage?: string;
  readonly cniConfDir: string;
  /** Default: where the distribution has put the plugins. */
  readonly cniBinDir?: string;
  readonly registries?: Registries;
  /** Path of a network namespace to run in, for a second node on one machine: '/run/netns/node2'. */
  readonly netns?: string;
  /** Where exec, attach and port-forward listen; default 127.0.0.1. With a netns: an address there that we reach. */
  readonly streamAddress?: string;
  /** Default: overlayfs where an overlay can be mounted below dataDir. */
  readonly snapshotter?: 'overlayfs' | 'native';
}

export interface Containerd extends AsyncDisposable {
  /** For connectRuntime(). The same after a restart. */
  readonly socket: string;
  /** Of the current process; undefined between its death and its restart. */
  readonly pid: number | undefined;
  /** True when a live containerd was taken over instead of started. */
  readonly adopted: boolean;
  readonly sandboxImage: string;
  readonly snapshotter: 'overlayfs' | 'native';
  /** containerd's own log. */
  readonly logFile: string;
  /** Imports a docker or OCI archive; see loadImage() in image-load.ts. */
  loadImage(tarPath: string): Promise<string[]>;
  /** Ends containerd. Containers go on unless `containers` is true: then pods are removed first, with their networks. */
  stop(options?: { containers?: boolean }): Promise<void>;
  /** Stops supervising only. */
  [Symbol.asyncDispose](): Promise<void>;
}

const startTimeoutMs = 30_000;
const answerTimeoutMs = 10_000;
const backoffMs = { least: 250, most: 15_000, resetAfter: 60_000 };
const maxLogBytes = 16 << 20;

/** Starts containerd or takes over the one that runs. Resolves when it answers and has the sandbox image. */
export async function startContainerd(options: ContainerdOptions): Promise<Containerd> {
  const { log, clock } = options;
  const { home, socket, configFile, logFile } = containerdPlaces(options);
  if (Buffer.byteLength(`${socket}.ttrpc`) > 107) {
    throw new Error(
      `The run directory ${options.runDir} is too long for a unix socket: choose one of at most 70 bytes.`,
    );
  }
  await mkdir(home, { recursive: true, mode: 0o711 });
  await mkdir(options.runDir, { recursive: true, mode: 0o711 });
  await mkdir(options.cniConfDir, { recursive: true });
  const { binary, changed, snapshotter } = await writeConfig(options, home, socket, configFile);
  const sandboxImage = options.sandboxImage ?? pauseImageName;

  let pid: number | undefined = await findContainerd(options);
  let stopping = false;
  if (pid !== undefined && (changed || !(await answers(socket, log, clock, answerTimeoutMs)))) {
    log.info('restarting containerd', {
      pid,
      reason: changed ? 'its configuration changed' : 'it does not answer',
    });
    await endProcess(pid, { clock, graceMs: answerTimeoutMs });
    pid = undefined;
  }
  const adopted = pid !== undefined;

  async function launch(): Promise<number> {
    await trimLog(logFile);
    const output = openSync(logFile, 'a', 0o640);
    const enter = options.netns ? ['nsenter', `--net=${options.netns}`] : [];
    const [program, ...args] = [...enter, binary, '--config', configFile];
    const child = spawn(program!, args, {
      detached: true, // its own session: Ctrl-C in our terminal is not for it
      stdio: ['ignore', output, output],
      cwd: '/',
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
    });
    closeSync(output);
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    child.unref();
    return child.pid!;
  }

  async function startAndWait(): Promise<number> {
    const started = await launch();
    const gone = async () => !(await isAlive(started));
    if (await answers(socket, log, clock, startTimeoutMs, gone)) return started;
    const text = await readFile(logFile, 'utf8').catch(() => '');
    await endProcess(started, { clock, graceMs: 0 });
    const last = text.trimEnd().split('\n').slice(-3).join(' | ');
    throw new Error(`containerd did not start; see ${logFile}. Its last words: ${last}`);
  }

  async function supervise(signal: AbortSignal): Promise<void> {
    let delayMs = backoffMs.least;
    let since = clock.now();
    while (!signal.aborted) {
      if (pid !== undefined && (await isAlive(pid))) {
        await sleep(clock, 500, signal);
        continue;
      }
      if (clock.now() - since > backoffMs.resetAfter) delayMs = backoffMs.least;
      log.warn('containerd died; starting it again', { pid, delayMs, logFile });
      pid = undefined;
      await sleep(clock, delayMs, signal);
      delayMs = Math.min(delayMs * 2, backoffMs.most);
      try {
        pid = await startAndWait();
        log.info('containerd is back', { pid });
      } catch (error) {
        log.error('containerd did not come back', { error: String(error) });
      }
      since = clock.now();
    }
  }

  pid ??= await startAndWait();
  log.info(adopted ? 'took over the running containerd' : 'containerd started', { pid, socket });
  if (sandboxImage === pauseImageName) await ensurePauseImage({ socket, snapshotter, log, clock });

  const supervision = new AbortController();
  const supervised = supervise(supervision.signal).catch((error) => {
    if (!supervision.signal.aborted) log.error('supervision of containerd failed', { error: String(error) });
  });
  const release = async () => {
    supervision.abort();
    await supervised;
  };

  return {
    socket,
    adopted,
    sandboxImage,
    snapshotter,
    logFile,
    get pid() {
      return pid;
    },
    loadImage: (tarPath) => loadImage(tarPath, { socket, snapshotter, log, clock }),
    async stop({ containers = false } = {}) {
      if (stopping) return;
      stopping = true;
      await release();
      await stopContainerd(options, { containers });
      pid = undefined;
    },
    [Symbol.asyncDispose]: release,
  };
}

async function writeConfig(options: ContainerdOptions, home: string, socket: string, configFile: string) {
  const binary = findProgram('containerd');
  const runtimeBinary = findProgram('runc') ?? findProgram('crun');
  const plugins = options.cniBinDir ?? cniBinDir();
  if (!binary || !runtimeBinary || !plugins) {
    throw new Error(
      'containerd, runc or the CNI plugins are missing: install containerd, runc and containernetworking-plugins.',
    );
  }
  const snapshotter = options.snapshotter ?? ((await overlayWorks(home)) ? 'overlayfs' : 'native');
  const registryDir = join(home, 'registries');
  await mkdir(registryDir, { recursive: true });
  for (const [host, registry] of Object.entries(options.registries ?? {})) {
    await mkdir(join(registryDir, host), { recursive: true });
    await writeFile(join(registryDir, host, 'hosts.toml'), registryHosts(host, registry));
  }
  const text = containerdConfig({
    root: join(home, 'root'),
    state: containerdPlaces(options).state,
    socket,
    snapshotter,
    sandboxImage: options.sandboxImage ?? pauseImageName,
    cniConfDir: options.cniConfDir,
    cniBinDir: plugins,
    registryDir,
    streamAddress: options.streamAddress ?? '127.0.0.1',
    restrictOomScore: !(await hasCapability('CAP_SYS_RESOURCE')),
    runtimeBinary,
  });
  const changed = (await readFile(configFile, 'utf8').catch(() => '')) !== text;
  if (changed) await writeFile(configFile, text);
  return { binary, changed, snapshotter };
}

/** Waits until the CRI answers. False when the time is over, or `given up` says that waiting is useless. */
async function answers(
  socket: string,
  log: Log,
  clock: Clock,
  timeoutMs: number,
  givenUp: () => Promise<boolean> = async () => false,
): Promise<boolean> {
  await using runtime = connectRuntime(socket, { log: silentLog });
  const deadline = clock.now() + timeoutMs;
  for (;;) {
    try {
      await runtime.version({}, AbortSignal.timeout(Math.min(timeoutMs, 2000)));
      return true;
    } catch (error) {
      if (clock.now() >= deadline || (await givenUp())) {
        log.debug('containerd does not answer', { error: String(error) });
        return false;
      }
    }
    await sleep(clock, 20);
  }
}

async function ensurePauseImage(options: LoadOptions): Promise<void> {
  await using runtime = connectRuntime(options.socket, { log: options.log });
  if ((await runtime.imageStatus({ image: { image: pauseImageName } })).image) return;
  await loadImageBytes(pauseImage(), options);
}

/** One older log is kept. */
async function trimLog(logFile: string): Promise<void> {
  const size = await stat(logFile).then(
    (file) => file.size,
    () => 0,
  );
  if (size > maxLogBytes) await rename(logFile, `${logFile}.1`);
}
