import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConfigMap, Container, Pod, Secret, Service } from '../api/core/v1.gen.ts';
import { fieldValue, resourceValue } from './downward-api.ts';
import { environment } from './environment.ts';
import { expand } from './expansion.ts';
import { serviceEnvironment } from './service-environment.ts';

const pod: Pod = {
  metadata: {
    name: 'p',
    namespace: 'n',
    uid: 'u',
    labels: { b: '2', a: 'x "y"' },
    annotations: { 'a/b': 'note' },
  },
  spec: { containers: [], nodeName: 'node1', serviceAccountName: 'sa' },
};
const facts = {
  pod,
  podIPs: ['10.0.0.2', 'fd00::2'],
  hostIPs: ['10.1.0.1'],
  allocatable: { cpu: '4', memory: '8Gi' },
};
const configMap: ConfigMap = { metadata: {}, data: { KEY: 'value', OTHER: 'o' } };
const secret: Secret = {
  metadata: {},
  data: { PASSWORD: btoa('pässword'.normalize('NFC').replace('ä', 'a')) },
};
const objects = {
  configMap: (name: string) => (name === 'conf' ? configMap : undefined),
  secret: (name: string) => (name === 'safe' ? secret : undefined),
};
const envOf = (container: Partial<Container>, services = {}) =>
  environment({ name: 'c', ...container }, { ...facts, objects, services });

test('references are replaced, unknown ones stay, $$ is $', () => {
  const known = (name: string) => ({ A: '1', EMPTY: '' })[name];
  const cases = {
    '$(A)': '1',
    '$(B)': '$(B)',
    '$$(A)': '$(A)',
    '$A $(A': '$A $(A',
    '$(EMPTY)x': 'x',
    '$$$(A)': '$1',
    a$: 'a$',
  };
  for (const [text, expected] of Object.entries(cases)) assert.equal(expand(text, known), expected, text);
});

test('env wins over envFrom, and names what stands before it', () => {
  const env = envOf(
    {
      envFrom: [
        { configMapRef: { name: 'conf' }, prefix: 'C_' },
        { secretRef: { name: 'safe' } },
        { secretRef: { name: 'no', optional: true } },
      ],
      env: [
        { name: 'C_KEY', value: 'own' },
        { name: 'ALL', value: '$(C_KEY) $(C_OTHER) $(LATER) $(SVC)' },
        { name: 'LATER', value: 'l' },
        { name: 'ONE', valueFrom: { configMapKeyRef: { name: 'conf', key: 'KEY' } } },
        { name: 'NONE', valueFrom: { secretKeyRef: { name: 'safe', key: 'no', optional: true } } },
        { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIPs' } } },
        { name: 'EMPTY' },
      ],
    },
    { SVC: 'service', LATER: 'hidden' },
  );
  assert.deepEqual(env, {
    C_KEY: 'own',
    C_OTHER: 'o',
    PASSWORD: 'password',
    ALL: 'own o hidden service',
    LATER: 'l',
    ONE: 'value',
    IP: '10.0.0.2,fd00::2',
    EMPTY: '',
    SVC: 'service',
  });
});

test('what is missing and not optional is named', () => {
  const missing = (valueFrom: object) => () => envOf({ env: [{ name: 'X', valueFrom }] });
  assert.throws(missing({ configMapKeyRef: { name: 'no', key: 'k' } }), /^Error: configmap "no" not found$/);
  assert.throws(
    missing({ secretKeyRef: { name: 'safe', key: 'k' } }),
    /^Error: couldn't find key k in Secret n\/safe$/,
  );
});

test('fields of the pod', () => {
  const value = (fieldPath: string) => fieldValue({ fieldPath }, facts);
  assert.equal(value("metadata.labels['b']"), '2');
  assert.equal(value("metadata.annotations['a/b']"), 'note');
  assert.equal(value('metadata.labels'), 'a="x \\"y\\""\nb="2"\n');
  assert.equal(value('spec.serviceAccountName'), 'sa');
  assert.throws(() => value('spec.hostname'), /unsupported fieldPath/);
});

test('limits and requests in units of the divisor, the node standing in for missing limits', () => {
  const container: Container = {
    name: 'c',
    resources: { limits: { cpu: '1250m' }, requests: { memory: '100Mi' } },
  };
  const value = (resource: string, divisor?: string) =>
    resourceValue({ resource, ...(divisor ? { divisor } : {}) }, facts, container);
  assert.equal(value('limits.cpu'), '2');
  assert.equal(value('limits.cpu', '1m'), '1250');
  assert.equal(value('requests.memory', '1Mi'), '100');
  assert.equal(value('limits.memory', '1Gi'), '8');
  assert.equal(value('requests.cpu'), '0');
});

test('services of the namespace, and kubernetes always', () => {
  const service = (name: string, namespace: string, clusterIP: string): Service => ({
    metadata: { name, namespace },
    spec: {
      clusterIP,
      ports: [
        { name: 'web', port: 80 },
        { name: 'dns', port: 53, protocol: 'UDP' },
      ],
    },
  });
  const services = [
    service('my-db', 'n', '10.0.0.9'),
    service('other', 'x', '10.0.0.8'),
    service('kubernetes', 'default', '10.0.0.1'),
    service('headless', 'n', 'None'),
  ];
  const env = serviceEnvironment(services, 'n', true);
  assert.equal(env.MY_DB_SERVICE_HOST, '10.0.0.9');
  assert.equal(env.MY_DB_SERVICE_PORT_WEB, '80');
  assert.equal(env.MY_DB_PORT, 'tcp://10.0.0.9:80');
  assert.equal(env.MY_DB_PORT_53_UDP, 'udp://10.0.0.9:53');
  assert.equal(env.KUBERNETES_SERVICE_HOST, '10.0.0.1');
  assert.ok(!('OTHER_SERVICE_HOST' in env) && !('HEADLESS_SERVICE_HOST' in env));
  const few = serviceEnvironment(services, 'n', false);
  assert.ok('KUBERNETES_SERVICE_HOST' in few && !('MY_DB_SERVICE_HOST' in few));
});
