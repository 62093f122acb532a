// `--record`: the command line becomes the cause of the change.
import type { AnyObject } from '../machinery/meta.ts';
import type { Context } from './command.ts';
import { flag } from './flags.ts';

export const changeCauseAnnotation = 'kubernetes.io/change-cause';

export const recordFlag = flag.bool(
  'Record current kubectl command in the resource annotation. Deprecated: --record will be removed in the future.',
);

const secret = new Set(['password', 'token']);

/** The command line with its flags in the order in which they were given, as `rollout history` shows it; undefined without `--record`. */
export function changeCause({ path, args, flags, given }: Context): string | undefined {
  if (!flags.record) return undefined;
  const all = flags as Record<string, unknown>;
  const said = [...given].map((name) => `--${name}=${secret.has(name) ? '<redacted>' : all[name]}`);
  return [path, ...args, ...said].join(' ');
}

/** The object with the cause in its annotation, or as it is without `--record`. */
export function recorded<T extends AnyObject>(context: Context, object: T): T {
  const cause = changeCause(context);
  if (cause === undefined) return object;
  const annotations = { ...object.metadata?.annotations, [changeCauseAnnotation]: cause };
  return { ...object, metadata: { ...object.metadata, annotations } };
}

/** The merge patch that does the same to an object that is there. */
export const recordPatch = (cause: string) => ({
  metadata: { annotations: { [changeCauseAnnotation]: cause } },
});
