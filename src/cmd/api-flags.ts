// Flags of the API server that `wherry up` and `wherry apiserver` both have. Source: "kube-apiserver", Options.
import { existsSync } from 'node:fs';
import { requestHeaderDefaults } from '../apiserver/authn/request-header.ts';
import type { ApiServerSettings, AuditSettings } from '../cluster/api-settings.ts';
import { type HistoryWindow, parseWindow } from '../machinery/history.ts';
import { UserError } from './command.ts';
import { durationMs } from './duration.ts';
import { sharingFlags, sharingSettings } from './sharing-flags.ts';

interface ApiFlag {
  name: string;
  value: string;
  help: string;
  default?: string;
}

export const apiFlags: ApiFlag[] = [
  {
    name: 'encryption-provider-config',
    value: 'FILE',
    help: 'which resources are encrypted in the store, and with which keys (apiserver.config.k8s.io/v1 EncryptionConfiguration)',
  },
  {
    name: 'history',
    value: '1h|N|N MB',
    help: 'how much of the past is kept for "kubectl get --at" and "wherry diff": a time, revisions, or a size of the store (default: 5 to 10 minutes)',
  },
  {
    name: 'max-requests-inflight',
    value: 'N',
    help: 'reading requests that are served at once; with the next, the seats of all priority levels',
    default: '400',
  },
  {
    name: 'max-mutating-requests-inflight',
    value: 'N',
    help: 'writing requests that are served at once',
    default: '200',
  },
  {
    name: 'shutdown-delay-duration',
    value: 'DURATION',
    help: 'how long it serves on at the end, but is not ready, as in 10s',
    default: '0s',
  },
  { name: 'audit-policy-file', value: 'FILE', help: 'which requests are audited (audit.k8s.io/v1 Policy)' },
  { name: 'audit-log-path', value: 'FILE', help: 'where audit events are written; - for standard output' },
  { name: 'audit-log-format', value: 'json|legacy', help: 'how', default: 'json' },
  { name: 'audit-log-maxage', value: 'DAYS', help: 'how long old files are kept; 0 for ever', default: '0' },
  { name: 'audit-log-maxbackup', value: 'N', help: 'how many old files are kept; 0 for all', default: '0' },
  { name: 'audit-log-maxsize', value: 'MB', help: 'after how much a new file is begun', default: '100' },
  {
    name: 'audit-log-compress',
    value: 'true|false',
    help: 'whether old files are compressed',
    default: 'false',
  },
  { name: 'audit-webhook-config-file', value: 'FILE', help: 'kubeconfig of a server that gets audit events' },
  {
    name: 'audit-webhook-batch-buffer-size',
    value: 'N',
    help: 'events that may wait for it',
    default: '10000',
  },
  { name: 'audit-webhook-batch-max-size', value: 'N', help: 'events of one request to it', default: '400' },
  {
    name: 'audit-webhook-batch-max-wait',
    value: 'DURATION',
    help: 'how long an event waits for others',
    default: '30s',
  },
  {
    name: 'audit-webhook-initial-backoff',
    value: 'DURATION',
    help: 'how long it waits after a first failure',
    default: '10s',
  },
  {
    name: 'requestheader-client-ca-file',
    value: 'FILE',
    help: 'authority of proxies that say for whom they ask (default: one of its own)',
  },
  {
    name: 'requestheader-allowed-names',
    value: 'NAMES',
    help: 'common names of such proxies, with commas between; any when empty (default: front-proxy-client)',
  },
  ...(
    [
      ['username-headers', 'user', requestHeaderDefaults.usernameHeaders],
      ['uid-headers', 'uid', requestHeaderDefaults.uidHeaders],
      ['group-headers', 'groups', requestHeaderDefaults.groupHeaders],
      [
        'extra-headers-prefix',
        'extra fields, as beginnings of names',
        requestHeaderDefaults.extraHeaderPrefixes,
      ],
    ] as const
  ).map(([name, what, given]) => ({
    name: `requestheader-${name}`,
    value: 'NAMES',
    help: `headers in which they say the ${what}`,
    default: given.join(','),
  })),
  {
    name: 'proxy-client-cert-file',
    value: 'FILE',
    help: 'what it shows of itself to the servers of aggregated APIs (default: one of its own)',
  },
  { name: 'proxy-client-key-file', value: 'FILE', help: 'the key of that certificate' },
  ...sharingFlags,
];

type Flags = Record<string, string | boolean | undefined>;

/** Reads the flags. Throws a UserError that says which is wrong. */
export function apiSettings(given: object): ApiServerSettings {
  const flags = given as Flags;
  const text = (name: string): string | undefined => (flags[name] as string | undefined) || undefined;
  const file = (name: string): string | undefined => {
    const path = text(name);
    if (path && !existsSync(path)) throw new UserError(`there is no file ${path} (--${name}).`);
    return path;
  };
  const whole = (name: string): number => {
    const value = Number(text(name));
    if (!Number.isInteger(value) || value < 0)
      throw new UserError(`--${name} takes a whole number, not "${text(name)}".`, 2);
    return value;
  };
  const list = (name: string): string[] => (text(name) ?? '').split(',').filter(Boolean);
  const duration = (name: string): number => durationMs(name, text(name)!);
  const audit = auditSettings({ text, file, whole, duration });
  const requestHeaderCA = file('requestheader-client-ca-file');
  const [certFile, keyFile] = [file('proxy-client-cert-file'), file('proxy-client-key-file')];
  if (Boolean(certFile) !== Boolean(keyFile))
    throw new UserError('--proxy-client-cert-file and --proxy-client-key-file go together.', 2);
  if (!requestHeaderCA && flags['requestheader-allowed-names'] !== undefined)
    throw new UserError('--requestheader-allowed-names needs --requestheader-client-ca-file.', 2);
  return {
    maxRequestsInflight: whole('max-requests-inflight'),
    maxMutatingRequestsInflight: whole('max-mutating-requests-inflight'),
    shutdownDelayMs: duration('shutdown-delay-duration'),
    ...sharingSettings({ text, file, duration }),
    ...(file('encryption-provider-config') ? { encryptionConfig: file('encryption-provider-config')! } : {}),
    ...(text('history') ? { history: historyWindow(text('history')!) } : {}),
    ...(audit ? { audit } : {}),
    ...(requestHeaderCA
      ? {
          requestHeader: {
            clientCAFile: requestHeaderCA,
            allowedNames: list('requestheader-allowed-names'),
            usernameHeaders: list('requestheader-username-headers'),
            uidHeaders: list('requestheader-uid-headers'),
            groupHeaders: list('requestheader-group-headers'),
            extraHeaderPrefixes: list('requestheader-extra-headers-prefix'),
          },
        }
      : {}),
    ...(certFile && keyFile ? { proxyClient: { certFile, keyFile } } : {}),
  };
}

function historyWindow(text: string): HistoryWindow {
  try {
    return parseWindow(text);
  } catch (error) {
    throw new UserError(`--history: ${(error as Error).message}.`, 2);
  }
}

interface Reader {
  text(name: string): string | undefined;
  file(name: string): string | undefined;
  whole(name: string): number;
  duration(name: string): number;
}

function auditSettings({ text, file, whole, duration }: Reader): AuditSettings | undefined {
  const policyFile = file('audit-policy-file');
  const logPath = text('audit-log-path');
  const webhookConfigFile = file('audit-webhook-config-file');
  if (!policyFile) {
    if (logPath || webhookConfigFile)
      throw new UserError('nothing is audited without --audit-policy-file, which says what.', 2);
    return undefined;
  }
  const logFormat = text('audit-log-format');
  if (logFormat !== 'json' && logFormat !== 'legacy')
    throw new UserError(`--audit-log-format takes "json" or "legacy", not "${logFormat}".`, 2);
  return {
    policyFile,
    ...(logPath ? { logPath } : {}),
    logFormat,
    logMaxAgeDays: whole('audit-log-maxage'),
    logMaxBackups: whole('audit-log-maxbackup'),
    logMaxSizeMB: whole('audit-log-maxsize'),
    logCompress: text('audit-log-compress') === 'true',
    ...(webhookConfigFile ? { webhookConfigFile } : {}),
    webhookBufferSize: whole('audit-webhook-batch-buffer-size'),
    webhookMaxBatchSize: whole('audit-webhook-batch-max-size'),
    webhookMaxWaitMs: duration('audit-webhook-batch-max-wait'),
    webhookInitialBackoffMs: duration('audit-webhook-initial-backoff'),
  };
}
