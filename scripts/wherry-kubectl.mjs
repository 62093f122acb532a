#!/usr/bin/env node
import { join } from 'node:path';
import { program } from './bundle.mjs';
import { ensurePackages, root, run } from './node24.mjs';

ensurePackages();
run(['--disable-warning=ExperimentalWarning', program(), 'kubectl', ...process.argv.slice(2)], {
  env: {
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(root, 'node_modules', '.cache', 'wherry'),
  },
});
