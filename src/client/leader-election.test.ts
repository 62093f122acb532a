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

test('who cannot renew gives up before others may lead; work that ends gives the lease back', async () => {
  await using plane = await startControlPlane();
  const { client } = plane;
  let cutOff = false;
  let calls = 0;
  const flaky = ((kind: any) => {
    const real = client(kind);
    const guarded =
      (call: (...args: any[]) => Promise<any>) =>
      (...args: any[]): Promise<any> => {
        calls++;
        return cutOff ? new Promise(() => {}) : call(...args);
      };
    return { ...real, get: guarded(real.get), create: guarded(real.create), update: guarded(real.update) };
  }) as typeof client;
  const common = {
    ...{ clock: systemClock, random: systemRandom, log: silentLog, namespace: 'kube-system', name: 'test' },
    ...{ leaseDurationMs: 600, renewDeadlineMs: 300, retryPeriodMs: 50 },
  };
  const ended = new AbortController();
  const terms: { who: string; from: number; to?: number }[] = [];
  const lead = (who: string) => async (signal: AbortSignal) => {
    const term: (typeof terms)[number] = { who, from: performance.now() };
    terms.push(term);
    if (!signal.aborted)
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    term.to = performance.now();
  };
  const until = async (holds: () => boolean) => {
    const end = Date.now() + 5_000;
    while (!holds()) {
      assert.ok(Date.now() < end);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  const a = electLeader({ ...common, client: flaky, identity: 'a', lead: lead('a') }, ended.signal);
  await until(() => terms.length === 1);
  const b = electLeader({ ...common, client, identity: 'b', lead: lead('b') }, ended.signal);
  cutOff = true;
  await until(() => terms.length === 2);
  assert.deepEqual(
    terms.map(({ who }) => who),
    ['a', 'b'],
  );
  assert.ok(terms[0]!.to! < terms[1]!.from, 'there was never more than one');
  assert.ok(calls > 1);
  ended.abort(new Error('stopped'));
  await Promise.all([a, b]);

  const again = new AbortController();
  let times = 0;
  const quitting = electLeader(
    { ...common, client, identity: 'c', lead: async () => void times++ },
    again.signal,
  );
  await until(() => times > 2);
  again.abort(new Error('stopped'));
  await quitting;
});
