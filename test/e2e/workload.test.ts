// The main job on real input: real kubectl puts a real workload on a one-node cluster, and real containers serve it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable, type WritableOptions } from 'node:stream';
import { after, before, test } from 'node:test';
import { Exec, KubeConfig, Log, PortForward, type V1Status } from '@kubernetes/client-node';
import { busyboxImage, webServerImage } from '../images/images.ts';
import { startRegistry } from '../images/registry.ts';
import { fetchText, logsOf, run, sleep, testCluster, until } from './harness.ts';

const cluster = testCluster('e2e', 26443);
const { kubectl } = cluster;
const scratch = mkdtempSync(join(tmpdir(), 'wherry-e2e-files-'));
let registry: Awaited<ReturnType<typeof startRegistry>>;

before(async () => {
  const [v1, v2, busybox] = [await webServerImage('v1'), await webServerImage('v2'), await busyboxImage()];
  registry = await startRegistry([await webServerImage('v2', 'pulled/web:v2')]);
  await cluster.start();
  const loaded = await cluster.wherry('load', v1.tarPath, v2.tarPath, busybox.tarPath);
  assert.equal(loaded.code, 0, loaded.stderr);
  assert.match(loaded.stdout, /loaded wherry\.test\/web:v1/);
});

after(async () => {
  await registry?.close();
  await cluster.remove();
  rmSync(scratch, { recursive: true, force: true });
});

const json = async (...args: string[]): Promise<any> => JSON.parse(await kubectl(...args, '-o', 'json'));
const podNames = async (selector = 'app=web'): Promise<string[]> =>
  (
    await kubectl(
      'get',
      'pods',
      '-l',
      selector,
      '--field-selector',
      'status.phase=Running',
      '-o',
      'jsonpath={.items[*].metadata.name}',
    )
  )
    .split(' ')
    .filter(Boolean);
/** Distinct answers of a URL to `count` requests. */
async function answers(url: string, count = 30): Promise<Set<string>> {
  const found = new Set<string>();
  for (let i = 0; i < count; i++) found.add((await fetchText(url)) ?? 'no answer');
  return found;
}

test('the node is Ready', async () => {
  const node = await json('get', 'nodes');
  assert.equal(node.items.length, 1);
  const ready = node.items[0].status.conditions.find((c: { type: string }) => c.type === 'Ready');
  assert.equal(ready.status, 'True');
  assert.equal((await cluster.wherry('status')).code, 0);
});

test('create deployment, expose: the virtual IP answers from the host, balanced over both endpoints', async () => {
  await kubectl('create', 'deployment', 'web', '--image=wherry.test/web:v1', '--replicas=2', '--port=80');
  await kubectl('rollout', 'status', 'deployment/web', '--timeout=60s');
  await kubectl('expose', 'deployment', 'web', '--port=80');
  const { spec } = await json('get', 'service', 'web');
  await until('both endpoints answer', async () => {
    const found = await answers(`http://${spec.clusterIP}/`);
    return found.size === 2 && [...found].every((a) => a.startsWith('v1 web-'));
  });
});

test('a pod reaches the service by its DNS name', async () => {
  await kubectl(
    'run',
    'client',
    '--image=wherry.test/busybox:1',
    '--restart=Never',
    '--command',
    '--',
    'sleep',
    '3600',
  );
  await kubectl('wait', 'pod/client', '--for=condition=Ready', '--timeout=60s');
  const { spec } = await json('get', 'service', 'web');
  const lookup = await kubectl('exec', 'client', '--', 'nslookup', 'web.default.svc.cluster.local');
  assert.match(lookup, new RegExp(spec.clusterIP.replaceAll('.', '\\.')));
  const seen = new Set<string>();
  for (let i = 0; i < 20; i++)
    seen.add((await kubectl('exec', 'client', '--', 'timeout', '3', 'wget', '-qO-', 'http://web')).trim());
  assert.equal(seen.size, 2, [...seen].join());
});

test('an image is pulled from a registry on loopback', async () => {
  await kubectl('create', 'deployment', 'pulled', `--image=127.0.0.1:${registry.port}/pulled/web:v2`);
  await kubectl('rollout', 'status', 'deployment/pulled', '--timeout=60s');
  const events = await kubectl('get', 'events', '--field-selector', 'reason=Pulled');
  assert.match(events, /Successfully pulled image/);
  await kubectl('delete', 'deployment', 'pulled');
});

test('scale, set image, rollout status, history and undo', async () => {
  await kubectl('scale', 'deployment/web', '--replicas=3');
  await kubectl('rollout', 'status', 'deployment/web', '--timeout=60s');
  assert.equal((await podNames()).length, 3);
  await kubectl('scale', 'deployment/web', '--replicas=2');
  await kubectl('set', 'image', 'deployment/web', 'web=wherry.test/web:v2');
  await kubectl('rollout', 'status', 'deployment/web', '--timeout=60s');
  const { spec } = await json('get', 'service', 'web');
  await until('v2 answers alone', async () =>
    [...(await answers(`http://${spec.clusterIP}/`, 10))].every((a) => a.startsWith('v2 ')),
  );
  const history = await kubectl('rollout', 'history', 'deployment/web');
  assert.match(history, /^1 /m);
  assert.match(history, /^2 /m);
  await kubectl('rollout', 'undo', 'deployment/web');
  await kubectl('rollout', 'status', 'deployment/web', '--timeout=60s');
  await until('v1 answers again', async () =>
    [...(await answers(`http://${spec.clusterIP}/`, 10))].every((a) => a.startsWith('v1 ')),
  );
});

test('logs -f follows', async () => {
  await kubectl(
    'run',
    'talker',
    '--image=wherry.test/busybox:1',
    '--restart=Never',
    '--command',
    '--',
    'sh',
    '-c',
    'for i in 1 2 3 4 5; do echo line $i; sleep 0.3; done',
  );
  await until(
    'talker started',
    async () => (await kubectl('get', 'pod', 'talker', '-o', 'jsonpath={.status.phase}')) !== 'Pending',
  );
  const text = await kubectl('logs', '-f', 'talker');
  assert.deepEqual(text.trim().split('\n'), ['line 1', 'line 2', 'line 3', 'line 4', 'line 5']);
  assert.equal((await kubectl('logs', 'talker', '--tail=1')).trim(), 'line 5');
});

test('exec: output, exit code, standard input, a terminal', async () => {
  assert.equal((await kubectl('exec', 'client', '--', 'echo', 'hello')).trim(), 'hello');
  const failing = await cluster.tryKubectl([
    'exec',
    'client',
    '--',
    'sh',
    '-c',
    'echo to stderr >&2; exit 7',
  ]);
  assert.equal(failing.code, 7);
  assert.match(failing.stderr, /to stderr/);
  const bytes = randomBytes(2_000_000).toString('base64');
  const echoed = await cluster.tryKubectl(['exec', '-i', 'client', '--', 'sha256sum'], { input: bytes });
  assert.match(echoed.stdout, new RegExp(createHash('sha256').update(bytes).digest('hex')));
  const terminal = await run('script', [
    '-qec',
    `kubectl --kubeconfig ${cluster.kubeconfig} exec -it client -- sh -c 'tty; stty size'`,
    '/dev/null',
  ]);
  assert.match(terminal.stdout, /\/dev\/pts\/\d+/);
});

test('cp: a file goes in and comes back whole', async () => {
  const [there, back] = [join(scratch, 'there'), join(scratch, 'back')];
  writeFileSync(there, randomBytes(3_000_000));
  await kubectl('cp', there, 'client:/tmp/file');
  await kubectl('cp', 'client:/tmp/file', back);
  assert.deepEqual(readFileSync(back), readFileSync(there));
});

test('port-forward', async () => {
  const forward = spawn('kubectl', [
    '--kubeconfig',
    cluster.kubeconfig,
    'port-forward',
    'service/web',
    '28080:80',
  ]);
  try {
    await until('the forwarded port answers', async () =>
      (await fetchText('http://127.0.0.1:28080/'))?.startsWith('v1 web-'),
    );
    // Several connections at once over the one that kubectl has.
    const all = await Promise.all(
      Array.from({ length: 5 }, () => fetchText('http://127.0.0.1:28080/hostname')),
    );
    assert.ok(
      all.every((a) => a?.startsWith('web-')),
      JSON.stringify(all),
    );
  } finally {
    forward.kill();
  }
});

test('the client for JavaScript: exec, logs and port-forward', async () => {
  const config = new KubeConfig();
  config.loadFromFile(cluster.kubeconfig);
  const collected = () => {
    const parts: Buffer[] = [];
    const write: WritableOptions['write'] = (chunk, _encoding, done) => {
      parts.push(chunk);
      done();
    };
    const stream = new Writable({ write });
    return { stream, text: () => Buffer.concat(parts).toString() };
  };
  const [out, errors] = [collected(), collected()];
  const status = await new Promise<V1Status>((resolve, reject) => {
    const command = ['sh', '-c', 'cat; echo to stderr >&2; exit 3'];
    const input = Readable.from(['from stdin']);
    new Exec(config)
      .exec('default', 'client', 'client', command, out.stream, errors.stream, input, false, resolve)
      .catch(reject);
  });
  assert.equal(status.status, 'Failure');
  assert.equal(status.details!.causes![0]!.message, '3');
  assert.equal(out.text(), 'from stdin');
  assert.equal(errors.text(), 'to stderr\n');

  const [pod] = await podNames();
  const logs = collected();
  await new Log(config).log('default', pod!, 'web', logs.stream);
  await until('the logs', async () => logs.text().includes('serving version'));

  const forward = new PortForward(config);
  const server = createServer(
    (socket) => void forward.portForward('default', pod!, [80], socket, null, socket),
  );
  await new Promise<void>((resolve) => server.listen(28_081, '127.0.0.1', resolve));
  try {
    assert.match((await fetchText('http://127.0.0.1:28081/hostname')) ?? '', /^web-/);
  } finally {
    server.close();
  }
});

test('get -w sees what happens', async () => {
  const watching = spawn('kubectl', [
    '--kubeconfig',
    cluster.kubeconfig,
    'get',
    'configmaps',
    '-w',
    '--no-headers',
  ]);
  let seen = '';
  watching.stdout.on('data', (part: Buffer) => (seen += part));
  await until('the watch began', async () => seen.includes('kube-root-ca.crt'));
  await kubectl('create', 'configmap', 'watched', '--from-literal=a=b');
  await until('the watch saw it', async () => seen.includes('watched'));
  watching.kill();
});

test('describe, and apply from both sides', async () => {
  const [pod] = await podNames();
  const described = await kubectl('describe', 'pod', pod!);
  for (const part of [
    /Successfully assigned default\/web-/,
    /Container image "wherry\.test\/web:v1" already present/,
    /Started/,
    /QoS Class:\s+BestEffort/,
  ]) {
    assert.match(described, part);
  }
  const manifest = (value: string) =>
    `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: applied\ndata:\n  key: ${value}\n`;
  const file = join(scratch, 'map.yaml');
  writeFileSync(file, manifest('one'));
  assert.match(await kubectl('apply', '-f', file), /configmap\/applied created/);
  assert.match(await kubectl('apply', '-f', file), /configmap\/applied unchanged/);
  writeFileSync(file, manifest('two'));
  assert.match(await kubectl('apply', '-f', file), /configmap\/applied configured/);
  const other = join(scratch, 'other.yaml');
  writeFileSync(other, 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ssa\ndata:\n  a: "1"\n');
  assert.match(await kubectl('apply', '--server-side', '-f', other), /serverside-applied/);
  const conflicting = await cluster.tryKubectl(
    ['apply', '--server-side', '--field-manager=somebody', '-f', '-'],
    {
      input: 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ssa\ndata:\n  a: "2"\n',
    },
  );
  assert.notEqual(conflicting.code, 0);
  assert.match(conflicting.stderr, /conflict with "kubectl"/);
});

test('a broken manifest and an unknown image say what is wrong', async () => {
  const broken = await cluster.tryKubectl(['apply', '-f', '-'], {
    input:
      'apiVersion: v1\nkind: Pod\nmetadata:\n  name: broken\nspec:\n  containers:\n  - name: c\n    imagee: x\n',
  });
  assert.notEqual(broken.code, 0);
  assert.match(broken.stderr, /unknown field "spec\.containers\[0\]\.imagee"/);
  const invalid = await cluster.tryKubectl(['apply', '-f', '-'], {
    input: 'apiVersion: v1\nkind: Pod\nmetadata:\n  name: broken\nspec:\n  containers: []\n',
  });
  assert.match(invalid.stderr, /spec\.containers: Required value/);
  await kubectl('run', 'unknown', '--image=127.0.0.1:1/nobody/nothing:1', '--restart=Never');
  await until('it says that the image cannot be pulled', async () =>
    /ErrImagePull|ImagePullBackOff/.test(await kubectl('get', 'pod', 'unknown')),
  );
  await kubectl('delete', 'pod', 'unknown', '--now');
});

test('a killed container comes back with back-off; a deleted pod is replaced', async () => {
  await kubectl('run', 'crasher', '--image=wherry.test/busybox:1', '--command', '--', 'sh', '-c', 'exit 3');
  await until(
    'it is restarted, and waits longer each time',
    async () => {
      const [status] = (await json('get', 'pod', 'crasher')).status.containerStatuses ?? [];
      return (
        status?.restartCount >= 1 &&
        status.state.waiting?.reason === 'CrashLoopBackOff' &&
        status.lastState.terminated.exitCode === 3
      );
    },
    60_000,
  );
  await kubectl('delete', 'pod', 'crasher', '--now');
  const [victim, ...rest] = await podNames();
  await cluster.tryKubectl(['exec', victim!, '--', 'sh', '-c', 'kill 1']); // it ends with the container
  await until('the container is back', async () => {
    const [status] = (await json('get', 'pod', victim!)).status.containerStatuses;
    return status.restartCount === 1 && status.ready;
  });
  await kubectl('delete', 'pod', victim!, '--now');
  await until('another takes its place', async () => {
    const now = await podNames();
    return now.length === 2 && !now.includes(victim!) && now.includes(rest[0]!);
  });
});

test('a failing readiness probe takes the endpoint out', async () => {
  const probed = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'probed' },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: 'probed' } },
      template: {
        metadata: { labels: { app: 'probed' } },
        spec: {
          containers: [
            {
              name: 'web',
              image: 'wherry.test/web:v1',
              readinessProbe: {
                exec: { command: ['test', '!', '-e', '/tmp/sick'] },
                periodSeconds: 1,
                failureThreshold: 1,
              },
            },
          ],
        },
      },
    },
  };
  const applied = await cluster.tryKubectl(['apply', '-f', '-'], { input: JSON.stringify(probed) });
  assert.equal(applied.code, 0, applied.stderr);
  await kubectl('rollout', 'status', 'deployment/probed', '--timeout=60s');
  await kubectl('expose', 'deployment', 'probed', '--port=80');
  const { spec } = await json('get', 'service', 'probed');
  await until('both answer', async () => (await answers(`http://${spec.clusterIP}/`)).size === 2);
  const [sick] = await podNames('app=probed');
  await kubectl('exec', sick!, '--', 'touch', '/tmp/sick');
  await until('only the other answers', async () => {
    const found = await answers(`http://${spec.clusterIP}/`, 10);
    return found.size === 1 && !found.has(`v1 ${sick}`);
  });
  await kubectl('exec', sick!, '--', 'rm', '/tmp/sick');
  await until('both answer again', async () => (await answers(`http://${spec.clusterIP}/`)).size === 2);
  await kubectl('delete', 'deployment/probed', 'service/probed');
});

test('the trace of a fresh pod shows all eight steps in order, with times', async () => {
  await kubectl('create', 'deployment', 'traced', '--image=wherry.test/web:v1', '--port=80');
  await kubectl('expose', 'deployment', 'traced', '--port=80');
  await kubectl('rollout', 'status', 'deployment/traced', '--timeout=60s');
  const [pod] = await podNames('app=traced');
  const traced = await until('the last step is recorded', async () => {
    const { stdout, code } = await cluster.wherry('trace', pod!, '-o', 'json');
    const found = code === 0 && JSON.parse(stdout);
    return found?.records.some((r: { event: string }) => r.event === 'service rules written') && found;
  });
  const first = (step: number) =>
    Math.min(
      ...traced.records.filter((r: { step: number }) => r.step === step).map((r: { at: number }) => r.at),
    );
  const times = [1, 2, 3, 4, 5, 6, 7, 8].map(first);
  assert.ok(times.every(Number.isFinite), `a step is missing: ${times}`);
  assert.deepEqual(
    times.toSorted((a, b) => a - b),
    times,
    'the steps are out of order',
  );
  assert.deepEqual(
    traced.lineage.map((l: { resource: string }) => l.resource),
    ['pods', 'replicasets.apps', 'deployments.apps'],
  );
  const picture = await cluster.wherry('trace', pod!);
  for (const step of ['1  kubectl asks', '4  the scheduler chooses', '8  ready'])
    assert.ok(picture.stdout.includes(step), picture.stdout);
});

test('after kill -9 under a write load every acknowledged write is there, containers go on, watches resume', async () => {
  const before = await json('get', 'pods', '-l', 'app=web');
  assert.equal(before.items.length, 2);
  const { metadata } = JSON.parse(
    await kubectl('get', '--raw', '/api/v1/namespaces/default/configmaps?limit=1'),
  );
  const containers = new Set(before.items.map((p: any) => p.status.containerStatuses[0].containerID));
  const watching = spawn('kubectl', ['--kubeconfig', cluster.kubeconfig, 'get', 'pods', '-w', '-o', 'name']);
  const acknowledged: string[] = [];
  let next = 0;
  let stopped = false;
  const writers = Array.from({ length: 4 }, async () => {
    while (!stopped) {
      const name = `w-${next++}`;
      const { code } = await cluster.tryKubectl(['create', 'configmap', name, '--from-literal=a=b'], {
        timeoutMs: 5000,
      });
      if (code === 0) acknowledged.push(name);
    }
  });
  await until('some writes', async () => acknowledged.length > 20);
  await cluster.kill('SIGKILL');
  stopped = true;
  await Promise.all(writers);
  watching.kill();
  await cluster.start();
  const { spec } = await json('get', 'service', 'web');
  const names = new Set(
    (await kubectl('get', 'configmaps', '-o', 'jsonpath={.items[*].metadata.name}')).split(' '),
  );
  assert.deepEqual(
    acknowledged.filter((name) => !names.has(name)),
    [],
  );
  await sleep(1500);
  const now = await json('get', 'pods', '-l', 'app=web');
  assert.deepEqual(
    new Set(now.items.map((p: any) => p.status.containerStatuses[0].containerID)),
    containers,
    logsOf(cluster.dataDir),
  );
  assert.ok((await answers(`http://${spec.clusterIP}/`, 6)).size >= 1);
  // A watch from a version of before the crash goes on from there.
  const resumed = spawn('kubectl', [
    '--kubeconfig',
    cluster.kubeconfig,
    'get',
    '--raw',
    `/api/v1/namespaces/default/configmaps?watch=1&resourceVersion=${metadata.resourceVersion}&timeoutSeconds=3`,
  ]);
  let seen = '';
  resumed.stdout.on('data', (part: Buffer) => (seen += part));
  await new Promise((resolve) => resumed.on('close', resolve));
  for (const name of acknowledged)
    assert.ok(seen.includes(`"name":"${name}"`), `the watch does not show ${name}`);
});

test('delete leaves nothing', async () => {
  await kubectl('delete', 'deployment,service', '--all');
  await kubectl('delete', 'pods', '--all', '--now');
  await until('no pods', async () => (await kubectl('get', 'pods', '-o', 'name')) === '');
});
