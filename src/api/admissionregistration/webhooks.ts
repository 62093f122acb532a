// Webhooks that the server asks about writes: what mutating and validating ones have in common.
// https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
import { dnsSubdomainProblems } from '../../machinery/names.ts';
import { labelSelectorErrors } from '../../machinery/selectors.ts';
import { type FieldError, type FieldPath, field } from '../../machinery/status.ts';
import { oneOf, present, problems, requiredOneOf } from '../checks.ts';
import type {
  MatchCondition,
  MutatingWebhook,
  RuleWithOperations,
  ValidatingWebhook,
  WebhookClientConfig,
} from './v1.gen.ts';

type Webhook = ValidatingWebhook & Pick<MutatingWebhook, 'reinvocationPolicy'>;
const operations = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'];

export function defaultWebhook(webhook: Webhook): void {
  webhook.failurePolicy ??= 'Fail';
  webhook.matchPolicy ??= 'Equivalent';
  webhook.namespaceSelector ??= {};
  webhook.objectSelector ??= {};
  webhook.timeoutSeconds ??= 10;
  for (const rule of webhook.rules ?? []) rule.scope ??= '*';
  if (webhook.clientConfig?.service) webhook.clientConfig.service.port ??= 443;
}

export function ruleErrors(rule: RuleWithOperations, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  for (const name of ['operations', 'apiGroups', 'apiVersions', 'resources'] as const) {
    const list = rule[name] ?? [];
    if (!list.length) errors.push(path.child(name).required());
    if (name !== 'resources' && list.length > 1 && list.includes('*'))
      errors.push(
        path
          .child(name)
          .invalid(
            list,
            "if '*' is present, must not specify other " +
              (name === 'operations' ? 'operations' : name === 'apiGroups' ? 'API groups' : 'API versions'),
          ),
      );
  }
  rule.operations?.forEach((operation, i) => {
    errors.push(...oneOf(operation, operations, path.child('operations', i)));
  });
  return [...errors, ...oneOf(rule.scope, ['*', 'Cluster', 'Namespaced'], path.child('scope'))];
}

function clientErrors(config: WebhookClientConfig | undefined, path: FieldPath): FieldError[] {
  const { url, service } = config ?? {};
  if (Boolean(url) === Boolean(service)) return [path.required('exactly one of url or service is required')];
  if (url) {
    const at = path.child('url');
    if (!URL.canParse(url)) return [at.required('url must be a valid URL')];
    const parsed = new URL(url);
    if (parsed.protocol !== 'https:')
      return [at.invalid(url, "'https' is the only allowed URL scheme; desired format: https://host[/path]")];
    if (parsed.username || parsed.password)
      return [
        at.invalid(url, 'user information is not permitted in the URL; desired format: https://host[/path]'),
      ];
    return [];
  }
  const at = path.child('service');
  return [
    ...present(service!.name, at.child('name'), 'service name is required'),
    ...present(service!.namespace, at.child('namespace'), 'service namespace is required'),
    ...(service!.path && !service!.path.startsWith('/')
      ? [at.child('path').invalid(service!.path, "must start with a '/'")]
      : []),
  ];
}

/** Conditions in CEL: each named, and not empty. What they say is checked when they are compiled. */
export function conditionsErrors(conditions: MatchCondition[] | undefined, path: FieldPath): FieldError[] {
  if ((conditions?.length ?? 0) > 64) return [path.tooMany(conditions!.length, 64)];
  return (conditions ?? []).flatMap(({ name, expression }, i) => [
    ...present(name, path.child(i, 'name')),
    ...present(expression?.trim(), path.child(i, 'expression')),
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
    ...requiredOneOf(webhook.sideEffects, ['None', 'NoneOnDryRun'], path.child('sideEffects')),
    ...(seconds !== undefined && (seconds > 30 || seconds < 1)
      ? [path.child('timeoutSeconds').invalid(seconds, 'the timeout value must be between 1 and 30 seconds')]
      : []),
    ...oneOf(webhook.reinvocationPolicy, ['IfNeeded', 'Never'], path.child('reinvocationPolicy')),
    ...labelSelectorErrors(webhook.namespaceSelector, path.child('namespaceSelector')),
    ...labelSelectorErrors(webhook.objectSelector, path.child('objectSelector')),
    ...clientErrors(webhook.clientConfig, path.child('clientConfig')),
    ...(versions.length
      ? versions.some((v) => v === 'v1' || v === 'v1beta1')
        ? []
        : [
            path
              .child('admissionReviewVersions')
              .invalid(versions, 'must include at least one of v1, v1beta1'),
          ]
      : [path.child('admissionReviewVersions').required('must specify one of v1, v1beta1')]),
    ...conditionsErrors(webhook.matchConditions, path.child('matchConditions')),
  ];
}

export const webhooksErrors = (webhooks: Webhook[] | undefined): FieldError[] =>
  (webhooks ?? []).flatMap((webhook, i) => [
    ...(webhooks!.findIndex((w) => w.name === webhook.name) < i
      ? [field('webhooks', i, 'name').duplicate(webhook.name)]
      : []),
    ...webhookErrors(webhook, field('webhooks', i)),
  ]);
