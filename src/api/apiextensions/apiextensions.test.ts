import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clone } from '../../machinery/meta.ts';
import { CLEANUP_FINALIZER, customResourceDefinitions } from './custom-resource-definition.ts';
import type { CustomResourceDefinition } from './v1.gen.ts';

const context = { nowMs: 0, user: 'u', random: () => 0 };
const rules = customResourceDefinitions.rules;

function definition(version: any = {}, spec: any = {}, metadata: any = {}): CustomResourceDefinition {
  const object: any = {
    metadata: { name: 'widgets.example.com', ...metadata },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'widgets', kind: 'Widget' },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: 'object' } },
          ...version,
        },
      ],
      ...spec,
    },
  };
  rules.defaults!(object);
  rules.prepareCreate!(object, context);
  return object;
}
const withSchema = (openAPIV3Schema: any, more: any = {}) =>
  definition({ schema: { openAPIV3Schema }, ...more });
const text = (errors: { field: string; message: string }[]) => errors.map((e) => `${e.field}: ${e.message}`);
const errors = (crd: CustomResourceDefinition) => text(rules.validate!(crd, context));

test('a definition gets its defaults, and is held for cleanup', () => {
  const crd = definition();
  assert.deepEqual(crd.spec.names, {
    plural: 'widgets',
    kind: 'Widget',
    singular: 'widget',
    listKind: 'WidgetList',
  });
  assert.deepEqual(crd.spec.conversion, { strategy: 'None' });
  assert.deepEqual(crd.metadata.finalizers, [CLEANUP_FINALIZER]);
  assert.deepEqual(crd.status, { storedVersions: ['v1'] });
  assert.deepEqual(errors(crd), []);
  const next = clone(crd);
  delete next.metadata.finalizers;
  next.spec.versions[0]!.storage = false;
  next.spec.versions.push({ ...crd.spec.versions[0]!, name: 'v2' });
  rules.prepareUpdate!(next, crd, context);
  assert.deepEqual(next.metadata.finalizers, [CLEANUP_FINALIZER]);
  assert.deepEqual(next.status!.storedVersions, ['v1', 'v2']);
});

test('what is wrong is named by its field', () => {
  const object = (properties: any) => ({ type: 'object', properties });
  const cases: [CustomResourceDefinition, string][] = [
    [
      definition({}, { group: 'other.com' }),
      'metadata.name: Invalid value: "widgets.example.com": must be spec.names.plural+"."+spec.group',
    ],
    [
      definition({}, { scope: 'Global' }),
      'spec.scope: Unsupported value: "Global": supported values: "Cluster", "Namespaced"',
    ],
    [definition({ schema: undefined }), 'spec.versions[0].schema.openAPIV3Schema: Required value'],
    [definition({ storage: false }), 'spec.versions: Invalid value: [{"name":"v1"'],
    [definition({ name: 'V1' }), 'spec.versions[0].name: Invalid value: "V1": a DNS-1035 label'],
    [
      definition({ additionalPrinterColumns: [{ name: 'A', type: 'text', jsonPath: 'spec' }] }),
      'spec.additionalPrinterColumns[0].type: Invalid value: "text": must be one of boolean,date,integer,number,string',
    ],
    [
      definition({
        subresources: { scale: { specReplicasPath: '.status.a', statusReplicasPath: '.status.b' } },
      }),
      'spec.subresources.scale.specReplicasPath: Invalid value: ".status.a": should be a json path under .spec',
    ],
    [
      definition(
        {},
        {
          conversion: {
            strategy: 'Webhook',
            webhook: { clientConfig: { url: 'http://a' }, conversionReviewVersions: ['v1'] },
          },
        },
      ),
      'spec.conversion.webhookClientConfig.url: Invalid value: "http": \'https\' is the only allowed URL scheme',
    ],
    [withSchema({}), 'spec.validation.openAPIV3Schema.type: Required value: must not be empty at the root'],
    [
      withSchema(object({ spec: {} })),
      'spec.validation.openAPIV3Schema.properties[spec].type: Required value: must not be empty for specified object fields',
    ],
    [
      withSchema({ ...object({ a: { type: 'string' } }), allOf: [object({ b: { minimum: 1 } })] }),
      'spec.validation.openAPIV3Schema.properties[b]: Required value: because it is defined in spec.validation.openAPIV3Schema.allOf[0].properties[b]',
    ],
    [
      withSchema(object({ metadata: object({ labels: { type: 'object' } }) })),
      'spec.validation.openAPIV3Schema.properties[metadata]: Forbidden: must not specify anything other than name and generateName',
    ],
    [
      withSchema(
        object({
          l: {
            type: 'array',
            'x-kubernetes-list-type': 'map',
            'x-kubernetes-list-map-keys': ['k'],
            items: object({ k: { type: 'string' } }),
          },
        }),
      ),
      'spec.validation.openAPIV3Schema.properties[l].items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys',
    ],
    [
      withSchema(object({ s: { type: 'string', pattern: '(' } })),
      'spec.validation.openAPIV3Schema.properties[s].pattern: Invalid value: "(": must be a valid regular expression',
    ],
    [
      definition({}, { group: 'x.k8s.io' }, { name: 'widgets.x.k8s.io' }),
      'metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation',
    ],
  ];
  for (const [crd, expected] of cases) {
    const found = errors(crd);
    assert.ok(
      found.some((e) => e.startsWith(expected)),
      `${expected}\n${found.join('\n')}`,
    );
  }
});

test('structural schemas may say integer or string in one way', () => {
  const anyOf = [{ type: 'integer' }, { type: 'string' }];
  const port = { 'x-kubernetes-int-or-string': true, anyOf, pattern: '^(?i)[a-z]+$' };
  assert.deepEqual(errors(withSchema({ type: 'object', properties: { port } })), []);
  const a = { type: 'string', anyOf: [{ type: 'integer' }] };
  assert.deepEqual(errors(withSchema({ type: 'object', properties: { a } })), [
    'spec.validation.openAPIV3Schema.properties[a].anyOf[0].type: Forbidden: must be empty to be structural',
  ]);
});

test('names that are in use do not change', () => {
  const old = definition();
  const next = clone(old);
  next.spec.names.kind = 'Gadget';
  assert.deepEqual(rules.validateUpdate!(next, old, context), []);
  old.status = { conditions: [{ type: 'Established', status: 'True' }] };
  assert.deepEqual(text(rules.validateUpdate!(next, old, context)), [
    'spec.names.kind: Invalid value: "Gadget": field is immutable',
  ]);
});
