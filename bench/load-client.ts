import { readFileSync } from 'node:fs';
import { Agent, type RequestOptions, request } from 'node:https';
import { parse } from 'yaml';

/** A plain HTTPS client with as many kept connections as there are workers: the load must not be our own client's. */
export interface LoadClient {
  call(method: string, path: string, body?: unknown, contentType?: string): Promise<Buffer>;
  /** Opens a watch; `onLine` gets each line as it comes. Resolves when the server has answered. */
  watch(path: string, onLine: (line: string) => void): Promise<() => void>;
  close(): void;
}

export function loadClient(kubeconfig: string, connections: number): LoadClient {
  const config = parse(readFileSync(kubeconfig, 'utf8'));
  const url = new URL(config.clusters[0].cluster.server);
  const decoded = (text: string) => Buffer.from(text, 'base64');
  const user = config.users[0].user;
  const tls = {
    ca: decoded(config.clusters[0].cluster['certificate-authority-data']),
    cert: decoded(user['client-certificate-data']),
    key: decoded(user['client-key-data']),
  };
  const agent = new Agent({ ...tls, keepAlive: true, maxSockets: connections });
  const watching = new Agent({ ...tls, keepAlive: true });
  const to = (method: string, path: string): RequestOptions => ({
    host: url.hostname,
    port: url.port,
    method,
    path,
  });
  return {
    call: (method, path, body, contentType = 'application/json') =>
      new Promise((resolve, reject) => {
        const data = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
        const headers = data ? { 'content-type': contentType, 'content-length': data.length } : {};
        const sent = request({ ...to(method, path), agent, headers }, (response) => {
          const parts: Buffer[] = [];
          response.on('data', (part: Buffer) => parts.push(part));
          response.on('error', reject);
          response.on('end', () => {
            const text = Buffer.concat(parts);
            if (response.statusCode! < 400) resolve(text);
            else
              reject(new Error(`${method} ${path}: ${response.statusCode} ${text.toString().slice(0, 200)}`));
          });
        });
        sent.on('error', reject);
        sent.end(data);
      }),
    watch: (path, onLine) =>
      new Promise((resolve, reject) => {
        const sent = request({ ...to('GET', path), agent: watching }, (response) => {
          let rest = '';
          response.on('error', () => {});
          response.on('data', (part: Buffer) => {
            const lines = (rest + part.toString()).split('\n');
            rest = lines.pop()!;
            for (const line of lines) onLine(line);
          });
          resolve(() => sent.destroy());
        });
        sent.on('error', reject);
        sent.end();
      }),
    close() {
      agent.destroy();
      watching.destroy();
    },
  };
}

export interface Measured {
  name: string;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
}

const quantile = (sorted: number[], q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;

/** Runs `count` calls, `workers` at a time. */
export async function measure(
  name: string,
  count: number,
  workers: number,
  one: (i: number) => Promise<unknown>,
): Promise<Measured> {
  const latencies: number[] = [];
  let next = 0;
  const start = performance.now();
  await Promise.all(
    Array.from({ length: Math.min(workers, count) }, async () => {
      while (next < count) {
        const i = next++;
        const began = performance.now();
        await one(i);
        latencies.push(performance.now() - began);
      }
    }),
  );
  return summary(name, count, performance.now() - start, latencies);
}

export function summary(name: string, count: number, ms: number, latencies: number[]): Measured {
  const sorted = latencies.toSorted((a, b) => a - b);
  return {
    name,
    perSecond: (count / ms) * 1000,
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
  };
}
