import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { checkHistories } from '../histories.ts';
import { storeCases } from '../suite.ts';
import { embeddedStore } from './embedded.ts';

const dir = mkdtempSync(join(tmpdir(), 'wherry-embedded-'));
after(() => rmSync(dir, { recursive: true }));

for (const [i, one] of storeCases.entries()) {
  test(`embedded: ${one.name}`, async () => {
    const store = embeddedStore(join(dir, String(i)));
    await one.run(store, '/registry/case/');
    await store.close();
  });
}

test('embedded: random histories are those of the model', async () => {
  const store = embeddedStore(join(dir, 'histories'));
  await checkHistories(store, 40);
  await store.close();
});
