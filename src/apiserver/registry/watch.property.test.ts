// Lists and watches together, over random histories with compaction: a client that lists, watches, and lists again when its
// history is gone misses no change, sees none twice, and ends with what the server has.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configMaps } from '../../api/core/config-map.ts';
import { namespaces } from '../../api/core/namespace.ts';
import type { ConfigMap } from '../../api/core/v1.gen.ts';
import { isStatusError } from '../../machinery/status.ts';
import { startControlPlane } from '../../testing/control-plane.ts';

const randomOf = (seed: number) => () => {
  seed = (seed * 1103515245 + 12345) & 0x7fffffff;
  return seed / 0x80000000;
};
const until = async (isSo: () => boolean): Promise<void> => {
  for (const end = Date.now() + 10_000; !isSo(); ) {
    if (Date.now() > end) throw new Error('a watcher does not catch up');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
};
const keyOf = ({ metadata }: ConfigMap) => `${metadata.namespace}/${metadata.name}`;
const versionOf = ({ metadata }: { metadata: { resourceVersion?: string } }) =>
  Number(metadata.resourceVersion);

for (const seed of [1, 2, 3, 4, 5, 6]) {
  test(`random history ${seed}`, async () => {
    const random = randomOf(seed);
    const pick = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)]!;
    await using plane = await startControlPlane();
    const { store } = plane.server.registry;
    const maps = plane.client(configMaps);
    const places = ['default', 'other'];
    await plane.client(namespaces).create({ metadata: { name: 'other' }, spec: {} });
    const ended = new AbortController();
    const followers = [{}, { labelSelector: 'on=yes' }, { namespace: 'other' }].map((options) =>
      follow(options, random() < 0.5),
    );

    function follow(options: { namespace?: string; labelSelector?: string }, slow: boolean) {
      const state = new Map<string, number>();
      const seen: number[] = [];
      const { signal } = ended;
      const run = async () => {
        while (!signal.aborted) {
          const list = await maps.list(options);
          state.clear();
          for (const item of list.items) state.set(keyOf(item), versionOf(item));
          let at = versionOf(list);
          try {
            // Each watch ends after a while, and the next one goes on where it ended.
            while (!signal.aborted) {
              const some = new AbortController();
              const both = AbortSignal.any([signal, some.signal]);
              let left = 5 + Math.floor(random() * 20);
              const watch = maps.watch({ ...options, resourceVersion: String(at), signal: both });
              for await (const events of watch) {
                for (const { type, object } of events) {
                  const revision = versionOf(object);
                  assert.ok(revision > at, `${type} ${keyOf(object)} at ${revision} after ${at}`);
                  at = revision;
                  const key = keyOf(object);
                  assert.equal(state.has(key), type !== 'ADDED', `${type} ${key}`);
                  if (type === 'DELETED') state.delete(key);
                  else state.set(key, revision);
                  seen.push(revision);
                }
                if (--left === 0) break;
              }
              some.abort();
              if (slow) await new Promise((resolve) => setTimeout(resolve, random() * 8));
            }
          } catch (error) {
            if (signal.aborted) return;
            // Gone: what was missed is in the next list.
            if (!isStatusError(error) || error.code !== 410) throw error;
          }
        }
      };
      const done = run().catch((error) => (signal.aborted ? undefined : error));
      return { options, state, seen, done };
    }

    const there = new Set<string>();
    for (let i = 0; i < 250; i++) {
      const [namespace, name] = [pick(places), `m${Math.floor(random() * 12)}`];
      const key = `${namespace}/${name}`;
      const labels = random() < 0.5 ? { on: 'yes' } : { on: 'no' };
      const body = { metadata: { name, namespace, labels }, data: { i: String(i) } };
      if (!there.has(key)) {
        await maps.create(body);
        there.add(key);
      } else if (random() < 0.3) {
        await maps.delete(name, { namespace });
        there.delete(key);
      } else
        await maps.patch(
          name,
          { metadata: { labels }, data: { i: String(i) } },
          { namespace, type: 'merge' },
        );
      if (random() < 0.05) await store.compact(store.revision);
      if (random() < 0.03) {
        await maps.deleteCollection({ namespace });
        for (const other of [...there]) if (other.startsWith(`${namespace}/`)) there.delete(other);
      }
      if (random() < 0.2) await new Promise((resolve) => setTimeout(resolve, random() * 4));
    }

    for (const { options, state } of followers) {
      const { items } = await maps.list(options);
      const wanted = new Map(items.map((item) => [keyOf(item), versionOf(item)]));
      await until(
        () => state.size === wanted.size && [...wanted].every(([key, at]) => state.get(key) === at),
      );
    }
    ended.abort();
    for (const { done, seen } of followers) {
      assert.equal(await done, undefined);
      assert.equal(new Set(seen).size, seen.length, 'a change was seen twice');
    }
  });
}
