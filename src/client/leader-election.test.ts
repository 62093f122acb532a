import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leases } from '../api/coordination/lease.ts';
import { systemClock, systemRandom } from '../cluster/node/platform.ts';
import { silentLog } from '../machinery/log.ts';
import { startControlPlane } from '../testing/control-plane.ts';
import { electLeader } from './leader-election.ts';

test('one leads at a time; when it ends, another takes over at once', async () => {
  await using plane = await startControlPlane();
  const { client } = plane;
  const leading: string[] = [];
  let most = 0;
  const stand = (identity: string) => {
    const ended = new AbortController();
    const done = electLeader(
      {
        client,
        clock: systemClock,
        random: systemRandom,
        log: silentLog,
        namespace: 'kube-system',
        name: 'test',
        identity,
        leaseDurationMs: 2_000,
        renewDeadlineMs: 1_000,
        retryPeriodMs: 20,
        async lead(signal) {
          leading.push(identity);
          most = Math.max(most, leading.length);
          await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
          leading.splice(leading.indexOf(identity), 1);
        },
      },
      ended.signal,
    );
    return { done, stop: () => ended.abort(new Error('stopped')) };
  };
  const until = async (who: string) => {
    const end = Date.now() + 5_000;
    while (leading[0] !== who) {
      assert.ok(Date.now() < end, `${who} does not lead`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  const a = stand('a');
  await until('a');
  const b = stand('b');
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.deepEqual(leading, ['a']);
  const began = Date.now();
  a.stop();
  await a.done;
  await until('b');
  // It did not have to wait for the lease to run out.
  assert.ok(Date.now() - began < 1_500);
  const lease = await client(leases).get('test', { namespace: 'kube-system' });
  assert.equal(lease.spec.holderIdentity, 'b');
  b.stop();
  await b.done;
  assert.equal(most, 1);
});
