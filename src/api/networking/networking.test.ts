import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isStrictlyWithin } from '../checks.ts';
import { cellsOf, errorsOf, made, refuses, texts } from '../kind-fixtures.ts';
import { ingresses } from './ingress.ts';
import { ingressClasses } from './ingress-class.ts';
import { ipAddresses } from './ip-address.ts';
import { networkPolicies } from './network-policy.ts';
import { serviceCIDRs } from './service-cidr.ts';

const backend = { service: { name: 'web', port: { number: 80 } } };
const ingress = (rule: any, more: any = {}) => ({ spec: { rules: [rule], ...more } });
const http = (path: any) => ({ http: { paths: [{ path: '/', pathType: 'Prefix', backend, ...path }] } });

test('policies apply to what their rules speak of', () => {
  const types = (spec: any) => made(networkPolicies, { spec }).spec.policyTypes;
  assert.deepEqual(types({}), ['Ingress']);
  assert.deepEqual(types({ egress: [{ to: [{ podSelector: {} }] }] }), ['Ingress', 'Egress']);
  assert.equal(
    made(networkPolicies, { spec: { ingress: [{ ports: [{ port: 1 }] }] } }).spec.ingress[0].ports[0]
      .protocol,
    'TCP',
  );
});

test('what is wrong is named by its field', () => {
  const block = (ipBlock: any) => ({ spec: { podSelector: {}, ingress: [{ from: [{ ipBlock }] }] } });
  refuses([
    [
      networkPolicies,
      block({ cidr: '10.0.0.0/8', except: ['11.0.0.0/16'] }),
      'spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`',
    ],
    [
      networkPolicies,
      block({ cidr: '10.0.0.0/33' }),
      'spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "10.0.0.0/33": must be a valid CIDR value',
    ],
    [
      networkPolicies,
      { spec: { ingress: [{ from: [{}] }] } },
      'spec.ingress[0].from[0]: Required value: must specify a peer',
    ],
    [
      networkPolicies,
      { spec: { egress: [{ ports: [{ endPort: 9 }] }] } },
      'spec.egress[0].ports[0].endPort: Invalid value: 9: may not be specified when `port` is not specified',
    ],
    [
      ingresses,
      { spec: {} },
      'spec: Invalid value: null: either `defaultBackend` or `rules` must be specified',
    ],
    [
      ingresses,
      ingress(http({ pathType: undefined })),
      'spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified',
    ],
    [
      ingresses,
      ingress(http({ path: 'x' })),
      'spec.rules[0].http.paths[0].path: Invalid value: "x": must be an absolute path',
    ],
    [
      ingresses,
      ingress({ host: '1.2.3.4' }),
      'spec.rules[0].host: Invalid value: "1.2.3.4": must be a DNS name, not an IP address',
    ],
    [
      ingresses,
      ingress(http({ backend: { service: { name: 'a' } } })),
      'spec.rules[0].http.paths[0].backend: Required value: port name or number is required',
    ],
    [
      ingresses,
      ingress(http({ backend: { resource: { name: 'a/b' } } })),
      'spec.rules[0].http.paths[0].backend.resource.name: Invalid value: "a/b": may not contain \'/\'',
    ],
    [
      ingressClasses,
      { spec: { controller: 'nginx' } },
      'spec.controller: Invalid value: "nginx": must be a domain-prefixed path (such as "acme.io/foo")',
    ],
    [
      ingressClasses,
      { spec: { controller: 'a.io/b', parameters: { kind: 'X', name: 'x', scope: 'Namespace' } } },
      "spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'",
    ],
    [ipAddresses, { metadata: { name: 'x' }, spec: {} }, 'spec.parentRef: Required value'],
    [
      serviceCIDRs,
      { spec: { cidrs: ['10.0.0.0/8', '11.0.0.0/8'] } },
      'spec.cidrs: Invalid value: ["10.0.0.0/8","11.0.0.0/8"]: may specify no more than one IP for each IP family',
    ],
  ]);
  assert.deepEqual(errorsOf(ingresses, made(ingresses, ingress(http({})))), []);
  const status = { loadBalancer: { ingress: [{ ip: 'x' }] } };
  assert.match(
    texts(
      ingresses.rules.validateStatus!(
        made(ingresses, { ...ingress(http({})), status }),
        {} as any,
        {} as any,
      ),
    )[0]!,
    /^status.loadBalancer.ingress\[0\].ip: Invalid value: "x"/,
  );
});

test('ranges within ranges', () => {
  assert.equal(isStrictlyWithin('10.1.0.0/16', '10.0.0.0/8'), true);
  assert.equal(isStrictlyWithin('10.0.0.0/8', '10.0.0.0/8'), false);
  assert.equal(isStrictlyWithin('fd00:1::/64', 'fd00::/16'), true);
  assert.equal(isStrictlyWithin('::ffff:10.0.0.0/112', '::ffff:0:0/96'), true);
  assert.equal(isStrictlyWithin('fe00::/64', 'fd00::/16'), false);
});

test('columns', () => {
  const rules = ['a', 'b', 'c', 'd'].map((host) => ({ host: `${host}.x` }));
  const status = { loadBalancer: { ingress: [{ ip: '2.2.2.2' }, { hostname: 'h.x' }] } };
  assert.deepEqual(
    cellsOf(ingresses, made(ingresses, { spec: { ingressClassName: 'n', rules, tls: [{}] }, status })),
    ['n', 'a.x,b.x,c.x + 1 more...', '2.2.2.2,h.x', '80, 443'],
  );
  assert.deepEqual(cellsOf(ingresses, made(ingresses, ingress({}))), ['<none>', '*', '', '80']);
  assert.deepEqual(cellsOf(networkPolicies, made(networkPolicies, { spec: {} })), ['<none>']);
  assert.deepEqual(
    cellsOf(serviceCIDRs, made(serviceCIDRs, { spec: { cidrs: ['10.0.0.0/8', 'fd00::/64'] } })),
    ['10.0.0.0/8,fd00::/64'],
  );
  const parentRef = { resource: 'services', namespace: 'd', name: 's' };
  assert.deepEqual(cellsOf(ipAddresses, made(ipAddresses, { spec: { parentRef } })), ['services/d/s']);
});
