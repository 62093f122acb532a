// Runs the tests: node scripts/test.mjs [FILES OR PATTERNS]. Without any, all of them.
import { ensurePackages, run } from './node24.mjs';

ensurePackages();
const patterns = process.argv.slice(2);
const all = ['src/**/*.test.ts', 'test/**/*.test.ts'];
run([
  '--disable-warning=ExperimentalWarning',
  '--test',
  '--test-concurrency=2',
  '--test-timeout=600000',
  ...(patterns.length ? patterns : all),
]);
