import assert from 'node:assert/strict';
import { test } from 'node:test';
import { events } from '../api/core/event.ts';
import type { Event } from '../api/core/v1.gen.ts';
import type { Clock } from '../machinery/clock.ts';
import { silentLog } from '../machinery/log.ts';
import { notFound } from '../machinery/status.ts';
import type { Client } from './client.ts';
import { createEventRecorder } from './events.ts';

function setUp(capacity?: number) {
  let now = Date.parse('2026-01-01T00:00:00Z');
  const clock: Clock = { now: () => now, after: () => ({ cancel() {} }) };
  const written = new Map<string, Event>();
  const fake = {
    async create(event: Event) {
      written.set(event.metadata.name!, { ...event });
    },
    async patch(name: string, patch: Partial<Event>) {
      const event = written.get(name);
      if (!event) throw notFound(events, name);
      Object.assign(event, patch);
    },
  };
  const client = (() => fake) as unknown as Client;
  const recorder = createEventRecorder({
    client,
    clock,
    log: silentLog,
    component: 'test',
    host: 'node-1',
    capacity,
  });
  const pod = (name: string) => ({
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: { name, namespace: 'ns', uid: name },
  });
  const told = () => [...written.values()].map((e) => `${e.message} x${e.count}`);
  return { recorder, pod, written, told, advance: (ms: number) => (now += ms) };
}

test('an event has the form that clients know, and counts up when it is told again', async () => {
  const { recorder, pod, written, advance } = setUp();
  recorder.event(pod('a'), 'Normal', 'Pulled', 'done');
  await recorder.flush();
  advance(5_000);
  recorder.event(pod('a'), 'Normal', 'Pulled', 'done');
  await recorder.flush();
  const [event, ...more] = written.values();
  assert.equal(more.length, 0);
  assert.match(event!.metadata.name!, /^a\.[0-9a-f]{16}$/);
  assert.deepEqual(
    [event!.count, event!.firstTimestamp, event!.lastTimestamp],
    [2, '2026-01-01T00:00:00Z', '2026-01-01T00:00:05Z'],
  );
  assert.deepEqual(event!.source, { component: 'test', host: 'node-1' });
});

test('one that is gone is written anew, with its count', async () => {
  const { recorder, pod, written, told } = setUp();
  recorder.event(pod('a'), 'Normal', 'R', 'm');
  await recorder.flush();
  written.clear();
  recorder.event(pod('a'), 'Normal', 'R', 'm');
  await recorder.flush();
  assert.deepEqual(told(), ['m x2']);
});

test('many that differ only in their message become one', async () => {
  const { recorder, pod, told } = setUp();
  for (let i = 0; i < 15; i++) {
    recorder.event(pod('a'), 'Warning', 'R', `m${i}`);
    await recorder.flush();
  }
  assert.equal(told().length, 11);
  assert.equal(told().at(-1), '(combined from similar events): m14 x5');
});

test('an object that talks too much is cut off for a while', async () => {
  const { recorder, pod, told, advance } = setUp();
  for (let i = 0; i < 40; i++) recorder.event(pod('a'), 'Normal', `R${i}`, 'm');
  await recorder.flush();
  assert.equal(told().length, 25);
  advance(300_000);
  recorder.event(pod('a'), 'Normal', 'R41', 'm');
  recorder.event(pod('b'), 'Normal', 'R', 'm');
  await recorder.flush();
  assert.equal(told().length, 27);
});

test('beyond the capacity events are dropped', async () => {
  const { recorder, pod, told } = setUp(3);
  for (let i = 0; i < 40; i++) recorder.event(pod(`p${i}`), 'Normal', 'R', 'm');
  await recorder.flush();
  assert.equal(told().length, 11);
});
