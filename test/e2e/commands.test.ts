// The command line around a cluster: help, completion, logs, several clusters side by side, start after start.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { run, testCluster } from './harness.ts';

const script = join(import.meta.dirname, '../../scripts/wherry.mjs');
const wherry = (...args: string[]) => run(process.execPath, [script, ...args]);
const one = testCluster('first', 26643, ['--nodes', '0', '--simulated-nodes', '2']);
const two = testCluster('second', 26653, ['--nodes', '0', '--simulated-nodes', '1', '--store', 'memory']);

before(() => Promise.all([one.start(), two.start()]));
after(() => Promise.all([one.remove(), two.remove()]));

test('help names every command, and each has help of its own', async () => {
  const help = await wherry('help');
  assert.equal(help.code, 0);
  const commands = [...help.stdout.matchAll(/^ {2}([a-z-]+) /gm)].map(([, name]) => name!);
  assert.ok(commands.length > 15);
  for (const name of commands.filter((c) => c !== 'kubectl')) {
    const { code, stdout } = await wherry(name, '--help');
    assert.equal(code, 0, name);
    assert.match(stdout, /Usage: wherry /, name);
  }
});

test('completion for three shells', async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { code, stdout } = await wherry('completion', shell);
    assert.equal(code, 0);
    assert.match(stdout, /trace/);
  }
});

test('two clusters do not disturb one another', async () => {
  await one.kubectl('create', 'configmap', 'mine', '--from-literal=a=b');
  assert.notEqual((await two.tryKubectl(['get', 'configmap', 'mine'])).code, 0);
  assert.equal((await one.kubectl('get', 'nodes', '-o', 'name')).trim().split('\n').length, 2);
  assert.equal((await two.kubectl('get', 'nodes', '-o', 'name')).trim().split('\n').length, 1);
});

test('status, logs, kubeconfig', async () => {
  const status = await one.wherry('status', '-o', 'json');
  assert.equal(status.code, 0, status.stderr);
  assert.deepEqual(
    JSON.parse(status.stdout).nodes.map((n: { ready: boolean }) => n.ready),
    [true, true],
  );
  const logs = await one.wherry('logs', 'nobody');
  assert.match(logs.stderr, /there is no log of "nobody": /);
  assert.equal((await one.wherry('kubeconfig', '--path')).stdout.trim(), one.kubeconfig);
});

test('load says why it cannot', async () => {
  assert.match((await one.wherry('load', '/nowhere.tar')).stderr, /there is no file \/nowhere\.tar/);
  assert.match((await one.wherry('load', script)).stderr, /has no real node to load images into/);
});

test('why tells what the scheduler thinks of each node', async () => {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'choosy' },
    spec: { nodeSelector: { disk: 'gold' }, containers: [{ name: 'c', image: 'x' }] },
  };
  const { code, stderr } = await one.tryKubectl(['apply', '-f', '-'], { input: JSON.stringify(pod) });
  assert.equal(code, 0, stderr);
  const { stdout } = await one.wherry('why', 'choosy');
  assert.match(stdout, /0 of 2 nodes fit/);
  assert.match(stdout, /NodeAffinity: node\(s\) didn't match Pod's node affinity\/selector/);
  const unknown = await one.wherry('why', 'nobody');
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /pods "nobody" not found/);
});

test('a second start says that it runs; a start after a stop finds everything', async () => {
  const again = await one.wherry('up', '--nodes', '0');
  assert.equal(again.code, 0);
  assert.match(again.stdout, /is running already/);
  await one.kill('SIGTERM');
  const { stderr, code } = await one.wherry('status');
  assert.equal(code, 1);
  assert.match(stderr, /no cluster "first" is running .*start it with "wherry up --name first"/);
  await one.start();
  assert.match(await one.kubectl('get', 'configmap', 'mine', '-o', 'name'), /configmap\/mine/);
});
