// The suite of stores against Wherry's own etcd server, and against etcd itself (Debian's etcd-server).

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { silentLog } from '../../machinery/log.ts';
import { prefixEnd, StoreUnavailableError } from '../../machinery/store.ts';
import { checkHistories } from '../histories.ts';
import { memoryStore } from '../memory.ts';
import { put, storeCases, watching } from '../suite.ts';
import { startEtcd } from './etcd-process.ts';
import { remoteStore } from './grpc-client.ts';
import { type EtcdServer, startEtcdServer } from './grpc-server.ts';

const clock = {
  now: () => performance.now(),
  after: (ms: number, fn: () => void) => {
    const timer = setTimeout(fn, ms);
    return { cancel: () => clearTimeout(timer) };
  },
};

function suite(endpoint: () => string): void {
  for (const [i, one] of storeCases.entries()) {
    test(one.name, async () => {
      const store = await remoteStore({ endpoints: [endpoint()] });
      try {
        await one.run(store, `/registry/case-${i}/`);
      } finally {
        await store.close();
      }
    });
  }
  test('random histories are those of the model', async () => {
    const store = await remoteStore({ endpoints: [endpoint()] });
    try {
      await checkHistories(store, 15);
    } finally {
      await store.close();
    }
  });
}

describe("against Wherry's own server", () => {
  const store = memoryStore();
  let server: EtcdServer;
  const serve = async (url: string) =>
    (server = await startEtcdServer({ store, urls: [url], clock, random: Math.random, log: silentLog }));
  before(() => serve('http://127.0.0.1:0'));
  after(async () => {
    await server.close();
    await store.close();
  });
  suite(() => server.urls[0]!);

  test('a server that goes and comes back: what was asked meanwhile is done, watches go on where they were, nothing twice', async () => {
    const endpoint = server.urls[0]!;
    const remote = await remoteStore({ endpoints: ['http://127.0.0.1:1', endpoint] });
    try {
      const watch = watching(remote, '/registry/back/', prefixEnd('/registry/back/'));
      await remote.txn([], [put('/registry/back/1', '1')]);
      await server.close();
      const waiting = remote.txn([], [put('/registry/back/3', '3')]);
      await store.txn([], [put('/registry/back/2', '2')]);
      await serve(endpoint);
      assert.ok((await waiting).succeeded);
      await watch.until(() => watch.events.length === 3);
      assert.deepEqual(
        watch.events.map((e) => e.kv.key),
        ['/registry/back/1', '/registry/back/2', '/registry/back/3'],
      );
    } finally {
      await remote.close();
    }
  });

  test('a server that does not come back: nothing was written, and it says so', async () => {
    const lost = await startEtcdServer({
      store,
      urls: ['http://127.0.0.1:0'],
      clock,
      random: Math.random,
      log: silentLog,
    });
    const remote = await remoteStore({ endpoints: lost.urls, patienceMs: 300 });
    try {
      await lost.close();
      await assert.rejects(remote.catchUp!(), StoreUnavailableError);
      await assert.rejects(remote.txn([], [put('/registry/lost', '1')]), StoreUnavailableError);
      await assert.rejects(remote.range({ key: '/registry/lost' }), StoreUnavailableError);
    } finally {
      await remote.close();
    }
  });

  test('no endpoint that answers', () =>
    assert.rejects(remoteStore({ endpoints: ['http://127.0.0.1:1'] }), /etcd at http:\/\/127\.0\.0\.1:1: /));
});

describe('against etcd', () => {
  let etcd: Awaited<ReturnType<typeof startEtcd>>;
  before(async () => {
    etcd = await startEtcd();
  });
  after(() => etcd.stop());
  suite(() => etcd.endpoint);
});
