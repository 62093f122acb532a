#!/usr/bin/env node
import { join } from 'node:path';
import { build, bundle, program } from './bundle.mjs';
import { ensurePackages, root, run } from './node24.mjs';

const args = process.argv.slice(2);
ensurePackages({ install: !args.includes('--no-install') });
if (args[0] === 'up' && program() !== bundle) await build();
run(['--disable-warning=ExperimentalWarning', program(), ...args], {
  env: {
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(root, 'node_modules', '.cache', 'wherry'),
  },
});
