import type { PolicyRule } from '../../api/rbac/v1.gen.ts';

const has = (list: readonly string[] | undefined, value: string): boolean =>
  list !== undefined && (list.includes('*') || list.includes(value));

function hasResource(list: readonly string[] | undefined, resource: string): boolean {
  if (has(list, resource)) return true;
  const slash = resource.indexOf('/');
  return slash >= 0 && list !== undefined && list.includes(`*${resource.slice(slash)}`);
}

const hasUrl = (list: readonly string[] | undefined, url: string): boolean =>
  (list ?? []).some((own) => own === url || (own.endsWith('*') && url.startsWith(own.slice(0, -1))));

/** Whether rules together allow all that one rule allows: each verb on each resource of it, by some rule. */
export function ruleCovers(own: readonly PolicyRule[], rule: PolicyRule): boolean {
  return rule.verbs.every((verb) => {
    const mine = own.filter((o) => has(o.verbs, verb));
    if (!(rule.nonResourceURLs ?? []).every((url) => mine.some((o) => hasUrl(o.nonResourceURLs, url))))
      return false;
    return (rule.apiGroups ?? []).every((group) =>
      (rule.resources ?? []).every((resource) =>
        coversNames(
          mine.filter((o) => has(o.apiGroups, group) && hasResource(o.resources, resource)),
          rule.resourceNames,
        ),
      ),
    );
  });
}

function coversNames(mine: readonly PolicyRule[], names: readonly string[] | undefined): boolean {
  if (mine.some((o) => !o.resourceNames?.length)) return true;
  if (!names?.length) return false;
  return names.every((name) => mine.some((o) => o.resourceNames!.includes(name)));
}
