// Runs testdata/pod-actions.txt: a pod and what the runtime has of it, `----`, what is to be done. UPDATE=1 rewrites it.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Container, Pod } from '../api/core/v1.gen.ts';
import type { ActionContext } from './pod-actions.ts';
import { computePodActions } from './pod-actions.ts';
import type { ContainerState, PodRuntime } from './pod-runtime.ts';
import { emptyRuntime } from './pod-runtime.ts';
import type { AnyContainer } from './pod-spec.ts';
import { allContainers } from './pod-spec.ts';
import { amountsOf } from './resize.ts';
import { containerHash, readIdentity } from './runtime-labels.ts';

const file = new URL('testdata/pod-actions.txt', import.meta.url);

/** `side*` is a sidecar, `x?` has a startup probe. */
function containerOf(text: string): Container {
  const name = text.replace(/[*?]/g, '');
  const probe = { exec: { command: ['true'] } };
  return {
    name,
    image: 'image',
    ...(text.includes('*') ? { restartPolicy: 'Always' } : {}),
    ...(text.includes('?') ? { startupProbe: probe } : {}),
    livenessProbe: probe,
  };
}

const options = (words: string[]): Record<string, string> =>
  Object.fromEntries(words.map((word) => word.split('=') as [string, string]));

interface Case {
  pod: Pod;
  runtime: PodRuntime;
  context: ActionContext;
}

function readCase(lines: string[]): Case {
  const pod: Pod = { metadata: { name: 'p', namespace: 'n', uid: 'u' }, spec: { containers: [] } };
  const runtime = emptyRuntime('u');
  const probes = new Map<string, 'success' | 'failure'>();
  const before = new Map<string, AnyContainer>();
  const make: Record<string, (words: string[]) => void> = {
    pod(words) {
      const { restart = 'Always', init = '', containers = '', ephemeral = '', host } = options(words);
      const list = (names: string) => names.split(',').filter(Boolean).map(containerOf);
      pod.spec = {
        restartPolicy: restart,
        containers: list(containers),
        initContainers: list(init),
        ephemeralContainers: list(ephemeral),
      };
      if (host) pod.spec.hostNetwork = true;
    },
    deleted: () => {
      pod.metadata.deletionTimestamp = '2026-01-01T00:00:00Z';
    },
    sandbox([attempt, state, ...rest]) {
      runtime.sandboxes.unshift({
        id: `sandbox${attempt}`,
        attempt: Number(attempt),
        ready: state === 'ready',
        createdAtMs: 0,
        hostNetwork: rest.includes('host'),
        ips: rest.includes('no-ip') || rest.includes('host') ? [] : ['10.0.0.1'],
        hasNetwork: true,
      });
    },
    container([name, state, ...rest]) {
      const spec = [...allContainers(pod)].find(([c]) => c.name === name)![0];
      const { code = '0', sandbox = runtime.sandboxes[0]?.attempt ?? 0 } = options(
        rest.filter((word) => word.includes('=')),
      );
      const made: ContainerState = {
        ...{
          id: `${name}-id`,
          name: name!,
          sandboxId: `sandbox${sandbox}`,
          state: state as ContainerState['state'],
        },
        ...{
          image: 'image',
          imageId: '',
          hash: rest.includes('changed') ? 'old' : containerHash(spec),
          restartCount: 0,
        },
        ...{
          createdAtMs: 0,
          startedAtMs: 0,
          finishedAtMs: 0,
          exitCode: Number(code),
          reason: '',
          message: '',
          logPath: '',
        },
        identity: readIdentity({}, {}),
      };
      runtime.containers.unshift(made);
    },
    probe: ([kind, name, verdict]) => void probes.set(`${kind} ${name}-id`, verdict as 'success'),
    resources([name, ...words]) {
      const { cpu, memory, restart } = options(words);
      const spec = [...allContainers(pod)].find(([c]) => c.name === name)![0];
      before.set(name!, structuredClone(spec));
      const resources = { requests: { cpu: cpu!, memory: memory! } };
      spec.resources = resources;
      if (restart) spec.resizePolicy = [{ resourceName: restart, restartPolicy: 'RestartContainer' }];
    },
  };
  for (const line of lines) {
    const [word, ...rest] = line.split(' ');
    assert.ok(make[word!], `unknown: ${line}`);
    make[word!]!(rest);
  }
  return {
    pod,
    runtime,
    context: {
      liveness: (id) => probes.get(`liveness ${id}`),
      startup: (id) => probes.get(`startup ${id}`),
      actuated: (name) =>
        before.has(name) ? amountsOf({ requests: { cpu: '100m', memory: '64Mi' } }) : undefined,
    },
  };
}

function show({ pod, runtime, context }: Case): string[] {
  const actions = computePodActions(pod, runtime, context);
  const lines = [
    ...(actions.killPod && actions.sandboxId ? ['kill pod'] : []),
    ...actions.containersToKill.map(({ name, message, reason }) => `kill ${name} (${reason}): ${message}`),
    ...(actions.createSandbox ? [`create sandbox ${actions.attempt}`] : []),
    ...actions.ephemeralContainersToStart.map((name) => `start ephemeral ${name}`),
    ...actions.initContainersToStart.map((name) => `start init ${name}`),
    ...actions.containersToStart.map((name) => `start ${name}`),
    ...actions.resizes.map(({ name, resource }) => `resize ${resource} of ${name}`),
  ];
  return lines.length > 0 ? lines : ['nothing'];
}

const rewritten: string[] = [];
for (const section of readFileSync(file, 'utf8').trimEnd().split('\n\n')) {
  const [head = '', tail = ''] = section.split(/\n----(?:\n|$)/);
  const lines = head.split('\n');
  const title = lines.filter((line) => line.startsWith('#'));
  const given = lines.filter((line) => line && !line.startsWith('#'));
  if (given.length === 0) {
    rewritten.push(section);
    continue;
  }
  const actual = show(readCase(given));
  rewritten.push([...lines, '----', ...actual].join('\n'));
  if (!process.env.UPDATE)
    test(title.join(' ').replaceAll('# ', ''), () => assert.equal(actual.join('\n'), tail.trimEnd()));
}
if (process.env.UPDATE) writeFileSync(file, `${rewritten.join('\n\n')}\n`);
