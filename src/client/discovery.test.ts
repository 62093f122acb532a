import assert from 'node:assert/strict';
import { test } from 'node:test';
import { customResourceDefinitions } from '../api/apiextensions/custom-resource-definition.ts';
import { apiServices } from '../api/apiregistration/api-service.ts';
import { startControlPlane } from '../testing/control-plane.ts';
import { inProcessHttp } from '../testing/in-process-http.ts';
import { discover, kindFrom, qualifiedName, repeatedDiscovery } from './discovery.ts';
import type { HttpClient } from './http.ts';
import { restTransport } from './rest.ts';
import { createClient } from './typed.ts';

async function start() {
  const plane = await startControlPlane();
  const http = inProcessHttp(plane.server, { name: 'admin', groups: ['system:masters'] });
  return { plane, http, rest: restTransport(http), [Symbol.asyncDispose]: () => plane.stop() };
}

/** A server from before aggregated discovery. */
const old = (http: HttpClient): HttpClient => ({
  ...http,
  request: ({ headers, ...request }) =>
    http.request({ ...request, headers: { ...headers, accept: 'application/json' } }),
});

test('words of the command line', async () => {
  await using cluster = await start();
  const found = await discover(cluster.rest);
  const means: Record<string, string | undefined> = {
    po: 'Pod v1',
    pod: 'Pod v1',
    PODS: 'Pod v1',
    'pods.v1.': 'Pod v1',
    deploy: 'Deployment apps/v1',
    'deployments.apps': 'Deployment apps/v1',
    'deployment.apps': 'Deployment apps/v1',
    'deployments.v1.apps': 'Deployment apps/v1',
    'deployments.v9.apps': undefined,
    'deployments.nope': undefined,
    Deployment: 'Deployment apps/v1',
    'Deployment.v1.apps': 'Deployment apps/v1',
    hpa: 'HorizontalPodAutoscaler autoscaling/v2',
    'horizontalpodautoscalers.v1.autoscaling': 'HorizontalPodAutoscaler autoscaling/v1',
    events: 'Event v1',
    'events.events.k8s.io': 'Event events.k8s.io/v1',
    ing: 'Ingress networking.k8s.io/v1',
    'networkpolicies.networking': 'NetworkPolicy networking.k8s.io/v1',
    nonsense: undefined,
    '': undefined,
  };
  const said = Object.fromEntries(
    Object.keys(means).map((word) => {
      const resource = found.find(word);
      const version = resource && [resource.group, resource.version].filter(Boolean).join('/');
      return [word, resource && `${resource.kind} ${version}`];
    }),
  );
  assert.deepEqual(said, means);
});

test('kinds and categories', async () => {
  await using cluster = await start();
  const found = await discover(cluster.rest);
  assert.equal(found.byKind('apps', 'Deployment')!.plural, 'deployments');
  assert.equal(found.byKind('autoscaling', 'HorizontalPodAutoscaler', 'v1')!.version, 'v1');
  assert.equal(found.byKind('autoscaling', 'HorizontalPodAutoscaler')!.version, 'v2');
  assert.equal(found.byKind('apps', 'Pod'), undefined);
  assert.equal(found.byKind('apps', 'Deployment', 'v2'), undefined);
  const all = found.category('all').map(qualifiedName);
  assert.ok(all.includes('pods') && all.includes('deployments.apps') && !all.includes('configmaps'));
  assert.deepEqual(found.category('none'), []);
  assert.ok(found.byKind('', 'Pod')!.subresources.log);
  assert.equal(found.byKind('', 'Node')!.namespaced, false);
});

test('a server without aggregated discovery tells the same', async () => {
  await using cluster = await start();
  const [now, before] = await Promise.all([
    discover(cluster.rest),
    discover(restTransport(old(cluster.http))),
  ]);
  const names = (found: typeof now) =>
    found
      .resources()
      .map((r) => `${qualifiedName(r)}/${r.version} ${r.kind} ${r.namespaced} ${r.shortNames} ${r.verbs}`)
      .sort();
  assert.deepEqual(names(before), names(now));
});

test('kinds that the server learnt', async () => {
  await using cluster = await start();
  await cluster.plane.client(customResourceDefinitions).create({
    metadata: { name: 'gadgets.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'gadgets', kind: 'Gadget', singular: 'gadget', shortNames: ['gg'] },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
        },
      ],
    },
  } as never);
  let resource = (await discover(cluster.rest)).find('gg');
  for (let i = 0; !resource && i < 100; i++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    resource = (await discover(cluster.rest)).find('gg');
  }
  assert.equal(qualifiedName(resource!), 'gadgets.example.com');
  const gadgets = createClient(cluster.rest)(kindFrom(resource!));
  await gadgets.create({ metadata: { name: 'one', namespace: 'default' }, spec: { size: 3 } } as never);
  assert.equal(((await gadgets.get('one', { namespace: 'default' })) as any).spec.size, 3);
});

test('what has not changed is not sent again', async () => {
  await using cluster = await start();
  const statuses: number[] = [];
  const counted: HttpClient = {
    ...cluster.http,
    async request(request) {
      const response = await cluster.http.request(request);
      statuses.push(response.status);
      return response;
    },
  };
  const ask = repeatedDiscovery(restTransport(counted));
  const first = await ask();
  assert.equal(await ask(), first);
  assert.deepEqual(statuses, [200, 200, 304, 304]);
  assert.equal(first.failed.size, 0);
  assert.deepEqual(first.current(), first.preferred());

  await cluster.plane.client(apiServices).create({
    metadata: { name: 'v1.down.example.com' },
    spec: {
      ...{ group: 'down.example.com', version: 'v1', groupPriorityMinimum: 1000, versionPriority: 10 },
      service: { namespace: 'default', name: 'nobody' },
    },
  } as never);
  let next = await ask();
  for (let i = 0; next === first && i < 100; i++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    next = await ask();
  }
  assert.deepEqual([...next.failed.keys()], ['down.example.com/v1']);
});
