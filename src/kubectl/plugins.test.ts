import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startKubectl } from './fixtures.ts';
import { findPlugin, plugins } from './plugins.ts';

const files = [
  '/a/kubectl-foo',
  '/a/kubectl-foo-some_bar',
  '/b/kubectl-foo',
  '/b/kubectl-version',
  '/b/other',
];
const environment = {
  env: { PATH: '/a:/none:/b' },
  files: {
    stat: async (path: string) =>
      files.includes(path)
        ? { type: 'file', mode: 0o755 }
        : files.some((file) => file.startsWith(`${path}/`))
          ? { type: 'directory' }
          : undefined,
    list: async (path: string) =>
      files.filter((file) => file.startsWith(`${path}/`)).map((file) => file.slice(path.length + 1)),
  },
} as never;

test('as many words as there are name the program; the first in PATH counts', async () => {
  const found = (line: string) => findPlugin(environment, line.split(' '));
  assert.deepEqual(await found('foo x'), { path: '/a/kubectl-foo', args: ['x'] });
  assert.deepEqual(await found('foo some-bar -v x'), { path: '/a/kubectl-foo-some_bar', args: ['-v', 'x'] });
  assert.deepEqual(await found('foo -v some-bar'), { path: '/a/kubectl-foo', args: ['-v', 'some-bar'] });
  assert.equal(await found('bar'), undefined);
  assert.deepEqual(await plugins(environment), [
    '/a/kubectl-foo',
    '/a/kubectl-foo-some_bar',
    '/b/kubectl-foo',
    '/b/kubectl-version',
  ]);
});

test('what a plugin hides, and what hides it, is told', async () => {
  await using kubectl = await startKubectl();
  kubectl.env.PATH = '/p:/q';
  for (const path of ['/p/kubectl-version', '/p/kubectl-x', '/q/kubectl-x']) kubectl.files.set(path, '');
  const { all, code } = await kubectl.run('plugin list');
  assert.equal(code, 1);
  assert.match(all, /kubectl-version overwrites existing command: "kubectl version"/);
  assert.match(all, /\/q\/kubectl-x is overshadowed by a similarly named plugin: \/p\/kubectl-x/);
});
