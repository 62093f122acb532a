// Webhooks that the server asks about writes: what mutating and validating ones have in common.
// https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
import { dns1035LabelProblems, dnsSubdomainProblems, qualifiedNameProblems } from '../../machinery/names.ts';
import { labelSelectorErrors } from '../../machinery/selectors.ts';
import { type FieldError, type FieldPath, field } from '../../machinery/status.ts';
import { oneOf, present, problems } from '../checks.ts';
import { webhookClientErrors } from '../webhook-client.ts';
import { conditionProblems } from './match-conditions.ts';
import type { MatchCondition, MutatingWebhook, RuleWithOperations, ValidatingWebhook } from './v1.gen.ts';

type Webhook = ValidatingWebhook & Pick<MutatingWebhook, 'reinvocationPolicy'>;
const operations = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'];

/** Names that a server reads from files, once it does. */
export const nameWarnings = ({ metadata: { name } }: { metadata: { name?: string } }): string[] =>
  name?.endsWith('.static.k8s.io')
    ? [
        'metadata.name: names ending with ".static.k8s.io" are reserved for static manifest-based configurations and cannot be managed via the API',
      ]
    : [];

export function defaultWebhook(webhook: Webhook): void {
  webhook.failurePolicy ??= 'Fail';
  webhook.matchPolicy ??= 'Equivalent';
  webhook.namespaceSelector ??= {};
  webhook.objectSelector ??= {};
  webhook.timeoutSeconds ??= 10;
  for (const rule of webhook.rules ?? []) rule.scope ??= '*';
  if (webhook.clientConfig?.service) webhook.clientConfig.service.port ??= 443;
}

const ALONE = {
  operations: 'operations',
  apiGroups: 'API groups',
  apiVersions: 'API versions',
} as const;

export function ruleErrors(rule: RuleWithOperations, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  for (const [name, others] of Object.entries(ALONE) as [keyof typeof ALONE, string][]) {
    const list = rule[name] ?? [];
    const at = path.child(name);
    if (!list.length) errors.push(at.required());
    if (list.length > 1 && list.includes('*'))
      errors.push(at.invalid(list, `if '*' is present, must not specify other ${others}`));
  }
  rule.operations?.forEach((operation, i) => {
    errors.push(...oneOf(operation, operations, path.child('operations', i)));
  });
  rule.apiVersions?.forEach((version, i) => {
    if (!version) errors.push(path.child('apiVersions', i).required());
  });
  return [
    ...errors,
    ...resourcesErrors(rule.resources ?? [], path.child('resources')),
    ...oneOf(rule.scope, ['*', 'Cluster', 'Namespaced'], path.child('scope')),
  ];
}

// `pods`, `pods/log`, `pods/*`, `*/scale`: no pattern beside one that says it already.
function resourcesErrors(resources: string[], path: FieldPath): FieldError[] {
  if (!resources.length) return [path.required()];
  const errors: FieldError[] = [];
  const wholes = new Set<string>();
  const everywhere = new Set<string>();
  resources.forEach((text, i) => {
    const at = path.child(i);
    if (!text) errors.push(at.required());
    const slash = text.indexOf('/');
    if (slash < 0) return;
    const resource = text.slice(0, slash);
    const part = text.slice(slash + 1);
    if (wholes.has(resource))
      errors.push(at.invalid(text, `if '${resource}/*' is present, must not specify ${text}`));
    if (everywhere.has(part))
      errors.push(at.invalid(text, `if '*/${part}' is present, must not specify ${text}`));
    if (part === '*') wholes.add(resource);
    if (resource === '*') everywhere.add(part);
  });
  if (resources.length > 1 && resources.includes('*/*'))
    errors.push(path.invalid(resources, "if '*/*' is present, must not specify other resources"));
  if (resources.includes('*') && resources.some((text) => text !== '*' && !text.includes('/')))
    errors.push(
      path.invalid(resources, "if '*' is present, must not specify other resources without subresources"),
    );
  return errors;
}

function reviewVersionsErrors(versions: string[], path: FieldPath): FieldError[] {
  if (!versions.length) return [path.required('must specify one of v1, v1beta1')];
  const errors = versions.flatMap((version, i) =>
    versions.indexOf(version) < i
      ? [path.child(i).invalid(version, 'duplicate version')]
      : problems(dns1035LabelProblems(version), version, path.child(i)),
  );
  if (!versions.includes('v1') && !versions.includes('v1beta1'))
    errors.push(path.invalid(versions, 'must include at least one of v1, v1beta1'));
  return errors;
}

/** Conditions in CEL: each named, and not empty. What they say is checked when they are compiled. */
export function conditionsErrors(conditions: MatchCondition[] | undefined, path: FieldPath): FieldError[] {
  if ((conditions?.length ?? 0) > 64) return [path.tooMany(conditions!.length, 64)];
  return (conditions ?? []).flatMap(({ name, expression }, i) => [
    ...present(expression?.trim(), path.child(i, 'expression')),
    ...(name
      ? problems(qualifiedNameProblems(name), name, path.child(i, 'name'))
      : [path.child(i, 'name').required()]),
    ...(conditions!.findIndex((c) => c.name === name) < i ? [path.child(i, 'name').duplicate(name)] : []),
  ]);
}

function webhookErrors(webhook: Webhook, path: FieldPath): FieldError[] {
  const { name = '', timeoutSeconds: seconds, admissionReviewVersions: versions = [] } = webhook;
  const at = path.child('name');
  const wrong = dnsSubdomainProblems(name);
  return [
    ...(name
      ? wrong.length
        ? problems(wrong, name, at)
        : name.split('.').length < 3
          ? [at.invalid(name, 'should be a domain with at least three segments separated by dots')]
          : []
      : [at.required()]),
    ...(webhook.rules ?? []).flatMap((rule, i) => ruleErrors(rule, path.child('rules', i))),
    ...oneOf(webhook.failurePolicy, ['Fail', 'Ignore'], path.child('failurePolicy')),
    ...oneOf(webhook.matchPolicy, ['Equivalent', 'Exact'], path.child('matchPolicy')),
    ...(webhook.sideEffects === undefined
      ? [path.child('sideEffects').required('must specify one of None, NoneOnDryRun')]
      : oneOf(webhook.sideEffects, ['None', 'NoneOnDryRun'], path.child('sideEffects'))),
    ...(seconds !== undefined && (seconds > 30 || seconds < 1)
      ? [path.child('timeoutSeconds').invalid(seconds, 'the timeout value must be between 1 and 30 seconds')]
      : []),
    ...oneOf(webhook.reinvocationPolicy, ['IfNeeded', 'Never'], path.child('reinvocationPolicy')),
    ...labelSelectorErrors(webhook.namespaceSelector, path.child('namespaceSelector')),
    ...labelSelectorErrors(webhook.objectSelector, path.child('objectSelector')),
    ...webhookClientErrors(webhook.clientConfig ?? {}, path.child('clientConfig')),
    ...reviewVersionsErrors(versions, path.child('admissionReviewVersions')),
    ...conditionsErrors(webhook.matchConditions, path.child('matchConditions')),
    ...conditionProblems(webhook.matchConditions, path.child('matchConditions')),
  ];
}

export const webhooksErrors = (webhooks: Webhook[] | undefined): FieldError[] =>
  (webhooks ?? []).flatMap((webhook, i) => [
    ...(webhooks!.findIndex((w) => w.name === webhook.name) < i
      ? [field('webhooks', i, 'name').duplicate(webhook.name)]
      : []),
    ...webhookErrors(webhook, field('webhooks', i)),
  ]);
