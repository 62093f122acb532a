// The store by itself: durable puts of 1 KB and ranges through gRPC, on our etcd server and on Debian's etcd in the same run;
// the embedded store without gRPC; memory, and the start with 100,000 objects. node bench/etcd.ts [puts|start]
import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
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

/** `clients` callers, each one call after the other, over so many connections; calls a second. */
async function rate(
  port: number,
  { clients, connections }: { clients: number; connections: number },
  call: (load: GrpcLoad, n: number) => Promise<unknown>,
): Promise<number> {
  const loads = Array.from({ length: connections }, () => new GrpcLoad(port));
  let n = 0;
  let counting = false;
  let counted = 0;
  let going = true;
  const run = Promise.all(
    Array.from({ length: clients }, async (_, i) => {
      const load = loads[i % connections]!;
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

/** An API server has one connection for all its requests; others come with one each. */
const callers = [
  { clients: 1, connections: 1 },
  { clients: 16, connections: 1 },
  { clients: 64, connections: 1 },
  { clients: 16, connections: 16 },
  { clients: 64, connections: 64 },
];
const described = ({ clients, connections }: (typeof callers)[number]): string =>
  clients === 1 ? '1 client' : `${clients} clients, ${connections === 1 ? 'one connection' : 'one each'}`;

/** What no server can be quicker than here: a process that writes what comes, has it flushed, and answers. */
async function floor(): Promise<void> {
  const script = `
    const { constants, fsyncSync, openSync, writeSync } = await import('node:fs');
    const { createServer } = await import('node:net');
    const fd = openSync(process.argv[1], constants.O_RDWR | constants.O_CREAT | constants.O_DSYNC);
    writeSync(fd, Buffer.alloc(32 << 20));
    fsyncSync(fd);
    let at = 0;
    createServer((socket) => {
      socket.setNoDelay(true);
      socket.on('data', (part) => {
        at = at > 31 << 20 ? 0 : at + writeSync(fd, part, 0, part.length, at);
        socket.write(part.subarray(0, 100));
      });
      socket.on('close', () => process.exit());
    }).listen(Number(process.argv[2]), '127.0.0.1', () => console.log('listening'));`;
  const port = await freePort();
  const child = spawn(
    process.execPath,
    ['--input-type=module', '-e', script, join(dir, 'floor'), String(port)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const gone = new Promise((resolve) => child.once('exit', resolve));
  await new Promise((resolve) => child.stdout.once('data', resolve));
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const request = new Uint8Array(1180);
  let [answers, going] = [0, true];
  socket.on('data', () => {
    answers++;
    if (going) socket.write(request);
    else socket.end();
  });
  socket.write(request);
  await sleep(500);
  const [before, began] = [answers, performance.now()];
  await sleep(seconds * 1000);
  note(
    'bare socket, 1 KB flushed, 1 client',
    ((answers - before) / (performance.now() - began)) * 1000,
    '/s',
  );
  going = false;
  await gone;
}

/** Both servers are up, and are asked in turns: what else the machine does comes over both. Medians of the rounds. */
async function throughGrpc(): Promise<void> {
  await floor();
  const up = [];
  for (const name of ['etcd', 'wherry'] as const) {
    const port = await freePort();
    up.push({ name, port, child: await servers[name](port) });
  }
  const nameOf = (n: number) => `/registry/bench/default/object-${n % 100_000}`;
  const key = (n: number) => bytes(nameOf(n));
  const put = (load: GrpcLoad, n: number) =>
    load.call(paths.put, etcdCodec.encode('PutRequest', { key: key(n), value }));
  const get = (load: GrpcLoad, n: number) =>
    load.call(paths.range, etcdCodec.encode('RangeRequest', { key: key(n % 1000) }));
  const list = (load: GrpcLoad, n: number) => {
    const [from, to] = [bytes(`/registry/bench/default/object-${n % 10}`), bytes('/registry/bench0')];
    return load.call(paths.range, etcdCodec.encode('RangeRequest', { key: from, rangeEnd: to, limit: 500 }));
  };
  const loads = [
    ...callers.map((who) => ({ what: `put 1 KB, ${described(who)}`, who, call: put })),
    ...callers.map((who) => ({ what: `range of one key, ${described(who)}`, who, call: get })),
    { what: 'range of 500 keys, 16 clients', who: { clients: 16, connections: 16 }, call: list },
  ];
  // As an API server has it when it keeps its state itself: in its own process.
  const store = embeddedStore(join(dir, 'embedded'));
  const own = new Map<unknown, (n: number) => Promise<unknown>>([
    [put, (n) => store.txn([], [{ op: 'put', key: nameOf(n), value }])],
    [get, (n) => store.range({ key: nameOf(n % 1000) })],
  ]);
  for (const { what, who, call } of loads) {
    const rates: Record<string, number[]> = { etcd: [], wherry: [], embedded: [] };
    const direct = who.connections === 1 ? own.get(call) : undefined;
    for (let round = 0; round < rounds; round++) {
      for (const { name, port } of up) rates[name]!.push(await rate(port, who, call));
      if (direct) rates.embedded!.push(await directRate(who.clients, direct));
    }
    for (const [name, all] of Object.entries(rates))
      if (all.length) note(`${name}: ${what}`, median(all), '/s');
    const ratio = (name: string) => median(rates[name]!.map((mine, i) => mine / rates.etcd![i]!));
    note(`ratio: ${what}`, ratio('wherry'), 'x');
    if (direct) note(`ratio: ${what}, embedded`, ratio('embedded'), 'x');
  }
  await store.close();
  for (const { child } of up) await ended(child);
}

const rounds = Number(process.env.BENCH_ROUNDS ?? 3);
const median = (numbers: number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;

/** So many callers in this process, each one call after the other; calls a second. */
async function directRate(clients: number, call: (n: number) => Promise<unknown>): Promise<number> {
  let n = 0;
  const began = performance.now();
  const end = began + seconds * 1000;
  const client = async () => {
    while (performance.now() < end) await call(n++);
  };
  await Promise.all(Array.from({ length: clients }, client));
  return (n / (performance.now() - began)) * 1000;
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
  if (wanted('start')) await start();
  if (wanted('puts')) await throughGrpc();
  if (process.env.BENCH_RECORD === '1') {
    const entry = { at: new Date().toISOString(), node: process.version, ...results };
    appendFileSync(join(import.meta.dirname, 'history.jsonl'), `${JSON.stringify(entry)}\n`);
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
}
