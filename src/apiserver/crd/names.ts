import { customResourceDefinitions } from '../../api/apiextensions/custom-resource-definition.ts';
import { APPROVAL, isProtectedGroup } from '../../api/apiextensions/definition-validation.ts';
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionCondition,
  CustomResourceDefinitionNames,
} from '../../api/apiextensions/v1.gen.ts';
import { time } from '../../machinery/clock.ts';
import { type AnyObject, clone, equal } from '../../machinery/meta.ts';
import { encodeForStore } from '../cache/entry.ts';
import type { Registry } from '../registry/registry.ts';

type Condition = Pick<CustomResourceDefinitionCondition, 'type' | 'status' | 'reason' | 'message'>;

/** Names of a definition, its own or those it was granted, that must be its own within the group. */
const claimed = (names: Partial<CustomResourceDefinitionNames> | undefined): (string | undefined)[] => [
  names?.plural,
  names?.singular,
  ...(names?.shortNames ?? []),
];
/** What a definition in a group of Kubernetes' own says of its approval; undefined for all other groups. Source: KEP-1111. */
function approvalOf({ spec, metadata }: CustomResourceDefinition): Condition | undefined {
  if (!isProtectedGroup(spec.group)) return undefined;
  const approval = metadata.annotations?.[APPROVAL];
  const type = 'KubernetesAPIApprovalPolicyConformant';
  const see = 'see https://github.com/kubernetes/enhancements/pull/1111';
  if (!approval) {
    const message = `protected groups must have approval annotation "${APPROVAL}", ${see}`;
    return { type, status: 'False', reason: 'MissingAnnotation', message };
  }
  if (approval.startsWith('unapproved'))
    return { type, status: 'False', reason: 'UnapprovedAnnotation', message: `not approved: "${approval}"` };
  if (URL.parse(approval)?.host)
    return { type, status: 'True', reason: 'ApprovedAnnotation', message: `approved in ${approval}` };
  const message = `protected groups must have approval annotation "${APPROVAL}" with either a URL or a reason starting with "unapproved", ${see}`;
  return { type, status: 'False', reason: 'InvalidAnnotation', message };
}

const claimedKinds = (names: Partial<CustomResourceDefinitionNames> | undefined): (string | undefined)[] => [
  names?.kind,
  names?.listKind,
];

/** The name of this definition that another one of the group has already. */
function taken(registry: Registry, crd: CustomResourceDefinition): string | undefined {
  const cache = registry.caches.of(customResourceDefinitions)!;
  for (const { object } of cache.entries.values()) {
    const other = object as unknown as CustomResourceDefinition;
    if (other.spec.group !== crd.spec.group || other.metadata.name === crd.metadata.name) continue;
    const granted = other.status?.acceptedNames;
    const clash =
      claimed(crd.spec.names).find((name) => name && claimed(granted).includes(name)) ??
      claimedKinds(crd.spec.names).find((name) => name && claimedKinds(granted).includes(name));
    if (clash) return clash;
  }
  return undefined;
}

/**
 * States in a definition's status whether its names are free. Resolves to what states, once it is served, that it is
 * established; to undefined where the names are another's.
 */
export async function stateNames(
  registry: Registry,
  crd: CustomResourceDefinition,
): Promise<{ establish(): Promise<void> } | undefined> {
  const clash = taken(registry, crd);
  if (!clash) {
    return {
      establish: () =>
        state(
          registry,
          crd,
          [
            { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found' },
            {
              type: 'Established',
              status: 'True',
              reason: 'InitialNamesAccepted',
              message: 'the initial names have been accepted',
            },
          ],
          { ...crd.spec.names },
        ),
    };
  }
  await state(registry, crd, [
    {
      type: 'NamesAccepted',
      status: 'False',
      reason: 'NamesConflict',
      message: `${JSON.stringify(clash)} is already in use`,
    },
    { type: 'Established', status: 'False', reason: 'NotAccepted', message: 'not all names are accepted' },
  ]);
  return undefined;
}

async function state(
  registry: Registry,
  crd: CustomResourceDefinition,
  conditions: Condition[],
  acceptedNames?: CustomResourceDefinitionNames,
): Promise<void> {
  const now = time(registry.clock.now());
  const approval = approvalOf(crd);
  if (approval) conditions.push(approval);
  await changeDefinition(registry, crd.metadata.name!, (draft) => {
    const before: CustomResourceDefinitionCondition[] = draft.status?.conditions ?? [];
    const merged = conditions.map((c) => {
      const old = before.find((b) => b.type === c.type);
      return { ...c, lastTransitionTime: old?.status === c.status ? old.lastTransitionTime : now };
    });
    const others = before.filter((b) => !conditions.some((c) => c.type === b.type));
    draft.status = {
      ...draft.status,
      conditions: [...merged, ...others],
      acceptedNames: acceptedNames ?? draft.status?.acceptedNames ?? { plural: '', kind: '' },
      storedVersions: draft.status?.storedVersions ?? [],
    };
  });
}

/** Changes a definition as it is now; again while others are faster. Without `change`d fields nothing is written. */
export async function changeDefinition(
  registry: Registry,
  name: string,
  change: (draft: AnyObject) => void,
): Promise<void> {
  const cache = registry.caches.of(customResourceDefinitions)!;
  while (true) {
    const entry = cache.get(cache.prefix + name);
    if (!entry) return;
    const draft = clone(entry.object);
    change(draft);
    if (equal(draft, entry.object)) return;
    const gone = draft.metadata.deletionTimestamp && !draft.metadata.finalizers?.length;
    const { succeeded } = await registry.store.txn(
      [{ key: entry.key, target: 'mod', equals: entry.revision }],
      gone
        ? [{ op: 'delete', key: entry.key }]
        : [{ op: 'put', key: entry.key, value: encodeForStore(cache.kind, draft), decoded: draft }],
    );
    if (succeeded) return;
  }
}
