// What the documents promise is there: commands, scripts, files.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { summaries } from '../src/cmd/summaries.ts';

const root = join(import.meta.dirname, '..');
const documents = ['README.md', 'README.ko.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md'];
const read = (name: string): string => readFileSync(join(root, name), 'utf8');
const { scripts } = JSON.parse(read('package.json'));

test('every npm script that a document names is in package.json', () => {
  for (const name of documents) {
    for (const [, script] of read(name).matchAll(/npm run ([\w-]+)/g))
      assert.ok(scripts[script!], `${name}: npm run ${script}`);
  }
});

test('every wherry command that a document names is one', () => {
  for (const name of documents) {
    for (const [, command] of read(name).matchAll(/(?:exec -- |`)wherry ([a-z][a-z-]+)/g)) {
      assert.ok(command! in summaries, `${name}: wherry ${command}`);
    }
  }
});

test('every relative link leads to a file', () => {
  for (const name of documents) {
    for (const [, target] of read(name).matchAll(/\]\(([^)#:]+)\)/g)) {
      assert.ok(existsSync(join(root, dirname(name), target!)), `${name}: ${target}`);
    }
  }
});

test('every folder of the architecture is there', () => {
  for (const [, folder] of read('ARCHITECTURE.md').matchAll(/`(src\/[\w/-]+?)\/?(?:<[^`]*)?`/g)) {
    assert.ok(existsSync(join(root, folder!)), folder);
  }
});

test('the tour of the Korean README runs the commands of the English one', () => {
  const commands = (name: string) =>
    [...read(name).matchAll(/^(?:kubectl|npm|export) .*?(?=\s{2,}#|$)/gm)].map(([line]) => line.trim());
  const english = commands('README.md');
  assert.ok(english.length > 8);
  assert.deepEqual(
    commands('README.ko.md').filter((line) => !english.includes(line)),
    [],
  );
});
