// Following one object until it is as wanted.
import type { Clock } from '../machinery/clock.ts';
import type { AnyObject } from '../machinery/meta.ts';
import { isGone, isNotFound } from '../machinery/status.ts';
import { KubectlError } from './errors.ts';
import type { Kube, Place } from './kube.ts';

/** The time is over. */
export class TimedOut extends KubectlError {}

export interface WaitOptions {
  clock: Clock;
  /** 0: not at all, the object is looked at once. */
  timeoutMs: number;
  signal: AbortSignal;
}

/** A signal that aborts after this time, or with the other; `undo` when it is no longer needed. */
export function deadline({ clock, timeoutMs, signal }: WaitOptions): {
  signal: AbortSignal;
  over: () => boolean;
  undo: () => void;
} {
  const ended = new AbortController();
  const timer = clock.after(timeoutMs, () => ended.abort(new Error('timed out')));
  return {
    signal: AbortSignal.any([signal, ended.signal]),
    over: () => ended.signal.aborted,
    undo: () => timer.cancel(),
  };
}

/**
 * Looks at an object, and at each change of it, until `done` says so; undefined stands for an object that is not there.
 * Throws TimedOut when the time is over.
 */
export async function waitForObject(
  kube: Kube,
  place: Place,
  options: WaitOptions,
  done: (object: AnyObject | undefined) => boolean,
): Promise<AnyObject | undefined> {
  const { resource, namespace, name } = place;
  const limit = deadline(options);
  const timedOut = () => new TimedOut(`timed out waiting for the condition on ${resource.plural}/${name}`);
  try {
    for (;;) {
      const list = await kube.list(resource, namespace, { fieldSelector: `metadata.name=${name}` });
      let object: AnyObject | undefined = list.items?.[0];
      if (object) object = { apiVersion: list.apiVersion, kind: list.kind?.replace(/List$/, ''), ...object };
      if (done(object)) return object;
      if (options.timeoutMs === 0) throw new TimedOut(`condition not met for ${resource.plural}/${name}`);
      const { resourceVersion } = list.metadata;
      try {
        for await (const batch of kube.watch(
          resource,
          { namespace, name },
          { resourceVersion, signal: limit.signal },
        ))
          for (const { type, object: changed } of batch) {
            if (type === 'BOOKMARK') continue;
            object = type === 'DELETED' ? undefined : changed;
            if (done(object)) return object;
          }
      } catch (error) {
        if (!isGone(error)) throw error; // the version is too old: look again
      }
      if (limit.over()) throw timedOut();
      options.signal.throwIfAborted();
    }
  } finally {
    limit.undo();
  }
}

/** Waits until the object of this uid is gone; one of the same name that came after it does not count. */
export async function waitForDeletion(
  kube: Kube,
  place: Place,
  uid: string | undefined,
  options: WaitOptions,
): Promise<void> {
  try {
    await waitForObject(
      kube,
      place,
      options,
      (object) => !object || (uid !== undefined && object.metadata.uid !== uid),
    );
  } catch (error) {
    if (!isNotFound(error)) throw error; // the resource itself is gone: a definition was deleted
  }
}
