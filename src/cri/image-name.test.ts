import assert from 'node:assert/strict';
import { test } from 'node:test';
import { completeImageName, parseImageName } from './image-name.ts';

const digest = `sha256:${'a'.repeat(64)}`;

test('completes names', () => {
  const cases = [
    ['busybox', 'docker.io/library/busybox:latest'],
    ['busybox:1.36', 'docker.io/library/busybox:1.36'],
    ['me/app', 'docker.io/me/app:latest'],
    ['docker.io/app', 'docker.io/library/app:latest'],
    ['index.docker.io/app', 'docker.io/library/app:latest'],
    ['localhost/app', 'localhost/app:latest'],
    ['localhost:5000/a/b:v1', 'localhost:5000/a/b:v1'],
    ['127.0.0.1:5000/a', '127.0.0.1:5000/a:latest'],
    ['[::1]:5000/a', '[::1]:5000/a:latest'],
    [`r.io/x:v1@${digest}`, `r.io/x@${digest}`],
    [`x@${digest}`, `docker.io/library/x@${digest}`],
  ];
  for (const [given, complete] of cases) assert.equal(completeImageName(given!), complete);
});

test('says what is not a name', () => {
  for (const text of [
    '',
    'UPPER',
    'a b',
    'x:',
    'x@',
    'x@sha256:12',
    '/x',
    'x/',
    'x:t:u',
    'r.io/',
    '-.io/x',
  ]) {
    assert.equal(parseImageName(text), undefined, text);
    assert.equal(completeImageName(text), text);
  }
});
