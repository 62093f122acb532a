import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LogOptions } from './container-logs.ts';
import { readLog, tailText } from './container-logs.ts';
import type { LogFiles } from './host.ts';

const path = '/logs/c/0.log';
const encode = (text: string) => new TextEncoder().encode(text);

function memoryFiles(contents: Record<string, string>): LogFiles & { contents: Record<string, string> } {
  const wake: (() => void)[] = [];
  return {
    contents,
    list: async (directory: string) =>
      Object.keys(contents)
        .filter((name) => name.startsWith(`${directory}/`))
        .map((name) => name.slice(directory.length + 1)),
    size: async (name: string) => (name in contents ? encode(contents[name]!).length : undefined),
    read: async (name: string, from: number, limit: number) =>
      encode(contents[name] ?? '').subarray(from, from + limit),
    changed: () =>
      new Promise<void>((resolve) => void wake.push(resolve)).then(
        () => {},
        () => {},
      ),
    notify() {
      for (const resolve of wake.splice(0)) resolve();
    },
  } as unknown as LogFiles & { contents: Record<string, string> };
}
const line = (second: number, text: string, stream = 'stdout', tag = 'F') =>
  `2026-01-01T00:00:${String(second).padStart(2, '0')}.000000000Z ${stream} ${tag} ${text}\n`;

async function read(contents: Record<string, string>, options: LogOptions = {}): Promise<string> {
  let text = '';
  const source = { path, running: async () => false };
  const nowMs = Date.parse('2026-01-01T00:00:10Z');
  for await (const chunk of readLog(memoryFiles(contents), source, options, nowMs))
    text += new TextDecoder().decode(chunk);
  return text;
}

const log = {
  [path]:
    line(1, 'one') + line(2, 'tw', 'stderr', 'P') + line(2, 'o', 'stderr') + line(3, 'three') + line(4, ''),
};

test('lines without what the runtime adds; long ones in one piece', async () => {
  assert.equal(await read(log), 'one\ntwo\nthree\n\n');
  assert.equal(await read({}), '');
});

test('the end, a time, a stream, a limit', async () => {
  assert.equal(await read(log, { tailLines: 2 }), 'three\n\n');
  assert.equal(await read(log, { tailLines: 0 }), '');
  assert.equal(await read(log, { tailLines: 99 }), 'one\ntwo\nthree\n\n');
  assert.equal(await read(log, { sinceSeconds: 7 }), 'three\n\n');
  assert.equal(await read(log, { sinceTime: '2026-01-01T00:00:04Z' }), '\n');
  assert.equal(await read(log, { stream: 'Stderr' }), 'two\n');
  assert.equal(await read(log, { limitBytes: 6 }), 'one\ntw');
  assert.equal(
    await read(log, { timestamps: true, limitBytes: 100 }).then((text) =>
      text.split('\n').slice(0, 2).join('\n'),
    ),
    '2026-01-01T00:00:01.000000000Z one\n2026-01-01T00:00:02.000000000Z two',
  );
});

test('rotated files come first', async () => {
  const all = { [`${path}.20260101-000000`]: line(0, 'older'), ...log };
  assert.equal(await read(all), 'older\none\ntwo\nthree\n\n');
  assert.equal(await read(all, { tailLines: 6 }), 'older\none\ntwo\nthree\n\n');
  assert.equal(await read(all, { tailLines: 1 }), '\n');
});

test('following: what is written later, across a rotation, until the container ends', async () => {
  const files = memoryFiles({ [path]: line(1, 'one') });
  const { notify } = files as unknown as { notify(): void };
  let running = true;
  const source = { path, running: async () => running };
  const log = readLog(files, source, { follow: true }, 0);
  const next = async () => new TextDecoder().decode((await log.next()).value ?? new Uint8Array());
  assert.equal(await next(), 'one\n');
  const pending = next();
  await new Promise((resolve) => setImmediate(resolve));
  files.contents[path] += line(2, 'two');
  notify();
  assert.equal(await pending, 'two\n');
  files.contents[`${path}.20260101-000003`] = files.contents[path]! + line(3, 'three');
  files.contents[path] = line(4, 'four');
  assert.equal(await next(), 'three\n');
  assert.equal(await next(), 'four\n');
  running = false;
  assert.equal((await log.next()).done, true);
});

test('last words are cut from the end', async () => {
  assert.equal(await tailText(memoryFiles(log), path, 2, 100), 'three\n\n');
  assert.equal(await tailText(memoryFiles(log), path, 80, 5), 'ree\n\n');
});
