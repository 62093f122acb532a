// A longer run by hand: node test/ha/run.ts [--minutes N] [--seed S] [--writers N] [--partitions]
// Faults come at random, by the seed; at the end it says what was done, how long answers took, and what is wrong. With
// --partitions (as root) the members are in network namespaces, and are cut off from one another, too.
import { parseArgs } from 'node:util';
import type { Member } from './etcd-cluster.ts';
import { type Scene, startScene } from './scene.ts';
import { delays, firstAnswers } from './workload.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    writers: { type: 'string', default: '8' },
    partitions: { type: 'boolean', default: false },
  },
});
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** mulberry32 */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Fault = (scene: Scene, random: () => number) => Promise<void>;
const one = (scene: Scene, random: () => number): Member => scene.etcd.members[Math.floor(random() * 3)]!;
const between = (random: () => number, least: number, most: number) => least + random() * (most - least);

const faults: Record<string, Fault> = {
  async 'a member is killed'(scene, random) {
    const member = one(scene, random);
    await member.kill();
    await pause(between(random, 500, 4000));
    member.start();
  },
  async 'the leader is killed'({ etcd }, random) {
    const leader = await etcd.leader();
    await leader?.kill();
    await pause(between(random, 500, 4000));
    leader?.start();
  },
  async 'a member hangs'(scene, random) {
    const member = one(scene, random);
    member.pause();
    await pause(between(random, 500, 8000));
    member.resume();
  },
  async 'the leader hangs'({ etcd }, random) {
    const leader = await etcd.leader();
    leader?.pause();
    await pause(between(random, 500, 8000));
    leader?.resume();
  },
  async 'two members are killed'({ etcd: { members } }, random) {
    const left = Math.floor(random() * 3);
    const two = members.filter((_, i) => i !== left);
    await Promise.all(two.map((member) => member.kill()));
    await pause(between(random, 500, 4000));
    for (const member of two) member.start();
  },
  async 'all members are killed'({ etcd: { members } }, random) {
    await Promise.all(members.map((member) => member.kill()));
    await pause(between(random, 100, 2000));
    for (const member of members) member.start();
  },
  async 'an API server is killed'({ servers }, random) {
    const server = servers[Math.floor(random() * servers.length)]!;
    await server.kill();
    await pause(between(random, 200, 2000));
    await server.start();
  },
  async 'an API server ends'({ servers }, random) {
    const server = servers[Math.floor(random() * servers.length)]!;
    await server.end();
    await pause(between(random, 200, 2000));
    await server.start();
  },
};
const partitions: Record<string, Fault> = {
  async 'a member is cut off from the others'(scene, random) {
    const member = one(scene, random);
    member.cutOff();
    await pause(between(random, 1000, 8000));
    member.join();
  },
  async 'the leader is cut off from the others'({ etcd }, random) {
    const leader = await etcd.leader();
    leader?.cutOff();
    await pause(between(random, 1000, 8000));
    leader?.join();
  },
};

const random = randomOf(Number(values.seed));
const chosen = Object.entries({ ...faults, ...(values.partitions ? partitions : {}) });
const say = (line: string): void => void process.stdout.write(`${line}\n`);
say(`seed ${values.seed}`);
await using scene = await startScene({
  writers: Number(values.writers),
  random: randomOf(Number(values.seed) + 1),
  partitions: values.partitions,
});
const { etcd, work, watchers, informers, servers } = scene;
const began = performance.now();
const until = began + Number(values.minutes) * 60_000;
const counts = new Map<string, number>();
const history: { name: string; from: number; to: number }[] = [];
while (performance.now() < until) {
  await pause(between(random, 200, 2500));
  const [name, fault] = chosen[Math.floor(random() * chosen.length)]!;
  counts.set(name, (counts.get(name) ?? 0) + 1);
  const from = performance.now();
  await fault(scene, random);
  history.push({ name, from, to: performance.now() });
}
await pause(3000);
const wrong = await scene.finish();

const seconds = (performance.now() - began) / 1000;
const answered = work.attempts.filter(({ code }) => code > 0);
const took = delays(answered, etcd.available).sort((a, b) => a - b);
const at = (share: number) =>
  Math.round(took[Math.min(took.length - 1, Math.floor(took.length * share))] ?? 0);
const codes = Map.groupBy(work.attempts, ({ code }) => code);
say(`${Math.round(seconds)} s, ${[...counts.values()].reduce((a, b) => a + b, 0)} faults:`);
for (const [name, count] of [...counts].sort()) say(`  ${count} x ${name}`);
say(
  `${work.writes.length} writes acknowledged (${Math.round(work.writes.length / seconds)}/s), of which the outcome of ${work.writes.filter(({ unknown }) => unknown).length} had to be looked up`,
);
say(
  `answers: ${[...codes]
    .sort(([a], [b]) => a - b)
    .map(([code, list]) => `${list.length} x ${code || 'connection broke'}`)
    .join(', ')}`,
);
say(
  `from when there was a majority: median ${at(0.5)} ms, 99 % ${at(0.99)} ms, 99.9 % ${at(0.999)} ms, longest ${at(1)} ms; ${took.filter((ms) => ms > 2000).length} took more than 2 s`,
);
const first = firstAnswers(answered, etcd.available).sort((a, b) => a - b);
const nth = (share: number) =>
  Math.round(first[Math.min(first.length - 1, Math.floor(first.length * share))] ?? 0);
say(
  `first answer after each of ${first.length} times without a majority: median ${nth(0.5)} ms, 99 % ${nth(0.99)} ms, longest ${nth(1)} ms`,
);
const slow = answered
  .map((attempt) => ({ attempt, ms: delays([attempt], etcd.available)[0] ?? 0 }))
  .filter(({ ms }) => ms > 1500)
  .sort((a, b) => b.ms - a.ms);
for (const { attempt, ms } of slow.slice(0, 10)) {
  const during = history.filter(({ from, to }) => from <= attempt.to && to >= attempt.from - 1000);
  say(
    `  ${Math.round(ms)} ms: ${attempt.what}: ${attempt.code}, ${during.map(({ name }) => name).join(', ')}`,
  );
}
say(
  `watches: ${watchers.map((w) => `${w.events} events, ${w.reconnects} connections, ${w.relists} lists`).join('; ')}`,
);
say(`informers: ${informers.map(({ events }) => `${events} events`).join('; ')}`);
for (const server of servers) {
  const lines = server
    .log()
    .split('\n')
    .filter((line) => / (ERROR|WARN) /.test(line));
  say(`${server.name}: ${lines.length} warnings${lines.length ? `, as ${lines.at(-1)!.slice(0, 300)}` : ''}`);
}
say(
  wrong.length
    ? `WRONG:\n  ${wrong.slice(0, 50).join('\n  ')}`
    : 'nothing was lost, nothing came twice, nothing was left out',
);
process.exitCode = wrong.length ? 1 : 0;
