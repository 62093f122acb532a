import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SnapshotReader } from '../../etcd/snapshot.ts';
import { rangesFor } from '../config.ts';

type Ranges = ReturnType<typeof rangesFor>;

const fileIn = (dataDir: string): string => join(dataDir, 'ranges.json');

/** The address ranges of a cluster: those of its name, unless its state came from another one and is full of that one's. */
export function rangesOf({ name, dataDir }: { name: string; dataDir: string }): Ranges {
  const own = rangesFor(name);
  const file = fileIn(dataDir);
  return existsSync(file) ? { ...own, ...(JSON.parse(readFileSync(file, 'utf8')) as Partial<Ranges>) } : own;
}

/** Notes the ranges that a restored state was made with, as far as it shows them. */
export function keepRanges(reader: SnapshotReader, dataDir: string): void {
  const found: Partial<Ranges> = {};
  for (const { change } of reader.changes()) {
    const service = change.key === '/registry/servicecidrs/kubernetes';
    if ((!service && !change.key.startsWith('/registry/minions/')) || change.value[0] !== 0x7b) continue;
    const { spec = {} } = JSON.parse(new TextDecoder().decode(change.value));
    if (service && spec.cidrs?.[0]) found.serviceCIDR = spec.cidrs[0];
    // A node has a /24 of the cluster's /16.
    if (!service && spec.podCIDR) found.podCIDR = spec.podCIDR.replace(/\.\d+\.\d+\/24$/, '.0.0/16');
  }
  writeFileSync(fileIn(dataDir), `${JSON.stringify(found)}\n`, { mode: 0o600 });
}
