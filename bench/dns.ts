// Queries a second over UDP on loopback, asked by another thread. node bench/dns.ts [SECONDS]
import { createSocket } from 'node:dgram';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { systemClock } from '../src/cluster/node/platform.ts';
import { decode } from '../src/dns/codec/decode.ts';
import { encode } from '../src/dns/codec/encode.ts';
import { type Question, query, types } from '../src/dns/message.ts';
import { dnsSockets } from '../src/dns/node/sockets.ts';
import { startDns } from '../src/dns/start.ts';
import { createServices } from '../src/dns/testdata/objects.ts';
import { silentLog } from '../src/machinery/log.ts';

interface Task {
  port: number;
  questions: [name: string, type: keyof typeof types][];
  seconds: number;
}
interface Result {
  answered: number;
  lost: number;
  p50: number;
  p99: number;
}

/** Keeps so many questions under way on each of a few sockets. */
const sockets = 4;
const windowSize = 16;

async function load({ port, questions, seconds }: Task): Promise<Result> {
  const packets = questions.map(([name, type]) => Buffer.from(encode(query(0, name, types[type]))));
  const latencies: number[] = [];
  let lost = 0;
  const end = performance.now() + seconds * 1000;
  const run = () =>
    new Promise<void>((resolve) => {
      const socket = createSocket('udp4');
      const sent = new Map<number, number>();
      let id = 0;
      const send = () => {
        const packet = packets[id % packets.length]!;
        id = (id + 1) & 0xffff;
        packet.writeUInt16BE(id);
        sent.set(id, performance.now());
        socket.send(Buffer.from(packet));
      };
      socket.on('message', (bytes) => {
        const at = sent.get(bytes.readUInt16BE());
        if (at === undefined) return;
        latencies.push(performance.now() - at);
        sent.delete(bytes.readUInt16BE());
        if (performance.now() < end) send();
      });
      const watch = setInterval(() => {
        for (const [lostId, at] of sent) {
          if (performance.now() - at < 500) continue;
          sent.delete(lostId);
          lost++;
          if (performance.now() < end) send();
        }
        if (performance.now() < end) return;
        clearInterval(watch);
        socket.close();
        resolve();
      }, 100);
      socket.connect(port, '127.0.0.1', () => {
        for (let i = 0; i < windowSize; i++) send();
      });
    });
  await Promise.all(Array.from({ length: sockets }, run));
  latencies.sort((a, b) => a - b);
  const at = (share: number) => latencies[Math.floor(latencies.length * share)] ?? 0;
  return { answered: latencies.length, lost, p50: at(0.5), p99: at(0.99) };
}

async function main(seconds: number): Promise<void> {
  const { startControlPlane } = await import('../src/testing/control-plane.ts');
  const plane = await startControlPlane();
  await createServices(plane.client);
  const common = {
    ...{ client: plane.client, informers: plane.informers, trace: plane.trace, clock: systemClock },
    ...{
      random: Math.random,
      log: silentLog,
      sockets: dnsSockets,
      addresses: [{ host: '127.0.0.1', port: 0 }],
    },
  };
  const upstream = await startDns({
    ...common,
    corefile: '. {\n hosts {\n 192.0.2.1 www.example.com\n }\n}',
  });
  const dns = await startDns({ ...common, upstream: [`127.0.0.1:${upstream.port}`] });
  while (dns.server.notReady().length > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const suffix = 'default.svc.cluster.local.';
  const tasks: Record<string, Task['questions']> = {
    'service (A)': [[`web.${suffix}`, 'A']],
    'headless service (SRV)': [[`_sql._tcp.db.${suffix}`, 'SRV']],
    'no such name': [[`www.example.com.${suffix}`, 'A']],
    'outside, from the cache': [['www.example.com.', 'A']],
    // What resolv.conf with ndots:5 makes of a lookup of www.example.com, A and AAAA.
    'a lookup from a pod': [suffix, 'svc.cluster.local.', 'cluster.local.', ''].flatMap((search) => [
      [`www.example.com.${search}`, 'A'] as [string, 'A'],
      [`www.example.com.${search}`, 'AAAA'] as [string, 'AAAA'],
    ]),
  };
  for (const [name, questions] of Object.entries(tasks)) {
    const result = await new Promise<Result>((resolve, reject) => {
      const worker = new Worker(new URL(import.meta.url), {
        workerData: { port: dns.port, questions, seconds },
      });
      worker.on('message', resolve).on('error', reject);
    });
    const { answered, lost, p50, p99 } = result;
    const rate = Math.round(answered / seconds);
    console.log(
      `${name}: ${rate} queries/s, p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, ${lost} lost`,
    );
  }
  const message = await dns.server.resolve(`web.${suffix}`, types.A);
  const bytes = encode(message);
  for (const [name, run] of [
    ['decode', () => decode(bytes)],
    ['encode', () => encode(message)],
    ['respond (decode, plugins, encode)', respond(dns.server, message.questions[0]!)],
  ] as const) {
    const start = performance.now();
    let n = 0;
    for (; performance.now() - start < 500; n++) run();
    console.log(
      `${name}: ${Math.round((n / (performance.now() - start)) * 1000)} messages/s, without sockets`,
    );
  }
  await dns[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
  await plane.stop();
}

function respond(server: Awaited<ReturnType<typeof startDns>>['server'], { name, type }: Question) {
  const bytes = encode(query(1, name, type));
  return () => server.respond(bytes, '127.0.0.1', 'udp');
}

if (isMainThread) await main(Number(process.argv[2] ?? 3));
else parentPort!.postMessage(await load(workerData as Task));
