import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';

/** The interface that the default route leads through, where the system tells. */
function defaultInterface(): string | undefined {
  try {
    const rows = readFileSync('/proc/net/route', 'utf8').split('\n').slice(1);
    return rows.map((row) => row.split('\t')).find(([, target]) => target === '00000000')?.[0];
  } catch {
    return undefined; // not Linux
  }
}

/** An address of this machine by which others may reach it; undefined when it has only loopback. */
export function hostAddress(): string | undefined {
  const all = Object.entries(networkInterfaces())
    .flatMap(([name, addresses]) => (addresses ?? []).map((address) => ({ name, ...address })))
    .filter(({ internal, address }) => !internal && !/^(fe80|169\.254\.)/i.test(address));
  const first = defaultInterface();
  const v4 = all.filter(({ family }) => family === 'IPv4');
  return (v4.find(({ name }) => name === first) ?? v4[0] ?? all[0])?.address;
}

const isLocal = (address: string): boolean => /^(127\.|::1$|0\.0\.0\.0$|::$)/.test(address);

/** What is told to others: as asked, or where it listens, or an address of this machine. */
export const advertised = (asked: string | undefined, listening: readonly string[]): string | undefined =>
  asked ?? listening.find((address) => !isLocal(address)) ?? hostAddress();
