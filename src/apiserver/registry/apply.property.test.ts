// Server-side apply through the server: random histories of managers that apply, update and patch one object.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { deployments } from '../../api/apps/deployment.ts';
import { configMaps } from '../../api/core/config-map.ts';
import { services } from '../../api/core/service.ts';
import { typeFacts } from '../../api/facts.gen.ts';
import { ownedFields } from '../../machinery/apply/apply.ts';
import {
  difference,
  type Fields,
  intersection,
  isEmpty,
  LEAF,
  paths,
  union,
} from '../../machinery/apply/fields.ts';
import { apiVersionOf, type Kind } from '../../machinery/kind.ts';
import { type AnyObject, clone } from '../../machinery/meta.ts';
import { isStatusError } from '../../machinery/status.ts';
import { startControlPlane } from '../../testing/control-plane.ts';
import { type Draw, drawFrom, once, pick } from '../../testing/random-objects.ts';

const seed = Number(process.env.SEED ?? 20260102);
const runs = Number(process.env.RUNS ?? 1);
const plane = await startControlPlane();
after(() => plane.stop());
const namespace = 'default';

const some = (draw: Draw, names: string[], value: () => unknown): Record<string, any> =>
  Object.fromEntries(names.filter(() => once(draw, 2)).map((name) => [name, value()]));
const number = (draw: Draw): string => String(draw.upTo(1));
const meta = (draw: Draw, name: string): AnyObject['metadata'] => ({
  name,
  namespace,
  ...some(draw, ['labels', 'annotations'], () => ({ [pick(draw, ['x', 'y'])]: number(draw) })),
});

interface Subject {
  kind: Kind<any>;
  /** What every configuration has, so that the first to apply gets a valid object. */
  wish(draw: Draw): object;
  /** All fields have an owner: nothing is set by the server. */
  bare: boolean;
}

const subjects: Subject[] = [
  {
    kind: configMaps,
    bare: true,
    wish: (draw) => ({
      data: { a: number(draw), ...some(draw, ['b', 'toString', '__proto__'], () => number(draw)) },
    }),
  },
  {
    kind: services,
    bare: false,
    wish: (draw) => ({
      spec: {
        ports: [
          {
            port: 80,
            ...(once(draw, 2) ? { protocol: 'TCP' } : {}),
            ...some(draw, ['targetPort'], () => 8000 + draw.upTo(1)),
            name: 'a',
          },
          ...(once(draw, 2)
            ? [pick(draw, ['TCP', 'UDP'])].map((protocol) => ({
                port: 81,
                name: protocol.toLowerCase(),
                protocol,
              }))
            : []),
        ],
        ...some(draw, ['selector'], () => ({ app: number(draw) })),
      },
    }),
  },
  {
    kind: deployments,
    bare: false,
    wish: (draw) => ({
      spec: {
        ...some(draw, ['replicas', 'minReadySeconds'], () => draw.upTo(1)),
        selector: { matchLabels: { app: 'a' } },
        template: {
          metadata: { labels: { app: 'a' } },
          spec: {
            containers: [
              {
                name: 'c',
                image: number(draw),
                ...some(draw, ['env'], () => [{ name: 'E', value: number(draw) }]),
              },
              ...(once(draw, 2) ? [{ name: 'd', image: 'i' }] : []),
            ],
          },
        },
      },
    }),
  },
];

const all = (object: AnyObject): Fields =>
  (object.metadata.managedFields ?? []).reduce((set, entry) => union(set, entry.fieldsV1 as Fields), LEAF);
const setOf = (object: AnyObject, manager: string): Fields =>
  (object.metadata.managedFields?.find((one) => one.manager === manager && one.operation === 'Apply')
    ?.fieldsV1 as Fields) ?? LEAF;

test(`random histories through the server keep the laws of apply (SEED=${seed})`, async () => {
  let serial = 0;
  let conflicts = 0;
  await fc.assert(
    fc.asyncProperty(fc.integer(), async (from) => {
      const draw = drawFrom(from);
      const { kind, wish, bare } = pick(draw, subjects);
      const name = `x${serial++}`;
      const client = plane.client<AnyObject>(kind);
      const fields = (object: AnyObject) => ownedFields(object, kind.type, typeFacts);
      const apply = (applied: object, fieldManager: string, force = false) =>
        client.patch(name, applied, { namespace, type: 'apply', fieldManager, force });
      for (let step = 0; step < 10; step++) {
        const manager = pick(draw, ['a', 'b', 'c']);
        const applied = {
          apiVersion: apiVersionOf(kind),
          kind: kind.kind,
          metadata: meta(draw, name),
          ...wish(draw),
        };
        const how = draw.upTo(4);
        const before: AnyObject | undefined = await client.get(name, { namespace }).catch(() => undefined);
        let now: AnyObject;
        if (how === 0 && before) {
          const { labels, annotations } = applied.metadata;
          now = await client.update(
            { ...clone(before), metadata: { ...clone(before.metadata), labels, annotations } },
            { fieldManager: manager },
          );
        } else if (how === 1 && before) {
          const metadata = { labels: { x: number(draw), y: null } };
          now = await client.patch(name, { metadata }, { namespace, type: 'merge', fieldManager: manager });
        } else {
          try {
            now = await apply(applied, manager, how === 2);
          } catch (error) {
            assert.ok(
              isStatusError(error) && error.code === 409 && how !== 2,
              String((error as Error).stack),
            );
            conflicts++;
            const unchanged = await client.get(name, { namespace });
            assert.equal(unchanged.metadata.resourceVersion, before!.metadata.resourceVersion);
            now = await apply(applied, manager, true);
          }
          const mine = setOf(now, manager);
          assert.ok(isEmpty(difference(fields(applied as AnyObject), mine)), 'it owns what it applied');
          assert.ok(isEmpty(difference(mine, fields(applied as AnyObject))), 'and nothing else');
          const again = await apply(applied, manager, how === 2);
          if (now.metadata.managedFields)
            assert.equal(
              again.metadata.resourceVersion,
              now.metadata.resourceVersion,
              'applying again writes nothing',
            );
          // What only this manager had, and no longer names, is gone.
          if (before?.metadata.managedFields) {
            const others = before.metadata.managedFields.filter(
              (one) => one.manager !== manager || one.operation !== 'Apply',
            );
            const released = difference(
              setOf(before, manager),
              union(
                mine,
                others.reduce((set, one) => union(set, one.fieldsV1 as Fields), LEAF),
              ),
            );
            const left = intersection(released, fields(now));
            if (bare) assert.deepEqual([...paths(left)], []);
          }
        }
        if (bare && now.metadata.managedFields)
          assert.deepEqual([...paths(difference(fields(now), all(now)))], [], 'every field has an owner');
        const present = union(fields(now), all(now));
        assert.equal([...paths(difference(all(now), present))].length, 0);
        assert.ok(now.metadata.uid && now.metadata.name === name, 'it stays itself');
      }
    }),
    { seed, numRuns: 40 * runs },
  );
  assert.ok(conflicts > 10 * runs, `${conflicts} conflicts`);
});
