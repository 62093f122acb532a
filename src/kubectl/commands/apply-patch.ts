// The patch that brings a live object to what a file says.
import type { Options } from '../../client/client.ts';
import { sleep } from '../../machinery/clock.ts';
import { type AnyObject, clone } from '../../machinery/meta.ts';
import { createThreeWayMergePatch, type Json, mergePatch } from '../../machinery/patch/merge.ts';
import { isConflict, isInvalid } from '../../machinery/status.ts';
import type { Context } from '../command.ts';
import { KubectlError, withSource } from '../errors.ts';
import type { DryRun } from '../output.ts';
import { goJson } from '../printers/go-values.ts';
import { builtInType } from '../schemas.ts';
import type { Info } from '../targets.ts';
import { waitForDeletion } from '../waiting.ts';
import { lastAppliedAnnotation } from '../writing.ts';
import { gracePeriodOf, propagationPolicy } from './delete.ts';

const maxRetries = 5;
const triesBeforePause = 1;

interface Patch {
  type: 'strategic' | 'merge';
  patch: Json;
  applyLocally(): AnyObject;
}

/** What the annotation remembers of the last apply. Throws a KubectlError where it is no JSON. */
function remembered(current: AnyObject): Json {
  const text = current.metadata.annotations?.[lastAppliedAnnotation];
  if (!text) return {};
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new KubectlError(
      `retrieving original configuration from the annotation: ${(error as Error).message}`,
    );
  }
}

/** Built-in kinds have a strategic patch, which merges lists by their keys; others a plain one. */
export async function threeWayPatch(info: Info, current: AnyObject, modified: AnyObject): Promise<Patch> {
  const original = remembered(current);
  const type = await builtInType(info.resource);
  if (!type) {
    const patch = createThreeWayMergePatch(original, modified as Json, current as Json);
    return { type: 'merge', patch, applyLocally: () => mergePatch(current, patch) };
  }
  const [{ createStrategicPatch }, { strategicMergePatch }] = await Promise.all([
    import('../../machinery/patch/strategic-diff.ts'),
    import('../../machinery/patch/strategic.ts'),
  ]);
  const patch = createStrategicPatch(original, modified as Json, type.id, type.schemas, current as Json);
  return {
    type: 'strategic',
    patch,
    applyLocally: () => strategicMergePatch(current, patch, type.id, type.schemas),
  };
}

/** Patches the live object; with `--force`, one that cannot be changed is deleted and made again. */
export async function patchToward(
  context: Context,
  info: Info,
  found: AnyObject,
  modified: AnyObject,
  dryRun: DryRun,
  writing: Options,
): Promise<{ object: AnyObject; changed: boolean }> {
  const kube = await context.kube();
  const { force, subresource } = context.flags;
  let current = found;
  for (let attempt = 0; ; attempt++) {
    const { type, patch, applyLocally } = await threeWayPatch(info, current, modified);
    if (!Object.keys(patch).length) return { object: current, changed: false };
    if (dryRun === 'client') return { object: applyLocally(), changed: true };
    // A version in the file is a precondition.
    const { resourceVersion } = modified.metadata;
    if (resourceVersion) patch.metadata = { ...patch.metadata, resourceVersion };
    try {
      const options = { ...writing, subresource: subresource || undefined };
      return { object: await kube.patch(info, type, patch, options), changed: true };
    } catch (error) {
      if (isConflict(error) && attempt < maxRetries) {
        if (attempt >= triesBeforePause) await sleep(context.environment.clock, 1000, context.signal);
        current = await kube.get(info);
        continue;
      }
      if ((isConflict(error) || isInvalid(error)) && force)
        return { object: await deleteAndCreate(context, info, modified, writing), changed: true };
      throw withSource(
        withSource(error, 'patching', info.source),
        `applying patch:\n${goJson(patch)}\nto:\n${describeInfo(info)}\nfor:`,
        info.source,
      );
    }
  }
}

const describeInfo = ({ resource: r, name, namespace = '' }: Info): string => {
  const version = r.group ? `${r.group}/${r.version}` : `/${r.version}`;
  return `Resource: "${version}, Resource=${r.plural}", GroupVersionKind: "${version}, Kind=${r.kind}"\nName: ${JSON.stringify(name)}, Namespace: ${JSON.stringify(namespace)}`;
};

async function deleteAndCreate(
  context: Context,
  info: Info,
  modified: AnyObject,
  writing: Options,
): Promise<AnyObject> {
  const kube = await context.kube();
  const gracePeriodSeconds = gracePeriodOf(context);
  const before = await kube.get(info);
  await kube.delete(info, {
    propagationPolicy: propagationPolicy(context),
    ...(gracePeriodSeconds >= 0 ? { gracePeriodSeconds } : {}),
  });
  await waitForDeletion(kube, info, before.metadata.uid, {
    clock: context.environment.clock,
    timeoutMs: context.flags.timeout || 300_000,
    signal: context.signal,
  });
  const fresh = clone(modified);
  delete fresh.metadata.resourceVersion;
  return kube.create(info.resource, info, fresh, { ...writing });
}
