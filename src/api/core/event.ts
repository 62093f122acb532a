import { kind } from '../define.ts';
import type { Event } from './v1.gen.ts';

export const events = kind<Event>({
  facts: 'v1 Event',
});
