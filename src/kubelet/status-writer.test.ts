import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../api/core/v1.gen.ts';
import type { Client } from '../client/client.ts';
import { systemClock } from '../cluster/node/platform.ts';
import { silentLog } from '../machinery/log.ts';
import { StatusWriter } from './status-writer.ts';

test('what is said while the writer finishes is written, too, at whatever moment', async () => {
  // Each number of turns is another place between the last look of the writer and its end.
  for (let turns = 0; turns < 12; turns++) {
    const pod: Pod = {
      metadata: { name: 'p', namespace: 'n', uid: 'u', resourceVersion: '1' },
      spec: { containers: [] },
    };
    const written: (string | undefined)[] = [];
    let version = 1;
    const patch = async (_name: string, { status }: any): Promise<Pod> => {
      written.push(status.phase);
      return { ...pod, metadata: { ...pod.metadata, resourceVersion: String(++version) }, status };
    };
    const client = (() => ({ patch })) as unknown as Client;
    const writer = new StatusWriter({ client, clock: systemClock, log: silentLog });
    writer.set(pod, { phase: 'Pending' });
    for (let i = 0; i < turns; i++) await null;
    writer.set(pod, { phase: 'Running' });
    await new Promise((resolve) => setImmediate(resolve));
    writer.stop();
    assert.equal(written.at(-1), 'Running', `after ${turns} turns: ${written}`);
  }
});
