import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { checkHistories } from '../histories.ts';
import { storeCases } from '../suite.ts';
import { embeddedStore } from './embedded.ts';

const dir = mkdtempSync(join(tmpdir(), 'wherry-embedded-'));
after(() => rmSync(dir, { recursive: true }));

// Writes that the event loop waits for, and writes in another thread.
for (const [how, quickMs] of Object.entries({ quick: 1e9, slow: 0 })) {
  for (const [i, one] of storeCases.entries()) {
    test(`embedded, on a ${how} disk: ${one.name}`, async () => {
      const store = embeddedStore(join(dir, `${how}-${i}`), { quickMs });
      await one.run(store, '/registry/case/');
      await store.close();
    });
  }

  test(`embedded, on a ${how} disk: random histories are those of the model`, async () => {
    const store = embeddedStore(join(dir, `${how}-histories`), { quickMs });
    await checkHistories(store, 40);
    await store.close();
  });
}
