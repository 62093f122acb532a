/** A custom resource whose schema has one of everything. */
export const definition = (
  plural: string,
  group = 'fuzz.example.com',
  spec: object = everything,
): object => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${plural}.${group}` },
  spec: {
    group,
    scope: 'Namespaced',
    names: {
      plural,
      singular: plural.replace(/s$/, ''),
      kind: `Kind${plural}`,
      listKind: `Kind${plural}List`,
    },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {}, scale: { specReplicasPath: '.spec.n', statusReplicasPath: '.status.n' } },
        schema: { openAPIV3Schema: { type: 'object', properties: { spec, status: free } } },
      },
    ],
  },
});

const free = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };

export const everything = {
  type: 'object',
  properties: {
    n: { type: 'integer' },
    text: { type: 'string', pattern: '^(a+)+$', maxLength: 100000 },
    mail: { type: 'string', format: 'email' },
    port: { 'x-kubernetes-int-or-string': true },
    free,
    list: {
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
      items: {
        type: 'object',
        required: ['name'],
        properties: { name: { type: 'string' }, v: { type: 'string' } },
      },
    },
    set: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } },
    map: { type: 'object', additionalProperties: { type: 'string' } },
    numbers: { type: 'array', items: { type: 'integer' } },
  },
};
