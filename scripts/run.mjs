// node scripts/run.mjs PROGRAM ARGS: a program of node_modules/.bin (or node itself) under the pinned Node.
import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { ensurePackages, root, run } from './node24.mjs';

ensurePackages();
const [program, ...args] = process.argv.slice(2);
const path = join(root, 'node_modules', '.bin', program);
run(program === 'node' ? args : [existsSync(path) ? realpathSync(path) : program, ...args]);
