// Attacks an API server of its own and says how it fared: node test/fuzz/run.ts --seconds 600 --seed 7 [--attackers 3] [--watches 5000]
// [--only NAME]. Ends with 1 when something was found. The same seed draws the same attacks, though not in the same order when
// several attackers take turns.
import { type ChildProcess, fork } from 'node:child_process';
import { parseArgs } from 'node:util';
import { drawFrom } from '../../src/testing/random-objects.ts';
import { attacks } from './attacks/index.ts';
import { idleWatches } from './attacks/watches.ts';
import { type Attack, contextOf, sleep } from './context.ts';
import type { ProbeFigures } from './probe.ts';
import type { Figures, Listening, Told } from './server.ts';
import { Wire } from './wire.ts';

const { values: flags } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    attackers: { type: 'string', default: '3' },
    watches: { type: 'string', default: '5000' },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const seconds = Number(flags.seconds);
const seed = Number(flags.seed);

const problems = new Map<string, number>();
const found = (what: string): void => {
  const known = problems.get(what) ?? 0;
  problems.set(what, known + 1);
  if (!known && !flags.json && problems.size < 200) console.log(`  ! ${what}`);
};

const execArgv = ['--expose-gc', '--disable-warning=ExperimentalWarning'];
const start = (file: string): ChildProcess =>
  fork(new URL(file, import.meta.url), { execArgv, stdio: 'inherit' });
const server = start('server.ts');
const waiting: ((figures: Figures) => void)[] = [];
const listening = await new Promise<Listening>((resolve, reject) => {
  server.on('message', (told: Told) => {
    if (told.type === 'listening') resolve(told);
    else if (told.type === 'figures') waiting.shift()?.(told);
    else found(`server: ${told.what}`);
  });
  server.on('exit', (code) => reject(new Error(`the server ended with ${code}`)));
});
let ended = false;
server.on('exit', (code, signal) => {
  if (!ended) found(`server: ended with ${code ?? signal}`);
  for (const resolve of waiting.splice(0)) resolve({} as Figures);
});
const figures = (message: 'figures' | 'collect' = 'figures'): Promise<Figures> =>
  new Promise((resolve) => {
    waiting.push(resolve);
    server.send(message, (error) => error && resolve({} as Figures));
  });

const probe = start('probe.ts');
probe.send(listening);
const probed = (): Promise<ProbeFigures> =>
  new Promise((resolve) => {
    probe.once('message', (message) => resolve(message as ProbeFigures));
    probe.send('figures');
  });

const wire = new Wire(listening);
let requests = 0;
/** Stalls are those of the time in which an attack went on: with several attackers, others may be to blame. */
interface Tally {
  rounds: number;
  requests: number;
  longestMs: number;
  stallMs: number;
  busyMs: number;
}
const perAttack = new Map<string, Tally>();
const slowest: { what: string; tookMs: number }[] = [];

await sleep(Math.min(5000, seconds * 150));
const calm = await probed();
const before = await figures('collect');

// Idle watches first: they stay while the attacks go on.
const wanted = Number(flags.watches);
const watching = await idleWatches(wire, wanted);
await sleep(300);
const watched = await figures('collect');
if (watching.open < wanted) found(`only ${watching.open} of ${wanted} watches were opened`);
await probed();

const chosen = attacks.filter((attack) =>
  flags.only ? attack.name.includes(flags.only) : seconds >= 30 || !attack.long,
);
const lottery: Attack[] = chosen.flatMap((attack) =>
  Array.from({ length: attack.weight ?? 1 }, () => attack),
);
const until = performance.now() + seconds * 1000;

async function attacker(number: number): Promise<void> {
  const draw = drawFrom(seed + number * 7919);
  for (let round = 0; performance.now() < until && server.connected; round++) {
    // Each attack comes once before chance decides.
    const attack =
      round < chosen.length
        ? chosen[(round + number * 11) % chosen.length]!
        : lottery[draw.upTo(lottery.length - 1)]!;
    const own = drawFrom(draw.upTo(2 ** 31 - 1));
    const entry = perAttack.get(attack.name) ?? {
      rounds: 0,
      requests: 0,
      longestMs: 0,
      stallMs: 0,
      busyMs: 0,
    };
    perAttack.set(attack.name, entry);
    const context = contextOf(
      own,
      wire,
      listening,
      attack.name,
      found,
      (count) => {
        requests += count;
        entry.requests += count;
      },
      (what, tookMs) => slowest.push({ what: `${attack.name}: ${what}`, tookMs: Math.round(tookMs) }),
    );
    const began = performance.now();
    await attack
      .run(context)
      .catch((error) => found(`${attack.name}: the attack itself failed: ${(error as Error).stack}`));
    entry.rounds++;
    entry.longestMs = Math.max(entry.longestMs, performance.now() - began);
    const { stallMs = 0, busyMs = 0 } = await figures();
    entry.busyMs = Math.max(entry.busyMs, busyMs);
    longestBusyMs = Math.max(longestBusyMs, busyMs);
    entry.stallMs = Math.max(entry.stallMs, stallMs);
    noteStall(stallMs);
  }
}

let longestStallMs = 0;
let longestBusyMs = 0;
let longStalls = 0;
function noteStall(stallMs: number): void {
  longestStallMs = Math.max(longestStallMs, stallMs);
  if (stallMs > 500) longStalls++;
}
await Promise.all(Array.from({ length: Number(flags.attackers) }, (_, number) => attacker(number)));
const stormy = await probed();
for (const failure of stormy.failures) found(`probe: ${failure}`);
if (!stormy.read.count) found('probe: nothing was answered');
watching.close();
wire.close();
await sleep(Math.min(3000, seconds * 100));
const quiet = await probed();
const after = await figures('collect');
ended = true;
if (server.connected) server.send('stop');
probe.disconnect();

const mb = (bytes: number) => Math.round(bytes / 1e5) / 10;
const report = {
  seed,
  seconds,
  requests,
  kinds: Object.fromEntries(
    [...perAttack].map(([name, { rounds, requests: count, longestMs, stallMs, busyMs }]) => [
      name,
      {
        rounds,
        requests: count,
        longestMs: Math.round(longestMs),
        stallMs: Math.round(stallMs),
        busyMs: Math.round(busyMs),
      },
    ]),
  ),
  probe: { before: calm, during: stormy, after: quiet },
  stallMs: {
    longest: Math.round(longestStallMs),
    over500: longStalls,
    longestOfCpu: Math.round(longestBusyMs),
  },
  memoryMB: {
    before: { rss: mb(before.rssBytes), heap: mb(before.heapBytes), buffers: mb(before.externalBytes) },
    [`with ${watching.open} watches`]: {
      rss: mb(watched.rssBytes),
      heap: mb(watched.heapBytes),
      buffers: mb(watched.externalBytes),
    },
    after: { rss: mb(after.rssBytes), heap: mb(after.heapBytes), buffers: mb(after.externalBytes) },
  },
  slowest: slowest.sort((a, b) => b.tookMs - a.tookMs).slice(0, 15),
  connectionsLeft: after.connections,
  problems: [...problems].map(([what, times]) => ({ what, times })),
};
console.log(JSON.stringify(report, null, flags.json ? undefined : 2));
process.exit(problems.size ? 1 : 0);
