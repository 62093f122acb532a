import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { parse } from 'yaml';
import { UserError } from './command.ts';

/** Opens a path of a cluster's API server, as its administrator. Throws a sentence for what goes wrong. */
async function opened(
  dataDir: string,
  path: string,
  timeoutMs: number,
): Promise<{ response: IncomingMessage; close: () => void; server: string }> {
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
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request(`${server}${path}`, { agent, timeout: timeoutMs }, resolve)
        .on('error', (error) =>
          reject(
            new UserError(
              `${server} does not answer (${error.message}): see "wherry status" and "wherry logs apiserver".`,
            ),
          ),
        )
        .end();
    });
    return { response, close: () => agent.destroy(), server };
  } catch (error) {
    agent.destroy();
    throw error;
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of response) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

/** Asks for JSON. */
export async function ask<T>(dataDir: string, path: string): Promise<T> {
  const { response, close, server } = await opened(dataDir, path, 10_000);
  try {
    const body = JSON.parse(await textOf(response));
    const status = response.statusCode ?? 0;
    if (status >= 400) throw new UserError(body.message ?? `${server}${path} answered ${status}.`);
    return body as T;
  } finally {
    close();
  }
}

/** Takes bytes as they come; `bytes` is how many there will be. */
export async function take<T>(
  dataDir: string,
  path: string,
  use: (parts: AsyncIterable<Uint8Array>, bytes: number) => Promise<T>,
): Promise<T> {
  const { response, close, server } = await opened(dataDir, path, 600_000);
  try {
    const status = response.statusCode ?? 0;
    if (status >= 400) {
      const text = await textOf(response);
      const message = text.startsWith('{') ? JSON.parse(text).message : undefined;
      throw new UserError(message ?? `${server}${path} answered ${status}.`);
    }
    return await use(response, Number(response.headers['x-wherry-bytes'] ?? 0));
  } finally {
    close();
  }
}
