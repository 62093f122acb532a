import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Client, Options } from '../../../client/client.ts';
import { type ApiResource, Discovery } from '../../../client/discovery.ts';
import { StatusError } from '../../../machinery/status.ts';
import { statusOf } from './conditions.ts';
import { clear, isClear } from './contents.ts';

const resource = (plural: string, verbs: string[], more: Partial<ApiResource> = {}): ApiResource => ({
  ...{ group: 'example.com', version: 'v1', kind: plural, plural, singular: '', namespaced: true, verbs },
  ...{ shortNames: [], categories: [], subresources: {} },
  ...more,
});
const served = (resources: ApiResource[], failed: [string, string][] = []): (() => Promise<Discovery>) => {
  const versions = Map.groupBy(resources, ({ group, version }) => JSON.stringify([group, version]));
  const groups = [...versions].map(([key, its]) => {
    const [name, version] = JSON.parse(key);
    return { name, versions: [{ version, resources: its }] };
  });
  return async () => new Discovery(groups, new Map(failed));
};

type Objects = Record<string, { name: string; finalizers?: string[] }[]>;
const refused = (code: number, reason: string) => new StatusError(code, reason, `refused: ${reason}`);

/** A server with these objects in the one namespace; `fail` says what it answers instead of doing what is asked. */
function rig(objects: Objects, fail: (call: string) => StatusError | undefined = () => undefined) {
  const calls: string[] = [];
  const note = (verb: string, plural: string, name = '') => {
    const call = [verb, plural, name].filter(Boolean).join(' ');
    calls.push(call);
    const error = fail(call);
    if (error) throw error;
  };
  const remove = (plural: string, name?: string) => {
    objects[plural] = (objects[plural] ?? []).filter((o) => (name && o.name !== name) || o.finalizers);
    return {};
  };
  const client = (({ plural }: { plural: string }) => ({
    async list() {
      note('list', plural);
      return { metadata: {}, items: (objects[plural] ?? []).map((metadata) => ({ metadata })) };
    },
    async delete(name: string, { propagationPolicy }: Options) {
      assert.equal(propagationPolicy, 'Background');
      note('delete', plural, name);
      return remove(plural, name);
    },
    async deleteCollection() {
      note('deletecollection', plural);
      return remove(plural);
    },
  })) as unknown as Client;
  return { client, calls };
}
const all = ['list', 'delete', 'deletecollection'];

test('what is empty is only looked at; the rest goes at once, or one by one where that is not known', async () => {
  const { client, calls } = rig(
    {
      many: [{ name: 'a' }],
      few: [{ name: 'b' }, { name: 'c' }],
      liars: [{ name: 'd' }],
      unseen: [{ name: 'e' }],
    },
    (call) => (call === 'deletecollection liars' ? refused(405, 'MethodNotAllowed') : undefined),
  );
  const kinds = [
    resource('none', all),
    resource('many', all),
    resource('few', ['list', 'delete']),
    resource('liars', all),
    resource('unseen', ['delete', 'deletecollection']),
    resource('readonly', ['list']),
    resource('wide', all, { namespaced: false }),
  ];
  const contents = await clear(client, 'ns', served(kinds));
  assert.ok(isClear(contents));
  const of = (plural: string) =>
    calls.filter((c) => c.split(' ')[1] === plural).map((c) => c.replace(` ${plural}`, ''));
  assert.deepEqual(of('none'), ['list']);
  assert.deepEqual(of('many'), ['list', 'deletecollection', 'list']);
  assert.deepEqual(of('few'), ['list', 'delete b', 'delete c', 'list']);
  assert.deepEqual(of('liars'), ['list', 'deletecollection', 'delete d', 'list']);
  assert.deepEqual(of('unseen'), ['deletecollection']);
  assert.deepEqual([of('readonly'), of('wide')], [[], []]);
});

test('while there are pods, nothing else goes', async () => {
  const { client, calls } = rig({ pods: [{ name: 'p', finalizers: ['x/y'] }], many: [{ name: 'a' }] });
  const pods = resource('pods', all, { group: '' });
  const contents = await clear(client, 'ns', served([resource('many', all), pods]));
  assert.deepEqual([...contents.remaining], [['pods', 1]]);
  assert.deepEqual([...contents.finalizers], [['x/y', 1]]);
  assert.ok(calls.every((call) => call.endsWith(' pods')));
});

test('a resource that went away is no hindrance; one that cannot be asked is', async () => {
  const broken = (call: string) =>
    call === 'list gone'
      ? refused(404, 'NotFound')
      : call === 'list down'
        ? refused(503, 'ServiceUnavailable')
        : undefined;
  const { client } = rig({}, broken);
  const contents = await clear(client, 'ns', served([resource('gone', all), resource('down', all)]));
  assert.deepEqual(contents.errors, ['refused: ServiceUnavailable']);
  assert.ok(!isClear(contents));
});

test('conditions say what is in the way, with upstream words', async () => {
  const sticky = { stays: [{ name: 'a' }], held: [{ name: 'b', finalizers: ['x/y'] }] };
  const { client } = rig(sticky);
  const stubborn = (({ plural }: { plural: string }) => ({
    ...(client({ plural } as never) as object),
    deleteCollection: async () => ({}),
  })) as unknown as Client;
  const kinds = [resource('stays', all), resource('held', all), resource('odd', all, { version: 'v1/v2' })];
  const failed: [string, string][] = [
    ['down.io/v1', 'stale GroupVersion discovery: down.io/v1'],
    ['a.io/v1', 'it is down'],
  ];
  const contents = await clear(stubborn, 'ns', served(kinds, failed));
  const { conditions } = statusOf({ metadata: { name: 'ns' }, spec: {} }, contents, 0);
  assert.deepEqual(
    conditions!.map(({ type, status, reason, message }) => [type, status, reason, message]),
    [
      [
        'NamespaceDeletionDiscoveryFailure',
        'True',
        'DiscoveryFailed',
        'Discovery failed for some groups, 2 failing: unable to retrieve the complete list of server APIs: ' +
          'a.io/v1: it is down, down.io/v1: stale GroupVersion discovery: down.io/v1',
      ],
      [
        'NamespaceDeletionGroupVersionParsingFailure',
        'True',
        'GroupVersionParsingFailed',
        'unexpected GroupVersion string: example.com/v1/v2',
      ],
      [
        'NamespaceDeletionContentFailure',
        'True',
        'ContentDeletionFailed',
        'Failed to delete all resource types, 1 remaining: ' +
          'unexpected items still remain in namespace: ns for gvr: example.com/v1, Resource=stays',
      ],
      [
        'NamespaceContentRemaining',
        'True',
        'SomeResourcesRemain',
        'Some resources are remaining: held.example.com has 1 resource instances, ' +
          'stays.example.com has 1 resource instances',
      ],
      [
        'NamespaceFinalizersRemaining',
        'True',
        'SomeFinalizersRemain',
        'Some content in the namespace has finalizers remaining: x/y in 1 resource instances',
      ],
    ],
  );
  const unknown = await clear(client, 'ns', async () => {
    throw new Error('no answer');
  });
  assert.deepEqual([unknown.undiscovered, isClear(unknown)], ['no answer', false]);
});
