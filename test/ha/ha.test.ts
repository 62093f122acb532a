// Two API servers on three members of etcd, under load, while members hang, die and come back, and so does a server.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startScene } from './scene.ts';
import { delays } from './workload.ts';

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test('no acknowledged write is lost, watches have no gap, answers come soon after there is a majority', async () => {
  await using scene = await startScene({ writers: 8 });
  const { etcd, servers, work, watchers } = scene;
  await pause(500);

  const [any] = etcd.members;
  any!.pause();
  await pause(2000);
  any!.resume();
  await pause(300);

  const leader = (await etcd.leader())!;
  await leader.kill();
  await pause(2000);
  leader.start();

  await servers[1]!.kill();
  await pause(1500);
  const back = servers[1]!.start();

  await Promise.all(etcd.members.map((member) => member.kill()));
  await pause(300);
  for (const member of etcd.members) member.start();
  await back;
  await pause(2000);

  const wrong = await scene.finish();
  assert.deepEqual(wrong, []);
  assert.ok(work.writes.length > 300, `only ${work.writes.length} writes were made`);
  assert.ok(watchers.every(({ events }) => events > 300));
  assert.ok(servers.every((server) => server.isRunning()));
  const took = delays(work.attempts, etcd.available).sort((a, b) => b - a);
  assert.ok(
    took[0]! < 4000,
    `an answer took ${took.slice(0, 5).map(Math.round)} ms after there was a majority`,
  );
});
