#!/usr/bin/env node
import { join } from 'node:path';
import { ensurePackages, root, run } from './node24.mjs';

const args = process.argv.slice(2);
ensurePackages({ install: !args.includes('--no-install') });
run(['--disable-warning=ExperimentalWarning', join(root, 'src/cmd/main.ts'), ...args]);
