// node test/linearizability/run.ts --seeds 1000 --from 1 [--jobs 2] [--through embedded|grpc] [--torn N|all] [--dir DIR]
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Violation } from './checker.ts';
import { type Outcome, runSeed } from './seed.ts';

const { values: flags } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    jobs: { type: 'string', default: '1' },
    through: { type: 'string', default: 'embedded' },
    torn: { type: 'string', default: '8' },
    dir: { type: 'string', default: existsSync('/dev/shm') ? '/dev/shm' : tmpdir() },
    json: { type: 'boolean' },
  },
});
const [seeds, from, jobs] = [flags.seeds, flags.from, flags.jobs].map(Number) as [number, number, number];
type Totals = Record<keyof Outcome | 'histories' | 'violations', number>;
const totals = { histories: 0, violations: 0 } as Totals;
const add = (more: Partial<Totals>): void => {
  for (const [name, n] of Object.entries(more))
    totals[name as keyof Totals] = (totals[name as keyof Totals] ?? 0) + n;
};
const began = performance.now();

async function here(): Promise<void> {
  const root = mkdtempSync(join(flags.dir, 'wherry-linearizability-'));
  try {
    for (let seed = from; seed < from + seeds; seed++) {
      try {
        const outcome = await runSeed(seed, {
          ...{ root, through: flags.through === 'grpc' ? 'grpc' : 'embedded' },
          torn: flags.torn === 'all' ? Infinity : Number(flags.torn),
          smallDisks: process.getuid?.() === 0,
        });
        add({ histories: 1, ...outcome });
      } catch (error) {
        add({ histories: 1, violations: 1 });
        const told = error instanceof Violation ? error.message : (error as Error).stack;
        process.stderr.write(`seed ${seed}: ${told?.slice(0, 1500)}\n`);
      }
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** The same in several processes, a part of the seeds each. */
async function beside(): Promise<void> {
  const size = Math.ceil(seeds / jobs);
  await Promise.all(
    Array.from({ length: jobs }, (_, i) => {
      const mine = Math.min(size, seeds - i * size);
      const more = ['--seeds', String(mine), '--from', String(from + i * size), '--jobs', '1', '--json'];
      const same = ['--through', flags.through, '--torn', flags.torn, '--dir', flags.dir];
      const args = ['--disable-warning=ExperimentalWarning', import.meta.filename, ...more, ...same];
      const running = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      let said = '';
      running.stdout.on('data', (text) => (said += text));
      return new Promise<void>((resolve) =>
        running.on('close', () => {
          add(JSON.parse(said) as Totals);
          resolve();
        }),
      );
    }),
  );
}

await (jobs > 1 ? beside() : here());
if (flags.json) process.stdout.write(JSON.stringify(totals));
else {
  const t = totals;
  process.stdout.write(
    `${t.histories} histories (seeds ${from} to ${from + seeds - 1}), ${t.calls} calls, ${t.revisions} revisions, ${t.watches} watches, ` +
      `${t.compactions} compactions, ${t.refusals} refusals; ${t.lives} lives, ${t.kills} killed, ${t.failing} with failing writes; ` +
      `${t.torn} damages (${t.tornRefused} refused, the others opened whole); ${t.judged} keys judged by search, ${t.undecided} undecided; ` +
      `${Math.round((performance.now() - began) / 1000)} s: ${t.violations} violation${t.violations === 1 ? '' : 's'}\n`,
  );
}
process.exit(totals.violations ? 1 : 0);
