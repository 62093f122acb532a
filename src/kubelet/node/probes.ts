// Probes over the network. Their outputs are those of upstream's Go clients, which users know from events.
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import type { HttpProbe, ProbeResult } from '../host.ts';

const mostBody = 10_240;
const mostRedirects = 10;

const hostPort = (host: string, port: number): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

const goTexts: Record<string, string> = {
  ECONNREFUSED: 'connect: connection refused',
  ECONNRESET: 'read: connection reset by peer',
  EHOSTUNREACH: 'connect: no route to host',
  ENETUNREACH: 'connect: network is unreachable',
  ETIMEDOUT: 'connect: connection timed out',
  ENOTFOUND: 'lookup: no such host',
};
const dialText = (error: NodeJS.ErrnoException, address: string): string =>
  error.code === 'ECONNRESET'
    ? goTexts.ECONNRESET!
    : `dial tcp ${address}: ${goTexts[error.code ?? ''] ?? error.message}`;

interface Answer {
  status: number;
  location?: string;
  body: string;
}

function get(url: URL, headers: Record<string, string | string[]>, timeoutMs: number): Promise<Answer> {
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutMs);
    const options = { headers, signal, agent: false as const, rejectUnauthorized: false };
    const sent = request(url, options, (response) => {
      const { statusCode: status = 0, headers: answered } = response;
      const parts: Buffer[] = [];
      let size = 0;
      const done = () => {
        const location = answered.location;
        resolve({
          status,
          body: Buffer.concat(parts).toString().slice(0, mostBody),
          ...(location ? { location } : {}),
        });
      };
      response.on('data', (part: Buffer) => {
        parts.push(part);
        size += part.length;
        if (size < mostBody) return;
        done();
        response.destroy();
      });
      response.on('end', done);
      response.on('error', reject);
    });
    sent.on('error', (error: NodeJS.ErrnoException) => {
      if (signal.aborted)
        reject(new Error('context deadline exceeded (Client.Timeout exceeded while awaiting headers)'));
      else reject(new Error(dialText(error, hostPort(url.hostname, Number(url.port)))));
    });
    sent.end();
  });
}

function headersOf({ headers, agent }: HttpProbe): Record<string, string | string[]> {
  const all: Record<string, string | string[]> = {};
  for (const { name, value } of headers) {
    const key = Object.keys(all).find((known) => known.toLowerCase() === name.toLowerCase()) ?? name;
    all[key] = key in all ? [all[key]!, value].flat() : value;
  }
  const names = Object.keys(all).map((name) => name.toLowerCase());
  if (!names.includes('user-agent')) all['User-Agent'] = `${agent}/1.36`;
  if (!names.includes('accept')) all.Accept = '*/*';
  return all;
}

/** A status from 200 to 399 is success; a redirect to another host is a warning. */
export async function httpProbe(probe: HttpProbe): Promise<ProbeResult> {
  const { scheme, host, port, path, timeoutMs } = probe;
  let url = new URL(path.startsWith('/') ? path : `/${path}`, `${scheme}://${hostPort(host, port)}`);
  // The URL drops the port of its own scheme.
  const shown = `${scheme}://${hostPort(host, port)}${url.pathname}${url.search}`;
  const headers = headersOf(probe);
  for (let i = 0; ; i++) {
    let answer: Answer;
    try {
      answer = await get(url, headers, timeoutMs);
    } catch (error) {
      return { result: 'failure', output: `Get "${shown}": ${(error as Error).message}` };
    }
    const { status, location, body } = answer;
    if (status < 200 || status >= 400)
      return { result: 'failure', output: `HTTP probe failed with statuscode: ${status}` };
    if (status < 300 || !location) return { result: 'success', output: body };
    const next = new URL(location, url);
    if (next.hostname !== url.hostname)
      return { result: 'warning', output: `Probe terminated redirects, Response body: ${body}` };
    if (i >= mostRedirects)
      return { result: 'failure', output: `Get "${shown}": stopped after 10 redirects` };
    url = next;
  }
}

export function tcpProbe(host: string, port: number, timeoutMs: number): Promise<ProbeResult> {
  const address = hostPort(host, port);
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (result: ProbeResult) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(result);
    };
    const timer = setTimeout(
      () => end({ result: 'failure', output: `dial tcp ${address}: i/o timeout` }),
      timeoutMs,
    );
    socket.on('connect', () => end({ result: 'success', output: '' }));
    socket.on('error', (error) => end({ result: 'failure', output: dialText(error, address) }));
  });
}
