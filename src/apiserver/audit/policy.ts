// Which requests are written down, and how much of them. Source: "Auditing", Audit policy; audit.k8s.io/v1 Policy.
import { dnsSubdomainProblems } from '../../machinery/names.ts';
import { type FieldError, type FieldPath, field } from '../../machinery/status.ts';
import { parseYamlDocuments } from '../../machinery/yaml.ts';
import type { Attributes } from '../authz/rbac.ts';

export const levels = ['None', 'Metadata', 'Request', 'RequestResponse'] as const;
export type AuditLevel = (typeof levels)[number];
export const stages = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic'] as const;
export type Stage = (typeof stages)[number];

export interface GroupResources {
  group?: string;
  resources?: string[];
  resourceNames?: string[];
}
export interface PolicyRule {
  level: AuditLevel;
  users?: string[];
  userGroups?: string[];
  verbs?: string[];
  resources?: GroupResources[];
  namespaces?: string[];
  nonResourceURLs?: string[];
  omitStages?: Stage[];
  omitManagedFields?: boolean;
}
export interface Policy {
  rules: PolicyRule[];
  omitStages?: Stage[];
  omitManagedFields?: boolean;
}

/** What is done with one request. */
export interface Decision {
  level: AuditLevel;
  omitStages: readonly Stage[];
  omitManagedFields: boolean;
}

/** Reads a policy file. Throws an Error whose message says what is wrong, and where. */
export function parsePolicy(text: string): Policy {
  const value = parseYamlDocuments(text)[0]?.value as any;
  if (!value || typeof value !== 'object') throw new Error('it is empty');
  const { apiVersion, kind } = value;
  if (apiVersion !== 'audit.k8s.io/v1' || kind !== 'Policy')
    throw new Error(`it must be of apiVersion audit.k8s.io/v1 and kind Policy, not ${apiVersion} ${kind}`);
  const known = new Set(['apiVersion', 'kind', 'metadata', 'rules', 'omitStages', 'omitManagedFields']);
  const unknown = Object.keys(value).filter((key) => !known.has(key));
  if (unknown.length) throw new Error(`unknown field ${JSON.stringify(unknown[0])}`);
  if (!Array.isArray(value.rules) || !value.rules.length) throw new Error('it has no rules');
  const errors = [
    ...stageErrors(value.omitStages, field('omitStages')),
    ...value.rules.flatMap((rule: PolicyRule, i: number) => ruleErrors(rule ?? {}, field('rules', i))),
  ];
  if (errors.length) throw new Error(errors.map((e) => `${e.field}: ${e.message}`).join('; '));
  return value as Policy;
}

const ruleFields = new Set([
  'level',
  'users',
  'userGroups',
  'verbs',
  'resources',
  'namespaces',
  'nonResourceURLs',
  'omitStages',
  'omitManagedFields',
]);

function ruleErrors(rule: PolicyRule, at: FieldPath): FieldError[] {
  const errors: FieldError[] = Object.keys(rule)
    .filter((key) => !ruleFields.has(key))
    .map((key) => at.child(key).forbidden('there is no such field'));
  if (!rule.level) errors.push(at.child('level').required());
  else if (!levels.includes(rule.level)) errors.push(at.child('level').notSupported(rule.level, levels));
  (rule.nonResourceURLs ?? []).forEach((url, i) => {
    const here = at.child('nonResourceURLs', i);
    if (url === '*') return;
    if (!url.startsWith('/'))
      errors.push(here.invalid(url, "non-resource URL rules must begin with a '/' character"));
    if (url.slice(0, -1).includes('*'))
      errors.push(
        here.invalid(url, "non-resource URL wildcards '*' must be the final character of the rule"),
      );
  });
  for (const { group = '', resources = [], resourceNames = [] } of rule.resources ?? []) {
    const here = at.child('resources');
    const [problem] = group && group !== '*' ? dnsSubdomainProblems(group) : [];
    if (problem) errors.push(here.child('group').invalid(group, problem));
    if (resourceNames.length && !resources.length)
      errors.push(
        here
          .child('resourceNames')
          .invalid(resourceNames, 'using resourceNames requires at least one resource'),
      );
  }
  if (rule.nonResourceURLs?.length && (rule.resources?.length || rule.namespaces?.length))
    errors.push(
      at
        .child('nonResourceURLs')
        .invalid(rule.nonResourceURLs, 'rules cannot apply to both regular resources and non-resource URLs'),
    );
  return [...errors, ...stageErrors(rule.omitStages, at.child('omitStages'))];
}

const stageErrors = (omitted: Stage[] | undefined, at: FieldPath): FieldError[] =>
  (omitted ?? []).flatMap((stage, i) =>
    stages.includes(stage) ? [] : [at.child(i).invalid(stage, `allowed stages are ${stages.join(',')}`)],
  );

/** The first rule that fits says it; what no rule fits is not written down. */
export function decide(policy: Policy, attributes: Attributes): Decision {
  const rule = policy.rules.find((one) => fits(one, attributes));
  return {
    level: rule?.level ?? 'None',
    omitStages: [...(policy.omitStages ?? []), ...(rule?.omitStages ?? [])],
    omitManagedFields: rule?.omitManagedFields ?? policy.omitManagedFields ?? false,
  };
}

const lacks = (list: string[] | undefined, value: string): boolean =>
  Boolean(list?.length) && !list!.includes(value);

function fits(rule: PolicyRule, { user, verb, ...what }: Attributes): boolean {
  if (lacks(rule.users, user.name) || lacks(rule.verbs, verb)) return false;
  if (rule.userGroups?.length && !rule.userGroups.some((group) => user.groups.includes(group))) return false;
  if (rule.namespaces?.length || rule.resources?.length) {
    if (what.path !== undefined || lacks(rule.namespaces, what.namespace ?? '')) return false;
    return !rule.resources?.length || rule.resources.some((one) => fitsResource(one, what));
  }
  if (!rule.nonResourceURLs?.length) return true;
  const { path } = what;
  if (path === undefined) return false;
  return rule.nonResourceURLs.some(
    (url) => url === path || (url.endsWith('*') && path.startsWith(url.slice(0, -1))),
  );
}

function fitsResource(
  { group = '', resources = [], resourceNames = [] }: GroupResources,
  what: Omit<Attributes, 'user' | 'verb'>,
): boolean {
  if (group !== '*' && group !== (what.group ?? '')) return false;
  if (!resources.length) return true;
  if (resourceNames.length && !resourceNames.includes(what.name ?? '')) return false;
  const { resource, subresource } = what;
  const full = subresource ? `${resource}/${subresource}` : resource;
  return resources.some(
    (one) =>
      one === '*' || one === full || one === `${resource}/*` || (subresource && one === `*/${subresource}`),
  );
}
