import type { Client } from '../../client/client.ts';
import type { EventRecorder } from '../../client/events.ts';
import type { Clock } from '../../machinery/clock.ts';
import { apiVersionOf, type Kind, resourceName } from '../../machinery/kind.ts';
import { controllerOf, equal, type KubeObject } from '../../machinery/meta.ts';
import { mergePatch } from '../../machinery/patch/merge.ts';
import { isNotFound, isStatusError } from '../../machinery/status.ts';
import type { Tracer } from '../../machinery/trace.ts';
import type { Action, Outcome } from './actions.ts';
import type { WriteBarrier } from './write-barrier.ts';

/** Kinds that the roles of controllers may patch. */
const mayPatch = new Set(['pods', 'nodes']);

export interface ApplyContext {
  client: Client;
  clock: Clock;
  trace: Tracer;
  events: EventRecorder;
  barrier: WriteBarrier;
  /** The reconciled object and its kind: whom events are about. */
  kind: Kind<any>;
  object: KubeObject;
}

export interface Applied {
  /** Resolve as the caches see the writes. */
  holds: Promise<void>[];
  /** The soonest of the times asked for. */
  requeueAfterMs?: number;
  errors: Error[];
}

/** Most writes of one reconciliation at once. */
const batchLimit = 128;

/** `ReplicaSet` -> `replica set`: how trace records name a kind. */
const words = (kind: string): string => kind.replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase();

/** The namespace is going: nothing can be created there, and trying again is useless. */
export const isNamespaceTerminating = (error: unknown): boolean =>
  isStatusError(error) &&
  (error.status.details?.causes ?? []).some((cause) => cause.reason === 'NamespaceTerminating');

/** Objects may come without kind and apiVersion (lists leave them out); events and owner references need them. */
export const withType = <T extends KubeObject>(kind: Kind<any>, object: T): T =>
  object.kind && object.apiVersion ? object : { ...object, apiVersion: apiVersionOf(kind), kind: kind.kind };

/**
 * Applies actions in order. Neighbouring creates go in batches of 1, 2, 4 ... so that a failure that would hit all of them
 * costs little; neighbouring removes and patches go side by side. After a failure, writes that follow are left out (they may
 * rest on it), but statuses, events and requeues still happen.
 */
export async function apply(actions: Action[], context: ApplyContext): Promise<Applied> {
  const run = new Run(context);
  await run.all(actions);
  return { holds: run.holds, requeueAfterMs: run.requeueAfterMs, errors: run.outcome.errors };
}

class Run {
  readonly #context: ApplyContext;
  readonly holds: Promise<void>[] = [];
  readonly outcome: Outcome = { created: 0, removed: 0, errors: [] };
  requeueAfterMs?: number;
  #ownerLives?: Promise<void>;
  /** By uid: the version that we read, and the metadata that our own write on top of it gave. */
  readonly #rewritten = new Map<string, { from?: string; metadata: KubeObject['metadata'] }>();

  constructor(context: ApplyContext) {
    this.#context = context;
  }

  async all(actions: Action[]): Promise<void> {
    for (let i = 0; i < actions.length; ) {
      const first = actions[i]!;
      let end = i + 1;
      const parallel =
        first.do === 'create' || first.do === 'remove' || first.do === 'patch' || first.do === 'adopt';
      if (parallel) while (end < actions.length && actions[end]!.do === first.do) end++;
      const group = actions.slice(i, end);
      i = end;
      const always =
        first.do === 'setStatus' ||
        first.do === 'event' ||
        first.do === 'requeueAfter' ||
        first.do === 'fail';
      if (this.outcome.errors.length > 0 && !always) continue;
      await this.#group(group, first.do === 'create' ? 1 : batchLimit);
    }
  }

  async #group(group: Action[], size: number): Promise<void> {
    for (let i = 0; i < group.length; ) {
      const batch = group.slice(i, i + size);
      const failures = this.outcome.errors.length;
      await Promise.all(batch.map((action) => this.#one(action)));
      if (this.outcome.errors.length > failures) return;
      i += batch.length;
      size = Math.min(size * 2, batchLimit);
    }
  }

  async #one(action: Action): Promise<void> {
    const { events, kind, object } = this.#context;
    switch (action.do) {
      case 'event': {
        const about = withType(action.kind ?? kind, action.about ?? object);
        return events.event(about, action.type, action.reason, action.message);
      }
      case 'requeueAfter':
        this.requeueAfterMs = Math.min(this.requeueAfterMs ?? Number.POSITIVE_INFINITY, action.ms);
        return;
      case 'fail':
        this.outcome.errors.push(action.error);
        return;
      case 'trace': {
        const { step, event, kind: its, object: of, detail } = action;
        const { namespace, name, uid } = of.metadata;
        const at = this.#context.clock.now();
        const component = 'controller-manager';
        return this.#context.trace.record({
          at,
          step,
          component,
          event,
          resource: resourceName(its),
          namespace,
          name: name!,
          uid,
          detail,
        });
      }
      case 'task':
        try {
          await this.all(await action.run());
        } catch (error) {
          this.outcome.errors.push(error instanceof Error ? error : new Error(String(error)));
        }
        return;
    }
    const sequel = action as {
      done?: (r: any) => Action[];
      failed?: (e: Error) => Action[];
      tolerates?: (e: unknown) => boolean;
    };
    let result: KubeObject;
    try {
      result = await this.#write(action);
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      if (action.do === 'create' && isNamespaceTerminating(error)) return;
      if (sequel.tolerates?.(error)) return;
      this.outcome.errors.push(error);
      if (sequel.failed) await this.all(sequel.failed(error));
      return;
    }
    if (sequel.done) await this.all(sequel.done(result));
  }

  async #write(
    action: Exclude<Action, { do: 'event' | 'requeueAfter' | 'fail' | 'trace' | 'task' }>,
  ): Promise<KubeObject> {
    const { client, barrier } = this.#context;
    const { kind, object } = action;
    const { name, namespace, uid } = object.metadata;
    const resource = client(kind as Kind<any>);
    switch (action.do) {
      case 'create': {
        const created = await resource.create(object as any);
        this.outcome.created++;
        this.#trace(kind, created);
        return this.#wrote(kind, created);
      }
      case 'update':
        return this.#wrote(
          kind,
          await resource.update(
            this.#rebased(object) as any,
            action.subresource ? { subresource: action.subresource } : {},
          ),
          object,
        );
      case 'setStatus': {
        const status = typeof action.status === 'function' ? action.status(this.outcome) : action.status;
        if (equal(status, action.object.status)) return object;
        // Gone meanwhile: nobody needs its status.
        const gone = (error: unknown) => {
          if (isNotFound(error)) return object;
          throw error;
        };
        return this.#wrote(
          kind,
          await resource.updateStatus({ ...this.#rebased(object), status } as any).catch(gone),
          object,
        );
      }
      case 'patch': {
        const { type, subresource } = action;
        // The bootstrap policy lets most controllers update what they own, and not patch it.
        const write =
          type === 'merge' && !mayPatch.has(kind.plural)
            ? resource.update(mergePatch(this.#rebased(object), action.patch) as any, { subresource })
            : resource.patch(name!, action.patch, { namespace, type, subresource });
        return this.#wrote(kind, await write, object);
      }
      case 'adopt': {
        await this.#ownerStillLives();
        const { ownerKind, owner } = action;
        const reference = {
          apiVersion: apiVersionOf(ownerKind),
          kind: ownerKind.kind,
          name: owner.metadata.name,
          uid: owner.metadata.uid,
          controller: true,
          blockOwnerDeletion: true,
        };
        const body = { metadata: { uid, ownerReferences: [reference] } };
        return this.#wrote(kind, await resource.patch(name!, body, { namespace, type: 'strategic' }));
      }
      case 'release': {
        const ownerReferences = [{ $patch: 'delete', uid: action.owner.metadata.uid }];
        const body = { metadata: { uid, ownerReferences } };
        try {
          return this.#wrote(kind, await resource.patch(name!, body, { namespace, type: 'strategic' }));
        } catch (error) {
          if (isNotFound(error)) return object;
          throw error;
        }
      }
      case 'remove': {
        try {
          await resource.delete(name!, {
            namespace,
            preconditions: uid ? { uid } : undefined,
            ...action.options,
          });
        } catch (error) {
          if (!isNotFound(error)) throw error;
        }
        this.outcome.removed++;
        const hold = barrier.removed(kind, object);
        if (hold) this.holds.push(hold);
        return object;
      }
    }
  }

  /**
   * An object that we wrote a moment ago is written again on top of that, not of what was read before it. (A patch that
   * such a write follows must carry the resourceVersion, or it would hide a change by others.)
   */
  #rebased(object: KubeObject): KubeObject {
    const { uid, resourceVersion } = object.metadata;
    const ours = uid ? this.#rewritten.get(uid) : undefined;
    if (!ours || ours.from !== resourceVersion) return object;
    return { ...object, metadata: ours.metadata };
  }

  #wrote(kind: Kind<any>, result: KubeObject, before?: KubeObject): KubeObject {
    const { metadata } = result;
    const uid = metadata?.uid;
    const from = this.#rewritten.get(uid ?? '')?.from ?? before?.metadata.resourceVersion;
    if (uid && from) this.#rewritten.set(uid, { from, metadata });
    const hold = this.#context.barrier.written(kind, result);
    if (hold) this.holds.push(hold);
    return result;
  }

  /** Adopting on behalf of an owner that is gone would tie the orphan to nobody: asks the server, once. */
  #ownerStillLives(): Promise<void> {
    const { client, kind, object } = this.#context;
    this.#ownerLives ??= (async () => {
      const { name, namespace, uid } = object.metadata;
      const live = await client(kind).get(name!, { namespace });
      if (live.metadata.uid !== uid) throw new Error(`original ${kind.kind} ${namespace}/${name} is gone`);
      if (live.metadata.deletionTimestamp)
        throw new Error(`${kind.kind} ${namespace}/${name} has just been deleted`);
    })();
    return this.#ownerLives;
  }

  #trace(kind: Kind<any>, created: KubeObject): void {
    const owner = controllerOf(created);
    if (!owner || !(kind.plural === 'pods' || kind.group === 'apps' || kind.group === 'batch')) return;
    const { namespace, name, uid } = created.metadata;
    this.#context.trace.record({
      at: this.#context.clock.now(),
      step: 3,
      component: 'controller-manager',
      event: `${words(kind.kind)} created`,
      resource: resourceName(kind),
      namespace,
      name: name!,
      uid,
      detail: { owner: `${owner.kind}/${owner.name}` },
    });
  }
}
