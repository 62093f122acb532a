import { once, pick } from '../../../src/testing/random-objects.ts';
import { type Attack, json } from '../context.ts';

const inherited = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'valueOf',
  '__defineGetter__',
];
const strange = [
  ...inherited,
  ...[
    '..',
    '.',
    '%2e%2e',
    '%2F',
    'a%2Fb',
    '%00',
    '%',
    '%zz',
    '%c3%28',
    '%u0041',
    ' ',
    '%20',
    '*',
    '~',
    ':',
    'a:b:c:d',
  ],
  ...[
    'a'.repeat(253),
    'a'.repeat(254),
    'a'.repeat(5000),
    'é',
    '日本',
    '-',
    'A',
    'a..b',
    "'",
    '%0d%0aX: y',
    '${x}',
    '{{x}}',
  ],
];

const proto: Attack = {
  name: 'keys of every object',
  weight: 3,
  async run({ draw, send }) {
    const key = pick(draw, inherited);
    const value = pick(draw, [
      '"x"',
      '{}',
      '{"polluted":"yes"}',
      '[]',
      'null',
      '1',
      '{"constructor":{"prototype":{"polluted":1}}}',
    ]);
    const object = (more: string, spot: string) =>
      `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"generateName":"p-",${spot === 'meta' ? more : ''}"labels":{${spot === 'labels' ? more : ''}"a":"b"},"annotations":{${spot === 'annotations' ? more : ''}"a":"b"}},"data":{${spot === 'data' ? more : ''}"a":"b"}${spot === 'root' ? `,${more.slice(0, -1)}` : ''}}`;
    const spot = pick(draw, ['meta', 'labels', 'annotations', 'data', 'root']);
    const body = object(`"${key}":${value},`, spot);
    const maps = '/api/v1/namespaces/default/configmaps';
    await send({
      method: 'POST',
      path: `${maps}?fieldValidation=${pick(draw, ['Ignore', 'Warn', 'Strict', key])}`,
      headers: json,
      body,
    });
    await send({
      ...{
        method: 'PATCH',
        path: `${maps}/kube-root-ca.crt?fieldManager=${key}&force=true&dryRun=All`,
        body,
      },
      headers: {
        'content-type': pick(draw, [
          'application/apply-patch+yaml',
          'application/merge-patch+json',
          'application/strategic-merge-patch+json',
        ]),
      },
    });
    await send({
      ...{ method: 'PATCH', path: `${maps}/kube-root-ca.crt?dryRun=All` },
      headers: { 'content-type': 'application/json-patch+json' },
      body: `[{"op":"${pick(draw, ['add', 'copy', 'move', 'test', 'replace', 'remove', key])}","path":"/${key}/polluted","from":"/${key}","value":${value}}]`,
    });
    await send({
      ...{ method: 'POST', path: '/apis/fuzz.example.com/v1/namespaces/default/widgets', headers: json },
      body: `{"apiVersion":"fuzz.example.com/v1","kind":"Kindwidgets","metadata":{"generateName":"p-"},"spec":{"${key}":${value},"free":{"${key}":${value}},"map":{"${key}":${value}},"list":[{"name":"${key}"}]}}`,
    });
    await send({
      ...{ method: 'POST', path: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', headers: json },
      body: `{"metadata":{"name":"x.example.com"},"spec":{"group":"example.com","scope":"Namespaced","names":{"plural":"x","kind":"${key}"},"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","properties":{"${key}":{"type":"${key}","format":"${key}","default":${value}}},"x-kubernetes-validations":[{"rule":"self.${key}(1) == ${key}"}]}}}]}}`,
    });
  },
};

const paths: Attack = {
  name: 'strange paths',
  weight: 3,
  async run({ draw, send }) {
    const part = () =>
      pick(draw, [
        ...strange,
        'api',
        'v1',
        'apis',
        'pods',
        'default',
        'namespaces',
        'status',
        'proxy',
        'scale',
        'watch',
        '',
      ]);
    const path = pick(draw, [
      () => `/${Array.from({ length: draw.upTo(9) }, part).join('/')}`,
      () => `/api/v1/namespaces/${part()}/${part()}/${part()}`,
      () => `/apis/${part()}/${part()}/${part()}`,
      () => `/api/v1/namespaces/default/pods/pod/${part()}/${part()}`,
      () => `/api/v1/nodes/${part()}/proxy/${part()}`,
      () => `/api/v1/namespaces/default/services/${part()}/proxy/${part()}`,
      () => `/openapi/v3/${part()}/${part()}`,
      () =>
        `/api/v1/namespaces/default/pods/pod/log?container=${part()}&tailLines=${part()}&sinceTime=${part()}&follow=${part()}`,
      () => `/${'a/'.repeat(draw.upTo(4000))}`,
      () => `/api/v1/pods?${'&'.repeat(draw.upTo(5000))}`,
    ])();
    const method = pick(draw, [
      'GET',
      'GET',
      'POST',
      'PUT',
      'PATCH',
      'DELETE',
      'HEAD',
      'OPTIONS',
      'TRACE',
      'CONNECT',
      'constructor',
      'PROPFIND',
    ]);
    const http2 = once(draw, 2);
    if (method === 'CONNECT' || (!http2 && method === 'constructor')) return;
    await send(
      {
        method,
        path,
        http2,
        ...(['POST', 'PUT', 'PATCH'].includes(method) ? { body: '{}', headers: json } : {}),
        limitMs: 10_000,
      },
      { bare: method === 'HEAD', text: true, mayClose: true },
    );
  },
};

const numbers = ['-1', '0', '1', '99999999999999999999', '1e9', 'NaN', '0x10', ' 1', '', '1.5', 'null'];
const queries: Attack = {
  name: 'strange queries and headers',
  weight: 3,
  async run({ draw, send }) {
    const word = () =>
      encodeURIComponent(
        pick(draw, [...inherited, 'All', 'true', 'x', '', 'é', 'a,b', 'a=b', '0', '\u0000']),
      );
    const number = () => encodeURIComponent(pick(draw, numbers));
    const query = [
      () => `limit=${number()}`,
      () =>
        `continue=${pick(draw, ['', 'x', 'e30', btoa('{"rv":-5,"start":"../"}'), btoa('{"rv":1e999,"start":"a"}'), btoa('{"rv":1,"start":{}}'), btoa('null'), '%ff'])}`,
      () => `resourceVersion=${number()}`,
      () => `resourceVersionMatch=${word()}`,
      () => `timeoutSeconds=${pick(draw, ['1', '-1', '0'])}&watch=${word()}`,
      () => `timeout=${word()}`,
      () => `sendInitialEvents=${word()}`,
      () => `labelSelector=${word()}`,
      () => `fieldSelector=${word()}`,
      () => `dryRun=${word()}`,
      () => `fieldManager=${word()}`,
      () => `gracePeriodSeconds=${number()}`,
      () => `propagationPolicy=${word()}`,
      () => `pretty=${word()}`,
      () => `includeObject=${word()}`,
      () => `${word()}=${word()}`,
      () => `%${word()}=%`,
    ];
    const text = Array.from({ length: 1 + draw.upTo(3) }, () => pick(draw, query)()).join('&');
    const accepts = [
      'application/json',
      '*/*',
      '',
      ';',
      ',',
      'a/b',
      ';;;q=x',
      'application/json;as=Table;v=v1;g=meta.k8s.io',
      'application/json;as=__proto__',
      'constructor',
      '__proto__',
      'application/vnd.kubernetes.protobuf',
      'application/json;q=' + '9'.repeat(400),
      'application/json,'.repeat(500),
      'application/yaml;as=Table',
      'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1beta1',
    ];
    const headers: Record<string, string> = { accept: pick(draw, accepts) };
    if (once(draw, 3))
      headers['user-agent'] = pick(draw, [
        '',
        '__proto__/x',
        'a'.repeat(3000),
        'é'.normalize('NFD').replace(/[^ -~]/g, '?'),
      ]);
    if (once(draw, 3))
      headers[
        pick(draw, [
          'impersonate-user',
          'impersonate-group',
          'impersonate-uid',
          'impersonate-extra-__proto__',
          'impersonate-extra-%',
          'impersonate-extra-a%2fb',
          'x-remote-user',
          'authorization',
          'audit-id',
          '__proto__',
        ])
      ] = pick(draw, [
        'x',
        '',
        'system:masters',
        'Bearer x',
        'Basic x',
        'Bearer ' + 'a.'.repeat(1000),
        'system:serviceaccount:a:b',
        '__proto__',
      ]);
    const path = pick(draw, [
      '/api/v1/pods',
      '/api/v1/namespaces/default/pods/pod',
      '/api/v1/namespaces/default/configmaps',
      '/apis/fuzz.example.com/v1/widgets',
      '/version',
      '/api',
      '/openapi/v2',
      '/metrics',
      '/apis',
    ]);
    const method = pick(draw, ['GET', 'GET', 'GET', 'DELETE', 'POST']);
    const body =
      method === 'GET'
        ? undefined
        : pick(draw, [
            '{}',
            '{"dryRun":"x"}',
            '{"preconditions":1}',
            '{"propagationPolicy":{}}',
            '{"gracePeriodSeconds":"x"}',
            '{"kind":"DeleteOptions","apiVersion":"v1","dryRun":[1],"preconditions":{"uid":{}}}',
            '{"dryRun":{"length":3}}',
            '{"orphanDependents":"x"}',
          ]);
    const safe = method === 'DELETE' && !path.endsWith('/pod') ? `${path}/none` : path;
    await send(
      {
        method,
        path: `${safe}?${text}`,
        headers: body ? { ...headers, ...json } : headers,
        body,
        http2: once(draw, 2),
        maxBytes: 1 << 20,
      },
      { text: true },
    );
  },
};

const long: Attack = {
  name: 'long URLs and headers',
  async run({ draw, send, listening }) {
    // On a connection of its own: the server may end it.
    const as = listening.attacker;
    const size = pick(draw, [4000, 15_000, 60_000, 100_000, 900_000, 2_000_000]);
    const http2 = once(draw, 2);
    const where = draw.upTo(3);
    const filler = 'a'.repeat(size);
    const expect = { bare: true, mayClose: true };
    if (where === 0) await send({ path: `/api/v1/namespaces/default/pods/${filler}`, http2, as }, expect);
    else if (where === 1) await send({ path: `/api/v1/pods?labelSelector=${filler}`, http2, as }, expect);
    else if (where === 2)
      await send({ path: '/api/v1/pods', headers: { 'x-long': filler }, http2, as }, expect);
    else {
      const headers = Object.fromEntries(
        Array.from({ length: Math.min(3000, size / 20) }, (_, i) => [`x-h-${i}`, 'v']),
      );
      await send({ path: '/version', headers, http2, as }, expect);
    }
  },
};

export const names: Attack[] = [proto, paths, queries, long];
