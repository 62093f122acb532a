import { endpoints } from '../../api/core/endpoints.ts';
import { prefixEnd, type Store } from '../../machinery/store.ts';
import { decodeStored } from '../cache/stored.ts';

/** Where a server can be reached. */
export interface ServerAddress {
  ip: string;
  /** Upstream's servers do not say it. */
  port: number | undefined;
}

interface Found extends ServerAddress {
  key: string;
  generation: number;
}

const prefix = '/registry/masterleases/';
/** A server writes its own every ten seconds. */
export const leaseSeconds = 15;

/**
 * Which API servers there are: each has a key with its address, which goes by itself when it is not written again. The
 * value is upstream's, an Endpoints; that a subset has ports is ours, and upstream does not look at them. Servers on one
 * address have a key each, `IP` and `IP:PORT`.
 */
export class MasterLeases {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async #find(): Promise<Found[]> {
    await this.#store.catchUp?.();
    const { kvs } = await this.#store.range({ key: prefix, end: prefixEnd(prefix) });
    return kvs.flatMap(({ key, value }) => {
      const { metadata, subsets } = decodeStored(endpoints, key, value) as any;
      const ip: string | undefined = subsets?.[0]?.addresses?.[0]?.ip;
      const port: number | undefined = subsets?.[0]?.ports?.[0]?.port;
      return ip ? [{ key, ip, port, generation: metadata?.generation ?? 0 }] : [];
    });
  }

  async list(): Promise<ServerAddress[]> {
    return this.#find();
  }

  /** Says that this server is there, for the next seconds. In a store of its own, nobody else is. */
  async renew(ip: string, port: number): Promise<void> {
    const { grantLease } = this.#store;
    const found = await this.#find();
    const mine = keyOf(found, ip, port);
    const known = found.find(({ key }) => key === mine);
    if (!grantLease) {
      const others = found.filter((one) => one !== known);
      if (known?.port === port && !others.length) return;
      for (const { key } of others) await this.#store.txn([], [{ op: 'delete', key }]);
    }
    const value = new TextEncoder().encode(
      JSON.stringify({
        kind: 'Endpoints',
        apiVersion: 'v1',
        metadata: { generation: (known?.generation ?? 0) + 1 },
        subsets: [{ addresses: [{ ip }], ports: [{ name: 'https', port, protocol: 'TCP' }] }],
      }),
    );
    const lease = await this.#store.grantLease?.(leaseSeconds);
    await this.#store.txn([], [{ op: 'put', key: mine, value, ...(lease ? { lease } : {}) }]);
  }

  /** Says that this server goes. */
  async remove(ip: string, port: number): Promise<void> {
    const key = keyOf(await this.#find(), ip, port);
    await this.#store.txn([], [{ op: 'delete', key }]);
  }
}

/** The address's own key, unless another server on it has that. */
function keyOf(found: Found[], ip: string, port: number): string {
  const own = `${prefix}${ip}:${port}`;
  if (found.some(({ key }) => key === own)) return own;
  const first = found.find(({ key }) => key === prefix + ip);
  return first && first.port !== undefined && first.port !== port ? own : prefix + ip;
}
