import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { parse } from 'yaml';
import { UserError } from './command.ts';

/** Asks the API server of a cluster, as its administrator. Throws a sentence for what goes wrong. */
export async function ask<T>(dataDir: string, path: string): Promise<T> {
  const config = parse(readFileSync(join(dataDir, 'kubeconfig'), 'utf8'));
  const { server, 'certificate-authority-data': ca } = config.clusters[0].cluster;
  const user = config.users[0].user;
  const decoded = (text: string) => Buffer.from(text, 'base64');
  const agent = new Agent({
    ca: decoded(ca),
    cert: decoded(user['client-certificate-data']),
    key: decoded(user['client-key-data']),
  });
  try {
    const { status, text } = await new Promise<{ status: number; text: string }>((resolve, reject) => {
      request(`${server}${path}`, { agent, timeout: 10_000 }, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString() }),
        );
      })
        .on('error', (error) =>
          reject(
            new UserError(
              `${server} does not answer (${error.message}): see "wherry status" and "wherry logs apiserver".`,
            ),
          ),
        )
        .end();
    });
    const body = JSON.parse(text);
    if (status >= 400) throw new UserError(body.message ?? `${server}${path} answered ${status}.`);
    return body as T;
  } finally {
    agent.destroy();
  }
}
