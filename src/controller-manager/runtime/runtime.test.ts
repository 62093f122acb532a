import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configMaps } from '../../api/core/config-map.ts';
import { pods } from '../../api/core/pod.ts';
import type { ConfigMap, Pod } from '../../api/core/v1.gen.ts';
import type { Client, Handler, Informers } from '../../client/client.ts';
import { Discovery } from '../../client/discovery.ts';
import { noEvents } from '../../client/events.ts';
import type { Clock } from '../../machinery/clock.ts';
import { silentLog } from '../../machinery/log.ts';
import type { KubeObject } from '../../machinery/meta.ts';
import { StatusError, TerminalError } from '../../machinery/status.ts';
import { Trace } from '../../machinery/trace.ts';
import { type Action, create, event, fail, remove, setStatus, times } from './actions.ts';
import { apply } from './apply.ts';
import { controller } from './controller.ts';
import { WriteBarrier } from './write-barrier.ts';

/** A clock whose timers run only when told. */
function manualClock() {
  let now = 0;
  let timers: { at: number; fn: () => void }[] = [];
  const clock: Clock = {
    now: () => now,
    after(delayMs, fn) {
      const timer = { at: now + delayMs, fn };
      timers.push(timer);
      return { cancel: () => (timers = timers.filter((t) => t !== timer)) };
    },
  };
  const advance = (ms: number) => {
    now += ms;
    for (const timer of timers.filter((t) => t.at <= now)) {
      timers = timers.filter((t) => t !== timer);
      timer.fn();
    }
  };
  return { clock, advance };
}

/** A cache that is fed by hand, one for all kinds. */
function manualInformers() {
  const objects = new Map<string, KubeObject>();
  const handlers = new Set<Handler<any>>();
  const informer = {
    get: (name: string, namespace?: string) => objects.get(namespace ? `${namespace}/${name}` : name),
    getByKey: (key: string) => objects.get(key),
    list: () => [...objects.values()],
    byIndex: () => [],
    index() {},
    on(handler: Handler<any>) {
      handlers.add(handler);
      return () => handlers.delete(handler);
    },
    synced: true,
    whenSynced: () => Promise.resolve(),
    resourceVersion: '0',
  };
  const see = (object: KubeObject) => {
    objects.set(`${object.metadata.namespace}/${object.metadata.name}`, object);
    for (const handler of handlers) handler.add?.(object);
  };
  return { informers: (() => informer) as unknown as Informers, see };
}

const owner: ConfigMap = { metadata: { name: 'o', namespace: 'ns', uid: 'o', resourceVersion: '1' } };
const pod = (name: string): Pod => ({ metadata: { name, namespace: 'ns' }, spec: { containers: [] } });
const turn = () => new Promise((resolve) => setImmediate(resolve));

function setUp(options: { failAt?: number } = {}) {
  const { clock, advance } = manualClock();
  const { informers, see } = manualInformers();
  const calls: string[] = [];
  let underWay = 0;
  let most = 0;
  const peaks: number[] = [];
  let version = 10;
  const fake = {
    async create(object: KubeObject) {
      calls.push(`create ${object.metadata.name}`);
      most = Math.max(most, ++underWay);
      await turn();
      if (--underWay === 0) {
        peaks.push(most);
        most = 0;
      }
      if (object.metadata.name === `p${options.failAt}`) throw new StatusError(500, 'InternalError', 'no');
      return {
        ...object,
        metadata: { ...object.metadata, uid: object.metadata.name, resourceVersion: String(++version) },
      };
    },
    async updateStatus(object: KubeObject) {
      calls.push('status');
      return object;
    },
    async delete(name: string) {
      calls.push(`delete ${name}`);
      throw new StatusError(404, 'NotFound', 'gone');
    },
  };
  const barrier = new WriteBarrier(informers, clock);
  barrier.watch(pods);
  const trace = new Trace();
  const client = (() => fake) as unknown as Client;
  const context = { client, clock, trace, events: noEvents, barrier, kind: configMaps, object: owner };
  return { context, calls, peaks, see, advance, informers, clock, client, trace, barrier };
}

const creates = (n: number): Action[] => times(n, (i) => create(pods, pod(`p${i}`)));

test('creates go in batches of one, two, four', async () => {
  const { context, calls, peaks } = setUp();
  const { errors } = await apply(creates(7), context);
  assert.deepEqual([calls.length, peaks, errors], [7, [1, 2, 4], []]);
});

test('after a failure the rest is left, but the status is still written', async () => {
  const { context, calls } = setUp({ failAt: 1 });
  const status = setStatus(pods, pod('s'), ({ created, errors }) => ({
    message: `${created} ${errors.length}`,
  }));
  const { errors } = await apply([...creates(7), remove(pods, pod('x')), status], context);
  assert.deepEqual(calls, ['create p0', 'create p1', 'create p2', 'status']);
  assert.equal(errors.length, 1);
});

test('what is gone already counts as removed; a failure may be asked for', async () => {
  const { context, calls } = setUp();
  const { errors } = await apply(
    [remove(pods, pod('x')), event('Normal', 'R', 'm'), fail(new Error('later'))],
    context,
  );
  assert.deepEqual([calls, errors.map((e) => e.message)], [['delete x'], ['later']]);
});

test('a key is held until the cache has seen what was written', async () => {
  const { context, see, advance } = setUp();
  const { holds } = await apply(creates(1), context);
  let released = false;
  void Promise.all(holds).then(() => (released = true));
  await turn();
  assert.equal(released, false);
  see({ metadata: { name: 'p0', namespace: 'ns', uid: 'p0', resourceVersion: '11' } });
  await turn();
  assert.equal(released, true);
  // Not for ever: an event may never come.
  const again = await apply([create(pods, pod('q'))], context);
  const done = Promise.all(again.holds);
  advance(5_000);
  await done;
});

test('failures are retried with back-off, terminal ones are not', async () => {
  const { informers, see, clock, advance, client, trace, barrier } = setUp();
  let runs = 0;
  let error: Error = new Error('again');
  const rules = controller<ConfigMap, undefined>({
    name: 'test',
    for: configMaps,
    observe: () => undefined,
    reconcile() {
      runs++;
      throw error;
    },
  });
  const config = { kinds: [], discover: async () => new Discovery([]) };
  const recorder = () => noEvents;
  const environment = {
    client,
    informers,
    clock,
    random: () => 0,
    log: silentLog,
    trace,
    barrier,
    config,
    recorder,
  };
  const running = await rules.start(environment);
  await turn();
  see(owner);
  await turn();
  assert.equal(runs, 1);
  advance(5);
  await turn();
  assert.equal(runs, 2);
  error = new TerminalError('never');
  advance(10);
  await turn();
  assert.equal(runs, 3);
  advance(1_000_000);
  await turn();
  assert.equal(runs, 3);
  await running[Symbol.asyncDispose]();
});
