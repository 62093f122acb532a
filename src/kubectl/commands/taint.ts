import type { AnyObject } from '../../machinery/meta.ts';
import { type Context, command } from '../command.ts';
import { KubectlError, UsageError } from '../errors.ts';
import { flag } from '../flags.ts';
import { changePrinter, dryRunFlag, dryRunOf, dryRunOption, outputFlags } from '../output.ts';
import { nodes } from '../resources.ts';
import { objectsOf } from '../targets.ts';
import { allFlag, fieldManagerFlag, selectorFlag, validateFlag } from '../writing.ts';

interface Taint {
  key: string;
  value?: string;
  effect: string;
  timeAdded?: string;
}

const effects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];
const nameRule =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const valueRule =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const namePattern = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const valuePattern = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;

const isTaint = (text: string): boolean => /[=:]/.test(text) || text.endsWith('-');

export const taint = command({
  name: 'taint',
  usage: 'taint NODE NAME KEY_1=VAL_1:TAINT_EFFECT_1 ... KEY_N=VAL_N:TAINT_EFFECT_N',
  summary: 'Update the taints on one or more nodes',
  description: `Update the taints on one or more nodes. A taint is a key, a value and an effect, as arguments here expressed as key=value:effect. The effect must be ${effects.join(', ')}.`,
  examples: [
    ['Keep pods away that do not tolerate it', 'kubectl taint nodes foo dedicated=special-user:NoSchedule'],
    ['Remove the taint of a key and effect', 'kubectl taint nodes foo dedicated:NoSchedule-'],
    ['Remove all taints of a key', 'kubectl taint nodes foo dedicated-'],
  ],
  flags: {
    ...outputFlags,
    all: allFlag,
    'dry-run': dryRunFlag,
    'field-manager': fieldManagerFlag('kubectl-taint'),
    overwrite: flag.bool('If true, allow taints to be overwritten.'),
    selector: selectorFlag,
    validate: validateFlag,
  },
  async run(context) {
    const { args, flags: f } = context;
    const first = args.findIndex(isTaint);
    const resources = first < 0 ? args : args.slice(0, first);
    const specs = first < 0 ? [] : args.slice(first);
    const stray = specs.find((spec) => !isTaint(spec));
    if (stray) throw new KubectlError(`all resources must be specified before taint changes: ${stray}`);
    if (!resources.length)
      throw new KubectlError('one or more resources must be specified as <resource> <name>');
    if (!specs.length) throw new KubectlError('at least one taint update is required');
    const { add, remove } = parseSpecs(specs);
    const kube = await context.kube();
    const { kind } = await kube.resource(resources[0]!);
    if (kind !== 'Node')
      throw new KubectlError(
        `invalid resource type ${resources[0]!.toLowerCase()}, only node types are supported`,
      );
    checkChoice(context, resources, add, remove);
    const { infos, errors } = await objectsOf(context, {
      args: f.all || f.selector ? ['nodes'] : resources.slice(1),
      ...(f.all || f.selector ? {} : { defaultType: 'nodes' }),
      all: f.all,
      selector: f.selector,
    });
    const dryRun = dryRunOf(context);
    const print = await changePrinter(context, dryRun === 'client' ? 'none' : dryRun);
    for (const { object, name } of infos) {
      const { taints, operation } = changed(object, add, remove, f.overwrite);
      let result: AnyObject = { ...object, spec: { ...object.spec, taints } };
      if (dryRun !== 'client')
        result = await kube.patch(
          { resource: nodes, name },
          'merge',
          { spec: { taints } },
          { ...dryRunOption(dryRun), fieldManager: f['field-manager'] },
        );
      print(result, operation);
    }
    if (errors.length) throw errors[0];
  },
});

function checkChoice({ flags: f }: Context, resources: string[], add: Taint[], remove: Taint[]): void {
  const conflicts = add.flatMap((a) =>
    remove
      .filter((r) => r.key === a.key && (!r.effect || r.effect === a.effect))
      .map((r) => `${r.key}=${r.effect}`),
  );
  if (conflicts.length)
    throw new KubectlError(
      `can not both modify and remove the following taint(s) in the same command: ${conflicts.join(', ')}`,
    );
  if (f.all && f.selector)
    throw new KubectlError("setting 'all' parameter with a non empty selector is prohibited");
  if (!f.all && !f.selector && resources.length < 2)
    throw new KubectlError("at least one resource name must be specified since 'all' parameter is not set");
}

function parseSpecs(specs: string[]): { add: Taint[]; remove: Taint[] } {
  const add: Taint[] = [];
  const remove: Taint[] = [];
  for (const spec of specs) {
    if (spec.endsWith('-')) {
      remove.push(parseTaint(spec.slice(0, -1)));
      continue;
    }
    const found = parseTaint(spec);
    if (!found.effect) throw new UsageError(`invalid taint spec: ${spec}`);
    if (add.some((other) => other.key === found.key && other.effect === found.effect))
      throw new UsageError(
        `duplicated taints with the same key and effect: {${found.key} ${found.value ?? ''} ${found.effect} <nil>}`,
      );
    add.push(found);
  }
  return { add, remove };
}

/** `key=value:effect`, `key:effect`, `key`. Throws a UsageError. */
function parseTaint(spec: string): Taint {
  const parts = spec.split(':');
  const bad = (why = '') => new UsageError(`invalid taint spec: ${spec}${why && `, ${why}`}`);
  if (parts.length > 2) throw bad();
  const [left, effect = ''] = parts as [string, string?];
  if (parts.length === 2 && !effects.includes(effect))
    throw new UsageError(`invalid taint effect: ${effect}, unsupported taint effect`);
  const [key, value, ...more] = parts.length === 2 ? left.split('=') : [left];
  if (more.length) throw bad();
  if (value !== undefined && (!valuePattern.test(value) || value.length > 63)) throw bad(valueRule);
  if (!namePattern.test(key!)) throw bad(nameRule);
  return { key: key!, effect, ...(value ? { value } : {}) };
}

function changed(
  node: AnyObject,
  add: Taint[],
  remove: Taint[],
  overwrite: boolean,
): { taints: Taint[]; operation: string } {
  const before: Taint[] = node.spec?.taints ?? [];
  const same = (a: Taint, b: Taint) => a.key === b.key && a.effect === b.effect;
  const existing = add.filter((taint) => before.some((other) => same(taint, other)));
  if (existing.length && !overwrite)
    throw new KubectlError(
      `node ${node.metadata.name} already has ${existing.map(({ key }) => key).join(',')} taint(s) with same effect(s) and --overwrite is false`,
    );
  let taints = [...add, ...before.filter((taint) => !add.some((other) => same(taint, other)))];
  const added = taints.length !== before.length;
  let deleted = false;
  const missing: string[] = [];
  for (const { key, effect } of remove) {
    const left = taints.filter((taint) => taint.key !== key || (effect && taint.effect !== effect));
    deleted = left.length !== taints.length;
    if (!deleted) missing.push(`taint ${JSON.stringify(effect ? `${key}:${effect}` : key)} not found`);
    taints = left;
  }
  if (missing.length) throw new KubectlError(missing.length === 1 ? missing[0]! : `[${missing.join(', ')}]`);
  const operation = (added && deleted) || overwrite ? 'modified' : added ? 'tainted' : 'untainted';
  return { taints, operation };
}
