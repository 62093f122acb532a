import { readFileSync } from 'node:fs';
import type { AuditBackend } from '../../apiserver/audit/auditor.ts';
import { logFile } from '../../apiserver/audit/node/log-file.ts';
import { type Policy, parsePolicy } from '../../apiserver/audit/policy.ts';
import { webhookBackend } from '../../apiserver/audit/webhook.ts';
import type { Callee, Outbound } from '../../apiserver/outbound/outbound.ts';
import { chooseAccess } from '../../client/kubeconfig.ts';
import { loadKubeconfig } from '../../client/node/kubeconfig.ts';
import type { Log } from '../../machinery/log.ts';
import type { AuditSettings } from '../api-settings.ts';
import { systemClock, systemRandom } from './platform.ts';

/** What the API server needs to audit. Throws an Error that says what is wrong with which file. */
export function auditFrom(
  settings: AuditSettings,
  log: Log,
): { policy: Policy; backends(outbound: Outbound): AuditBackend[] } {
  const { policyFile, logPath, webhookConfigFile } = settings;
  const policy = attempt(`the audit policy ${policyFile}`, () =>
    parsePolicy(readFileSync(policyFile, 'utf8')),
  );
  const file =
    logPath &&
    attempt(`the audit log ${logPath}`, () =>
      logFile({
        path: logPath,
        format: settings.logFormat,
        maxAgeDays: settings.logMaxAgeDays,
        maxBackups: settings.logMaxBackups,
        maxSizeMB: settings.logMaxSizeMB,
        compress: settings.logCompress,
        log,
      }),
    );
  const webhook =
    webhookConfigFile &&
    attempt(`the webhook's kubeconfig ${webhookConfigFile}`, () => accessIn(webhookConfigFile));
  return {
    policy,
    backends: (outbound) => [
      ...(file ? [file] : []),
      ...(webhook
        ? [
            webhookBackend({
              ...webhook,
              outbound,
              ...{ clock: systemClock, random: systemRandom, log },
              bufferSize: settings.webhookBufferSize,
              maxBatchSize: settings.webhookMaxBatchSize,
              maxWaitMs: settings.webhookMaxWaitMs,
              initialBackoffMs: settings.webhookInitialBackoffMs,
            }),
          ]
        : []),
    ],
  };
}

function attempt<T>(what: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw new Error(`${what} cannot be used: ${(error as Error).message}`);
  }
}

/** Where a kubeconfig leads to, and what it says of who we are. */
function accessIn(path: string): { callee: Callee; authorization?: string } {
  const { cluster, user } = chooseAccess(loadKubeconfig(path), {});
  if (!cluster.server?.startsWith('https://')) throw new Error('its server must be an https URL');
  const pem = (data: string | undefined, file: string | undefined): string | undefined =>
    data ? Buffer.from(data, 'base64').toString() : file && readFileSync(file, 'utf8');
  const ca = pem(cluster['certificate-authority-data'], cluster['certificate-authority']);
  const cert = pem(user['client-certificate-data'], user['client-certificate']);
  const key = pem(user['client-key-data'], user['client-key']);
  const token = user.token ?? (user.tokenFile && readFileSync(user.tokenFile, 'utf8').trim());
  return {
    callee: {
      url: cluster.server,
      ...(ca ? { caBundle: Buffer.from(ca).toString('base64') } : {}),
      ...(cluster['insecure-skip-tls-verify'] ? { insecure: true } : {}),
      ...(cert && key ? { identity: { cert, key } } : {}),
    },
    ...(token ? { authorization: `Bearer ${token}` } : {}),
  };
}
