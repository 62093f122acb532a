import { once, pick } from '../../../src/testing/random-objects.ts';
import { type Attack, json } from '../context.ts';
import { definition } from '../definition.ts';

const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const evil = [
  '^(a+)+$',
  '(a|aa)+$',
  '(.*a){25}',
  '^(([a-z])+.)+[A-Z]([a-z])+$',
  '(x+x+)+y',
  '(a{1,1000}){1,1000}',
  '(?=a)',
  '\\1',
  '(',
  '[',
  'a{100000}',
  '(((((a*)*)*)*)*)*',
  '\\pL+',
  '(?i)x',
  '\\C',
  'a**',
  '(?P<n>a)',
  '[[:alpha:]]+',
  '\u0000',
  '(?:'.repeat(500) + 'a' + ')'.repeat(500),
  '.{0,1000}.{0,1000}.{0,1000}',
  '(' + 'a|'.repeat(20_000) + 'b)',
];

const regex: Attack = {
  name: 'regular expressions',
  async run({ draw, send }) {
    // The definition that is there has `^(a+)+$`.
    await send({
      ...{ method: 'POST', path: '/apis/fuzz.example.com/v1/namespaces/default/widgets', headers: json },
      body: JSON.stringify({
        apiVersion: 'fuzz.example.com/v1',
        kind: 'Kindwidgets',
        metadata: { generateName: 'r-' },
        spec: { text: `${'a'.repeat(pick(draw, [30, 5000, 50_000]))}!` },
      }),
    });
    const pattern = pick(draw, evil);
    const plural = `rx${draw.upTo(9)}s`;
    const spec = {
      type: 'object',
      properties: { t: { type: 'string', pattern }, e: { type: 'string', enum: ['a', pattern] } },
    };
    await send({
      method: 'POST',
      path: `${crds}?dryRun=${once(draw, 2) ? 'All' : ''}`,
      headers: json,
      body: JSON.stringify(definition(plural, 'fuzz.example.com', spec)),
    });
    await send({
      ...{ method: 'POST', path: `/apis/fuzz.example.com/v1/namespaces/default/${plural}`, headers: json },
      body: JSON.stringify({
        apiVersion: 'fuzz.example.com/v1',
        kind: `Kind${plural}`,
        metadata: { generateName: 'r-' },
        spec: { t: `${'a'.repeat(20_000)}!` },
      }),
    });
    await send({ method: 'DELETE', path: `${crds}/${plural}.fuzz.example.com` });
  },
};

const rules: ((n: number) => string)[] = [
  () => "self.text.matches('^(a+)+$')",
  (n) => `'${'a'.repeat(n)}'.matches('(a|aa)+$')`,
  () =>
    'self.numbers.all(a, self.numbers.all(b, self.numbers.all(c, self.numbers.all(d, a + b + c + d > 0))))',
  () => 'self.numbers.map(a, self.numbers.map(b, self.numbers.map(c, [a, b, c]))).size() > 0',
  (n) => `${'('.repeat(n)}1${')'.repeat(n)} == 1`,
  (n) => `${'!'.repeat(n)}true`,
  (n) => `${'1 + '.repeat(n)}1 > 0`,
  (n) => `${'true && '.repeat(n)}true`,
  (n) => `${'true ? '.repeat(Math.min(n, 2000))}1${' : 1'.repeat(Math.min(n, 2000))} == 1`,
  (n) => `self${'.free'.repeat(n)} == 1`,
  (n) => `[${'['.repeat(n)}${']'.repeat(n)}] == []`,
  () =>
    "self.text.replace('a', 'aaaaaaaaaaaaaaaaaaaa').replace('a', 'aaaaaaaaaaaaaaaaaaaaaaaa').replace('a', 'aaaaaaaaaaaaaaaaaaaaaaa').size() > 0",
  () => "self.text.split('').map(x, self.text + x).size() > 0",
  () => '__proto__ == constructor',
  () => "self['__proto__'] == 1",
  () => "has(self.constructor) || self.toString == ''",
  () => '9223372036854775807 + 1 > 0',
  () => '-9223372036854775808 / -1 > 0',
  () =>
    "duration('1000000h') > duration('1s') && timestamp('9999-12-31T23:59:59Z') + duration('1000000h') > timestamp('2000-01-01T00:00:00Z')",
  () => "'%s'.format(['x']) == '' || '%1000000000d'.format([1]) == ''",
  () => "quantity('1e1000000').isGreaterThan(quantity('1'))",
  (n) => `'${'\\u0000'.repeat(n)}' == ''`,
  () => 'self.map.all(k, self.map.all(j, k != j))',
  () =>
    'cel.bind(a, [1,1,1,1,1,1,1,1], cel.bind(b, a.map(x, a), cel.bind(c, b.map(x, b), c.map(x, c).size() > 0)))',
  () => "url('http://' + self.text).getHost() == ''",
  () => 'ip(self.text).isLoopback()',
  () => "self.text.findAll('a*').size() > 0",
];
const cel: Attack = {
  name: 'expressions',
  weight: 2,
  async run({ draw, send }) {
    const rule = pick(draw, rules)(pick(draw, [1, 20, 300, 20_000]));
    const plural = `cel${draw.upTo(9)}s`;
    const spec = {
      type: 'object',
      properties: {
        text: { type: 'string', maxLength: pick(draw, [100, 100_000]) },
        numbers: { type: 'array', maxItems: pick(draw, [10, 10_000]), items: { type: 'integer' } },
        map: {
          type: 'object',
          maxProperties: pick(draw, [10, 1000]),
          additionalProperties: { type: 'string', maxLength: 10 },
        },
        free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      },
      'x-kubernetes-validations': [{ rule, ...(once(draw, 3) ? { messageExpression: rule } : {}) }],
    };
    const made = await send({
      method: 'POST',
      path: crds,
      headers: json,
      body: JSON.stringify(definition(plural, 'fuzz.example.com', spec)),
    });
    if (made.code === 201) {
      await send({
        ...{ method: 'POST', path: `/apis/fuzz.example.com/v1/namespaces/default/${plural}`, headers: json },
        body: JSON.stringify({
          ...{ apiVersion: 'fuzz.example.com/v1', kind: `Kind${plural}`, metadata: { generateName: 'c-' } },
          spec: {
            text: 'a'.repeat(spec.properties.text.maxLength),
            numbers: Array.from({ length: spec.properties.numbers.maxItems }, (_, i) => i),
            map: Object.fromEntries(
              Array.from({ length: spec.properties.map.maxProperties }, (_, i) => [`k${i}`, 'v']),
            ),
          },
        }),
      });
    }
    await send({ method: 'DELETE', path: `${crds}/${plural}.fuzz.example.com` });
    await send({
      ...{
        method: 'POST',
        path: '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies?dryRun=All',
        headers: json,
      },
      body: JSON.stringify({
        metadata: { generateName: 'p-' },
        spec: {
          matchConstraints: {
            resourceRules: [
              { apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['nothing'] },
            ],
          },
          validations: [{ expression: rule.replaceAll('self', 'object') }],
          matchConditions: [{ name: 'x', expression: rule.replaceAll('self', 'object') }],
        },
      }),
    });
  },
};

const selectors: ((n: number) => string)[] = [
  (n) => `a in (${Array.from({ length: n }, (_, i) => `v${i}`).join(',')})`,
  (n) => Array.from({ length: n }, (_, i) => `!k${i}`).join(','),
  (n) => Array.from({ length: n }, () => 'a!=b').join(','),
  (n) => '('.repeat(n),
  (n) => `a notin (${',,'.repeat(n)})`,
  (n) => `a${'='.repeat(n)}b`,
  (n) => `${' '.repeat(n)}a`,
  (n) => `${'a/'.repeat(n)}b`,
  (n) => `a>${'9'.repeat(n)}`,
  () => '__proto__=x,constructor in (a,b),!toString',
  (n) => `a=${'b'.repeat(n)}`,
  () => 'in in (in,notin)',
  () => 'a in (b',
  () => ',,,',
];
const fields: ((n: number) => string)[] = [
  (n) => Array.from({ length: n }, (_, i) => `metadata.name!=x${i}`).join(','),
  (n) => `metadata.name=${'\\'.repeat(n)}`,
  (n) => `metadata.name=${'\\,'.repeat(n)}`,
  () => '__proto__=x',
  () => 'constructor!=x',
  (n) => '='.repeat(n),
  (n) => `${'!'.repeat(n)}=`,
  () => 'spec.nodeName=node-1,status.phase!=Running',
  () => 'metadata.name',
];
const selecting: Attack = {
  name: 'selectors',
  weight: 2,
  async run({ draw, send }) {
    const n = pick(draw, [1, 100, 1500, 8000]);
    const label = once(draw, 2);
    const text = pick(draw, label ? selectors : fields)(n);
    const path = pick(draw, [
      '/api/v1/pods',
      '/api/v1/configmaps',
      '/api/v1/namespaces/default/configmaps',
      '/api/v1/secrets',
    ]);
    const query = `${label ? 'labelSelector' : 'fieldSelector'}=${encodeURIComponent(text).slice(0, 60_000)}`;
    const watch = once(draw, 3) ? '&watch=1&timeoutSeconds=1' : '';
    await send(
      { path: `${path}?${query}${watch}`, http2: once(draw, 2), maxBytes: 1 << 20, limitMs: 8000 },
      { bare: text.length > 15_000, mayClose: true },
    );
    await send({
      ...{ method: 'POST', path: '/api/v1/namespaces/default/services?dryRun=All', headers: json },
      body: JSON.stringify({
        metadata: { generateName: 's-' },
        spec: { ports: [{ port: 80 }], selector: { [text.slice(0, 5000)]: text.slice(0, 5000) } },
      }),
    });
    await send({
      ...{ method: 'POST', path: '/apis/apps/v1/namespaces/default/deployments?dryRun=All', headers: json },
      body: JSON.stringify({
        metadata: { generateName: 'd-' },
        spec: {
          selector: {
            matchExpressions: Array.from({ length: Math.min(n, 1500) }, (_, i) => ({
              key: `k${i}`,
              operator: 'DoesNotExist',
            })),
            matchLabels: { a: 'b' },
          },
          template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
        },
      }),
    });
  },
};

const values: Attack = {
  name: 'numbers, times, addresses and schedules',
  weight: 2,
  async run({ draw, send }) {
    const text = pick(draw, [
      '9'.repeat(100_000),
      '1e999999999',
      '-0',
      '+1',
      '1'.repeat(400) + 'Ki',
      '0.' + '0'.repeat(1000) + '1',
      '1E+',
      '٣',
      '\u0000',
      '1_000',
      '0x1F',
      'Infinity',
      '99999999999999999999999999Ei',
    ]);
    const dated = pick(draw, [
      '0000-00-00T00:00:00Z',
      '9999-99-99T99:99:99Z',
      '2026-02-30T00:00:00Z',
      '10000-01-01T00:00:00Z',
      '-1-01-01T00:00:00Z',
      '2026-01-01T00:00:00+99:99',
      '2026-01-01t00:00:00.' + '9'.repeat(50_000) + 'z',
      'x',
    ]);
    const pods = '/api/v1/namespaces/default/pods?dryRun=All';
    await send({
      ...{ method: 'POST', path: pods, headers: json },
      body: JSON.stringify({
        metadata: { generateName: 'v-', deletionTimestamp: dated, creationTimestamp: dated },
        spec: {
          containers: [{ name: 'c', image: 'i', resources: { limits: { cpu: text, memory: text } } }],
          activeDeadlineSeconds: Number(text) || text,
        },
      }),
    });
    const schedule = pick(draw, [
      '* * * * *',
      '*/0 * * * *',
      '1-99999999 * * * *',
      `${'*,'.repeat(20_000)}* * * * *`,
      '0 0 31 2 *',
      '@every 1ns',
      'TZ=../../etc/passwd 0 0 * * *',
      '0 0 0 0 0',
      '* * * * * * * *',
      '99 99 99 99 99',
      '0-59/0 * * * *',
    ]);
    await send({
      ...{ method: 'POST', path: '/apis/batch/v1/namespaces/default/cronjobs?dryRun=All', headers: json },
      body: JSON.stringify({
        metadata: { generateName: 'j-' },
        spec: {
          schedule,
          timeZone: pick(draw, ['Etc/UTC', '__proto__', '../x', 'x'.repeat(5000)]),
          jobTemplate: {
            spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } } },
          },
        },
      }),
    });
    const ip = pick(draw, [
      '::'.repeat(1000),
      '1.2.3.4.5',
      '999.1.1.1',
      '::1%eth0',
      '1.2.3.4/99',
      `${'0:'.repeat(5000)}0`,
      '0x7f.1',
      '010.0.0.1',
      '',
    ]);
    await send({
      ...{ method: 'POST', path: '/api/v1/namespaces/default/services?dryRun=All', headers: json },
      body: JSON.stringify({
        metadata: { generateName: 's-' },
        spec: {
          clusterIP: ip,
          externalIPs: [ip],
          loadBalancerSourceRanges: [ip],
          ports: [{ port: Number(text) || 1e9, nodePort: -5, targetPort: text.slice(0, 100) }],
        },
      }),
    });
    await send({
      ...{
        method: 'POST',
        path: '/apis/networking.k8s.io/v1/namespaces/default/networkpolicies?dryRun=All',
        headers: json,
      },
      body: JSON.stringify({
        metadata: { generateName: 'n-' },
        spec: {
          podSelector: {},
          ingress: [
            { from: [{ ipBlock: { cidr: ip, except: [ip, text] } }], ports: [{ port: text, endPort: 5 }] },
          ],
        },
      }),
    });
  },
};

export const patterns: Attack[] = [regex, cel, selecting, values];
