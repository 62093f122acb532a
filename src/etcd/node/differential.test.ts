// The same requests to Wherry's etcd server and to etcd itself: the answers must be the same.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { silentLog } from '../../machinery/log.ts';
import type { etcdMethods } from '../etcd.gen.ts';
import { memoryStore } from '../memory.ts';
import type { Read, Write } from '../messages.ts';
import { bytes } from '../suite.ts';
import { EtcdConnection } from './etcd-connection.ts';
import { startEtcd } from './etcd-process.ts';
import { startEtcdServer } from './grpc-server.ts';

const clock = {
  now: () => performance.now(),
  after: (ms: number, fn: () => void) => {
    const timer = setTimeout(fn, ms);
    return { cancel: () => clearTimeout(timer) };
  },
};
let theirs: EtcdConnection;
let ours: EtcdConnection;
const undo: (() => Promise<void> | void)[] = [];

before(async () => {
  const etcd = await startEtcd();
  undo.push(() => etcd.stop());
  const store = memoryStore();
  const platform = { clock, random: Math.random, log: silentLog };
  const server = await startEtcdServer({ store, urls: ['http://127.0.0.1:0'], ...platform });
  undo.push(
    () => store.close(),
    () => server.close(),
  );
  theirs = new EtcdConnection({ endpoints: [etcd.endpoint] });
  ours = new EtcdConnection({ endpoints: server.urls });
  undo.push(
    () => ours.close(),
    () => theirs.close(),
  );
});
after(async () => {
  for (const step of undo.reverse()) await step();
});

/** Bytes as text; of headers only the revision. */
const readable = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (name, one) => {
      if (name === 'header' && one) return { revision: one.revision };
      return one instanceof Uint8Array ? Buffer.from(one).toString('latin1') : one;
    }),
  );

type Unary =
  | 'Range'
  | 'Put'
  | 'DeleteRange'
  | 'Txn'
  | 'Compact'
  | 'LeaseGrant'
  | 'LeaseRevoke'
  | 'LeaseLeases'
  | 'AuthStatus'
  | 'Authenticate'
  | 'UserList';

async function both<M extends Unary>(method: M, request: Write<(typeof etcdMethods)[M][1]>): Promise<any> {
  const answer = (connection: EtcdConnection) =>
    connection.call(method, request).then(readable, (error: Error) => ({
      refused: ((error.cause as { details?: string })?.details ?? error.message).replace(/^etcdserver: /, ''),
    }));
  const [a, b] = [await answer(theirs), await answer(ours)];
  assert.deepEqual(b, a, `${method} ${JSON.stringify(readable(request))}`);
  return b;
}

const b = bytes;
const put = (key: string, value: string) => ({ key: b(key), value: b(value) });
const one = (key: string) => ({ requestRange: { key: b(key) } });
const all = { key: b('\0'), rangeEnd: b('\0') };

test('ranges: ends, orders, filters, limits', async () => {
  for (const [key, value] of [
    ...[
      ['a', '3'],
      ['b', '1'],
      ['c', '2'],
      ['a', '0'],
      ['b/x', '9'],
      ['c', '7'],
    ],
  ] as [string, string][])
    await both('Put', put(key, value));
  await both('Put', { key: Uint8Array.of(255, 254), value: b('bytes') });
  await both('Put', { key: Uint8Array.of(0), value: b('zero') });
  for (const sortTarget of [0, 1, 2, 3, 4])
    for (const sortOrder of [0, 1, 2])
      for (const limit of [0, 2, 100]) await both('Range', { ...all, sortTarget, sortOrder, limit });
  for (const more of [
    { minModRevision: 4 },
    { maxModRevision: 4 },
    { minCreateRevision: 3, limit: 1 },
    { maxCreateRevision: 2 },
    { keysOnly: true, limit: 2 },
    { countOnly: true },
    { countOnly: true, limit: 1 },
    { revision: 3 },
    { revision: 99 },
  ])
    await both('Range', { ...all, ...more });
  await both('Range', { key: b('b'), rangeEnd: b('\0') });
  await both('Range', { key: b('b'), rangeEnd: b('a') });
  await both('Range', { key: b('b'), rangeEnd: Uint8Array.of(255) });
  await both('Range', { rangeEnd: b('x') });
  await both('Range', { key: b('none') });
});

test('puts and deletions, and what they refuse', async () => {
  await both('Put', { ...put('a', '4'), prevKv: true });
  await both('Put', { ...put('new', '4'), prevKv: true });
  await both('Put', { key: b('a'), ignoreValue: true, prevKv: true });
  await both('Put', { ...put('a', 'x'), ignoreValue: true });
  await both('Put', { key: b('none'), ignoreValue: true });
  await both('Put', { ...put('none', 'x'), ignoreLease: true });
  await both('Put', { ...put('a', '1'), lease: 5, ignoreLease: true });
  await both('Put', { ...put('a', '1'), lease: 99 });
  await both('Put', { value: b('x') });
  await both('DeleteRange', { key: b('b'), rangeEnd: b('c'), prevKv: true });
  await both('DeleteRange', { key: b('none') });
  await both('DeleteRange', { rangeEnd: b('c') });
});

test('transactions: every compare, nesting, what is refused', async () => {
  await both('Put', put('t', '5'));
  const { kvs } = await both('Range', { key: b('t') });
  const mod = kvs[0].modRevision;
  const compares: Write<'Compare'>[] = [
    ...[0, 1, 2, 3].flatMap((result) => [
      ...[mod - 1, mod, mod + 1].map((modRevision) => ({ target: 2, modRevision, result })),
      ...[0, 1, 2].map((version) => ({ target: 0, version, result })),
      ...['4', '5', '55', ''].map((value) => ({ target: 3, value: b(value), result })),
      { target: 1, createRevision: mod, result },
      { target: 4, lease: 0, result },
    ]),
  ];
  for (const compare of compares)
    for (const key of ['t', 'none'])
      await both('Txn', { compare: [{ ...compare, key: b(key) }], success: [one('t')] });
  await both('Txn', { compare: [{ ...all, target: 0, version: 0, result: 1 }], failure: [one('t')] });
  await both('Txn', { compare: [{ ...all, target: 3, value: b('5'), result: 0 }], failure: [one('t')] });
  await both('Txn', {
    success: [
      { requestPut: { ...put('u', '1'), prevKv: true } },
      { requestRange: { ...all, keysOnly: true } },
      {
        requestTxn: {
          compare: [{ key: b('u'), target: 0, version: 1, result: 0 }],
          success: [
            { requestPut: put('v', '1') },
            one('v'),
            { requestDeleteRange: { key: b('t'), prevKv: true } },
          ],
          failure: [{ requestPut: put('w', '1') }],
        },
      },
      one('t'),
    ],
  });
  await both('Txn', {});
  await both('Txn', { success: [{ requestDeleteRange: { key: b('none') } }, one('u')] });
  await both('Txn', { success: [{ requestRange: { ...all, revision: 1000 } }] });
  await both('Txn', { success: [{ requestPut: put('x', '1') }, { requestPut: put('x', '2') }] });
  await both('Txn', {
    success: [{ requestPut: put('x', '1') }, { requestDeleteRange: { key: b('w'), rangeEnd: b('z') } }],
  });
  await both('Txn', {
    success: [{ requestPut: put('x', '1') }],
    failure: [{ requestPut: put('x', '2') }],
  });
  await both('Txn', {
    success: [{ requestPut: put('x', '1') }, { requestTxn: { failure: [{ requestPut: put('x', '2') }] } }],
  });
  await both('Txn', { success: Array.from({ length: 129 }, (_, i) => ({ requestPut: put(`n${i}`, '') })) });
  await both('Txn', { success: [{ requestPut: { value: b('x') } }] });
});

test('leases', async () => {
  await both('LeaseGrant', { TTL: 100, ID: 7 });
  await both('LeaseGrant', { TTL: 100, ID: 7 });
  await both('LeaseGrant', { TTL: 9_000_000_001, ID: 8 });
  await both('Put', { ...put('l1', '1'), lease: 7 });
  await both('Put', { ...put('l2', '1'), lease: 7 });
  await both('Put', { ...put('l2', '2'), ignoreLease: true });
  await both('Range', { key: b('l'), rangeEnd: b('m') });
  await both('LeaseLeases', {});
  await both('Put', put('l1', 'free'));
  await both('LeaseRevoke', { ID: 7 });
  await both('LeaseRevoke', { ID: 7 });
  await both('Range', { key: b('l'), rangeEnd: b('m') });
});

/** Opens a watch stream, sends `requests` and gives back what comes until `enough`. */
async function watched(
  connection: EtcdConnection,
  requests: Write<'WatchRequest'>[],
  enough: (got: Read<'WatchResponse'>[]) => boolean,
): Promise<unknown[]> {
  const stream = connection.watch();
  const got: Read<'WatchResponse'>[] = [];
  stream.on('error', () => {}); // that it was cancelled
  await new Promise<void>((resolve) => {
    stream.on('data', (response: Read<'WatchResponse'>) => {
      got.push(response);
      if (enough(got)) resolve();
    });
    for (const request of requests) stream.write(request);
  });
  stream.cancel();
  return got.map((one) => readable({ ...one, header: undefined, compactRevision: 0 }) as object);
}

test('compaction, and watches of what is left', async () => {
  const before = (await both('Range', { ...all, countOnly: true })).header.revision;
  await both('Put', put('y', '1'));
  await both('Put', put('y', '2'));
  await both('DeleteRange', { key: b('y') });
  await both('Txn', { success: [{ requestPut: put('y', '3') }, { requestPut: put('z', '1') }] });
  const create = { key: b('y'), rangeEnd: b('zz'), startRevision: before + 1, watchId: 1 };
  const past = async (requests: Write<'WatchRequest'>[], events: number) => {
    const enough = (got: Read<'WatchResponse'>[]) =>
      got.flatMap((one) => one.events).length >= events || got.some((one) => one.canceled);
    const [a, o] = [await watched(theirs, requests, enough), await watched(ours, requests, enough)];
    assert.deepEqual(o, a);
  };
  await past([{ createRequest: create }], 5);
  await past([{ createRequest: { ...create, prevKv: true } }], 5);
  await past([{ createRequest: { ...create, filters: [0] } }], 1);
  await past([{ createRequest: { ...create, filters: [1], rangeEnd: b('') } }], 3);
  await past([{ createRequest: { key: b('y'), rangeEnd: b('a'), watchId: 1 } }], 1);
  await both('Compact', { revision: before + 3 });
  await both('Compact', { revision: before + 3 });
  await both('Compact', { revision: before + 1000 });
  await both('Range', { ...all, revision: before + 2 });
  await both('Range', { ...all, revision: before + 3, keysOnly: true });
  await past([{ createRequest: { ...create, startRevision: before + 2 } }], 1);
  await past([{ createRequest: { ...create, startRevision: before + 4, prevKv: true } }], 2);
});
