import { type FieldError, field } from '../../machinery/status.ts';
import { events } from '../core/event.ts';
import type { Event as CoreEvent } from '../core/v1.gen.ts';
import { kind } from '../define.ts';
import type { Event } from './v1.gen.ts';

/** The same event as v1 has it, which is the form that is stored. */
export function coreEventOf(event: Event): CoreEvent {
  const {
    regarding = {},
    note,
    reportingController,
    deprecatedSource,
    deprecatedFirstTimestamp,
    deprecatedLastTimestamp,
    deprecatedCount,
    ...rest
  } = event;
  const result: Record<string, unknown> = {
    ...rest,
    apiVersion: 'v1',
    kind: 'Event',
    involvedObject: regarding,
  };
  const renamed = {
    message: note,
    reportingComponent: reportingController,
    source: deprecatedSource,
    firstTimestamp: deprecatedFirstTimestamp,
    lastTimestamp: deprecatedLastTimestamp,
    count: deprecatedCount,
  };
  for (const [name, value] of Object.entries(renamed)) if (value !== undefined) result[name] = value;
  return result as unknown as CoreEvent;
}

const names: Record<string, string> = {
  involvedObject: 'regarding',
  message: 'note',
  reportingComponent: 'reportingController',
  source: 'deprecatedSource',
  firstTimestamp: 'deprecatedFirstTimestamp',
  lastTimestamp: 'deprecatedLastTimestamp',
  count: 'deprecatedCount',
};

/** The stored form as events.k8s.io/v1 has it. */
export function eventOf(event: CoreEvent): Event {
  const result: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(event)) result[names[name] ?? name] = value;
  return { ...result, apiVersion: 'events.k8s.io/v1', kind: 'Event' } as unknown as Event;
}

/** Errors name the fields as this version does. */
const translated = (errors: FieldError[]): FieldError[] =>
  errors.map((error) => {
    const [first = '', ...rest] = error.field.split('.');
    return { ...error, field: [names[first] ?? first, ...rest].join('.') };
  });

const { rules } = events;

export const eventsV1 = kind<Event>({
  facts: 'events.k8s.io/v1 Event',
  createOnUpdate: true,
  generation: false,
  ttlSeconds: rules.ttlSeconds,
  validate: (event, context) => [
    ...(event.eventTime || event.deprecatedFirstTimestamp ? [] : [field('eventTime').required()]),
    ...translated(rules.validate!(coreEventOf(event), context)),
  ],
  validateUpdate: (event, old, context) =>
    translated(rules.validateUpdate!(coreEventOf(event), coreEventOf(old), context)),
  fieldSelectors: {
    ...Object.fromEntries(
      Object.entries(rules.fieldSelectors!).map(([path, value]) => [
        path.replace('involvedObject', 'regarding').replace('reportingComponent', 'reportingController'),
        (event: Event) => value(coreEventOf(event)),
      ]),
    ),
  },
  columns: Object.fromEntries(
    Object.entries(rules.columns!).map(([name, value]) => [
      name,
      (event: Event, nowMs: number) => value(coreEventOf(event), nowMs),
    ]),
  ),
});
