import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod, Probe } from '../api/core/v1.gen.ts';
import type { Clock } from '../machinery/clock.ts';
import { silentLog } from '../machinery/log.ts';
import { readMetrics } from '../testing/exposition.ts';
import type { ProbeResult } from './host.ts';
import type { Parts } from './kubelet-parts.ts';
import { emptyRuntime } from './pod-runtime.ts';
import { afterProbe, firstState } from './probe-state.ts';
import { Prober } from './prober.ts';
import { readIdentity } from './runtime-labels.ts';

/** Time that passes only when a test says so; what is due runs, and so does what it starts. */
function virtualClock(): Clock & { advance(ms: number): Promise<void> } {
  let now = 1_000_000;
  const timers = new Set<{ at: number; fn: () => void }>();
  const settle = async () => {
    for (let i = 0; i < 20; i++) await Promise.resolve();
  };
  return {
    now: () => now,
    after(ms, fn) {
      const timer = { at: now + ms, fn };
      timers.add(timer);
      return { cancel: () => void timers.delete(timer) };
    },
    async advance(ms) {
      const end = now + ms;
      for (;;) {
        await settle();
        const [next] = [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
        if (!next) break;
        timers.delete(next);
        now = next.at;
        next.fn();
      }
      now = end;
    },
  };
}

function rig(probes: { startupProbe?: Probe; livenessProbe?: Probe; readinessProbe?: Probe }) {
  const clock = virtualClock();
  const calls: string[] = [];
  const answers = new Map<number, ProbeResult['result']>();
  const told: string[] = [];
  const changes: string[] = [];
  const tcpProbe = async (_host: string, port: number): Promise<ProbeResult> => {
    calls.push(`${port}@${(clock.now() - 1_000_000) / 1000}`);
    return { result: answers.get(port) ?? 'success', output: 'said' };
  };
  const parts = {
    ...{ clock, log: silentLog, host: { tcpProbe }, config: { nodeIPs: ['10.1.0.1'] } },
    events: {
      event: (_about: object, type: string, reason: string, message: string) =>
        told.push(`${type} ${reason}: ${message}`),
    },
  } as unknown as Parts;
  const prober = new Prober(parts, (uid) => changes.push(uid));
  const pod: Pod = { metadata: { name: 'p', uid: 'u' }, spec: { containers: [{ name: 'a', ...probes }] } };
  const container = {
    ...{
      id: 'c',
      name: 'a',
      sandboxId: 's',
      state: 'running' as const,
      image: '',
      imageId: '',
      hash: '',
      restartCount: 0,
    },
    ...{
      createdAtMs: clock.now(),
      startedAtMs: clock.now(),
      finishedAtMs: 0,
      exitCode: 0,
      reason: '',
      message: '',
      logPath: '',
    },
    identity: readIdentity({}, {}),
  };
  prober.follow(pod, { ...emptyRuntime('u'), containers: [container] });
  return { clock, calls, answers, told, changes, prober, pod };
}
const tcp = (port: number, more: Partial<Probe> = {}): Probe => ({ tcpSocket: { port }, ...more });

test('thresholds count results in a row', () => {
  const probe: Probe = { failureThreshold: 2, successThreshold: 2 };
  let state = firstState('readiness', false);
  const results = ['success', 'failure', 'success', 'success', 'failure', 'failure', 'success'] as const;
  const verdicts = results.map((result) => (state = afterProbe(state, 'readiness', probe, result)).verdict);
  assert.deepEqual(verdicts, ['failure', 'failure', 'failure', 'success', 'success', 'failure', 'failure']);
});

test('a readiness probe begins after its delay and comes each period', async () => {
  const { clock, calls, changes, prober } = rig({
    readinessProbe: tcp(1, { initialDelaySeconds: 5, periodSeconds: 10 }),
  });
  assert.equal(prober.verdict('u', 'readiness', 'c'), 'failure');
  await clock.advance(26_000);
  assert.deepEqual(calls, ['1@5', '1@15', '1@25']);
  assert.equal(prober.verdict('u', 'readiness', 'c'), 'success');
  assert.deepEqual(changes, ['u'], 'told once: then nothing changed');
  prober.stop();
});

test('a startup probe holds the others back, and ends when it has succeeded', async () => {
  const { clock, calls, answers, prober } = rig({
    startupProbe: tcp(1, { periodSeconds: 2, failureThreshold: 5 }),
    livenessProbe: tcp(2, { periodSeconds: 10 }),
  });
  answers.set(1, 'failure');
  await clock.advance(5000);
  answers.set(1, 'success');
  await clock.advance(20_000);
  assert.deepEqual(calls.slice(0, 5), ['1@0', '1@2', '1@4', '1@6', '2@6']);
  assert.ok(!calls.slice(4).some((call) => call.startsWith('1@')));
  assert.equal(prober.verdict('u', 'startup', 'c'), 'success');
  prober.stop();
});

test('a liveness probe that failed often enough is not asked again', async () => {
  const { clock, calls, answers, told, changes, prober } = rig({
    livenessProbe: tcp(2, { periodSeconds: 1, failureThreshold: 3 }),
  });
  answers.set(2, 'failure');
  await clock.advance(10_000);
  assert.equal(calls.length, 3);
  assert.equal(prober.verdict('u', 'liveness', 'c'), 'failure');
  assert.deepEqual(changes, ['u']);
  assert.deepEqual(told, Array(3).fill('Warning Unhealthy: Liveness probe failed: said'));
  prober.stop();
});

test('a pod that is stopped is asked for its readiness only', async () => {
  const { clock, calls, prober, pod } = rig({ livenessProbe: tcp(2, { periodSeconds: 1 }) });
  await clock.advance(1500);
  prober.follow(pod, emptyRuntime('u'), true);
  await clock.advance(5000);
  assert.deepEqual(calls, ['2@0', '2@1']);
  prober.stop();
});

test('probes are counted by their results', async () => {
  const { clock, answers, prober } = rig({
    readinessProbe: tcp(1, { periodSeconds: 1 }),
    livenessProbe: tcp(2, { periodSeconds: 10 }),
  });
  await clock.advance(2500);
  answers.set(1, 'failure');
  await clock.advance(1000);
  const metrics = readMetrics(prober.metrics());
  const of = { container: 'a', pod: 'p', namespace: '', pod_uid: 'u' };
  const count = (probe_type: string, result: string) =>
    metrics.value('prober_probe_total', { ...of, probe_type, result });
  assert.deepEqual(
    [count('Readiness', 'successful'), count('Readiness', 'failed'), count('Liveness', 'successful')],
    [3, 1, 1],
  );
  prober.forget('u');
  assert.equal(prober.metrics(), '');
  prober.stop();
});
