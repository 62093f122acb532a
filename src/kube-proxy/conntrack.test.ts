import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deletions, leavesFlows, parseFlows, staleFlows } from './conntrack.ts';
import { serviceMap } from './service-map.ts';
import { service, slice } from './testdata/objects.ts';

const flow = (dst: string, dport: number, answers: string, port = 53) =>
  `udp      17 28 src=10.1.0.2 dst=${dst} sport=5353 dport=${dport} [UNREPLIED] src=${answers} dst=10.1.0.2 sport=${port} dport=5353 mark=0 use=1`;
const dns = service('dns', {
  ...{ clusterIP: '10.96.0.10', type: 'NodePort' },
  ports: [{ port: 53, nodePort: 30053, protocol: 'UDP' }],
});
const ports = [{ name: '', port: 53, protocol: 'UDP' }];
const map = (...ips: string[]) => serviceMap([dns], [slice('dns', ips, ports)], { name: 'here' });

test('flows to endpoints that are gone, and untranslated ones, are stale', () => {
  const flows = parseFlows(
    [
      flow('10.96.0.10', 53, '10.1.0.9'),
      flow('10.96.0.10', 53, '10.1.0.8'),
      flow('10.96.0.10', 53, '10.96.0.10'),
      flow('192.0.2.1', 30053, '10.1.0.8'),
      flow('10.96.0.11', 53, '10.1.0.8'),
      'conntrack v1.4.7 (conntrack-tools): 5 flow entries have been shown.',
    ].join('\n'),
  );
  assert.equal(flows.length, 5);
  assert.deepEqual(
    deletions(staleFlows(flows, map('10.1.0.9'))).map((args) => args.slice(4).join(' ')),
    [
      '10.96.0.10 --orig-port-dst 53 --reply-src 10.1.0.8',
      '10.96.0.10 --orig-port-dst 53 --reply-src 10.96.0.10',
      '192.0.2.1 --orig-port-dst 30053 --reply-src 10.1.0.8',
    ],
  );
  assert.deepEqual(staleFlows(flows, map()), [], 'what is refused makes no flow');
});

test('which changes can leave stale flows', () => {
  const of = (...ips: string[]) => map(...ips).get('default/dns')!;
  assert.equal(leavesFlows(of('10.1.0.1'), of('10.1.0.1', '10.1.0.2')), false);
  assert.equal(leavesFlows(of('10.1.0.1', '10.1.0.2'), of('10.1.0.1')), true);
  assert.equal(leavesFlows(of(), of('10.1.0.1')), true);
  assert.equal(leavesFlows([], of('10.1.0.1')), false);
});
