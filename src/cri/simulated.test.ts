import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '../machinery/clock.ts';
import { ContainerState, type CriError } from './cri.ts';
import { type SimulatedRuntime, simulatedRuntime } from './simulated.ts';
import { addressPool } from './simulated-addresses.ts';
import { runtimeCases } from './suite.ts';

// Time passes only when `pass` is called or when everybody waits for the next timer.
function virtualClock() {
  let nowMs = Date.UTC(2026, 0, 1);
  let timers: { at: number; fn: () => void }[] = [];
  const clock: Clock = {
    now: () => nowMs,
    after(delayMs, fn) {
      const timer = { at: nowMs + delayMs, fn };
      timers.push(timer);
      return { cancel: () => (timers = timers.filter((other) => other !== timer)) };
    },
  };
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
  async function pass(ms: number): Promise<void> {
    const until = nowMs + ms;
    for (;;) {
      await settle();
      const next = timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      timers = timers.filter((other) => other !== next);
      nowMs = next.at;
      next.fn();
    }
    nowMs = until;
  }
  /** Runs the promise to its end, time going where it must. */
  async function finish<T>(promise: Promise<T>): Promise<T> {
    let done = false;
    const end = () => (done = true);
    promise.then(end, end);
    for (await settle(); !done; await settle()) if (timers.length > 0) await pass(1);
    return promise;
  }
  return { clock, pass, finish, pending: () => timers.length };
}

function sequence(seed = 1): () => number {
  let state = seed;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}

const start = (clock: Clock): SimulatedRuntime =>
  simulatedRuntime({ clock, random: sequence(), podCIDR: '10.7.0.0/24', images: ['busybox'] });

for (const { name, run } of runtimeCases) {
  test(`simulated: ${name}`, async () => {
    const time = virtualClock();
    const runtime = start(time.clock);
    const harness = {
      runtime,
      image: 'busybox',
      logDirectory: '/var/log/pods',
      cgroupParent: '/suite',
      addressPrefix: '10.7.0.',
      readLog: async (path: string) => runtime.readLog(path),
      pass: (ms: number) => new Promise<void>((resolve) => time.clock.after(ms, resolve)),
      provideImage: async (image: string) => void (await runtime.pullImage({ image: { image } })),
    };
    await time.finish(run(harness));
    await runtime[Symbol.asyncDispose]();
    assert.equal(time.pending(), 0);
  });
}

async function onePod(annotations: Record<string, string>, command: string[] = []) {
  const time = virtualClock();
  const runtime = start(time.clock);
  const config = { metadata: { name: 'p', uid: 'u' }, annotations };
  const { podSandboxId } = await time.finish(runtime.runPodSandbox({ config }));
  const container = { metadata: { name: 'c' }, image: { image: 'busybox' }, command };
  const { containerId } = await runtime.createContainer({
    podSandboxId,
    config: container,
    sandboxConfig: config,
  });
  await time.finish(runtime.startContainer({ containerId }));
  const status = async () => (await runtime.containerStatus({ containerId })).status!;
  return { time, runtime, containerId, podSandboxId, status };
}

test('annotations say when and how a container ends', async () => {
  const { time, status } = await onePod({
    'simulation.wherry.dev/exit-after': '1h',
    'simulation.wherry.dev/exit-after.c': '5s',
    'simulation.wherry.dev/exit-code': '7',
  });
  await time.pass(4999);
  assert.equal((await status()).state, ContainerState.CONTAINER_RUNNING);
  await time.pass(1);
  const { state, exitCode, finishedAt, startedAt } = await status();
  assert.deepEqual([state, exitCode, finishedAt - startedAt], [ContainerState.CONTAINER_EXITED, 7, 5e9]);
});

test('annotations say what probes see and what statistics say', async () => {
  const { time, runtime, containerId, podSandboxId } = await onePod({
    'simulation.wherry.dev/exec-exit-code': '1',
    'simulation.wherry.dev/cpu-millicores': '250',
  });
  assert.equal((await time.finish(runtime.execSync({ containerId, cmd: ['cat', '/ready'] }))).exitCode, 1);
  await time.pass(4000);
  const { stats } = await runtime.podSandboxStats({ podSandboxId });
  assert.equal(stats!.linux!.cpu!.usageNanoCores!.value, 250e6);
  assert.ok(stats!.linux!.cpu!.usageCoreNanoSeconds!.value >= 1e9);
});

test('a crash ends a container, once', async () => {
  const { runtime, containerId, status } = await onePod({});
  assert.equal(runtime.crash(containerId, 139), true);
  assert.equal((await status()).exitCode, 139);
  assert.equal(runtime.crash(containerId), false);
});

test('streams say that the node is simulated', async () => {
  const { runtime, containerId } = await onePod({});
  await assert.rejects(runtime.exec({ containerId }), (error: CriError) => error.code === 'UNIMPLEMENTED');
});

test('the same seed gives the same ids and addresses', async () => {
  const [a, b] = [await onePod({}), await onePod({})];
  assert.equal(a.podSandboxId, b.podSandboxId);
  assert.equal(a.containerId, b.containerId);
});

test('addresses: next free, never twice, until there is none', () => {
  const pool = addressPool('10.0.0.4/29');
  assert.deepEqual([pool.take(), pool.take()], ['10.0.0.2', '10.0.0.3']);
  pool.release('10.0.0.2');
  assert.deepEqual([pool.take(), pool.take(), pool.take()], ['10.0.0.4', '10.0.0.5', '10.0.0.6']);
  assert.deepEqual([pool.take(), pool.take()], ['10.0.0.2', undefined]);
});
