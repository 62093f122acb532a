import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Leases } from '../../src/etcd/leases.ts';
import { memoryStore } from '../../src/etcd/memory.ts';
import { embeddedStore } from '../../src/etcd/node/embedded.ts';
import { silentLog } from '../../src/machinery/log.ts';
import { check, Violation } from './checker.ts';
import { type Event, randomOf } from './history.ts';
import { judge, perKey } from './lowe.ts';
import { type Mutant, mutants } from './mutants.ts';
import { runSeed, type SeedOptions } from './seed.ts';
import { work } from './workload.ts';

const root = mkdtempSync(join(tmpdir(), 'wherry-linearizability-'));
after(() => rmSync(root, { recursive: true }));

const clock = {
  now: () => performance.now() * 66,
  after: (ms: number, fn: () => void) => {
    const timer = setTimeout(fn, ms / 66);
    return { cancel: () => clearTimeout(timer) };
  },
};

/** A history of a store in memory, as it is or broken. */
async function historyOf(seed: number, mutant?: Mutant): Promise<Event[]> {
  const random = randomOf(seed);
  const memory = memoryStore();
  const store = mutant ? mutant(memory, random) : memory;
  const leases = new Leases(memory, { clock, random, log: silentLog });
  const events: Event[] = [{ is: 'open', revision: 1, compacted: 0, leases: [] }];
  const plan = { clients: 5, calls: 30, first: 1, observeFrom: 2, resume: [], leases: [], remote: false };
  await work(store, leases, random, plan, (event) => void events.push(event));
  leases.close();
  await memory.close();
  return events;
}

const isLinearizable = (events: Event[]): boolean =>
  [...perKey(events).values()].every((operations) => judge(operations) !== 'not linearizable');

test('histories of a good store are explained, by both judges', async () => {
  for (let seed = 1; seed <= 30; seed++) {
    const events = await historyOf(seed);
    const { calls, revisions } = check(events);
    assert.ok(calls === 150 && revisions > 30);
    assert.ok(isLinearizable(events));
  }
});

for (const [name, mutant] of Object.entries(mutants)) {
  test(`caught: ${name}`, async () => {
    for (let seed = 1; seed <= 40; seed++) {
      try {
        check(await historyOf(seed, mutant));
      } catch (error) {
        if (error instanceof Violation) return;
        throw error;
      }
    }
    assert.fail('forty histories of a broken store pass');
  });
}

test('the search alone finds stale reads and compares that are not looked at', async () => {
  for (const name of ['a stale read, given as new', 'a compare that is not looked at']) {
    let found = false;
    for (let seed = 1; seed <= 40 && !found; seed++) {
      const events = await historyOf(seed, mutants[name]);
      found = !isLinearizable(events);
    }
    assert.ok(found, name);
  }
});

test('caught: an acknowledged write that a restart does not find', async () => {
  const dir = join(root, 'lost');
  const events: Event[] = [];
  const record = (event: Event) => void events.push(event);
  const live = async (first: number, observeFrom: number) => {
    const store = embeddedStore(dir);
    record({ is: 'open', revision: store.revision, compacted: store.compactRevision, leases: [] });
    const plan = { clients: 3, calls: 20, first, observeFrom, resume: [], leases: [], remote: false };
    await work(store, undefined, randomOf(first), plan, record);
    await store.close();
    return store.revision;
  };
  const revision = await live(1, 2);
  // Without its witness, the log's end counts as a write that was cut off.
  rmSync(join(dir, 'witness'));
  const log = join(dir, '00000001.log');
  truncateSync(log, readFileSync(log).length - 1);
  await live(1_000_000, revision);
  assert.throws(() => check(events), /was acknowledged or shown|was told of|already|order/);
});

const options: SeedOptions = { root, through: 'embedded', torn: 4, smallDisks: true };

/** Two at a time. */
async function runSeeds(from: number, to: number, more: Partial<SeedOptions> = {}): Promise<void> {
  let seed = from;
  const worker = async () => {
    while (seed <= to) await runSeed(seed++, { ...options, ...more });
  };
  await Promise.all([worker(), worker()]);
}

test('killed, full, broken and damaged: what is acknowledged is there, in one order', () =>
  runSeeds(5001, 5012));

test('the same through the gRPC server and its client', () =>
  runSeeds(6001, 6003, { through: 'grpc', torn: 0 }));
