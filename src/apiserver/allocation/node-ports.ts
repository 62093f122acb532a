import type { Random } from '../../machinery/clock.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import type { Store } from '../../machinery/store.ts';
import type { Alongside } from '../context.ts';
import { AllocationLost } from '../registry/registry.ts';

export const portsKey = '/registry/ranges/servicenodeports';

export interface NodePorts {
  /** `30000-32767` */
  readonly range: string;
  has(port: number): boolean;
  /** Any free port, held until `release`; undefined when there is none. */
  any(): number | undefined;
  /** Holds this one; false where it is taken. */
  take(port: number): boolean;
  /** Holds it no longer. */
  release(port: number): void;
  /** The record of all ports in use once `taken` are and `freed` are no more. Throws AllocationLost. */
  record(taken: number[], freed: number[]): Alongside;
  /** Sets right what the record has, by what services hold. `used`: all of them, at this moment. */
  repair(used: () => Iterable<number>): Promise<void>;
  /** Follows the record. */
  start(signal: AbortSignal): Promise<void>;
}

/**
 * Node ports: which are in use stands in one record, a map of bits, which is written in the transaction that writes the
 * service: nothing leaks and nothing is given out twice, however many servers there are. It is the record that
 * kube-apiserver keeps (`RangeAllocation`).
 */
export function nodePorts(store: Store, range: string, random: Random): NodePorts {
  const [low, high] = range.split('-').map(Number) as [number, number];
  if (!(low > 0 && high >= low && high < 65_536))
    throw new Error(`${range} is not a range of ports like 30000-32767`);
  let used = new Set<number>();
  let revision = 0;
  const held = new Set<number>();
  const isTaken = (port: number) => used.has(port) || held.has(port);

  function read(value: Uint8Array | undefined, at: number): void {
    revision = at;
    used = value ? portsOf(value, low) : new Set();
  }
  function encode(ports: Set<number>): { value: Uint8Array; decoded: AnyObject } {
    const data = new Uint8Array(Math.ceil((high - low + 1) / 8));
    // The lowest port is the lowest bit of the last byte.
    for (const port of ports) {
      const bit = port - low;
      data[data.length - 1 - (bit >> 3)]! |= 1 << (bit & 7);
    }
    const object = {
      kind: 'RangeAllocation',
      apiVersion: 'v1',
      metadata: {},
      range,
      data: base64(data),
    };
    return { value: new TextEncoder().encode(JSON.stringify(object)), decoded: object as never };
  }
  function portsAfter(taken: number[], freed: number[]): Set<number> {
    const after = new Set(used);
    for (const port of freed) after.delete(port);
    for (const port of taken) after.add(port);
    return after;
  }

  return {
    range,
    has: (port) => port >= low && port <= high,
    any() {
      const size = high - low + 1;
      // The lower part is left to those who choose their port themselves (KEP-3682).
      const reserved = size < 16 ? 0 : Math.min(Math.max(16, Math.floor(size / 32)), 128);
      const upper = size - reserved;
      const start = Math.floor(random() * upper);
      for (let i = 0; i < size; i++) {
        const port = i < upper ? low + reserved + ((start + i) % upper) : low + (i - upper);
        if (!isTaken(port)) {
          held.add(port);
          return port;
        }
      }
      return undefined;
    },
    take(port) {
      if (isTaken(port)) return false;
      held.add(port);
      return true;
    },
    release: (port) => void held.delete(port),
    record(taken, freed) {
      if (taken.some((port) => used.has(port))) throw new AllocationLost(String(taken));
      return { key: portsKey, revision, ...encode(portsAfter(taken, freed)) };
    },
    async repair(inUse) {
      const should = new Set([...inUse()].filter((port) => port >= low && port <= high));
      if (revision && should.size === used.size && [...should].every((port) => used.has(port))) return;
      const { value, decoded } = encode(should);
      // Somebody else's write makes this one void: what is wrong then is seen the next time.
      await store.txn(
        [{ key: portsKey, target: 'mod', equals: revision }],
        [{ op: 'put', key: portsKey, value, decoded }],
      );
    },
    async start(signal) {
      const follow = async (): Promise<void> => {
        const { revision: now, kvs } = await store.range({ key: portsKey });
        read(kvs[0]?.value, kvs[0]?.modRevision ?? 0);
        if (signal.aborted) return;
        const stop = store.watch({
          key: portsKey,
          startRevision: now + 1,
          onEvents(events) {
            for (const { type, kv } of events)
              read(type === 'put' ? kv.value : undefined, type === 'put' ? kv.modRevision : 0);
          },
          // History that was asked for is compacted: the record as it is says all.
          onEnd: (error) => void (error && !signal.aborted && follow().catch(() => {})),
        });
        signal.addEventListener('abort', stop, { once: true });
      };
      await follow();
    },
  };
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

/** Ports whose bits are set. A record in another form is as good as none: it is made anew. */
function portsOf(value: Uint8Array, low: number): Set<number> {
  const ports = new Set<number>();
  if (value[0] !== 123) return ports;
  const { data = '' } = JSON.parse(new TextDecoder().decode(value)) as { data?: string };
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  bytes.reverse().forEach((byte, i) => {
    for (let bit = 0; bit < 8; bit++) if (byte & (1 << bit)) ports.add(low + i * 8 + bit);
  });
  return ports;
}
