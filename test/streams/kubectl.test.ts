// The real kubectl against our API server and a real containerd, over WebSocket and over SPDY.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { clusterRoles } from '../../src/api/rbac/cluster-role.ts';
import { clusterRoleBindings } from '../../src/api/rbac/cluster-role-binding.ts';
import { type Bench, kubectlProgram, startBench } from './harness.ts';

let bench: Bench;
const patient = ['sh', '-c', 'trap exit TERM; echo started; while :; do sleep 0.1; done'];
const spdy = { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false', KUBECTL_PORT_FORWARD_WEBSOCKETS: 'false' };
const webSocket = { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'true', KUBECTL_PORT_FORWARD_WEBSOCKETS: 'true' };
const transports: [string, Record<string, string>][] = [
  ['WebSocket', webSocket],
  ['SPDY', spdy],
];
const sha = (data: Buffer | string) =>
  createHash('sha256')
    .update(typeof data === 'string' ? Buffer.from(data, 'latin1') : data)
    .digest('hex');
const big = randomBytes(5 << 20);

before(async () => {
  bench = await startBench();
  await bench.startPod('one', { main: { command: patient } });
  await bench.startPod('two', { left: { command: patient }, right: { command: patient } });
  await bench.startPod('web', {
    main: { command: ['sh', '-c', 'mkdir /w; echo home > /w/index.html; exec httpd -f -p 80 -h /w'] },
  });
});
after(() => bench[Symbol.asyncDispose]());

/** Resolves with the first match in what a running command writes. */
function said(child: ChildProcess, pattern: RegExp): Promise<RegExpExecArray> {
  let text = '';
  return new Promise((resolve, reject) => {
    const take = (chunk: Buffer) => {
      text += chunk;
      const match = pattern.exec(text);
      if (match) resolve(match);
    };
    child.stdout!.on('data', take);
    child.stderr!.on('data', take);
    child.on('close', (code) => reject(new Error(`ended with ${code}: ${text}`)));
  });
}
async function end(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode) return child.exitCode;
  const closed = new Promise<number | null>((resolve) => child.on('close', resolve));
  child.kill('SIGINT');
  return closed;
}
const kubectl = (args: string[], env: Record<string, string> = {}) =>
  spawn(kubectlProgram, ['--kubeconfig', bench.kubeconfig, ...args], { env: { ...process.env, ...env } });

for (const [name, env] of transports) {
  test(`${name}: exec gives output, errors and exit codes`, async () => {
    const script = 'echo out; echo err >&2; exit 7';
    assert.deepEqual(await bench.kubectl(['exec', 'one', '--', 'sh', '-c', script], { env }), {
      code: 7,
      stdout: 'out\n',
      stderr: 'err\ncommand terminated with exit code 7\n',
    });
    const ok = await bench.kubectl(['exec', 'two', '-c', 'right', '--', 'true'], { env });
    assert.deepEqual(ok, { code: 0, stdout: '', stderr: '' });
    const none = await bench.kubectl(['exec', 'one', '--', '/no/such'], { env });
    assert.equal(none.code, 1);
    assert.match(none.stderr, /no such file or directory/);
  });

  test(`${name}: exec says which transport it took`, async () => {
    const { stderr } = await bench.kubectl(['exec', '-v=8', 'one', '--', 'true'], { env });
    assert.equal(/Sec-Websocket-Protocol: v5\.channel\.k8s\.io/i.test(stderr), name === 'WebSocket');
    assert.equal(
      /X-Stream-Protocol-Version: v4\.channel\.k8s\.io/i.test(stderr) && !/Sec-Websocket/i.test(stderr),
      name === 'SPDY',
    );
  });

  test(`${name}: standard input ends, and 5 MB go through cat both ways`, async () => {
    const { code, stdout } = await bench.kubectl(['exec', '-i', 'one', '--', 'cat'], { env, input: big });
    assert.deepEqual([code, stdout.length, sha(stdout)], [0, big.length, sha(big)]);
    // No more than a pipe holds: containerd 1.6 may wait for ever with input that nobody reads.
    const ignored = await bench.kubectl(['exec', '-i', 'one', '--', 'sh', '-c', 'exit 3'], {
      env,
      input: 'unread',
    });
    assert.equal(ignored.code, 3);
  });

  test(`${name}: exec -it has a terminal of the size of ours`, async () => {
    const inner = `stty rows 33 cols 77; ${kubectlProgram} --kubeconfig ${bench.kubeconfig} exec -it one -- sh`;
    const child = spawn('script', ['-qec', inner, '/dev/null'], { env: { ...process.env, ...env } });
    const size = said(child, /size 33 77/);
    const done = new Promise((resolve) => child.on('close', resolve));
    await said(child, /\/ # /);
    child.stdin.write('test -t 0 && echo size $(stty size)\n');
    await size;
    child.stdin.write('exit 5\n');
    assert.equal(await done, 5);
  });

  test(`${name}: cp carries a big file there and back`, async () => {
    const [from, to] = [join(bench.directory, 'big'), join(bench.directory, `back-${name}`)];
    const content = randomBytes(20 << 20);
    await writeFile(from, content);
    const there = await bench.kubectl(['cp', from, 'one:/tmp/big'], { env });
    assert.deepEqual([there.code, there.stderr], [0, '']);
    const sum = await bench.kubectl(['exec', 'one', '--', 'sha1sum', '/tmp/big'], { env });
    assert.equal(sum.stdout.split(' ')[0], createHash('sha1').update(content).digest('hex'));
    const back = await bench.kubectl(['cp', 'one:/tmp/big', to], { env });
    assert.equal(back.code, 0, back.stderr);
    assert.equal(sha(await readFile(to)), sha(content));
  });

  test(`${name}: port-forward carries several connections, and outlives one that fails`, async () => {
    await bench.kubectl(['exec', '-i', 'web', '--', 'sh', '-c', 'cat > /w/big; echo'], { env, input: big });
    const child = kubectl(['port-forward', '-v=4', 'pod/web', ':80', ':81'], env);
    let verbose = '';
    child.stderr.on('data', (chunk) => {
      verbose += chunk;
    });
    try {
      const [, open, shut] = await said(child, /127\.0\.0\.1:(\d+) -> 80[\s\S]*127\.0\.0\.1:(\d+) -> 81/);
      const get = async (path: string) =>
        Buffer.from(await (await fetch(`http://127.0.0.1:${open}${path}`)).arrayBuffer());
      const pages = await Promise.all(Array.from({ length: 8 }, (_, i) => get(i % 2 ? '/big' : '/')));
      assert.deepEqual(new Set(pages.map(sha)), new Set([sha('home\n'), sha(big)]));
      assert.equal(sha(await get('/')), sha('home\n'));
      const refused = connect(Number(shut), '127.0.0.1');
      refused.on('error', () => {});
      await new Promise((resolve) => refused.on('close', resolve));
      assert.equal(/negotiated protocol: portforward.k8s.io/.test(verbose), name === 'WebSocket', verbose);
    } finally {
      await end(child);
    }
  });

  test(`${name}: attach writes to and reads from what runs`, async () => {
    const pod = `attach-${name.toLowerCase()}`;
    const command = ['sh', '-c', 'while read line; do echo "got $line"; done; echo over'];
    await bench.startPod(pod, { main: { command, stdin: true } });
    const child = kubectl(['attach', '-i', pod], env);
    child.stdin.write('one\n');
    await said(child, /got one/);
    await end(child);
    const logs = await bench.kubectl(['logs', pod]);
    assert.match(logs.stdout, /^got one\n/);
  });

  test(`${name}: what cannot be done is said as upstream says it`, async () => {
    const fail = async (...args: string[]) => (await bench.kubectl(args, { env })).stderr.trim();
    assert.equal(
      await fail('exec', 'one', '-c', 'none', '--', 'true'),
      'Error from server (BadRequest): container none is not valid for pod one',
    );
    assert.equal(
      await fail('exec', 'missing', '--', 'true'),
      'Error from server (NotFound): pods "missing" not found',
    );
    assert.match(await fail('port-forward', 'missing', ':80'), /pods "missing" not found/);
  });
}

test('logs: whole, tail, timestamps, limit, follow until the signal, and of a container that waits', async () => {
  await bench.startPod('talks', {
    main: { command: ['sh', '-c', 'for i in 1 2 3; do echo line $i; done; sleep 1; echo last'] },
  });
  const follow = await bench.kubectl(['logs', '-f', 'talks']);
  assert.deepEqual([follow.code, follow.stdout], [0, 'line 1\nline 2\nline 3\nlast\n']);
  const logs = async (...args: string[]) => (await bench.kubectl(['logs', 'talks', ...args])).stdout;
  assert.equal(await logs('--tail=2'), 'line 3\nlast\n');
  assert.equal(await logs('--limit-bytes=8'), 'line 1\nl');
  assert.match(await logs('--timestamps', '--tail=1'), /^\d{4}-\d\d-\d\dT[\d:.]+Z last\n$/);
  assert.equal(await logs('--since=1h'), 'line 1\nline 2\nline 3\nlast\n');
  const error = async (...args: string[]) => (await bench.kubectl(['logs', ...args])).stderr.trim();
  assert.match(await error('two', '-c', 'none'), /container none is not valid for pod two/);
  assert.match(
    (await bench.kubectl(['get', '--raw', '/api/v1/namespaces/default/pods/two/log'])).stderr,
    /a container name must be specified for pod two, choose one of: \[left right\]/,
  );
  const stream = kubectl(['logs', '-f', 'one']);
  await said(stream, /started/);
  await end(stream);
});

test('kubectl logs of a container that waits says what it waits for', async () => {
  const { client } = bench;
  const { pods } = await import('../../src/api/core/pod.ts');
  await client(pods).create({
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'waits', namespace: 'default' } },
    spec: { nodeName: 'node-1', containers: [{ name: 'main', image: 'x' }] },
  } as never);
  const { code, stderr } = await bench.kubectl(['logs', 'waits']);
  assert.equal(code, 1);
  assert.equal(
    stderr.trim(),
    'Error from server (BadRequest): container "main" in pod "waits" is waiting to start: ContainerCreating',
  );
  for (const [, env] of transports) {
    const exec = await bench.kubectl(['exec', 'waits', '--', 'true'], { env });
    assert.match(exec.stderr, /unable to upgrade connection: container not found \("main"\)/);
  }
});

test('to read pods/exec is not to run: create is asked for, whatever the method', async () => {
  const { client } = bench;
  const grant = async (name: string, verbs: string[]) => {
    await client(clusterRoles).create({
      ...{ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name } },
      rules: [
        { apiGroups: [''], resources: ['pods'], verbs: ['get'] },
        { apiGroups: [''], resources: ['pods/exec', 'pods/portforward'], verbs },
      ],
    } as never);
    await client(clusterRoleBindings).create({
      ...{ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRoleBinding', metadata: { name } },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name }],
    } as never);
    return bench.kubeconfigFor(name);
  };
  const reader = await grant('reader', ['get']);
  const runner = await grant('runner', ['create']);
  const both = await grant('both', ['create', 'get']);
  for (const [, env] of transports) {
    const exec = (kubeconfig: string) => bench.kubectl(['exec', 'one', '--', 'true'], { env, kubeconfig });
    const refused = await exec(reader);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /User "reader" cannot create resource "pods\/exec" in API group ""/);
    assert.equal((await exec(runner)).code, 0); // over WebSocket kubectl falls back to SPDY
    assert.equal((await exec(both)).code, 0);
    const nobody = await exec(await bench.kubeconfigFor('nobody'));
    assert.match(nobody.stderr, /User "nobody" cannot get resource "pods" in API group ""/);
  }
});

test('a request that is no upgrade is told so', async () => {
  const path = '/api/v1/namespaces/default/pods/one/exec?command=true&stdout=true';
  assert.match((await bench.kubectl(['get', '--raw', path])).stderr, /Upgrade request required/);
});

test('nothing is left running in a container when kubectl is killed', async () => {
  const child = kubectl(
    ['exec', '-i', 'one', '--', 'sh', '-c', 'echo up; cat; echo eof > /tmp/eof'],
    webSocket,
  );
  await said(child, /up/);
  child.kill('SIGKILL');
  let seen = '';
  for (let i = 0; i < 50 && !seen; i++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    seen = (await bench.kubectl(['exec', 'one', '--', 'cat', '/tmp/eof'])).stdout;
  }
  assert.equal(seen, 'eof\n');
});
