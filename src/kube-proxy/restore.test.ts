import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chainNames } from './chains.ts';
import { fullRestore, iptablesRules, parseSave, partialRestore, removal } from './restore.ts';
import { portRules, type RuleConfig } from './rules.ts';
import { type ServiceMap, serviceMap } from './service-map.ts';
import { buildTables, jumps } from './tables.ts';
import { service, slice } from './testdata/objects.ts';

const config: RuleConfig = {
  ...{
    chains: chainNames('KUBE-'),
    mark: 0x4000,
    clusterCIDR: '10.0.0.0/8',
    nodeIP: '192.0.2.1',
    randomFully: true,
  },
};
const node = { name: 'here' };
const web = service('web', { clusterIP: '10.96.0.1' });
const sticky = service('sticky', {
  ...{
    clusterIP: '10.96.0.2',
    type: 'NodePort',
    sessionAffinity: 'ClientIP',
    externalTrafficPolicy: 'Local',
  },
  ports: [{ name: 'http', port: 80, nodePort: 30080, protocol: 'TCP' }],
});
const tables = (map: ServiceMap) =>
  buildTables(
    [...map.values()].flat().map((routed) => portRules(routed, config)),
    config,
  );
const lines = (text: string) =>
  text.split('\n').filter((line) => /^-A KUBE-(SVC|SVL|SEP|EXT)|^:KUBE-(SVC|SVL|SEP|EXT)/.test(line));

test('chain names are upstream’s, and fit whatever the prefix', () => {
  const [routed] = serviceMap(
    [service('kubernetes', { clusterIP: '10.96.0.1', ports: [{ name: 'https', port: 443 }] })],
    [],
    node,
  ).values();
  assert.equal(chainNames('KUBE-').cluster(routed![0]!.port), 'KUBE-SVC-NPX46M4PTMTKRN6Y');
  const long = chainNames('WHERRY-ABC-');
  assert.equal(long.cluster(routed![0]!.port).length, 28);
  assert.ok(long.owns(long.cluster(routed![0]!.port)) && long.owns('WHERRY-ABC-EXTERNAL-SERVICES'));
  assert.equal(chainNames('WHERRY-').owns('WHERRY-ABC-SERVICES'), false);
  for (const wrong of ['WHERRY-ABCD-', 'a b', '', '-j']) assert.throws(() => chainNames(wrong), RangeError);
});

test('the rules of a service', () => {
  const text = iptablesRules(
    serviceMap([web], [slice('web', ['10.0.0.1', '10.0.0.2', '10.0.0.3'])], node),
    config,
    'me',
  );
  const short = text
    .replaceAll(/-m comment --comment "[^"]*" /g, '')
    .replaceAll(/(SVC|SEP)-[A-Z2-7]{12}/g, '$1-');
  assert.match(short, /-A KUBE-SERVICES -d 10\.96\.0\.1\/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-/);
  const balancing = short.split('\n').filter((line) => line.startsWith('-A KUBE-SVC-'));
  assert.deepEqual(
    balancing.map((line) => line.replace(/^-A \S+ /, '').replace(/ ?-j KUBE-(\w+)-.*/, ' $1')),
    [
      '! -s 10.0.0.0/8 -d 10.96.0.1/32 -p tcp -m tcp --dport 80 MARK',
      '-m statistic --mode random --probability 0.3333333333 SEP',
      '-m statistic --mode random --probability 0.5000000000 SEP',
      ' SEP',
    ],
  );
  assert.match(short, /-A KUBE-SEP-\S+ -p tcp -m tcp -j DNAT --to-destination 10\.0\.0\.3:8080/);
  assert.match(text, /-I FORWARD .*--comment "me: forwarding rules" -j KUBE-FORWARD/);
});

test('affinity and traffic policy Local', () => {
  const map = serviceMap(
    [sticky],
    [
      slice(
        'sticky',
        ['10.0.0.1', { addresses: ['10.0.1.1'], nodeName: 'there' }],
        [{ name: 'http', port: 8080 }],
      ),
    ],
    node,
  );
  const { nat } = tables(map);
  const port = map.get('default/sticky')![0]!.port;
  const { chains } = config;
  assert.equal(
    nat.get(chains.cluster(port))!.filter((line) => line.includes('--rcheck --seconds 10800 --reap')).length,
    2,
  );
  assert.equal(nat.get(chains.local(port))!.filter((line) => line.includes('-j KUBE-SEP-')).length, 2);
  assert.deepEqual(
    nat.get(chains.external(port))!.map((line) => line.replace(/.*? (?=-[ms] (?!comment)|-j)/, '')),
    [
      `-s 10.0.0.0/8 -j ${chains.cluster(port)}`,
      '-m addrtype --src-type LOCAL -j KUBE-MARK-MASQ',
      `-m addrtype --src-type LOCAL -j ${chains.cluster(port)}`,
      `-j ${chains.local(port)}`,
    ],
  );
});

test('one endpoint more: its chain and its service’s, nothing else', () => {
  const before = tables(serviceMap([web, sticky], [slice('web', ['10.0.0.1'])], node));
  const after = tables(serviceMap([web, sticky], [slice('web', ['10.0.0.1', '10.0.0.2'])], node));
  const text = partialRestore(before, after);
  assert.equal(lines(text).filter((line) => line.startsWith(':')).length, 2);
  assert.ok(!text.includes('KUBE-SERVICES'));
  assert.equal(partialRestore(after, after), '');
  const back = partialRestore(after, before).split('\n');
  assert.equal(back.filter((line) => line.startsWith('-X KUBE-SEP-')).length, 1);
});

test('the last endpoint: a rule that refuses takes the place of the chains', () => {
  const before = tables(serviceMap([web], [slice('web', ['10.0.0.1'])], node));
  const text = partialRestore(before, tables(serviceMap([web], [], node)));
  assert.match(text, /-A KUBE-SERVICES -d 10\.96\.0\.1\/32 .*has no endpoints" -j REJECT/);
  assert.equal(text.split('\n').filter((line) => line.startsWith('-X')).length, 2);
});

test('refusals come before the nat table changes, and go after it', () => {
  const order = (text: string) =>
    [...text.matchAll(/^\*(\w+)$|^-A KUBE-SERVICES.*"default\/(\w+) has no endpoints"/gm)]
      .map((m) => m[1] ?? m[2])
      .join(' ');
  const with1 = (...names: string[]) =>
    tables(
      serviceMap(
        [web, service('two', { clusterIP: '10.96.0.3' })],
        names.map((name) => slice(name, ['10.0.0.1'])),
        node,
      ),
    );
  assert.equal(order(partialRestore(with1('web', 'two'), with1('two'))), 'filter web nat');
  assert.equal(order(partialRestore(with1('two'), with1('web', 'two'))), 'nat filter');
  assert.equal(order(partialRestore(with1('web'), with1('two'))), 'filter two web nat filter web');
});

test('a full write removes what is stale and doubled, and keeps what is right', () => {
  const ways = jumps(config, 'me');
  const saved = [
    ':KUBE-SEP-ABCDEFGHIJKLMNOP - [0:0]',
    ':KUBE-POSTROUTING - [0:0]',
    ':KUBE-KUBELET-CANARY - [0:0]',
    ...ways.filter(({ table }) => table === 'nat').map(({ line }) => line),
    '-A OUTPUT -m comment --comment "old: service portals" -j KUBE-SERVICES',
    '-A KUBE-SERVICES -j KUBE-NODEPORTS',
    '-A OUTPUT -j DOCKER',
  ].join('\n');
  const present = { nat: parseSave(saved, config.chains), filter: parseSave('', config.chains) };
  const nat = fullRestore(tables(new Map()), ways, present).split('*filter\n')[0]!.split('\n');
  assert.deepEqual(
    nat.filter((line) => /^-[XDI]/.test(line)),
    [
      '-D OUTPUT -m comment --comment "old: service portals" -j KUBE-SERVICES',
      '-X KUBE-SEP-ABCDEFGHIJKLMNOP',
    ],
  );
  const gone = removal(present).split('\n');
  assert.deepEqual(
    gone.filter((line) => line.startsWith('-X')),
    ['-X KUBE-SEP-ABCDEFGHIJKLMNOP', '-X KUBE-POSTROUTING'],
  );
  assert.equal(gone.filter((line) => line.startsWith('-D')).length, 4);
  assert.equal(removal({ nat: parseSave('', config.chains), filter: parseSave('', config.chains) }), '');
});
