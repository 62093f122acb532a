import { createReadStream, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Exchange } from '../../apiserver/http/exchange.ts';
import { MvccStore } from '../../etcd/mvcc.ts';
import { saveSnapshot } from '../../etcd/node/snapshot-file.ts';
import { badRequest } from '../../machinery/status.ts';
import type { Cluster } from '../start.ts';

/** Answers with a snapshot of the running cluster's store; `x-wherry-bytes` says how long it is. */
export async function sendSnapshot({ store, config }: Cluster, exchange: Exchange): Promise<void> {
  if (!(store instanceof MvccStore))
    throw badRequest(
      `this cluster keeps its state in etcd: use "wherry snapshot save FILE --store ${config.store}"`,
    );
  const dir = mkdtempSync(join(config.dataDir, 'snapshot-'));
  try {
    const file = join(dir, 'snapshot');
    const { bytes } = await saveSnapshot(store, file);
    const response = exchange.stream(200, {
      'content-type': 'application/octet-stream',
      'x-wherry-bytes': String(bytes),
    });
    for await (const part of createReadStream(file, { highWaterMark: 256 * 1024 })) {
      if (exchange.signal.aborted) return;
      response.write(new Uint8Array(part as Buffer));
      if (response.pendingBytes > 1 << 20) await response.drained();
    }
    response.end();
  } finally {
    rmSync(dir, { recursive: true });
  }
}
