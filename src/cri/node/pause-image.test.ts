import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { hostArchitecture, pauseExecutable, pauseImage, pauseImageName } from './pause-image.ts';
import { readTarFiles, writeTar } from './tar.ts';

let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'wherry-pause-'));
  await writeFile(join(directory, 'pause'), pauseExecutable(hostArchitecture()), { mode: 0o755 });
});
after(() => rm(directory, { recursive: true }));

/** Starts it and waits until it waits for signals. */
async function startPause(command: string, args: string[]) {
  const child = spawn(command, args, { stdio: 'ignore' });
  await once(child, 'spawn');
  return child;
}
const stateOf = async (pid: number) => (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\) /, '')[0];
const childrenOf = async (pid: number) =>
  (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).split(' ').filter(Boolean).map(Number);
async function until(fact: () => Promise<boolean>): Promise<void> {
  for (
    const deadline = Date.now() + 5000;
    !(await fact());
    await new Promise((resolve) => setTimeout(resolve, 10))
  ) {
    assert.ok(Date.now() < deadline, 'it did not happen within five seconds');
  }
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`pause ends with code 0 on ${signal}, and waits without it`, async () => {
    const child = await startPause(join(directory, 'pause'), []);
    await until(
      async () =>
        (await readFile(`/proc/${child.pid}/wchan`, 'utf8')) !== '0' && (await stateOf(child.pid!)) === 'S',
    );
    child.kill('SIGCHLD');
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.equal(child.exitCode, null);
    const exit = once(child, 'exit');
    child.kill(signal);
    assert.deepEqual(await exit, [0, null]);
  });
}

test('as the first process of a process namespace it buries orphans', async () => {
  // The shell leaves a child that outlives its parent, then becomes pause.
  const script = `(sleep 0.1 & sleep 0.05) & exec ${join(directory, 'pause')}`;
  const unshare = await startPause('unshare', ['-pf', 'sh', '-c', script]);
  await until(async () => (await childrenOf(unshare.pid!)).length === 1);
  const [pause] = await childrenOf(unshare.pid!);
  await until(async () => (await readFile(`/proc/${pause}/comm`, 'utf8')) === 'pause\n');
  await until(async () => (await childrenOf(pause!)).length === 0);
  const exit = once(unshare, 'exit');
  process.kill(pause!, 'SIGTERM');
  assert.deepEqual(await exit, [0, null]);
});

test('both architectures are ELF executables of their machine', () => {
  const machines = (['amd64', 'arm64'] as const).map((architecture) => {
    const file = Buffer.from(pauseExecutable(architecture));
    assert.equal(file.toString('latin1', 1, 4), 'ELF');
    assert.equal(file.readBigUInt64LE(96), BigInt(file.length));
    return file.readUInt16LE(18);
  });
  assert.deepEqual(machines, [62, 183]);
});

test('the image is the same bytes each time, and an archive with its name', async () => {
  assert.deepEqual(pauseImage(), pauseImage());
  const path = join(directory, 'pause.tar');
  await writeFile(path, pauseImage('arm64'));
  const files = await readTarFiles(path, ['manifest.json']);
  const [manifest] = JSON.parse(Buffer.from(files.get('manifest.json')!).toString());
  assert.deepEqual(manifest.RepoTags, [pauseImageName]);
  const config = JSON.parse(
    Buffer.from((await readTarFiles(path, [manifest.Config])).get(manifest.Config)!).toString(),
  );
  assert.equal(config.architecture, 'arm64');
});

test('tar: what is written is read, and what is no archive is refused', async () => {
  const path = join(directory, 'some.tar');
  const big = Buffer.alloc(1000, 'x');
  await writeFile(
    path,
    writeTar([
      { name: 'a', content: big },
      { name: 'b/c', content: Buffer.from('c') },
    ]),
  );
  const files = await readTarFiles(path, ['b/c', 'none']);
  assert.deepEqual(
    [...files].map(([name, content]) => [name, content.toString()]),
    [['b/c', 'c']],
  );
  await writeFile(path, Buffer.alloc(1024, 'x'));
  await assert.rejects(readTarFiles(path, ['a']), RangeError);
  assert.throws(() => writeTar([{ name: 'x'.repeat(101), content: big }]), RangeError);
});
