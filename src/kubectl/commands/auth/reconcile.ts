import type { AnyObject } from '../../../machinery/meta.ts';
import { isNotFound } from '../../../machinery/status.ts';
import { command } from '../../command.ts';
import { KubectlError } from '../../errors.ts';
import { flag } from '../../flags.ts';
import type { Kube } from '../../kube.ts';
import { filenameFlags } from '../../manifests.ts';
import { changePrinter, dryRunFlag, dryRunOf, dryRunOption, outputFlags } from '../../output.ts';
import { type Info, resolveTargets } from '../../targets.ts';

interface Rule {
  verbs?: string[];
  apiGroups?: string[];
  resources?: string[];
  resourceNames?: string[];
  nonResourceURLs?: string[];
}
interface Subject {
  kind: string;
  name: string;
  namespace?: string;
  apiGroup?: string;
}

export const reconcile = command({
  name: 'reconcile',
  usage: 'auth reconcile -f FILENAME',
  summary: 'Reconciles rules for RBAC role, role binding, cluster role, and cluster role binding objects',
  description:
    'Reconciles rules for RBAC roles and bindings. Missing objects are created; rules and subjects that are missing in existing ones are added, and surplus ones are removed only when told.',
  examples: [['Reconcile RBAC resources from a file', 'kubectl auth reconcile -f my-rbac-rules.yaml']],
  flags: {
    ...filenameFlags('identifying the resource to reconcile'),
    ...outputFlags,
    'dry-run': dryRunFlag,
    'remove-extra-permissions': flag.bool('If true, removes extra permissions added to roles.'),
    'remove-extra-subjects': flag.bool('If true, removes extra subjects added to rolebindings.'),
  },
  async run(context) {
    const { flags: f } = context;
    if (!f.filename.length) throw new KubectlError('must specify one of -f and -k\n');
    const { targets, errors } = await resolveTargets(context, {
      filename: f.filename,
      recursive: f.recursive,
      check({ apiVersion = '', kind }) {
        // Other kinds are passed over below; other versions of these are not understood.
        if (/^rbac\.authorization\.k8s\.io\/(?!v1$)/.test(apiVersion))
          throw new KubectlError(
            `only rbac.authorization.k8s.io/v1 is supported: not *${apiVersion.split('/')[1]}.${kind}`,
          );
      },
    });
    if (errors.length) throw errors[0];
    const kube = await context.kube();
    const dryRun = dryRunOf(context);
    const print = await changePrinter(context, dryRun);
    for (const target of targets) {
      if (target.type !== 'object' || target.resource.group !== 'rbac.authorization.k8s.io') continue;
      const result = await reconciled(kube, target, f);
      if (result.write && dryRun !== 'client') await result.write(dryRunOption(dryRun));
      print(result.object, 'reconciled');
    }
  },
});

type Write = (options: { dryRun?: 'All' }) => Promise<AnyObject>;

async function reconciled(
  kube: Kube,
  { resource, namespace, name, object }: Info,
  f: { 'remove-extra-permissions': boolean; 'remove-extra-subjects': boolean },
): Promise<{ object: AnyObject; write?: Write }> {
  const place = { resource, namespace, name };
  const create: Write = (options) => kube.create(resource, { namespace }, object, options);
  let existing: AnyObject;
  try {
    existing = await kube.get(place);
  } catch (error) {
    if (isNotFound(error)) return { object, write: create };
    throw error;
  }
  const wanted = { ...existing };
  const { labels, annotations } = existing.metadata;
  wanted.metadata = {
    ...existing.metadata,
    labels: { ...labels, ...object.metadata.labels },
    annotations: { ...annotations, ...object.metadata.annotations },
  };
  if (object.kind?.endsWith('Binding')) {
    if (JSON.stringify(sortedRef(existing.roleRef)) !== JSON.stringify(sortedRef(object.roleRef))) {
      // What a binding refers to cannot be changed: it is made anew.
      return {
        object,
        write: async (options) => {
          await kube.delete(place, options);
          return create(options);
        },
      };
    }
    const same = (a: Subject, b: Subject) =>
      a.kind === b.kind && a.name === b.name && (a.namespace ?? '') === (b.namespace ?? '');
    wanted.subjects = merged(
      existing.subjects ?? [],
      object.subjects ?? [],
      same,
      f['remove-extra-subjects'],
    );
  } else {
    if (object.aggregationRule) wanted.aggregationRule = object.aggregationRule;
    wanted.rules = mergedRules(existing.rules ?? [], object.rules ?? [], f['remove-extra-permissions']);
  }
  return { object: wanted, write: (options) => kube.update(place, wanted, options) };
}

const sortedRef = ({ kind, name, apiGroup }: Record<string, string> = {}) => ({ kind, name, apiGroup });

function merged<T>(before: T[], wanted: T[], same: (a: T, b: T) => boolean, removeExtra: boolean): T[] {
  const kept = removeExtra ? before.filter((one) => wanted.some((other) => same(one, other))) : before;
  return [...kept, ...wanted.filter((one) => !before.some((other) => same(one, other)))];
}

const within = (parts: string[] = [], whole: string[] = []): boolean =>
  whole.includes('*') || parts.every((part) => whole.includes(part));

/** Whether one rule allows all that another does. */
const covers = (wide: Rule, narrow: Rule): boolean =>
  within(narrow.verbs, wide.verbs) &&
  within(narrow.apiGroups, wide.apiGroups) &&
  within(narrow.resources, wide.resources) &&
  within(narrow.nonResourceURLs, wide.nonResourceURLs) &&
  (!wide.resourceNames?.length ||
    (Boolean(narrow.resourceNames?.length) && within(narrow.resourceNames, wide.resourceNames)));

function mergedRules(before: Rule[], wanted: Rule[], removeExtra: boolean): Rule[] {
  const missing = wanted.filter((rule) => !before.some((other) => covers(other, rule)));
  const extra = before.filter((rule) => !wanted.some((other) => covers(other, rule)));
  if (removeExtra && extra.length) return wanted;
  return [...before, ...missing];
}
