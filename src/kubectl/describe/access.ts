import { humanDuration } from '../printers/duration.ts';
import { type CertificateRequest, parseCertificateRequest } from './certificate-request.ts';
import { begin, type Describer, describeEvents } from './describer.ts';
import { type Description, dateText, pairsText } from './description.ts';

interface Rule {
  verbs: string[];
  apiGroups: string[];
  resources: string[];
  resourceNames: string[];
  nonResourceURLs: string[];
}

/** One rule for each resource (and name, and URL), with all verbs that any rule gives it. */
export function compactRules(rules: any[]): Rule[] {
  const found = new Map<string, Rule>();
  const urls: Rule[] = [];
  for (const {
    verbs = [],
    apiGroups = [],
    resources = [],
    resourceNames = [],
    nonResourceURLs = [],
  } of rules) {
    for (const group of apiGroups)
      for (const resource of resources)
        for (const verb of verbs)
          for (const names of resourceNames.length ? resourceNames.map((name: string) => [name]) : [[]]) {
            const key = JSON.stringify([group, resource, names]);
            const rule = found.get(key);
            if (!rule)
              found.set(key, {
                verbs: [verb],
                apiGroups: [group],
                resources: [resource],
                resourceNames: names,
                nonResourceURLs: [],
              });
            else if (!rule.verbs.includes(verb)) rule.verbs.push(verb);
          }
    for (const url of nonResourceURLs)
      for (const verb of verbs)
        urls.push({ verbs: [verb], apiGroups: [], resources: [], resourceNames: [], nonResourceURLs: [url] });
  }
  const text = (r: Rule): string =>
    [r.verbs, r.apiGroups, r.resources, r.resourceNames, r.nonResourceURLs]
      .map((list) => `[${list.join(' ')}]`)
      .join();
  return [...urls, ...found.values()].sort((a, b) => (text(a) < text(b) ? -1 : text(a) > text(b) ? 1 : 0));
}

/** `deployments.apps/scale`. */
export function resourceGroupText([resource]: string[], [group]: string[]): string {
  if (!resource) return '';
  const [name, subresource] = resource.split('/', 2);
  return `${name}${group ? `.${group}` : ''}${subresource === undefined ? '' : `/${subresource}`}`;
}

/** Rows of the table of rules. */
export const ruleRows = (rules: Rule[]): string[][] =>
  rules.map((rule) => [
    resourceGroupText(rule.resources, rule.apiGroups),
    `[${rule.nonResourceURLs.join(' ')}]`,
    `[${rule.resourceNames.join(' ')}]`,
    `[${rule.verbs.join(' ')}]`,
  ]);

export const describeRole: Describer = (d, role) => {
  begin(d, role, { namespace: false });
  d.line(0, 'PolicyRule:');
  d.table(
    1,
    ['Resources', 'Non-Resource URLs', 'Resource Names', 'Verbs'],
    ruleRows(compactRules(role.rules ?? [])),
  );
};

export const describeBinding: Describer = (d, binding) => {
  begin(d, binding, { namespace: false });
  d.line(0, 'Role:');
  d.field('Kind', binding.roleRef.kind, 1);
  d.field('Name', binding.roleRef.name, 1);
  d.line(0, 'Subjects:');
  d.table(
    1,
    ['Kind', 'Name', 'Namespace'],
    (binding.subjects ?? []).map(({ kind, name, namespace = '' }: any) => [kind, name, namespace]),
  );
};

/** `Approved,Issued`. */
export function requestStatus({ conditions = [], certificate }: any = {}): string {
  const has = (type: string) => conditions.some((c: any) => c.type === type);
  const decided = has('Denied') ? 'Denied' : has('Approved') ? 'Approved' : 'Pending';
  return `${decided}${has('Failed') ? ',Failed' : ''}${certificate ? ',Issued' : ''}`;
}

export const describeCertificateRequest: Describer = async (d, csr, tools) => {
  const { metadata, spec, status } = csr;
  d.field('Name', metadata.name);
  d.field('Labels', pairsText(metadata.labels));
  d.field('Annotations', pairsText(metadata.annotations));
  d.field('CreationTimestamp', dateText(metadata.creationTimestamp));
  d.field('Requesting User', spec.username ?? '');
  if (spec.signerName) d.field('Signer', spec.signerName);
  if (spec.expirationSeconds) d.field('Requested Duration', humanDuration(spec.expirationSeconds * 1000));
  d.field('Status', requestStatus(status));
  subject(d, parseCertificateRequest(spec.request));
  await describeEvents(d, csr, tools);
};

function subject(d: Description, { subject: names, dns, emails, uris, addresses }: CertificateRequest): void {
  const list = (label: string, values: string[]) => {
    if (values.length) d.raw(`\t${label}:\t${values.join('\n\t\t')}\n`);
  };
  d.line(0, 'Subject:');
  d.raw(`\tCommon Name:\t${names['2.5.4.3']?.[0] ?? ''}\n`);
  d.raw(`\tSerial Number:\t${names['2.5.4.5']?.[0] ?? ''}\n`);
  list('Organization', names['2.5.4.10'] ?? []);
  list('Organizational Unit', names['2.5.4.11'] ?? []);
  list('Country', names['2.5.4.6'] ?? []);
  list('Locality', names['2.5.4.7'] ?? []);
  list('Province', names['2.5.4.8'] ?? []);
  list('StreetAddress', names['2.5.4.9'] ?? []);
  list('PostalCode', names['2.5.4.17'] ?? []);
  if (!dns.length && !emails.length && !uris.length && !addresses.length) return;
  d.line(0, 'Subject Alternative Names:');
  list('DNS Names', dns);
  list('Email Addresses', emails);
  list('URIs', uris);
  list('IP Addresses', addresses);
}
