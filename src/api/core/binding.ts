import { kind } from '../define.ts';
import type { Binding } from './v1.gen.ts';

export const bindings = kind<Binding>({
  facts: 'v1 Binding',
});
