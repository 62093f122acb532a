import type { Options, PatchType } from '../../client/client.ts';
import type { Kind } from '../../machinery/kind.ts';
import type { Fields } from '../../machinery/log.ts';
import type { KubeObject } from '../../machinery/meta.ts';
import type { Step } from '../../machinery/trace.ts';

/** What happened to the actions before: a status may depend on it. */
export interface Outcome {
  created: number;
  removed: number;
  errors: Error[];
}

interface Sequel {
  /** More to do once it is done, with what the server returned. */
  done?: (result: any) => Action[];
  /** More to do when it failed; the failure is still one, unless `tolerates` says otherwise. */
  failed?: (error: Error) => Action[];
  /** True for an error that is as good as success (say, 404 on remove). */
  tolerates?: (error: unknown) => boolean;
}

/** What a reconciler wants done. Plain values: tests compare them, the runtime applies them. */
export type Action =
  | ({ do: 'create'; kind: Kind<any>; object: KubeObject } & Sequel)
  | ({ do: 'update'; kind: Kind<any>; object: KubeObject; subresource?: string } & Sequel)
  | ({
      do: 'setStatus';
      kind: Kind<any>;
      object: KubeObject & { status?: unknown };
      status: unknown;
    } & Sequel)
  | ({
      do: 'patch';
      kind: Kind<any>;
      object: KubeObject;
      patch: unknown;
      type: PatchType;
      subresource?: string;
    } & Sequel)
  | ({ do: 'remove'; kind: Kind<any>; object: KubeObject; options?: Options } & Sequel)
  | { do: 'adopt'; kind: Kind<any>; object: KubeObject; ownerKind: Kind<any>; owner: KubeObject }
  | { do: 'release'; kind: Kind<any>; object: KubeObject; owner: KubeObject }
  | {
      do: 'event';
      about?: KubeObject;
      kind?: Kind<any>;
      type: 'Normal' | 'Warning';
      reason: string;
      message: string;
    }
  | { do: 'trace'; step: Step; event: string; kind: Kind<any>; object: KubeObject; detail?: Fields }
  | { do: 'task'; run: () => Promise<Action[]> }
  | { do: 'requeueAfter'; ms: number }
  | { do: 'fail'; error: Error };

/** Creates next to each other are made in batches of 1, 2, 4 ...; the rest is left when one of a batch fails. */
export const create = <T extends KubeObject>(kind: Kind<T>, object: T, sequel: Sequel = {}): Action => ({
  do: 'create',
  kind,
  object,
  ...sequel,
});

/** The object carries the resourceVersion it was read at: a write on top of a change by others fails, and is retried. */
export const update = <T extends KubeObject>(kind: Kind<T>, object: T, sequel: Sequel = {}): Action => ({
  do: 'update',
  kind,
  object,
  ...sequel,
});

/** Replaces the status, unless it is equal already. A function gets what became of the actions before it. */
export const setStatus = <T extends KubeObject & { status?: any }>(
  kind: Kind<T>,
  object: T,
  status: T['status'] | ((outcome: Outcome) => T['status']),
  sequel: Sequel = {},
): Action => ({ do: 'setStatus', kind, object, status, ...sequel });

export const patch = <T extends KubeObject>(
  kind: Kind<T>,
  object: T,
  body: unknown,
  options: { type?: PatchType; subresource?: string } & Sequel = {},
): Action => ({ do: 'patch', kind, object, patch: body, type: 'strategic', ...options });

/** Removes this very object (by uid); one that is gone already is no failure. Neighbours are removed side by side. */
export const remove = <T extends KubeObject>(
  kind: Kind<T>,
  object: T,
  options: { options?: Options } & Sequel = {},
): Action => ({ do: 'remove', kind, object, ...options });

/** About the reconciled object. */
export const event = (type: 'Normal' | 'Warning', reason: string, message: string): Action => ({
  do: 'event',
  type,
  reason,
  message,
});

export const eventAbout = <T extends KubeObject>(
  kind: Kind<T>,
  about: T,
  type: 'Normal' | 'Warning',
  reason: string,
  message: string,
): Action => ({ do: 'event', kind, about, type, reason, message });

/** Look again after this time, whatever happens meanwhile. */
export const requeueAfter = (ms: number): Action => ({ do: 'requeueAfter', ms });

/** A record of one step in the life of an object; see machinery/trace.ts. */
export const traceStep = <T extends KubeObject>(
  step: Step,
  event: string,
  kind: Kind<T>,
  object: T,
  detail?: Fields,
): Action => ({
  do: 'trace',
  step,
  event,
  kind,
  object,
  detail,
});

/** What cannot be told beforehand: asks somebody, and says what to do then. */
export const task = (run: () => Promise<Action[]>): Action => ({ do: 'task', run });

/** Reports a failure after all other actions: the key is retried with back-off. */
export const fail = (error: Error): Action => ({ do: 'fail', error });

/** `n` times what `make` gives; nothing when `n` is negative. */
export const times = <T>(n: number, make: (i: number) => T): T[] =>
  Array.from({ length: Math.max(0, n) }, (_, i) => make(i));
