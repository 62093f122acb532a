import { allKinds } from '../../../src/api/all.ts';
import { customResourceDefinitions } from '../../../src/api/apiextensions/custom-resource-definition.ts';
import { protobuf } from '../../../src/api/protobuf.ts';
import { apiVersionOf } from '../../../src/machinery/kind.ts';
import { type Draw, once, pick, randomJson, randomObject } from '../../../src/testing/random-objects.ts';
import { type Attack, json } from '../context.ts';
import { definition } from '../definition.ts';

const kinds = allKinds.filter((kind) => kind.verbs.includes('create'));

const wrongValues = [
  '',
  'x',
  0,
  -1,
  1.5,
  1e21,
  2 ** 63,
  true,
  null,
  [],
  {},
  [null],
  [[]],
  { a: null },
  { __proto__: 1 },
  'a'.repeat(300),
  ['x', 'x'],
  '${x}',
  '__proto__',
  '\u0000',
  '../..',
  '0.0.0.0/0',
  '9999-12-31T23:59:59Z',
  '-1',
  '100%',
  '-5%',
  '1e309',
];

/** Changes some places of a value, and leaves the rest as it is. */
export function mutated(draw: Draw, value: any, chance: number): any {
  if (once(draw, chance)) return once(draw, 3) ? randomJson(draw, 2) : pick(draw, wrongValues);
  if (Array.isArray(value)) {
    const list = value.map((item) => mutated(draw, item, chance));
    return once(draw, chance) ? [...list, ...list] : list;
  }
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).flatMap(([key, item]): [string, unknown][] => {
    if (once(draw, chance * 2)) return [];
    if (once(draw, chance * 2)) return [[`${key}x`, item]];
    return [[key, mutated(draw, item, chance)]];
  });
  return Object.fromEntries(entries);
}

export const seeds: Record<string, any> = {
  Pod: {
    spec: {
      containers: [
        {
          name: 'c',
          image: 'i',
          ports: [{ containerPort: 80 }],
          env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
          volumeMounts: [{ name: 'v', mountPath: '/v' }],
          livenessProbe: { httpGet: { port: 80 } },
          resources: { limits: { cpu: '1' }, requests: { cpu: '500m' } },
        },
      ],
      volumes: [
        {
          name: 'v',
          projected: {
            sources: [
              { serviceAccountToken: { path: 't' } },
              { configMap: { name: 'x', items: [{ key: 'a', path: 'b' }] } },
            ],
          },
        },
      ],
      tolerations: [{ operator: 'Exists' }],
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchExpressions: [{ key: 'a', operator: 'In', values: ['b'] }] }],
          },
        },
      },
      topologySpreadConstraints: [
        { maxSkew: 1, topologyKey: 'a', whenUnsatisfiable: 'DoNotSchedule', labelSelector: {} },
      ],
    },
  },
  Service: {
    spec: {
      ports: [{ port: 80, targetPort: 'web' }],
      selector: { a: 'b' },
      type: 'NodePort',
      ipFamilies: ['IPv4'],
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 5 } },
    },
  },
  Deployment: {
    spec: {
      replicas: 1,
      selector: { matchLabels: { a: 'b' } },
      strategy: { rollingUpdate: { maxSurge: '25%' } },
      template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
    },
  },
  Ingress: {
    spec: {
      rules: [
        {
          host: 'a.b',
          http: {
            paths: [
              { path: '/', pathType: 'Prefix', backend: { service: { name: 's', port: { number: 80 } } } },
            ],
          },
        },
      ],
      tls: [{ hosts: ['a.b'], secretName: 's' }],
    },
  },
  Role: { rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }] },
  CustomResourceDefinition: definition('mutants'),
  HorizontalPodAutoscaler: {
    spec: {
      maxReplicas: 3,
      scaleTargetRef: { kind: 'Deployment', name: 'a', apiVersion: 'apps/v1' },
      metrics: [
        {
          type: 'Resource',
          resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } },
        },
      ],
      behavior: { scaleDown: { policies: [{ type: 'Pods', value: 1, periodSeconds: 60 }] } },
    },
  },
  CronJob: {
    spec: {
      schedule: '* * * * *',
      jobTemplate: {
        spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } } },
      },
    },
  },
  ValidatingWebhookConfiguration: {
    webhooks: [
      {
        name: 'a.b.c',
        clientConfig: { url: 'https://127.0.0.1:1/x' },
        rules: [{ apiGroups: ['nothing'], apiVersions: ['v1'], operations: ['CREATE'], resources: ['x'] }],
        sideEffects: 'None',
        admissionReviewVersions: ['v1'],
      },
    ],
  },
  PersistentVolume: {
    spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/x' } },
  },
  FlowSchema: {
    spec: {
      priorityLevelConfiguration: { name: 'exempt' },
      rules: [
        {
          subjects: [{ kind: 'User', user: { name: 'x' } }],
          resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['*'] }],
        },
      ],
    },
  },
  EndpointSlice: { addressType: 'IPv4', endpoints: [{ addresses: ['10.0.0.1'] }], ports: [{ port: 80 }] },
  CertificateSigningRequest: { spec: { request: 'eA==', signerName: 'a.b/c', usages: ['client auth'] } },
};

const sensible = (draw: Draw, name: string, type: string): any => ({
  ...(once(draw, 2) && seeds[name]
    ? structuredClone(seeds[name])
    : randomObject(draw, type, { depth: 5, fields: 8 })),
});

/** Kinds that would change who may do what for the rest of the run; they are only tried. */
const dangerous =
  /Webhook|AdmissionPolicy|FlowSchema|PriorityLevel|RoleBinding|APIService|Namespace|Node|ServiceCIDR|ResourceQuota|LimitRange|CustomResourceDefinition/;

const objects: Attack = {
  name: 'objects of every kind, changed',
  weight: 10,
  async run({ draw, send }) {
    const kind = pick(draw, kinds);
    const base = kind.group ? `/apis/${kind.group}/${kind.version}` : `/api/${kind.version}`;
    const place = kind.namespaced ? `${base}/namespaces/default/${kind.plural}` : `${base}/${kind.plural}`;
    const object = mutated(draw, sensible(draw, kind.kind, kind.type), pick(draw, [8, 30, 200, 100_000]));
    const whole: any = typeof object === 'object' && object !== null && !Array.isArray(object) ? object : {};
    whole.apiVersion = apiVersionOf(kind);
    whole.kind = kind.kind;
    const name = `m${draw.upTo(5)}`;
    if (!once(draw, 10))
      whole.metadata = {
        ...(typeof whole.metadata === 'object' ? whole.metadata : {}),
        name,
        namespace: undefined,
        ...(kind === (customResourceDefinitions as unknown) ? { name: 'mutants.fuzz.example.com' } : {}),
      };
    const dry = dangerous.test(kind.kind) || once(draw, 3) ? '?dryRun=All' : '';
    const accept = pick(draw, [
      'application/json',
      'application/vnd.kubernetes.protobuf',
      'application/yaml',
      'application/json;as=Table;v=v1;g=meta.k8s.io,application/json',
      'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json',
    ]);
    let body: string | Uint8Array = JSON.stringify(whole);
    let type = 'application/json';
    if (once(draw, 4)) {
      try {
        body = protobuf.encode(whole, kind.type) ?? body;
        if (typeof body !== 'string') type = 'application/vnd.kubernetes.protobuf';
      } catch {
        // It cannot be said in protobuf: then in JSON.
      }
    }
    const headers = { 'content-type': type, accept };
    const text = { text: true };
    const made = await send({ method: 'POST', path: place + dry, headers, body }, text);
    const at = `${place}/${whole.metadata?.name ?? name}`;
    if (typeof whole.metadata?.name !== 'string' || !/^[a-z0-9.-]+$/.test(whole.metadata.name)) return;
    await send({ path: at, headers: { accept } }, text);
    const again = mutated(draw, whole, 50);
    await send(
      { method: 'PUT', path: at + dry, headers: { ...json, accept }, body: JSON.stringify(again) },
      text,
    );
    const patchType = pick(draw, [
      'application/merge-patch+json',
      'application/strategic-merge-patch+json',
      'application/apply-patch+yaml',
      'application/json-patch+json',
    ]);
    await send(
      {
        method: 'PATCH',
        path: `${at}${dry || '?'}&fieldManager=m&fieldValidation=${pick(draw, ['Ignore', 'Warn', 'Strict'])}`,
        headers: { 'content-type': patchType, accept },
        body: JSON.stringify(again),
      },
      text,
    );
    const subresources = Object.keys(kind.subresources).filter(
      (one) => !['exec', 'attach', 'portforward', 'proxy', 'log'].includes(one),
    );
    if (subresources.length) {
      const sub = pick(draw, subresources);
      const method = pick(draw, ['GET', 'PUT', 'PATCH', 'POST']);
      await send(
        {
          method,
          path: `${at}/${sub}${dry}`,
          headers: method === 'PATCH' ? { 'content-type': 'application/merge-patch+json' } : json,
          ...(method === 'GET'
            ? {}
            : {
                body: JSON.stringify(
                  mutated(
                    draw,
                    once(draw, 2)
                      ? again
                      : randomObject(draw, kind.subresources[sub]!.kind ? kind.type : kind.type),
                    30,
                  ),
                ),
              }),
        },
        text,
      );
    }
    await send({ path: `${place}?limit=5`, headers: { accept }, maxBytes: 1 << 20 }, text);
    if (made.code === 201 && !dry)
      await send(
        {
          method: 'DELETE',
          path: at,
          headers: json,
          body: JSON.stringify(mutated(draw, { gracePeriodSeconds: 0, propagationPolicy: 'Background' }, 6)),
        },
        text,
      );
  },
};

const reviews: Attack = {
  name: 'reviews, changed',
  weight: 2,
  async run({ draw, send }) {
    const [path, body] = pick(draw, [
      [
        '/apis/authorization.k8s.io/v1/subjectaccessreviews',
        {
          spec: {
            user: 'x',
            groups: ['a'],
            extra: { a: ['b'] },
            resourceAttributes: {
              verb: 'get',
              resource: 'pods',
              labelSelector: { requirements: [{ key: 'a', operator: 'In', values: ['b'] }] },
            },
          },
        },
      ],
      [
        '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
        { spec: { nonResourceAttributes: { path: '/x', verb: 'get' } } },
      ],
      ['/apis/authorization.k8s.io/v1/selfsubjectrulesreviews', { spec: { namespace: 'default' } }],
      ['/apis/authentication.k8s.io/v1/tokenreviews', { spec: { token: 'a.b.c', audiences: ['x'] } }],
      ['/apis/authentication.k8s.io/v1/selfsubjectreviews', {}],
      [
        '/api/v1/namespaces/default/serviceaccounts/default/token',
        {
          spec: {
            audiences: ['x'],
            expirationSeconds: 600,
            boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'pod' },
          },
        },
      ],
      [
        '/api/v1/namespaces/default/pods/pod/eviction?dryRun=All',
        { metadata: { name: 'pod' }, deleteOptions: { preconditions: { uid: 'x' } } },
      ],
      [
        '/api/v1/namespaces/default/pods/pod/binding?dryRun=All',
        { metadata: { name: 'pod' }, target: { kind: 'Node', name: 'node-1' } },
      ],
      [
        '/api/v1/namespaces/default/bindings?dryRun=All',
        { metadata: { name: 'pod' }, target: { kind: 'Node', name: 'node-1' } },
      ],
    ] as [string, object][]);
    await send({
      method: 'POST',
      path,
      headers: json,
      body: JSON.stringify(mutated(draw, body, pick(draw, [5, 15]))),
    });
  },
};

export const mutations: Attack[] = [objects, reviews];
