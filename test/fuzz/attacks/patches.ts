import { once, pick, randomJson } from '../../../src/testing/random-objects.ts';
import { type Attack, type Context, json } from '../context.ts';

const maps = '/api/v1/namespaces/patches/configmaps';
const widgets = '/apis/fuzz.example.com/v1/namespaces/patches/widgets';
const types = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
};
const patch = (context: Context, path: string, type: keyof typeof types, body: unknown, query = '') =>
  context.send({
    method: 'PATCH',
    path: `${path}${query}`,
    headers: { 'content-type': types[type] },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

async function target(context: Context): Promise<string> {
  const { send, draw } = context;
  await send({
    method: 'POST',
    path: '/api/v1/namespaces',
    headers: json,
    body: '{"metadata":{"name":"patches"}}',
  });
  const name = `w${draw.upTo(3)}`;
  await send({
    method: 'POST',
    path: widgets,
    headers: json,
    body: JSON.stringify({
      apiVersion: 'fuzz.example.com/v1',
      kind: 'Kindwidgets',
      metadata: { name },
      spec: { n: 1, free: { list: [] } },
    }),
  });
  return `${widgets}/${name}`;
}

const operations: Attack = {
  name: 'JSON patches',
  weight: 2,
  async run(context) {
    const { draw } = context;
    const path = await target(context);
    const n = pick(draw, [10, 1000, 9_990, 10_001]);
    const many = (op: (i: number) => object) => Array.from({ length: n }, (_, i) => op(i));
    const bodies: (() => object[])[] = [
      () => many(() => ({ op: 'add', path: '/spec/free/list/0', value: 'x' })),
      () => many((i) => ({ op: 'add', path: `/spec/free/k${i}`, value: i })),
      () => [
        { op: 'add', path: '/spec/free/a', value: ['x'.repeat(1000)] },
        ...many(() => ({ op: 'copy', from: '/spec/free/a', path: '/spec/free/a/-' })),
      ],
      () => [
        { op: 'add', path: '/spec/free/a', value: {} },
        ...many(() => ({ op: 'copy', from: '/spec/free', path: '/spec/free/a' })),
      ],
      () =>
        many((i) =>
          i % 2
            ? { op: 'move', from: '/spec/m', path: '/spec/n' }
            : { op: 'move', from: '/spec/n', path: '/spec/m' },
        ),
      () => many(() => ({ op: 'test', path: '/spec', value: { n: 1 } })),
      () => [
        { op: 'add', path: '/spec/free/list', value: Array.from({ length: 100_000 }, () => 1) },
        ...many((i) => ({ op: 'remove', path: `/spec/free/list/${i % 3}` })),
      ],
      () => [{ op: 'add', path: `/spec/free${'/a'.repeat(5000)}`, value: 1 }],
      () => [{ op: 'add', path: '', value: randomJson(draw, 3) }],
      () => [{ op: 'replace', path: '/metadata', value: randomJson(draw, 3) }],
      () => [{ op: 'remove', path: '/metadata' }],
      () => [{ op: 'add', path: '/metadata/managedFields', value: randomJson(draw, 3) }],
      () => [{ op: 'add', path: '/spec/free/list/99999999999999999999', value: 1 }],
      () =>
        [null, 1, [], { op: null }, { op: 'add' }, { op: 'add', path: 1 }, { op: 'copy', path: '/a' }].filter(
          () => once(draw, 3),
        ) as object[],
    ];
    await patch(context, path, 'json', pick(draw, bodies)(), once(draw, 2) ? '?dryRun=All' : '');
  },
};

const merges: Attack = {
  name: 'merge patches',
  async run(context) {
    const { draw } = context;
    const path = await target(context);
    await patch(
      context,
      path,
      'merge',
      pick(draw, [
        () => ({
          spec: { free: Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`k${i}`, {}])) },
        }),
        () => ({
          spec: { free: Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`k${i}`, null])) },
        }),
        () => randomJson(draw, 4),
        () => ({ metadata: randomJson(draw, 3) }),
        () => ({
          metadata: {
            labels: randomJson(draw, 1),
            ownerReferences: randomJson(draw, 2),
            managedFields: randomJson(draw, 2),
          },
        }),
        () => ({ spec: randomJson(draw, 3), status: randomJson(draw, 3) }),
        () => ({ apiVersion: randomJson(draw, 1), kind: randomJson(draw, 1) }),
      ])(),
    );
  },
};

const deployment = (name: string): any => ({
  ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name } },
  spec: {
    selector: { matchLabels: { a: 'b' } },
    template: {
      metadata: { labels: { a: 'b' } },
      spec: { containers: [{ name: 'c', image: 'i', env: [] }] },
    },
  },
});
const strategic: Attack = {
  name: 'strategic merge patches',
  async run(context) {
    const { draw, send } = context;
    await target(context);
    const path = '/apis/apps/v1/namespaces/patches/deployments';
    await send({ method: 'POST', path, headers: json, body: JSON.stringify(deployment('d')) });
    const n = pick(draw, [10, 3000, 20_000]);
    const env = (item: (i: number) => object) => ({
      spec: {
        template: {
          spec: { containers: [{ name: 'c', env: Array.from({ length: n }, (_, i) => item(i)) }] },
        },
      },
    });
    await patch(
      context,
      `${path}/d`,
      'strategic',
      pick(draw, [
        () => env((i) => ({ name: `E${i}`, value: 'x' })),
        () => env((i) => ({ $patch: 'delete', name: `E${i}` })),
        () => env(() => ({ name: 'E', value: 'x' })),
        () => env(() => ({ $patch: 'replace' })),
        () => ({
          spec: {
            $retainKeys: randomJson(draw, 2),
            '$setElementOrder/x': randomJson(draw, 2),
            '$deleteFromPrimitiveList/finalizers': randomJson(draw, 2),
          },
        }),
        () => ({
          metadata: {
            '$deleteFromPrimitiveList/finalizers': randomJson(draw, 2),
            '$setElementOrder/finalizers': randomJson(draw, 2),
            finalizers: randomJson(draw, 2),
          },
        }),
        () => ({
          spec: {
            template: {
              spec: { containers: randomJson(draw, 2), '$setElementOrder/containers': randomJson(draw, 2) },
            },
          },
        }),
        () => ({ spec: { strategy: { $patch: randomJson(draw, 1) } } }),
        () => ({
          $patch: pick(draw, ['delete', 'replace', 'merge', '__proto__']),
          metadata: randomJson(draw, 2),
        }),
        () => randomJson(draw, 4),
      ])(),
    );
  },
};

const managers: Attack = {
  name: 'many managers',
  async run(context) {
    const { draw } = context;
    await target(context);
    const name = `m${draw.upTo(2)}`;
    const config = (i: number) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name },
      data: { [`k${i}`]: 'v' },
    });
    const from = draw.upTo(100_000);
    for (let i = 0; i < 60; i++)
      await patch(
        context,
        `${maps}/${name}`,
        'apply',
        config(from + i),
        `?fieldManager=m-${from + i}&force=true`,
      );
    // As many as go into one object, at once.
    const entry = (i: number) => ({
      manager: `m${i}`,
      operation: pick(draw, ['Apply', 'Update']),
      apiVersion: 'v1',
      fieldsType: 'FieldsV1',
      fieldsV1: { 'f:data': { [`f:k${i}`]: {} } },
    });
    await patch(context, `${maps}/${name}`, 'merge', {
      metadata: { managedFields: Array.from({ length: pick(draw, [10, 3000]) }, (_, i) => entry(i)) },
    });
    await patch(context, `${maps}/${name}`, 'apply', config(1), '?fieldManager=last&force=true');
    await patch(context, `${maps}/${name}`, 'merge', {
      metadata: {
        managedFields: [
          {
            ...entry(1),
            fieldsV1: pick(draw, [
              { 'k:': {} },
              { 'v:{': {} },
              { x: {} },
              { 'f:a': 1 },
              { 'k:{"a":1': {} },
              { 'f:__proto__': {} },
              [],
              null,
              { '.': { '.': {} } },
            ]),
          },
        ],
      },
    });
    await patch(context, `${maps}/${name}`, 'apply', config(1), '?fieldManager=last&force=true');
    await patch(
      context,
      `${maps}/${name}`,
      'apply',
      pick(draw, [
        [],
        1,
        null,
        'x',
        {},
        { apiVersion: 'v1' },
        { apiVersion: 1, kind: [] },
        { ...config(1), metadata: 1 },
        { ...config(1), data: [] },
        { ...config(1), metadata: { name, managedFields: [] } },
      ]),
      '?fieldManager=x',
    );
    await context.send({ method: 'DELETE', path: `${maps}/${name}` });
  },
};

export const patches: Attack[] = [operations, merges, strategic, managers];
