// Credentials from a program. https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
import { spawn } from 'node:child_process';
import type { ExecConfig } from '../kubeconfig.ts';

export interface ExecCredential {
  token?: string;
  clientCertificateData?: string;
  clientKeyData?: string;
  /** When it ends; undefined: with the process. */
  expiresMs?: number;
}

/** What the plugin is told of the cluster, where its config asks for it (`provideClusterInfo`). */
export interface ClusterInfo {
  server: string;
  'tls-server-name'?: string;
  'certificate-authority-data'?: string;
  'insecure-skip-tls-verify'?: boolean;
}

/** Runs the plugin. Throws an Error that names it, with its install hint, where it cannot be run or says nothing of use. */
export async function execCredential(
  config: ExecConfig,
  env: Record<string, string | undefined>,
  cluster?: ClusterInfo,
): Promise<ExecCredential> {
  const interactive = config.interactiveMode !== 'Never' && process.stdin.isTTY === true;
  if (config.interactiveMode === 'Always' && !interactive)
    throw new Error('exec plugin cannot support interactive mode: standard input is not a terminal');
  const info = {
    apiVersion: config.apiVersion,
    kind: 'ExecCredential',
    spec: { ...(config.provideClusterInfo && cluster ? { cluster } : {}), interactive },
  };
  const { code, stdout } = await run(
    config.command,
    config.args ?? [],
    {
      ...env,
      ...Object.fromEntries((config.env ?? []).map(({ name, value }) => [name, value])),
      KUBERNETES_EXEC_INFO: JSON.stringify(info),
    },
    interactive,
    config.installHint,
  );
  if (code !== 0) {
    throw new Error(`getting credentials: exec: executable ${config.command} failed with exit code ${code}`);
  }
  let found: any;
  try {
    found = JSON.parse(stdout);
  } catch (error) {
    throw new Error(`getting credentials: decoding stdout: ${(error as Error).message}`);
  }
  const { status } = found;
  if (!status) throw new Error("getting credentials: exec plugin didn't return a status field");
  if (!status.token && !status.clientCertificateData)
    throw new Error("getting credentials: exec plugin didn't return a token or cert/key pair");
  return {
    token: status.token,
    clientCertificateData: status.clientCertificateData,
    clientKeyData: status.clientKeyData,
    expiresMs: status.expirationTimestamp ? Date.parse(status.expirationTimestamp) : undefined,
  };
}

function run(
  command: string,
  args: string[],
  env: Record<string, string | undefined>,
  interactive: boolean,
  hint?: string,
): Promise<{ code: number; stdout: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      env,
      stdio: [interactive ? 'inherit' : 'ignore', 'pipe', 'inherit'],
    });
    let stdout = '';
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.on('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'ENOENT' ? `executable ${command} not found` : error.message;
      reject(new Error(`getting credentials: exec: ${why}${hint ? `\n\n${hint}` : ''}`));
    });
    child.on('close', (code) => resolve({ code: code ?? 1, stdout }));
  });
}
