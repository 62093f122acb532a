import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { embeddedStore } from '../../src/etcd/node/embedded.ts';
import { type Checked, check, Violation } from './checker.ts';
import type { Life } from './child.ts';
import { type Event, observer, randomOf } from './history.ts';
import { judge, perKey } from './lowe.ts';
import { tear } from './torn.ts';
import { type Plan, work } from './workload.ts';

export interface Outcome extends Checked {
  lives: number;
  kills: number;
  /** Lives in which writes were made to fail, on purpose or by a disk that is full. */
  failing: number;
  torn: number;
  tornRefused: number;
  /** Keys whose history the second judge has found an order for, and those that were too much for it. */
  judged: number;
  undecided: number;
}

export interface SeedOptions {
  /** Where directories are made; tmpfs is fast. */
  root: string;
  through: 'embedded' | 'grpc';
  /** Damages for each life; Infinity: at every byte of the end of the log. */
  torn: number;
  /** Disks of a few hundred kilobytes, made with mount(8). */
  smallDisks: boolean;
}

const child = new URL('./child.ts', import.meta.url).pathname;

/** One history: some lives of a store, one after the other, and all that was seen of it. Throws a Violation. */
export async function runSeed(seed: number, options: SeedOptions): Promise<Outcome> {
  const random = randomOf(seed);
  const upTo = (n: number): number => Math.floor(random() * n);
  const base = join(options.root, `seed-${seed}`);
  rmSync(base, { recursive: true, force: true });
  mkdirSync(base, { recursive: true });
  const small = options.smallDisks && seed % 10 === 0;
  if (small) execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=160k', 'tmpfs', base]);
  const history = `${base}.history`;
  try {
    return await lives(seed, random, upTo, join(base, 'store'), history, small, options);
  } finally {
    if (small) execFileSync('umount', ['-l', base]);
    rmSync(base, { recursive: true, force: true });
    rmSync(history, { force: true });
  }
}

async function lives(
  seed: number,
  random: () => number,
  upTo: (n: number) => number,
  dir: string,
  history: string,
  small: boolean,
  { through, torn }: SeedOptions,
): Promise<Outcome> {
  const events: Event[] = [];
  const outcome = { lives: 0, kills: 0, failing: 0, torn: 0, tornRefused: 0, judged: 0, undecided: 0 };
  const segmentBytes = 2048 << upTo(6);
  const readyBytes = [0, 512, 4096, 65536][upTo(4)]!;
  const planOf = (clients: number, calls: number): Plan => ({
    ...{ clients, calls, first: 1 + (outcome.lives + 1) * 1_000_000 },
    ...resumption(events),
    remote: through === 'grpc',
  });
  for (let n = 1 + upTo(4); n > 0; n--) {
    const clients = 1 + upTo(8);
    const calls = Math.floor((20 + upTo(200)) / clients) + 1;
    const dies = random() < 0.85;
    const failing = random();
    const life: Life = {
      ...{ dir, history, segmentBytes, readyBytes, through },
      seed: seed * 16 + n,
      plan: planOf(clients, calls),
      killAfter: dies ? 2 + upTo(clients * calls * 3) : 0,
      spinUs: upTo(3) ? upTo(400) : upTo(3000),
      fullPercent: failing < 0.2 ? 5 + upTo(20) : 0,
      // A remote store asks a server that has stopped again and again, for many seconds.
      brokenPercent: failing > 0.85 && through === 'embedded' ? 1 : 0,
    };
    const { killed, problem } = await live(life);
    outcome.lives++;
    if (killed) outcome.kills++;
    if (life.fullPercent || life.brokenPercent || small) outcome.failing++;
    const found = existsSync(history) ? readFileSync(history, 'utf8') : '';
    for (const line of found.slice(0, found.lastIndexOf('\n') + 1).split('\n'))
      if (line) events.push(JSON.parse(line) as Event);
    // A store on a disk that is full from the beginning may not open; nothing is lost by that.
    if (problem && !(small && /ENOSPC|is full/.test(problem)))
      throw new Violation(`life ${outcome.lives} ended by itself: ${problem}`);
    rmSync(history, { force: true });
    if (torn && !small && existsSync(join(dir, 'witness'))) {
      const counts = await tear(dir, random, torn);
      outcome.torn += counts.torn;
      outcome.tornRefused += counts.refused;
    }
  }
  // At last, what is left, by somebody who changes nothing.
  const store = embeddedStore(dir, { segmentBytes });
  const { revision, compactRevision: compacted } = store;
  events.push({ is: 'open', revision, compacted, leases: store.initialLeases.map(({ id }) => id) });
  await work(
    store,
    undefined,
    random,
    { ...planOf(0, 0), remote: false },
    (event) => void events.push(event),
  );
  await store.close();
  const checked = check(events);
  for (const [key, operations] of perKey(events)) {
    const verdict = judge(operations);
    if (verdict === 'not linearizable') throw new Violation(`no order explains what was seen of ${key}`);
    if (verdict === 'undecided') outcome.undecided++;
    else outcome.judged++;
  }
  return { ...outcome, ...checked };
}

/** Where the watches of the last life go on, and what leases there may be. */
function resumption(events: Event[]): Pick<Plan, 'observeFrom' | 'resume' | 'leases'> {
  let observeFrom = 2;
  let watches = new Map<number, { key: string; end: string; next: number }>();
  const leases = new Set<number>();
  for (const event of events) {
    if (event.is === 'open') watches = new Map();
    else if (event.is === 'watch' && event.watch !== observer)
      watches.set(event.watch, { key: event.key, end: event.end, next: event.next });
    else if (event.is === 'unwatch' || event.is === 'ended') watches.delete(event.watch);
    else if (event.is === 'changes') {
      const next = event.changes.at(-1)!.kv.mod + 1;
      const watch = watches.get(event.watch);
      if (event.watch === observer) observeFrom = next;
      else if (watch) watch.next = next;
    } else if (event.is === 'call' && event.call.call === 'grant') leases.add(event.call.lease);
  }
  return { observeFrom, resume: [...watches.values()].slice(0, 3), leases: [...leases] };
}

/** A process that was neither killed nor ended well has a problem. */
function live(life: Life): Promise<{ killed: boolean; problem?: string }> {
  return new Promise((resolve) => {
    const args = ['--disable-warning=ExperimentalWarning', child, JSON.stringify(life)];
    const running = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'pipe'] });
    let said = '';
    running.stderr.setEncoding('utf8');
    running.stderr.on('data', (text: string) => {
      said += text;
    });
    running.on('close', (code, signal) => {
      const killed = signal === 'SIGKILL';
      resolve({ killed, ...(killed || code === 0 ? {} : { problem: `${signal ?? code} ${said.trim()}` }) });
    });
  });
}
