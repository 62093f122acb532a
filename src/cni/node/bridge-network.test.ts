// In network namespaces of its own: the machine's rules and links are not touched.

import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { runCommand } from '../../machinery/node/command.ts';
import { bridgeName } from '../bridge.ts';
import { applyMasquerade, defaultMtu, setUpBridgeNetwork, tearDownBridgeNetwork } from './bridge-network.ts';

const name = `wherry-cni-${process.pid}`;
const netns = `/run/netns/${name}`;
let directory: string;

const inside = async (...command: string[]) =>
  (await runCommand('nsenter', [`--net=${netns}`, ...command])).stdout;
const rules = async () =>
  (await inside('iptables-save')).split('\n').filter((line) => line.includes('WHERRY'));

const network = (cluster: string, podCIDR: string) => ({
  ...{
    name: cluster,
    podCIDR,
    clusterCIDR: podCIDR.replace('0.0/24', '0.0/16'),
    bridge: bridgeName(cluster),
    netns,
  },
  ...{ confDir: join(directory, cluster, 'net.d'), ipamDir: join(directory, cluster, 'ipam') },
});

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'wherry-cni-'));
  await runCommand('ip', ['netns', 'add', name]);
});

after(async () => {
  await runCommand('ip', ['netns', 'delete', name]);
  await rm(directory, { recursive: true });
});

test('two clusters side by side, set up twice, taken down one by one', async () => {
  const [a, b] = [network('a', '10.1.0.0/24'), network('b', '10.2.0.0/24')];
  for (const each of [a, b, a]) await setUpBridgeNetwork(each);
  const [file] = await readdir(a.confDir);
  const conflist = JSON.parse(await readFile(join(a.confDir, file!), 'utf8'));
  assert.deepEqual([conflist.plugins[0].bridge, conflist.plugins[0].mtu], ['wb-a', 1500]);
  const both = await rules();
  assert.equal(both.filter((line) => line === '-A POSTROUTING -j WHERRY-POST-wb-a').length, 1);
  assert.equal(both.filter((line) => line.startsWith('-A WHERRY-POST-wb-b')).length, 3);

  await inside('iptables', '-t', 'nat', '-F');
  await applyMasquerade(a);
  assert.equal((await rules()).filter((line) => line.includes('-A WHERRY-POST-wb-a')).length, 3);

  await inside('ip', 'link', 'add', 'wb-a', 'type', 'bridge');
  await tearDownBridgeNetwork(a);
  await tearDownBridgeNetwork(a);
  const left = await rules();
  assert.equal(
    left.some((line) => line.includes('wb-a')),
    false,
  );
  assert.equal(
    left.some((line) => line.includes('WHERRY-FWD-wb-b')),
    true,
  );
  assert.equal((await inside('ip', '-br', 'link')).includes('wb-a'), false);
  assert.deepEqual(await readdir(a.confDir), []);
  await tearDownBridgeNetwork(b);
  assert.deepEqual(await rules(), []);
});

test('takes the MTU of the way out', async () => {
  await inside('ip', 'link', 'add', 'out0', 'mtu', '1380', 'type', 'bridge');
  await inside('ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'out0');
  await inside('ip', 'link', 'set', 'out0', 'up');
  await inside('ip', 'route', 'add', 'default', 'via', '192.0.2.2');
  assert.equal(await defaultMtu(netns), 1380);
});
