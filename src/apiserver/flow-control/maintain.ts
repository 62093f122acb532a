// Keeps the objects that configure flow control: mandatory ones as they must be, suggested ones as long as nobody has
// taken them over, and on each flow schema the condition that says whether its priority level is there.
import {
  autoUpdateAnnotation,
  mandatoryLevels,
  mandatorySchemas,
  suggestedLevels,
  suggestedSchemas,
} from '../../api/flowcontrol/bootstrap.ts';
import { flowSchemas } from '../../api/flowcontrol/flow-schema.ts';
import { priorityLevelConfigurations } from '../../api/flowcontrol/priority-level-configuration.ts';
import type {
  FlowSchema,
  FlowSchemaCondition,
  PriorityLevelConfiguration,
} from '../../api/flowcontrol/v1.gen.ts';
import type { Client } from '../../client/client.ts';
import { type Clock, time } from '../../machinery/clock.ts';
import type { Kind } from '../../machinery/kind.ts';
import type { Log } from '../../machinery/log.ts';
import { clone, equal } from '../../machinery/meta.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../machinery/status.ts';
import { type ReconcileLoop, reconcileLoop } from '../reconcile.ts';
import type { FlowControl } from './flow-control.ts';

const producer = 'api-priority-and-fairness-config-producer-v1';
const consumer = 'api-priority-and-fairness-config-consumer-v1';
/** Writes of one schema's status within a minute, at most: another server may see it differently. */
const mostStatusWrites = 6;

type Configuration = FlowSchema | PriorityLevelConfiguration;

/** Keeps them so from now on; `first` is when they are for the first time. */
export function maintainFlowControl(
  flow: FlowControl,
  client: Client,
  clock: Clock,
  log: Log,
): ReconcileLoop {
  const writes = new Map<string, number[]>();

  async function tellDangling(loop: ReconcileLoop): Promise<void> {
    const levels = new Set(
      flow.objects<PriorityLevelConfiguration>(priorityLevelConfigurations).map((l) => l.metadata.name),
    );
    await Promise.all(
      flow.objects<FlowSchema>(flowSchemas).map(async (schema) => {
        const condition = danglingCondition(schema, levels, clock.now());
        if (!condition) return;
        const name = schema.metadata.name!;
        const lately = (writes.get(name) ?? []).filter((at) => clock.now() - at < 60_000);
        if (lately.length >= mostStatusWrites) return loop.later(30_000);
        writes.set(name, [...lately, clock.now()]);
        await client(flowSchemas)
          .patch(
            name,
            {
              apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
              kind: 'FlowSchema',
              metadata: { name },
              status: { conditions: [condition] },
            },
            { type: 'apply', subresource: 'status', fieldManager: consumer, force: true },
          )
          .catch(ignore(isNotFound));
      }),
    );
  }

  const pass = async (loop: ReconcileLoop) => {
    await ensureAll(flow, client);
    await tellDangling(loop);
  };
  const loop = reconcileLoop('objects of flow control', pass, clock, log);
  flow.onChange = loop.wake;
  return loop;
}

const ignore =
  (...expected: ((error: unknown) => boolean)[]) =>
  (error: unknown): void => {
    if (!expected.some((is) => is(error))) throw error;
  };

/** What the schema should say of its priority level; undefined when it says so. */
function danglingCondition(
  { spec, status }: FlowSchema,
  levels: ReadonlySet<string | undefined>,
  nowMs: number,
): FlowSchemaCondition | undefined {
  const { name } = spec.priorityLevelConfiguration;
  const found = levels.has(name);
  const condition = {
    type: 'Dangling',
    status: found ? 'False' : 'True',
    reason: found ? 'Found' : 'NotFound',
    message: `This FlowSchema references the PriorityLevelConfiguration object named ${JSON.stringify(name)} ${
      found ? 'and it exists' : 'but there is no such object'
    }`,
  };
  const said = status?.conditions?.find(({ type }) => type === 'Dangling');
  const same =
    said?.status === condition.status &&
    said.reason === condition.reason &&
    said.message === condition.message;
  return same ? undefined : { ...condition, lastTransitionTime: time(nowMs) };
}

async function ensureAll(flow: FlowControl, client: Client): Promise<void> {
  const ensure = async (
    kind: Kind<any>,
    mandatory: readonly Configuration[],
    suggested: readonly Configuration[],
  ) => {
    const present = new Map(
      flow
        .objects<Configuration>(kind as typeof flowSchemas)
        .map((object) => [object.metadata.name!, object]),
    );
    const one = async (wanted: Configuration, always: boolean) => {
      const current = present.get(wanted.metadata.name!);
      present.delete(wanted.metadata.name!);
      if (!current) {
        await client(kind)
          .create(clone(wanted) as never, { fieldManager: producer })
          .catch(ignore(isAlreadyExists));
        return;
      }
      const revised = revise(current, wanted, always);
      if (revised)
        await client(kind)
          .update(revised as never, { fieldManager: producer })
          .catch(ignore(isConflict, isNotFound));
    };
    await Promise.all([
      ...mandatory.map((object) => one(object, true)),
      ...suggested.map((object) => one(object, false)),
    ]);
    // What an older version suggested, and nobody took over.
    for (const [name, object] of present) {
      if (object.metadata.annotations?.[autoUpdateAnnotation] !== 'true') continue;
      await client(kind).delete(name).catch(ignore(isNotFound));
    }
  };
  await ensure(priorityLevelConfigurations, mandatoryLevels, suggestedLevels);
  await ensure(flowSchemas, mandatorySchemas, suggestedSchemas);
}

/** The object as it should be; undefined when it is. Without the annotation, an object that was never changed is ours. */
function revise<T extends Configuration>(current: T, wanted: T, always: boolean): T | undefined {
  const said = current.metadata.annotations?.[autoUpdateAnnotation];
  const ours =
    always || (said === 'true' || said === 'false' ? said === 'true' : current.metadata.generation === 1);
  const spec = clone(wanted.spec) as any;
  // Of the exempt level, the seats that it lends and has are the administrator's.
  if (spec.exempt && (current.spec as any).exempt) spec.exempt = (current.spec as any).exempt;
  const changed = ours && !equal(spec, current.spec);
  if (!changed && said === String(ours)) return undefined;
  const revised = clone(current);
  if (changed) revised.spec = spec;
  revised.metadata.annotations = { ...revised.metadata.annotations, [autoUpdateAnnotation]: String(ours) };
  return revised;
}
