// npm run bench [-- PART ...]: measures; without a part, everything that the README's table shows.
import { join } from 'node:path';
import { ensurePackages, root, run } from './node24.mjs';

ensurePackages();
run(['--disable-warning=ExperimentalWarning', join(root, 'bench/main.ts'), ...process.argv.slice(2)]);
