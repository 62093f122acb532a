// The well-behaved client, in a process of its own: it reads, writes and watches, and says how long each took.
import { connect } from 'node:http2';
import type { Listening } from './server.ts';

export interface Latency {
  count: number;
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
}
export interface ProbeFigures {
  read: Latency;
  write: Latency;
  /** From a write's beginning to its event. */
  watch: Latency;
  failures: string[];
}

let samples: { read: number[]; write: number[]; watch: number[] } = { read: [], write: [], watch: [] };
let failures: string[] = [];
const latency = (list: number[]): Latency => {
  const sorted = list.toSorted((a, b) => a - b);
  const at = (q: number) =>
    Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0) * 10) / 10;
  return { count: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
};

process.on('disconnect', () => process.exit(0));
process.on('message', (message: Listening | 'figures') => {
  if (message === 'figures') {
    const { read, write, watch } = samples;
    process.send!({ read: latency(read), write: latency(write), watch: latency(watch), failures });
    samples = { read: [], write: [], watch: [] };
    failures = [];
  } else void run(message);
});

async function run({ port, ca, friend }: Listening): Promise<void> {
  const tls = { ca, ...friend, servername: '' } as object;
  const session = connect(`https://127.0.0.1:${port}`, tls);
  session.on('error', (error) => failures.push(`connection: ${error.message}`));
  const path = '/api/v1/namespaces/friend/configmaps';
  const ask = (method: string, at: string, body?: object): Promise<any> =>
    new Promise((resolve, reject) => {
      const stream = session.request(
        { ':method': method, ':path': at, 'content-type': 'application/json' },
        { endStream: !body },
      );
      let text = '';
      let code = 0;
      stream.on('response', (headers) => (code = Number(headers[':status'])));
      stream.setEncoding('utf8');
      stream.on('data', (part: string) => (text += part));
      stream.on('end', () =>
        code < 300
          ? resolve(JSON.parse(text))
          : reject(new Error(`${method} ${at}: ${code} ${text.slice(0, 300)}`)),
      );
      stream.on('error', reject);
      if (body) stream.end(JSON.stringify(body));
    });
  const timed = async <T>(into: 'read' | 'write', run: () => Promise<T>): Promise<T | undefined> => {
    const began = performance.now();
    try {
      return await run();
    } catch (error) {
      failures.push((error as Error).message);
      return undefined;
    } finally {
      samples[into].push(performance.now() - began);
    }
  };
  const created = await ask('POST', path, { metadata: { generateName: 'probe-' }, data: { n: '0' } });
  const { name, resourceVersion } = created.metadata;
  const sent = new Map<string, number>();
  watch();
  for (let n = 1; ; n++) {
    for (let i = 0; i < 3; i++) {
      await timed('read', () => ask('GET', `${path}/${name}`));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    sent.set(String(n), performance.now());
    await timed('write', () => ask('PUT', `${path}/${name}`, { metadata: { name }, data: { n: String(n) } }));
  }

  function watch(): void {
    const stream = session.request({
      ':path': `${path}?watch=1&resourceVersion=${resourceVersion}&fieldSelector=metadata.name%3D${name}`,
    });
    stream.setEncoding('utf8');
    let rest = '';
    stream.on('data', (part: string) => {
      rest += part;
      for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
        const { object } = JSON.parse(rest.slice(0, end));
        rest = rest.slice(end + 1);
        const began = sent.get(object.data?.n);
        if (began !== undefined) samples.watch.push(performance.now() - began);
        sent.delete(object.data?.n);
      }
    });
    stream.on('error', (error) => failures.push(`watch: ${error.message}`));
    stream.on('end', () => failures.push('the watch ended'));
  }
}
