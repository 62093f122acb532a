import { allKinds } from '../../api/all.ts';
import type {
  Compare,
  KeyValue,
  Op,
  RangeRequest,
  RangeResult,
  Store,
  StoreEvent,
  TxnResult,
  WatchOptions,
} from '../../machinery/store.ts';
import { prefixEnd } from '../../machinery/store.ts';
import { storePrefix } from '../scheme.ts';
import type { TransformerOf } from './configuration.ts';
import type { Transformer } from './transformers.ts';

const encoder = new TextEncoder();

/** A value that is opened when somebody wants it: most have come with what they were decoded from. */
class Sealed implements KeyValue {
  readonly key: string;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  readonly decoded?: unknown;
  readonly #stored: Uint8Array;
  readonly #open: (key: string, stored: Uint8Array) => Uint8Array;
  #value: Uint8Array | undefined;

  constructor(kv: KeyValue, open: (key: string, stored: Uint8Array) => Uint8Array) {
    this.key = kv.key;
    this.createRevision = kv.createRevision;
    this.modRevision = kv.modRevision;
    this.version = kv.version;
    this.decoded = kv.decoded;
    this.#stored = kv.value;
    this.#open = open;
  }
  get value(): Uint8Array {
    return (this.#value ??= this.#open(this.key, this.#stored));
  }
}

/** Is told of each value that was opened or sealed. `prefix` says by what; '' for what nobody could read. */
export type ObserveTransformation = (
  key: string,
  direction: 'from_storage' | 'to_storage',
  prefix: string,
  failed: boolean,
  tookMs: number,
) => void;

/**
 * A store whose values are encrypted, as an EncryptionConfiguration says, in the format of upstream's API server: of
 * configured resources only. What cannot be read is an Error that names its key, thrown to whoever asks for the value.
 */
export class EncryptedStore implements Store {
  readonly #store: Store;
  readonly #transformerOf: TransformerOf;
  /** By the beginning of keys: `/registry/secrets/`. Undefined: nothing is configured. */
  readonly #byPrefix = new Map<string, Transformer | undefined>();
  readonly #stale = new Set<string>();
  #observed: { observe: ObserveTransformation; now: () => number } | undefined;

  constructor(store: Store, transformerOf: TransformerOf) {
    this.#store = store;
    this.#transformerOf = transformerOf;
    if (store.timeOf) this.timeOf = (revision) => store.timeOf!(revision);
    if (store.revisionAt) this.revisionAt = (timeMs) => store.revisionAt!(timeMs);
    if (store.givesPastLater) this.givesPastLater = true;
    if (store.catchUp) this.catchUp = () => store.catchUp!();
    if (store.grantLease) this.grantLease = (ttlSeconds) => store.grantLease!(ttlSeconds);
    for (const kind of allKinds)
      this.#byPrefix.set(storePrefix(kind, false), transformerOf(kind.group, kind.plural));
    // Both groups of events are stored as one, which is the core group's.
    this.#byPrefix.set('/registry/events/', transformerOf('', 'events'));
  }
  /** From now on `observe` is told of every value. */
  observe(observe: ObserveTransformation, now: () => number): void {
    this.#observed = { observe, now };
  }
  timeOf?: (revision: number) => number | undefined;
  revisionAt?: (timeMs: number) => number;
  readonly givesPastLater?: boolean;
  catchUp?: () => Promise<void>;
  grantLease?: (ttlSeconds: number) => Promise<number>;

  get revision(): number {
    return this.#store.revision;
  }
  get compactRevision(): number {
    return this.#store.compactRevision;
  }

  /** `/registry/secrets/ns/name`: the resource is one part, or group and resource. */
  #transformer(key: string): Transformer | undefined {
    const first = key.indexOf('/', 10) + 1;
    const short = key.slice(0, first);
    if (this.#byPrefix.has(short)) return this.#byPrefix.get(short);
    const second = key.indexOf('/', first) + 1;
    if (!first || !second) return undefined;
    const long = key.slice(0, second);
    if (!this.#byPrefix.has(long)) {
      const group = key.slice(10, first - 1);
      // Custom resources; what else there is (addresses, ports) is no resource.
      const custom = key.startsWith('/registry/') && group.includes('.');
      this.#byPrefix.set(long, custom ? this.#transformerOf(group, key.slice(first, second - 1)) : undefined);
    }
    return this.#byPrefix.get(long);
  }

  readonly #open = (key: string, stored: Uint8Array): Uint8Array => {
    const { now, observe } = this.#observed ?? {};
    const began = now?.() ?? 0;
    try {
      const { plain, stale, prefix = '' } = this.#transformer(key)!.fromStorage(stored, encoder.encode(key));
      if (stale) this.#stale.add(key);
      observe?.(key, 'from_storage', prefix, false, now!() - began);
      return plain;
    } catch (error) {
      observe?.(key, 'from_storage', '', true, now!() - began);
      throw new Error(
        `unable to transform key "${key}": ${(error as Error).message} (the encryption configuration must have the provider and the key that it was written with)`,
        { cause: error },
      );
    }
  };

  #opened(kv: KeyValue): KeyValue {
    return kv.value.length && this.#transformer(kv.key) ? new Sealed(kv, this.#open) : kv;
  }

  #sealed(op: Op): Op {
    if (op.op !== 'put') return op;
    const transformer = this.#transformer(op.key);
    if (!transformer) return op;
    this.#stale.delete(op.key);
    const { now, observe } = this.#observed ?? {};
    const began = now?.() ?? 0;
    const value = transformer.toStorage(op.value, encoder.encode(op.key));
    observe?.(op.key, 'to_storage', transformer.prefix ?? '', false, now!() - began);
    return { ...op, value };
  }

  #range(found: RangeResult): RangeResult {
    return { ...found, kvs: found.kvs.map((kv) => this.#opened(kv)) };
  }

  /**
   * Reads every value of the configured built-in resources: a server that cannot read its secrets had better say so at its
   * start. Rejects with the first that cannot be read, and how many there are.
   */
  async check(): Promise<void> {
    const errors: Error[] = [];
    for (const [prefix, transformer] of this.#byPrefix) {
      if (!transformer) continue;
      const { kvs } = await this.#store.range({ key: prefix, end: prefixEnd(prefix) });
      for (const { key, value } of kvs) {
        try {
          this.#open(key, value);
        } catch (error) {
          errors.push(error as Error);
        }
      }
    }
    if (errors.length) throw new Error(`${errors[0]!.message}; values that cannot be read: ${errors.length}`);
  }

  /** What is stored under a key was written with a key or a provider that is no longer the first: write it anew. */
  isStale(key: string): boolean {
    return this.#stale.has(key);
  }

  async range(request: RangeRequest): Promise<RangeResult> {
    return this.#range(await this.#store.range(request));
  }

  async txn(compare: Compare[], success: Op[], failure: Op[] = []): Promise<TxnResult> {
    const sealed = (ops: Op[]) => ops.map((op) => this.#sealed(op));
    const result = await this.#store.txn(compare, sealed(success), sealed(failure));
    const responses = result.responses.map((response) => {
      if (!response) return response;
      if ('kvs' in response) return this.#range(response);
      return { ...response, previous: response.previous.map((kv) => this.#opened(kv)) };
    });
    return { ...result, responses };
  }

  watch(options: WatchOptions): () => void {
    const opened = (event: StoreEvent): StoreEvent => {
      if (!this.#transformer(event.kv.key)) return event;
      const { type, kv } = event;
      const previous = () => event.previous && this.#opened(event.previous);
      return {
        ...{ type, kv: this.#opened(kv) },
        get previous() {
          return previous();
        },
      };
    };
    return this.#store.watch({
      ...options,
      onEvents: (events, revision) => options.onEvents(events.map(opened), revision),
    });
  }

  compact(revision: number): Promise<void> {
    return this.#store.compact(revision);
  }
  stats() {
    return this.#store.stats();
  }
  close(): Promise<void> {
    return this.#store.close();
  }
}
