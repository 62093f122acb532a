import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startKubectl } from '../../fixtures.ts';

test('certificates are taken as `base64` writes them, in lines', async () => {
  await using kubectl = await startKubectl();
  const name = 'clusters.c.certificate-authority-data';
  const { all, code } = await kubectl.run(`config set ${name} 'QUJD\nREU='`);
  assert.deepEqual([all, code], [`Property "${name}" set.\n`, 0]);
  const shown = await kubectl.run('config view --raw -o jsonpath={.clusters[0].cluster}');
  assert.match(shown.all, /"QUJDREU="/);
  assert.equal((await kubectl.run(`config set ${name} 'QUJ'`)).code, 1);
});
