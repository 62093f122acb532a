#!/usr/bin/env node
import { join } from 'node:path';
import { ensurePackages, root, run } from './node24.mjs';

ensurePackages();
run([
  '--disable-warning=ExperimentalWarning',
  join(root, 'src/cmd/main.ts'),
  'kubectl',
  ...process.argv.slice(2),
]);
