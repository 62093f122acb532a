import { sleep } from '../../machinery/clock.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import { isNotFound } from '../../machinery/status.ts';
import { type Context, command } from '../command.ts';
import { KubectlError, throwAll } from '../errors.ts';
import { flag } from '../flags.ts';
import { filenameFlags } from '../manifests.ts';
import { changePrinter, outputFlags } from '../output.ts';
import { goText, kindOf } from '../printers/go-values.ts';
import { JsonPath } from '../printers/jsonpath.ts';
import { relaxedPath } from '../printers/relaxed-path.ts';
import { fetchTargets, type Info, resolveTargets, type Target, type TargetOptions } from '../targets.ts';
import { TimedOut, waitForDeletion, waitForObject } from '../waiting.ts';
import { allFlag, allNamespacesFlag, selectorFlag } from '../writing.ts';

const weekMs = 168 * 3_600_000;
const createPollMs = 500;

export const wait = command({
  name: 'wait',
  usage:
    "wait ([-f FILENAME] | resource.group/resource.name | resource.group [(-l label | --all)]) [--for=create|--for=delete|--for condition=available|--for=jsonpath='{}'[=value]]",
  summary: 'Wait for a specific condition on one or many resources',
  examples: [
    ['Wait until a pod is ready', 'kubectl wait --for=condition=Ready pod/web-0'],
    ['Wait until a pod runs', "kubectl wait --for=jsonpath='{.status.phase}'=Running pod/web-0"],
    ['Wait until a pod is gone, a minute at most', 'kubectl wait --for=delete pod/web-0 --timeout=60s'],
  ],
  flags: {
    ...filenameFlags('identifying the resource'),
    ...outputFlags,
    all: allFlag,
    'all-namespaces': allNamespacesFlag,
    'field-selector': flag.string("Selector (field query) to filter on, supports '=', '==', and '!='."),
    for: flag.stringArray(
      "The condition to wait on: [create|delete|condition=condition-name[=condition-value]|jsonpath='{JSONPath expression}'=[JSONPath value]]. The default condition-value is true.",
    ),
    local: flag.bool('Accepted for compatibility.', { hidden: true }),
    selector: selectorFlag,
    timeout: flag.duration(
      'The length of time to wait before giving up. Zero means check once and do not wait, negative means wait for a week.',
      { default: 30_000 },
    ),
  },
  async run(context) {
    const { flags: f } = context;
    const conditions = f.for.map(parseCondition);
    if (!conditions.length) throw new KubectlError('unrecognized condition: ""');
    const forCreate = f.for.some((text) => text.toLowerCase() === 'create');
    const forDelete = f.for.some((text) => text.toLowerCase() === 'delete');
    const started = context.environment.clock.now();
    const total = f.timeout < 0 ? weekMs : f.timeout;
    const left = () => (total === 0 ? 0 : Math.max(0, total - (context.environment.clock.now() - started)));
    const options: TargetOptions = {
      args: context.args,
      filename: f.filename,
      recursive: f.recursive,
      kustomize: f.kustomize,
      selector: f.selector,
      fieldSelector: f['field-selector'],
      all: f.all,
      allNamespaces: f['all-namespaces'],
    };
    const { targets, errors } = await resolveTargets(context, options);
    if (forCreate) await waitUntilThere(context, targets, left);
    const kube = await context.kube();
    const { found, errors: failed } = await fetchTargets(kube, targets, {
      chunkSize: 500,
      ignoreNotFound: forDelete,
    });
    throwAll([...errors, ...failed]);
    if (!found.length && !forDelete) throw new KubectlError('no matching resources found');
    const print = await changePrinter(context);
    const problems: unknown[] = [];
    for (const info of found as Info[])
      try {
        for (const condition of conditions) {
          const object = await condition(context, info, left());
          print({ apiVersion: info.object.apiVersion, kind: info.object.kind, ...object }, 'condition met');
        }
      } catch (error) {
        if (!(error instanceof KubectlError)) throw error;
        problems.push(error);
      }
    throwAll(problems);
  },
});

/** Waits for one object; gives it as it was in the end. */
type Condition = (context: Context, info: Info, timeoutMs: number) => Promise<AnyObject>;

function parseCondition(text: string): Condition {
  const lower = text.toLowerCase();
  if (lower === 'delete') return deleted;
  if (lower === 'create') return async (_, info) => info.object;
  if (text.startsWith('condition=')) {
    const [name, value = 'true'] = text.slice('condition='.length).split('=') as [string, string?];
    return following((object) => hasCondition(object, name, value));
  }
  if (text.startsWith('jsonpath=')) return jsonPathCondition(text.slice('jsonpath='.length));
  throw new KubectlError(`unrecognized condition: ${JSON.stringify(text)}`);
}

const following =
  (met: (object: AnyObject) => boolean): Condition =>
  async (context, info, timeoutMs) => {
    const { clock } = context.environment;
    const done = (object: AnyObject | undefined): boolean => {
      if (!object) throw notFoundIn(info);
      return met(object);
    };
    return (await waitForObject(
      await context.kube(),
      info,
      { clock, timeoutMs, signal: context.signal },
      done,
    ))!;
  };

const notFoundIn = ({ resource: { plural, group }, name }: Info): Error =>
  new KubectlError(`${group ? `${plural}.${group}` : plural} ${JSON.stringify(name)} not found`);

const deleted: Condition = async (context, info, timeoutMs) => {
  const { clock } = context.environment;
  const kube = await context.kube();
  await waitForDeletion(kube, info, info.object.metadata?.uid, { clock, timeoutMs, signal: context.signal });
  return info.object;
};

function hasCondition(object: AnyObject, name: string, value: string): boolean {
  const equal = (a: unknown, b: string) => String(a).toLowerCase() === b.toLowerCase();
  const condition = (object.status?.conditions ?? []).find((c: any) => equal(c.type, name));
  if (!condition) return false;
  const observed = condition.observedGeneration ?? object.status.observedGeneration;
  // What was said about an earlier state of the object does not count.
  if (observed !== undefined && observed < (object.metadata.generation ?? 0)) return false;
  return equal(condition.status, value);
}

/** `{.status.phase}=Running`, or without a value: that there is one. `==` belongs to the expression. */
function jsonPathCondition(text: string): Condition {
  const parts = text
    .replaceAll('==', '\0')
    .split('=')
    .map((part) => part.replaceAll('\0', '=='));
  if (parts.length > 2)
    throw new KubectlError(
      "jsonpath wait format must be --for=jsonpath='{.status.readyReplicas}'=3 or --for=jsonpath='{.status.readyReplicas}'",
    );
  const template = relaxedPath(parts[0]!);
  const value = parts[1]?.replace(/^['"]+|['"]+$/g, '');
  if (template === '') throw new KubectlError('jsonpath expression cannot be empty');
  if (parts.length === 2 && !value)
    throw new KubectlError(
      "jsonpath wait has to have a value after equal sign, like --for=jsonpath='{.status.readyReplicas}'=3",
    );
  const path = new JsonPath(template);
  return following((object) => {
    const results = path.find(object);
    if (!results.length || !results[0]!.length) return false;
    if (value === undefined) return true;
    if (results.length > 1 || results[0]!.length > 1)
      throw new KubectlError('given jsonpath expression matches more than one value');
    const [found] = results[0]!;
    const kind = kindOf(found);
    if (kind === 'map' || kind === 'slice')
      throw new KubectlError(
        'jsonpath leads to a nested object or list and not to a value that can be compared',
      );
    return goText(found).trim() === value.trim();
  });
}

async function waitUntilThere(context: Context, targets: Target[], left: () => number): Promise<void> {
  const kube = await context.kube();
  const { clock } = context.environment;
  for (;;) {
    const { found, errors } = await fetchTargets(kube, targets, { chunkSize: 500 });
    const other = errors.filter((error) => !isNotFound(error));
    if (other.length) throw other[0];
    if (found.length && !errors.length) return;
    if (left() === 0) throw new TimedOut('timed out waiting for the condition');
    await sleep(clock, createPollMs, context.signal);
  }
}
