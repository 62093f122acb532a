// What the client of etcd does when members hang, answers are lost, streams fall silent and the past is forgotten. The members
// are two ways to one server of ours, through proxies that do to connections what machines and networks do to them.

import assert from 'node:assert/strict';
import { connect, createServer, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { silentLog } from '../../machinery/log.ts';
import { OutcomeUnknownError, prefixEnd, type Store } from '../../machinery/store.ts';
import { memoryStore } from '../memory.ts';
import { absent, bytes, put, watching } from '../suite.ts';
import { remoteStore } from './grpc-client.ts';
import { type EtcdServer, startEtcdServer } from './grpc-server.ts';

const clock = {
  now: () => performance.now(),
  after: (ms: number, fn: () => void) => {
    const timer = setTimeout(fn, ms);
    return { cancel: () => clearTimeout(timer) };
  },
};

interface Way {
  url: string;
  /** What the client sends waits here until `mend`. */
  hang(): void;
  /** What the server answers is lost. */
  mute(): void;
  mend(): void;
  /** All connections end. */
  cut(): void;
  close(): void;
}

async function way(target: number): Promise<Way> {
  let [hangs, mute] = [false, false];
  const held: (() => void)[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const up = connect(target, '127.0.0.1');
    for (const socket of [client, up]) {
      socket.setNoDelay(true);
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => sockets.delete(socket));
    }
    client.on('data', (chunk) => (hangs ? held.push(() => up.write(chunk)) : up.write(chunk)));
    up.on('data', (chunk) => mute || client.write(chunk));
    client.on('close', () => (hangs ? held.push(() => up.end()) : up.end()));
    up.on('close', () => client.destroy());
  });
  const port = await new Promise<number>((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)),
  );
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${port}`,
    hang: () => void (hangs = true),
    mute: () => void (mute = true),
    mend() {
      [hangs, mute] = [false, false];
      for (const send of held.splice(0)) send();
    },
    cut,
    close() {
      server.close();
      cut();
    },
  };
}

/** Both ways are used; the client is at `first` when it begins. */
async function throughTwo(
  body: (remote: Store, first: Way, second: Way) => Promise<void>,
  patienceMs = 10_000,
): Promise<void> {
  const ways = await Promise.all([way(port), way(port)]);
  ways[1]!.hang();
  const remote = await remoteStore({ endpoints: ways.map(({ url }) => url), patienceMs });
  ways[1]!.mend();
  try {
    await body(remote, ways[0]!, ways[1]!);
  } finally {
    for (const one of ways) one.mend();
    await remote.close();
    for (const one of ways) one.close();
  }
}

let server: EtcdServer;
let port = 0;
const store = memoryStore();
before(async () => {
  const options = { store, urls: ['http://127.0.0.1:0'], clock, random: Math.random, log: silentLog };
  server = await startEtcdServer(options);
  port = Number(new URL(server.urls[0]!).port);
});
after(async () => {
  await server.close();
  await store.close();
});
const textAt = async (key: string) =>
  Buffer.from((await store.range({ key })).kvs[0]?.value ?? []).toString();
/** Until the servers have worked off what arrived. */
const quiet = () => new Promise((resolve) => setTimeout(resolve, 100));
const within = async <T>(ms: number, work: Promise<T>): Promise<T> => {
  const began = performance.now();
  const result = await work;
  assert.ok(performance.now() - began < ms, `it took ${performance.now() - began} ms`);
  return result;
};

describe('a member that hangs', { concurrency: true }, () => {
  test('reads, writes and watches go on with another one within two seconds', () =>
    throughTwo(async (remote, first) => {
      const watch = watching(remote, '/registry/hang/', prefixEnd('/registry/hang/'));
      await remote.txn([], [put('/registry/hang/1', '1')]);
      first.hang();
      await within(
        2000,
        Promise.all([remote.txn([], [put('/registry/hang/2', '2')]), remote.range({ key: '/a' })]),
      );
      await store.txn([], [put('/registry/hang/3', '3')]);
      await within(
        2000,
        watch.until(() => watch.events.length === 3),
      );
    }));

  test('nobody writes or reads: what others write is seen all the same', () =>
    throughTwo(async (remote, first) => {
      const watch = watching(remote, '/registry/idle/', prefixEnd('/registry/idle/'));
      first.mute();
      await store.txn([], [put('/registry/idle/1', '1')]);
      await within(
        2500,
        watch.until(() => watch.events.length === 1),
      );
    }));

  test('a write that it did not get to is made once, though it wakes up later', () =>
    throughTwo(async (remote, first) => {
      const key = '/registry/ghost';
      const mine = { op: 'put' as const, key, value: bytes('mine') };
      first.hang();
      const { succeeded, revision } = await remote.txn([absent(key)], [mine]);
      assert.ok(succeeded);
      assert.equal((await store.range({ key })).kvs[0]!.modRevision, revision);
      // Without a fence, the first attempt would find its compare true again.
      await store.txn([], [{ op: 'delete', key }]);
      first.mend();
      await quiet();
      assert.equal(await textAt(key), '');
    }));

  test('a write that it made, and did not answer, has succeeded: with the revision that it has', () =>
    throughTwo(async (remote, first) => {
      const key = '/registry/answered';
      const { revision: before } = await remote.txn([absent(key)], [put(key, '1')]);
      first.mute();
      const waiting = remote.txn([{ key, target: 'mod', equals: before }], [put(key, '2')]);
      await quiet();
      const { kvs } = await store.range({ key });
      assert.equal(Buffer.from(kvs[0]!.value).toString(), '2');
      // Others go on from there: what we made is not to be seen in the newest state.
      await store.txn([], [put(key, '3')]);
      const made = await within(2000, waiting);
      assert.deepEqual([made.succeeded, made.revision], [true, kvs[0]!.modRevision]);
      assert.equal(await textAt(key), '3');
    }));

  test('a write that lost against another one has not succeeded', () =>
    throughTwo(async (remote, first) => {
      const key = '/registry/lost-race';
      first.hang();
      const waiting = remote.txn([absent(key)], [put(key, 'mine')]);
      await store.txn([], [put(key, 'theirs')]);
      assert.equal((await within(2000, waiting)).succeeded, false);
      assert.equal(await textAt(key), 'theirs');
    }));

  test('deletions and several keys at once', () =>
    throughTwo(async (remote, first) => {
      const [a, b] = ['/registry/both/a', '/registry/both/b'];
      await remote.txn([], [put(a, '1'), put(b, '1')]);
      first.mute();
      const waiting = remote.txn([], [{ op: 'delete', key: a }, put(b, '2')]);
      const { succeeded, responses } = await within(2000, waiting);
      assert.ok(succeeded);
      assert.deepEqual(
        [(responses[0] as { deleted: number }).deleted, await textAt(a), await textAt(b)],
        [1, '', '2'],
      );
      assert.equal((await store.range({ key: b })).kvs[0]!.version, 2, 'it was written once');
    }));

  test('other clients are not disturbed: their writes are made, too', () =>
    throughTwo(async (remote, first) => {
      const other = await remoteStore({ endpoints: server.urls });
      try {
        first.hang();
        const mine = Array.from({ length: 20 }, (_, i) =>
          remote.txn([absent(`/registry/m/${i}`)], [put(`/registry/m/${i}`, '1')]),
        );
        let writing = true;
        const theirs = (async () => {
          for (let i = 0; writing; i++)
            assert.ok(
              (await other.txn([absent(`/registry/t/${i}`)], [put(`/registry/t/${i}`, '1')])).succeeded,
            );
        })();
        for (const { succeeded } of await Promise.all(mine)) assert.ok(succeeded);
        writing = false;
        await theirs;
      } finally {
        await other.close();
      }
    }));
});

test('a connection that is cut: nothing is lost, nothing is done twice', () =>
  throughTwo(async (remote, first, second) => {
    const prefix = '/registry/cut/';
    const watch = watching(remote, prefix, prefixEnd(prefix));
    let cutting = true;
    const cuts = (async () => {
      while (cutting) {
        await new Promise((resolve) => setTimeout(resolve, 30));
        for (const one of [first, second]) one.cut();
      }
    })();
    await Promise.all(
      Array.from({ length: 8 }, async (_, i) => {
        const key = prefix + i;
        let last = 0;
        for (let n = 1; n <= 40; n++) {
          const made = await remote.txn([{ key, target: 'mod', equals: last }], [put(key, `${i} ${n}`)]);
          assert.ok(made.succeeded);
          last = made.revision;
        }
      }),
    );
    cutting = false;
    await cuts;
    const { kvs } = await store.range({ key: prefix, end: prefixEnd(prefix) });
    for (const { version } of kvs) assert.equal(version, 40);
    await watch.until(() => watch.events.length >= 320);
    const revisions = watch.events.map(({ kv }) => kv.modRevision);
    assert.equal(new Set(revisions).size, 320);
    assert.deepEqual(
      revisions,
      revisions.toSorted((a, b) => a - b),
    );
  }));

test('no member answers any more after it has been sent: nobody knows, and it says so', () =>
  throughTwo(async (remote, first, second) => {
    const key = '/registry/unknown';
    first.mute();
    second.mute();
    await assert.rejects(remote.txn([absent(key)], [put(key, '1')]), OutcomeUnknownError);
  }, 1500));

test('the past was compacted while the stream was away: watches end with that, and new ones go on', () =>
  throughTwo(async (remote, first, second) => {
    const prefix = '/registry/compacted/';
    const watch = watching(remote, prefix, prefixEnd(prefix));
    for (const one of [first, second]) {
      one.hang();
      one.cut();
    }
    for (let i = 0; i < 3; i++) await store.txn([], [put(prefix + i, '1')]);
    await store.compact(store.revision);
    for (const one of [first, second]) {
      one.mend();
      one.cut();
    }
    await assert.rejects(
      watch.until(() => false),
      /compacted/,
    );
    const again = watching(remote, prefix, prefixEnd(prefix));
    await remote.txn([], [put(`${prefix}last`, '1')]);
    assert.deepEqual(
      again.events.map(({ kv }) => kv.key),
      [`${prefix}last`],
    );
    assert.equal((await remote.range({ key: prefix, end: prefixEnd(prefix) })).count, 4);
  }));

test('another client has written: it is there after catching up', () =>
  throughTwo(async (remote) => {
    for (let i = 0; i < 50; i++) {
      const { revision } = await store.txn([], [put('/registry/theirs', String(i))]);
      await remote.catchUp!();
      assert.ok(remote.revision >= revision);
      const { kvs } = await remote.range({ key: '/registry/theirs' });
      assert.equal(Buffer.from(kvs[0]!.value).toString(), String(i));
    }
  }));
