// The KV service of etcd, request to response, over the store's own transactions. Sources: the etcd v3 API documentation,
// "KV API", and the comments of rpc.proto.

import type { KeyValue, RangeRequest, RangeResult } from '../machinery/store.ts';
import { code, EtcdError, leaseNotFound, noKey } from './etcd-error.ts';
import { type Draft, endOf, keyOf, type Read, type Write, wireKeyValue } from './messages.ts';
import type { MvccStore, View } from './mvcc.ts';

const sortOrder = { none: 0, ascend: 1, descend: 2 };
const sortTarget = { key: 0, version: 1, create: 2, mod: 3, value: 4 };
const mostOps = 128;

export type Header = (revision: number) => Write<'ResponseHeader'>;

/** A transaction's request, and what it may rely on. */
interface Context {
  view: View;
  hasLease(id: number): boolean;
}

const compareBytes = (a: Uint8Array, b: Uint8Array): number => {
  for (let i = 0; i < a.length && i < b.length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
};

const order: Record<number, (a: KeyValue, b: KeyValue) => number> = {
  [sortTarget.version]: (a, b) => a.version - b.version,
  [sortTarget.create]: (a, b) => a.createRevision - b.createRevision,
  [sortTarget.mod]: (a, b) => a.modRevision - b.modRevision,
  [sortTarget.value]: (a, b) => compareBytes(a.value, b.value),
};

/** How a Range request is put to the store: the limit only where the store's own order is the wanted one. */
function question(r: Read<'RangeRequest'>): { request: RangeRequest; whole: boolean } {
  if (!r.key.length) throw noKey();
  const filtered = r.minModRevision || r.maxModRevision || r.minCreateRevision || r.maxCreateRevision;
  const sorted = r.sortTarget !== sortTarget.key || r.sortOrder === sortOrder.descend;
  const whole = Boolean(filtered || sorted);
  const end = endOf(r.rangeEnd);
  return {
    whole,
    request: {
      key: keyOf(r.key),
      ...(end === undefined ? {} : { end }),
      revision: r.revision,
      limit: whole ? 0 : r.limit,
      countOnly: r.countOnly,
      // An order by values needs them.
      keysOnly: r.keysOnly && r.sortTarget !== sortTarget.value,
    },
  };
}

function answer(r: Read<'RangeRequest'>, found: RangeResult, whole: boolean): Draft<'RangeResponse'> {
  let { kvs, more } = found;
  if (whole) {
    kvs = kvs.filter(
      (kv) =>
        (!r.minModRevision || kv.modRevision >= r.minModRevision) &&
        (!r.maxModRevision || kv.modRevision <= r.maxModRevision) &&
        (!r.minCreateRevision || kv.createRevision >= r.minCreateRevision) &&
        (!r.maxCreateRevision || kv.createRevision <= r.maxCreateRevision),
    );
    const by = order[r.sortTarget];
    const descend = r.sortOrder === sortOrder.descend;
    if (by) kvs = kvs.toSorted(descend ? (a, b) => by(b, a) : by);
    else if (descend) kvs = kvs.toReversed();
    more = r.limit > 0 && kvs.length > r.limit;
    if (more) kvs = kvs.slice(0, r.limit);
  }
  return { kvs: kvs.map((kv) => wireKeyValue(kv, r.keysOnly)), more, count: found.count };
}

function rangeIn({ view }: Context, r: Read<'RangeRequest'>): Draft<'RangeResponse'> {
  const { request, whole } = question(r);
  return answer(r, view.range(request), whole);
}

function putIn({ view, hasLease }: Context, r: Read<'PutRequest'>): Draft<'PutResponse'> {
  if (!r.key.length) throw noKey();
  if (r.ignoreValue && r.value.length) throw new EtcdError(code.invalidArgument, 'value is provided');
  if (r.ignoreLease && r.lease) throw new EtcdError(code.invalidArgument, 'lease is provided');
  const key = keyOf(r.key);
  const keep = r.ignoreValue || r.ignoreLease;
  const [previous] = keep || r.prevKv ? view.range({ key }).kvs : [];
  if (keep && !previous) throw new EtcdError(code.invalidArgument, 'key not found');
  const lease = r.ignoreLease ? previous!.lease : r.lease;
  if (lease && !hasLease(lease)) throw leaseNotFound();
  view.put(key, r.ignoreValue ? previous!.value : r.value, { lease });
  return r.prevKv && previous ? { prevKv: wireKeyValue(previous) } : {};
}

function deleteIn({ view }: Context, r: Read<'DeleteRangeRequest'>): Draft<'DeleteRangeResponse'> {
  if (!r.key.length) throw noKey();
  const gone = view.delete(keyOf(r.key), endOf(r.rangeEnd));
  return { deleted: gone.length, prevKvs: r.prevKv ? gone.map((kv) => wireKeyValue(kv)) : [] };
}

function holds({ view }: Context, c: Read<'Compare'>): boolean {
  if (!c.key.length) throw noKey();
  const end = endOf(c.rangeEnd);
  const { kvs } = view.range({ key: keyOf(c.key), ...(end === undefined ? {} : { end }) });
  const one = (kv: KeyValue | undefined): boolean => {
    let difference: number;
    if (c.target === 0) difference = (kv?.version ?? 0) - (c.version ?? 0);
    else if (c.target === 1) difference = (kv?.createRevision ?? 0) - (c.createRevision ?? 0);
    else if (c.target === 2) difference = (kv?.modRevision ?? 0) - (c.modRevision ?? 0);
    else if (c.target === 4) difference = (kv?.lease ?? 0) - (c.lease ?? 0);
    else if (!kv)
      return false; // no value is never equal, nor unequal
    else difference = compareBytes(kv.value, c.value ?? new Uint8Array(0));
    if (c.result === 0) return difference === 0;
    if (c.result === 1) return difference > 0;
    return c.result === 2 ? difference < 0 : difference !== 0;
  };
  return kvs.length ? kvs.every(one) : one(undefined);
}

/** Which branches are taken: of this transaction, and of those nested in the branch, in order. */
interface Path {
  succeeded: boolean;
  nested: Path[];
}

/** All compares, of nested transactions too, look at what was before the whole transaction. */
function pathOf(context: Context, r: Read<'TxnRequest'>): Path {
  const succeeded = r.compare.every((c) => holds(context, c));
  const ops = succeeded ? r.success : r.failure;
  return { succeeded, nested: ops.flatMap((op) => (op.requestTxn ? [pathOf(context, op.requestTxn)] : [])) };
}

function txnIn(
  context: Context,
  r: Read<'TxnRequest'>,
  { succeeded, nested }: Path,
  headers: Draft<'ResponseHeader'>[],
): Draft<'TxnResponse'> {
  const head = () => {
    const header: Draft<'ResponseHeader'> = {};
    headers.push(header);
    return header;
  };
  const paths = nested.values();
  const responses = (succeeded ? r.success : r.failure).map((op): Write<'ResponseOp'> => {
    if (op.requestRange) return { responseRange: { ...rangeIn(context, op.requestRange), header: head() } };
    if (op.requestPut) return { responsePut: { ...putIn(context, op.requestPut), header: head() } };
    if (op.requestDeleteRange)
      return { responseDeleteRange: { ...deleteIn(context, op.requestDeleteRange), header: head() } };
    if (op.requestTxn)
      return { responseTxn: { ...txnIn(context, op.requestTxn, paths.next().value!, headers), header: {} } };
    return {};
  });
  return { succeeded, responses };
}

interface Touched {
  puts: Set<string>;
  deletes: { key: string; end: string | undefined }[];
}

const covers = ({ key, end }: Touched['deletes'][number], put: string): boolean =>
  end === undefined ? put === key : put >= key && put < end;

/** What a branch writes. Throws when it may write a key twice. */
function touched(ops: readonly Read<'RequestOp'>[]): Touched {
  if (ops.length > mostOps) throw new EtcdError(code.invalidArgument, 'too many operations in txn request');
  const all: Touched = { puts: new Set(), deletes: [] };
  const parts = ops.map((op): Touched => {
    if (op.requestPut) return { puts: new Set([keyOf(op.requestPut.key)]), deletes: [] };
    if (op.requestDeleteRange) {
      const { key, rangeEnd } = op.requestDeleteRange;
      return { puts: new Set(), deletes: [{ key: keyOf(key), end: endOf(rangeEnd) }] };
    }
    if (!op.requestTxn) return { puts: new Set(), deletes: [] };
    const [a, b] = [touched(op.requestTxn.success), touched(op.requestTxn.failure)];
    return { puts: a.puts.union(b.puts), deletes: [...a.deletes, ...b.deletes] };
  });
  for (const part of parts) {
    const twice =
      [...part.puts].some((put) => all.puts.has(put) || all.deletes.some((one) => covers(one, put))) ||
      part.deletes.some((one) => [...all.puts].some((put) => covers(one, put)));
    if (twice) throw new EtcdError(code.invalidArgument, 'duplicate key given in txn request');
    all.puts = all.puts.union(part.puts);
    all.deletes.push(...part.deletes);
  }
  return all;
}

/** The KV service. Rejects with EtcdError, or what the store rejects with. */
export function kvService(store: MvccStore, header: Header, hasLease: (id: number) => boolean) {
  async function run<T>(decide: (context: Context) => T): Promise<T & { header: Write<'ResponseHeader'> }> {
    const { result, revision } = await store.transact((view) => decide({ view, hasLease }));
    return { ...result, header: header(revision) };
  }
  return {
    async Range(r: Read<'RangeRequest'>): Promise<Write<'RangeResponse'>> {
      const { request, whole } = question(r);
      const found = await store.range(request);
      return { ...answer(r, found, whole), header: header(found.revision) };
    },
    Put: (r: Read<'PutRequest'>): Promise<Write<'PutResponse'>> => run((context) => putIn(context, r)),
    DeleteRange: (r: Read<'DeleteRangeRequest'>): Promise<Write<'DeleteRangeResponse'>> =>
      run((context) => deleteIn(context, r)),
    async Txn(r: Read<'TxnRequest'>): Promise<Write<'TxnResponse'>> {
      if (r.compare.length > mostOps)
        throw new EtcdError(code.invalidArgument, 'too many operations in txn request');
      touched(r.success);
      touched(r.failure);
      const headers: Draft<'ResponseHeader'>[] = [];
      const response = await run((context) => txnIn(context, r, pathOf(context, r), headers));
      for (const inner of headers) inner.revision = response.header.revision;
      return response;
    },
    async Compact(r: Read<'CompactionRequest'>): Promise<Write<'CompactionResponse'>> {
      await store.compact(r.revision);
      return { header: header(store.revision) };
    },
  };
}
