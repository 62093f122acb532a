import { canonicalQuantity } from '../../machinery/quantity.ts';
import { limitRanges, resourceQuotas } from '../resources.ts';
import { conditionTable } from './conditions.ts';
import { begin, type Describer, describeEvents, listAll } from './describer.ts';
import { type Description, sortedPairs } from './description.ts';

export const describeConfigMap: Describer = async (d, configMap, tools) => {
  begin(d, configMap);
  d.raw('\nData\n====\n');
  for (const [key, value] of sortedPairs(configMap.data)) d.raw(`${key}:\n----\n${value}\n\n`);
  d.raw('\nBinaryData\n====\n');
  for (const [key, value] of sortedPairs(configMap.binaryData))
    d.raw(`${key}: ${atob(value).length} bytes\n`);
  d.raw('\n');
  await describeEvents(d, configMap, tools);
};

export const describeSecret: Describer = (d, secret) => {
  begin(d, secret);
  d.raw(`\nType:\t${secret.type ?? ''}\n`);
  d.raw('\nData\n====\n');
  for (const [key, value] of sortedPairs(secret.data)) {
    const bytes = atob(value);
    const isToken = key === 'token' && secret.type === 'kubernetes.io/service-account-token';
    d.field(key, isToken ? bytes : `${bytes.length} bytes`);
  }
};

export const describeServiceAccount: Describer = async (d, account, tools) => {
  begin(d, account);
  const lists: [string, string[]][] = [
    ['Image pull secrets:', (account.imagePullSecrets ?? []).map((s: any) => s.name)],
    ['Mountable secrets: ', (account.secrets ?? []).map((s: any) => s.name)],
    ['Tokens:            ', []],
  ];
  for (const [header, names] of lists) {
    if (!names.length) d.line(0, `${header}\t<none>`);
    names.forEach((name, i) => {
      d.line(0, `${i ? ' '.repeat(header.length) : header}\t${name}`);
    });
  }
  await describeEvents(d, account, tools);
};

export const describeNamespace: Describer = async (d, namespace, tools) => {
  begin(d, namespace, { namespace: false });
  d.field('Status', namespace.status?.phase ?? '');
  conditionTable(d, namespace.status?.conditions);
  const name = namespace.metadata.name;
  const [quotas, limits] = [
    await listAll(tools, resourceQuotas, name),
    await listAll(tools, limitRanges, name),
  ];
  d.line(0, '');
  if (!quotas.length) d.line(0, 'No resource quota.');
  else {
    d.line(0, 'Resource Quotas');
    for (const quota of quotas.toSorted((a, b) => (a.metadata.name! < b.metadata.name! ? -1 : 1))) {
      d.field('Name', quota.metadata.name, 1);
      scopes(d, quota.spec?.scopes, 1, '* ');
      d.line(1, 'Resource\tUsed\tHard');
      d.line(1, '--------\t---\t---');
      quotaRows(d, quota, 1);
    }
  }
  d.line(0, '');
  if (!limits.length) d.line(0, 'No LimitRange resource.');
  else {
    d.line(0, 'Resource Limits');
    limitHeader(d, ' ');
    for (const range of limits) limitRows(d, range, ' ');
  }
};

const scopeHelp: Record<string, string> = {
  Terminating:
    'Matches all pods that have an active deadline. These pods have a limited lifespan on a node before being actively terminated by the system.',
  NotTerminating:
    'Matches all pods that do not have an active deadline. These pods usually include long running pods whose container command is not expected to terminate.',
  BestEffort:
    'Matches all pods that do not have resource requirements set. These pods have a best effort quality of service.',
  NotBestEffort:
    'Matches all pods that have at least one resource requirement set. These pods have a burstable or guaranteed quality of service.',
};

function scopes(d: Description, list: string[] | undefined, level: number, bullet: string): void {
  if (!list?.length) return;
  const sorted = list.toSorted();
  d.field('Scopes', sorted.join(', '), level);
  for (const scope of sorted) if (scopeHelp[scope]) d.line(level, `${bullet}${scopeHelp[scope]}`);
}

function quotaRows(d: Description, { status = {} }: any, level: number): void {
  for (const [name, hard] of sortedPairs(status.hard))
    d.line(level, `${name}\t${canonicalQuantity(status.used?.[name] ?? '0')}\t${canonicalQuantity(hard)}`);
}

export const describeQuota: Describer = (d, quota) => {
  d.field('Name', quota.metadata.name);
  d.field('Namespace', quota.metadata.namespace);
  scopes(d, quota.spec?.scopes, 0, ' * ');
  d.line(0, 'Resource\tUsed\tHard');
  d.line(0, '--------\t----\t----');
  quotaRows(d, quota, 0);
};

const limitColumns = [
  'Type',
  'Resource',
  'Min',
  'Max',
  'Default Request',
  'Default Limit',
  'Max Limit/Request Ratio',
];

function limitHeader(d: Description, prefix: string): void {
  d.line(0, prefix + limitColumns.join('\t'));
  d.line(0, prefix + limitColumns.map((column) => '-'.repeat(column.length)).join('\t'));
}

function limitRows(d: Description, { spec }: any, prefix: string): void {
  for (const limit of spec?.limits ?? []) {
    const { min, max, default: byDefault, defaultRequest, maxLimitRequestRatio } = limit;
    const maps = [min, max, defaultRequest, byDefault, maxLimitRequestRatio];
    const names = new Set(maps.flatMap((map) => Object.keys(map ?? {})));
    for (const name of [...names].sort()) {
      const amounts = maps.map((map) => (map?.[name] === undefined ? '-' : canonicalQuantity(map[name])));
      d.line(0, `${prefix}${limit.type}\t${name}\t${amounts.join('\t')}`);
    }
  }
}

export const describeLimitRange: Describer = (d, range) => {
  d.field('Name', range.metadata.name);
  d.field('Namespace', range.metadata.namespace);
  limitHeader(d, '');
  limitRows(d, range, '');
};
