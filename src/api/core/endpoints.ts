import { kind } from '../define.ts';
import type { Endpoints } from './v1.gen.ts';

export const endpoints = kind<Endpoints>({
  facts: 'v1 Endpoints',
});
