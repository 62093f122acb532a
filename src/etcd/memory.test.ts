import { test } from 'node:test';
import { checkHistories } from './histories.ts';
import { memoryStore } from './memory.ts';
import { storeCases } from './suite.ts';

for (const one of storeCases) test(`memory: ${one.name}`, () => one.run(memoryStore(), '/registry/case/'));

test('memory: random histories are those of the model', () => checkHistories(memoryStore(), 300));
