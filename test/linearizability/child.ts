// One life of a store: opens it, lets clients work on it, and is killed, or closes it. Arguments: a JSON of `Life`.
import { openSync, rmSync, write, writeSync } from 'node:fs';
import { Leases } from '../../src/etcd/leases.ts';
import { embeddedStore } from '../../src/etcd/node/embedded.ts';
import { remoteStore } from '../../src/etcd/node/grpc-client.ts';
import { startEtcdServer } from '../../src/etcd/node/grpc-server.ts';
import type { LogOptions } from '../../src/etcd/node/log-backend.ts';
import { silentLog } from '../../src/machinery/log.ts';
import type { Store } from '../../src/machinery/store.ts';
import { type Event, randomOf } from './history.ts';
import { type Plan, work } from './workload.ts';

export interface Life {
  dir: string;
  /** Where the history goes, a JSON a line. */
  history: string;
  seed: number;
  plan: Plan;
  segmentBytes: number;
  readyBytes: number;
  /** After how many events it dies, and how long it keeps its thread busy before; 0: it closes the store. */
  killAfter: number;
  spinUs: number;
  /** How many of a hundred writes fail, in ways of which the store goes on, and in ways of which it cannot. */
  fullPercent: number;
  brokenPercent: number;
  through: 'embedded' | 'grpc';
}

const life = JSON.parse(process.argv[2]!) as Life;
const random = randomOf(life.seed);
const fate = randomOf(life.seed ^ 0x5eed);
const out = openSync(life.history, 'w');

let events = 0;
function record(event: Event): void {
  writeSync(out, `${JSON.stringify(event)}\n`);
  if (!life.killAfter || ++events < life.killAfter) return;
  const end = performance.now() + life.spinUs / 1000;
  while (performance.now() < end); // what other threads write meanwhile is what a crash finds
  process.kill(process.pid, 'SIGKILL');
}

const failure = (code: string): Error => Object.assign(new Error(`injected ${code}`), { code });
const faulty: NonNullable<LogOptions['write']> = (fd, bytes, at, done) => {
  const dice = fate() * 100;
  const part = Math.floor(fate() * bytes.length);
  if (dice < life.fullPercent / 2) setImmediate(() => done(failure('ENOSPC'), 0));
  else if (dice < life.fullPercent) write(fd, bytes, 0, part, at, () => done(failure('ENOSPC'), 0));
  else if (dice < life.fullPercent + 3 && part)
    write(fd, bytes, 0, part, at, done); // a short write is no failure
  else if (dice > 100 - life.brokenPercent) write(fd, bytes, 0, part, at, () => done(failure('EIO'), 0));
  else if (dice > 100 - 2 * life.brokenPercent)
    write(fd, bytes, 0, bytes.length, at, () => done(failure('EIO'), 0));
  else write(fd, bytes, 0, bytes.length, at, done);
};

/** A second of a lease is 15 ms. */
const speed = 66;
const clock = (speed: number) => ({
  now: () => performance.now() * speed,
  after: (ms: number, fn: () => void) => {
    const timer = setTimeout(fn, ms / speed);
    return { cancel: () => clearTimeout(timer) };
  },
});

// Every other life that has no faults to live with writes as on a quick disk, where the event loop waits for it.
const quick = !life.fullPercent && !life.brokenPercent && life.seed % 2 === 1;
const embedded = embeddedStore(life.dir, {
  ...{ segmentBytes: life.segmentBytes, readyBytes: life.readyBytes },
  ...(quick ? { quickMs: 1e9 } : { write: faulty }),
});
record({
  ...{ is: 'open', revision: embedded.revision, compacted: embedded.compactRevision },
  leases: embedded.initialLeases.map(({ id }) => id),
});
let store: Store = embedded;
let leases: Leases | undefined;
const platform = { random, log: silentLog };
let close = async () => leases?.close();
if (life.through === 'grpc') {
  rmSync(`${life.dir}.sock`, { force: true }); // that of a life that was killed
  const urls = [`unix://${life.dir}.sock`];
  const server = await startEtcdServer({ store: embedded, urls, clock: clock(1), ...platform });
  const remote = await remoteStore({ endpoints: urls });
  store = remote;
  close = async () => {
    await remote.close();
    await server.close();
  };
} else leases = new Leases(embedded, { clock: clock(speed), ...platform });

await work(store, leases, random, life.plan, record);
await close();
await embedded.close();
