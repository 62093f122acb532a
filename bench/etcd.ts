// The store by itself: durable puts of 1 KB and ranges through gRPC, on our etcd server and on Debian's etcd in the same run;
// the embedded store without gRPC; memory, and the start with 100,000 objects. node bench/etcd.ts [puts|embedded|start]
import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { etcdCodec } from '../src/etcd/messages.ts';
import { embeddedStore } from '../src/etcd/node/embedded.ts';
import { etcdBinary, freePort } from '../src/etcd/node/etcd-process.ts';
import { GrpcLoad, headersOf } from './grpc-load.ts';

const parts = process.argv.slice(2);
const wanted = (part: string): boolean => !parts.length || parts.includes(part);
// On the disk that data is on, and not in memory.
const dir = mkdtempSync(join(existsSync('/var/tmp') ? '/var/tmp' : tmpdir(), 'wherry-bench-etcd-'));
const results: Record<string, number> = {};
const seconds = Number(process.env.BENCH_SECONDS ?? 3);

function note(name: string, value: number, unit: string): void {
  results[`${name} (${unit})`] = Math.round(value * 100) / 100;
  process.stdout.write(`${name.padEnd(52)} ${value.toFixed(value < 10 ? 2 : 0).padStart(9)} ${unit}\n`);
}

const value = new Uint8Array(1024).fill(120);
const bytes = (text: string) => new TextEncoder().encode(text);
const paths = {
  put: headersOf('/etcdserverpb.KV/Put'),
  range: headersOf('/etcdserverpb.KV/Range'),
  txn: headersOf('/etcdserverpb.KV/Txn'),
};

/** `clients` callers, each one call after the other, over as many connections; calls a second. */
async function rate(
  port: number,
  clients: number,
  call: (load: GrpcLoad, n: number) => Promise<unknown>,
): Promise<number> {
  const loads = Array.from({ length: clients }, () => new GrpcLoad(port));
  let n = 0;
  let counting = false;
  let counted = 0;
  let going = true;
  const run = Promise.all(
    loads.map(async (load) => {
      while (going) {
        await call(load, n++);
        if (counting) counted++;
      }
    }),
  );
  await sleep(500);
  counting = true;
  const began = performance.now();
  await sleep(seconds * 1000);
  const perSecond = (counted / (performance.now() - began)) * 1000;
  going = false;
  await run;
  for (const load of loads) load.close();
  return perSecond;
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function serving(command: string, args: string[], port: number): Promise<ChildProcess> {
  const child = spawn(command, args, { stdio: 'ignore' });
  for (let i = 0; i < 100; i++) {
    const load = new GrpcLoad(port);
    const answer = await Promise.race([
      load.call(paths.range, etcdCodec.encode('RangeRequest', { key: bytes('x') })).then(
        () => true,
        () => false,
      ),
      sleep(1000).then(() => false),
    ]);
    load.close();
    if (answer) return child;
    await sleep(100);
  }
  throw new Error(`${command} does not answer`);
}

const ended = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGTERM');
  });

const servers = {
  async etcd(port: number): Promise<ChildProcess> {
    const peer = `http://127.0.0.1:${await freePort()}`;
    const url = `http://127.0.0.1:${port}`;
    const args = [
      '--data-dir',
      join(dir, 'etcd'),
      '--listen-client-urls',
      url,
      '--advertise-client-urls',
      url,
    ];
    const cluster = ['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer];
    return serving(
      etcdBinary(dir),
      [
        ...args,
        ...cluster,
        '--initial-cluster',
        `default=${peer}`,
        '--log-level',
        'error',
        '--quota-backend-bytes',
        '8000000000',
      ],
      port,
    );
  },
  wherry: (port: number): Promise<ChildProcess> =>
    serving(
      process.execPath,
      [
        '--disable-warning=ExperimentalWarning',
        join(import.meta.dirname, '..', 'src', 'cmd', 'main.ts'),
        ...['etcd', '--data-dir', join(dir, 'wherry'), '--listen-client-urls', `http://127.0.0.1:${port}`],
      ],
      port,
    ),
};

async function throughGrpc(): Promise<void> {
  for (const name of ['etcd', 'wherry'] as const) {
    const port = await freePort();
    const child = await servers[name](port);
    const key = (n: number) => bytes(`/registry/bench/default/object-${n % 100_000}`);
    for (const clients of [1, 16, 64]) {
      const put = (load: GrpcLoad, n: number) =>
        load.call(paths.put, etcdCodec.encode('PutRequest', { key: key(n), value }));
      note(`${name}: put 1 KB, ${clients} clients`, await rate(port, clients, put), '/s');
    }
    for (const clients of [1, 16, 64]) {
      const get = (load: GrpcLoad, n: number) =>
        load.call(paths.range, etcdCodec.encode('RangeRequest', { key: key(n % 1000) }));
      note(`${name}: range of one key, ${clients} clients`, await rate(port, clients, get), '/s');
    }
    const list = (load: GrpcLoad, n: number) => {
      const [from, to] = [bytes(`/registry/bench/default/object-${n % 10}`), bytes('/registry/bench0')];
      return load.call(
        paths.range,
        etcdCodec.encode('RangeRequest', { key: from, rangeEnd: to, limit: 500 }),
      );
    };
    note(`${name}: range of 500 keys, 16 clients`, await rate(port, 16, list), '/s');
    await ended(child);
  }
  for (const [name, perSecond] of Object.entries(results)) {
    const theirs = results[name.replace(/^wherry/, 'etcd')];
    if (name.startsWith('wherry:') && theirs)
      note(`ratio: ${name.slice('wherry: '.length).replace(' (/s)', '')}`, perSecond / theirs, 'x');
  }
}

async function embedded(): Promise<void> {
  const store = embeddedStore(join(dir, 'embedded'));
  for (const clients of [1, 16, 64]) {
    let n = 0;
    const began = performance.now();
    const end = began + seconds * 1000;
    const client = async () => {
      while (performance.now() < end)
        await store.txn([], [{ op: 'put', key: `/registry/bench/default/object-${n++ % 100_000}`, value }]);
    };
    await Promise.all(Array.from({ length: clients }, client));
    note(`embedded, no gRPC: put 1 KB, ${clients} clients`, (n / (performance.now() - began)) * 1000, '/s');
  }
  await store.close();
}

/** A process of its own: what it says of itself. */
async function start(): Promise<void> {
  const data = join(dir, 'start');
  const store = embeddedStore(data);
  for (let i = 0; i < 100_000; i += 500)
    await Promise.all(
      Array.from({ length: 500 }, (_, k) =>
        store.txn([], [{ op: 'put', key: `/registry/configmaps/default/object-${i + k}`, value }]),
      ),
    );
  await store.close();
  const script = `
    const { embeddedStore } = await import(${JSON.stringify(new URL('../src/etcd/node/embedded.ts', import.meta.url).href)});
    gc();
    const before = process.memoryUsage();
    const began = performance.now();
    const store = embeddedStore(process.argv[1]);
    const ms = performance.now() - began;
    gc();
    const after = process.memoryUsage();
    const used = (m) => m.heapUsed + m.external;
    console.log(JSON.stringify({ ms, bytes: used(after) - used(before), rss: after.rss }));
    await store.close();`;
  const child = spawn(process.execPath, ['--expose-gc', '--input-type=module', '-e', script, data], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (text) => (said += text));
  await new Promise((resolve) => child.on('close', resolve));
  const { ms, bytes: memory } = JSON.parse(said) as { ms: number; bytes: number };
  note('start of the store with 100,000 objects of 1 KB', ms / 1000, 's');
  note('memory of the store, for 10,000 objects', memory / 10 / 2 ** 20, 'MB');
}

try {
  if (wanted('embedded')) await embedded();
  if (wanted('start')) await start();
  if (wanted('puts')) await throughGrpc();
  if (process.env.BENCH_RECORD === '1') {
    const entry = { at: new Date().toISOString(), node: process.version, ...results };
    appendFileSync(join(import.meta.dirname, 'history.jsonl'), `${JSON.stringify(entry)}\n`);
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
}
