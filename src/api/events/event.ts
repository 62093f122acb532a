import { kind } from '../define.ts';
import type { Event } from './v1.gen.ts';

export const eventsV1 = kind<Event>({
  facts: 'events.k8s.io/v1 Event',
});
