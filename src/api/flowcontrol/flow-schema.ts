import { equal } from '../../machinery/meta.ts';
import { type FieldError, type FieldPath, field } from '../../machinery/status.ts';
import { present } from '../checks.ts';
import { kind } from '../define.ts';
import { mandatorySchemas } from './bootstrap.ts';
import type { FlowSchema, PolicyRulesWithSubjects } from './v1.gen.ts';

const SPEC = field('spec');

function ruleErrors(
  { subjects = [], resourceRules = [], nonResourceRules = [] }: PolicyRulesWithSubjects,
  path: FieldPath,
): FieldError[] {
  const errors: FieldError[] = [];
  if (!subjects.length)
    errors.push(path.child('subjects').required('subjects must contain at least one value'));
  subjects.forEach((subject, i) => {
    const at = path.child('subjects', i);
    const part = { User: 'user', Group: 'group', ServiceAccount: 'serviceAccount' }[subject.kind];
    if (!part) errors.push(at.child('kind').notSupported(subject.kind, ['Group', 'ServiceAccount', 'User']));
    else if (!(subject as any)[part])
      errors.push(at.child(part).required(`${part} is required when subject kind is '${subject.kind}'`));
  });
  if (!resourceRules.length && !nonResourceRules.length)
    errors.push(path.required('at least one of resourceRules and nonResourceRules has to be non-empty'));
  resourceRules.forEach((rule, i) => {
    const at = path.child('resourceRules', i);
    for (const name of ['verbs', 'apiGroups', 'resources'] as const)
      if (!rule[name]?.length) errors.push(at.child(name).required());
    if (!rule.namespaces?.length && !rule.clusterScope)
      errors.push(
        at
          .child('namespaces')
          .required('resource rules that are not cluster scoped must supply at least one namespace'),
      );
  });
  nonResourceRules.forEach((rule, i) => {
    for (const name of ['verbs', 'nonResourceURLs'] as const)
      if (!rule[name]?.length) errors.push(path.child('nonResourceRules', i, name).required());
  });
  return errors;
}

export const flowSchemas = kind<FlowSchema>({
  facts: 'flowcontrol.apiserver.k8s.io/v1 FlowSchema',
  generation: 'spec',
  defaults({ spec }) {
    if (spec) spec.matchingPrecedence ||= 1000;
  },
  prepareCreate(schema) {
    schema.status = {};
  },
  validate: ({ metadata, spec }) => {
    const {
      matchingPrecedence: precedence = 0,
      priorityLevelConfiguration: level,
      distinguisherMethod,
    } = spec ?? {};
    const fixed = mandatorySchemas.find((schema) => schema.metadata.name === metadata.name);
    return [
      ...(fixed && !equal(spec, fixed.spec)
        ? [SPEC.invalid(spec, `spec of '${metadata.name}' must equal the fixed value`)]
        : []),
      ...(precedence === 1 && metadata.name !== 'exempt'
        ? [
            SPEC.child('matchingPrecedence').invalid(
              precedence,
              "only the schema named 'exempt' may have matchingPrecedence 1",
            ),
          ]
        : []),
      ...(precedence < 1 || precedence > 10_000
        ? [
            SPEC.child('matchingPrecedence').invalid(
              precedence,
              'must be a value between 1 and 10000, both inclusive',
            ),
          ]
        : []),
      ...present(
        level?.name,
        SPEC.child('priorityLevelConfiguration', 'name'),
        'must reference a priority level',
      ),
      ...(distinguisherMethod && !['ByNamespace', 'ByUser'].includes(distinguisherMethod.type)
        ? [SPEC.child('distinguisherMethod').notSupported(distinguisherMethod, ['ByNamespace', 'ByUser'])]
        : []),
      ...(spec?.rules ?? []).flatMap((rule, i) => ruleErrors(rule, SPEC.child('rules', i))),
    ];
  },
  columns: {
    PriorityLevel: ({ spec }) => spec?.priorityLevelConfiguration?.name ?? '',
    MatchingPrecedence: ({ spec }) => String(spec?.matchingPrecedence ?? 0),
    DistinguisherMethod: ({ spec }) => spec?.distinguisherMethod?.type ?? '<none>',
    MissingPL: ({ status }) => status?.conditions?.find((c) => c.type === 'Dangling')?.status ?? '?',
  },
});
