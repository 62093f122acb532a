// Pod addresses of a simulated node: the same order as the host-local plugin, next free after the last one given, so
// that an address is not used again at once.

const toNumber = (address: string): number =>
  address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
const toText = (number: number): string =>
  [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.');

export interface AddressPool {
  /** An address that nobody has; undefined when all are taken. */
  take(): string | undefined;
  release(address: string): void;
}

/** Addresses of an IPv4 range like '10.244.0.0/24', without the network's, the gateway's (first) and the broadcast's. */
export function addressPool(cidr: string): AddressPool {
  const [base = '', bits = '32'] = cidr.split('/');
  const size = 2 ** (32 - Number(bits));
  const first = Math.floor(toNumber(base) / size) * size + 2;
  const count = size - 3;
  const taken = new Set<number>();
  let last = -1;
  return {
    take() {
      for (let step = 1; step <= count; step++) {
        const index = (last + step) % count;
        if (taken.has(index)) continue;
        taken.add(index);
        last = index;
        return toText(first + index);
      }
      return undefined;
    },
    release(address) {
      taken.delete(toNumber(address) - first);
    },
  };
}
