import { qualifiedNameProblems } from '../../machinery/names.ts';
import { type FieldError, field } from '../../machinery/status.ts';
import { problems, requiredOneOf } from '../checks.ts';
import { humanDuration, kind, since } from '../define.ts';
import { immutable } from '../meta.ts';
import type { Event } from './v1.gen.ts';

const NAME_MAX = 128;
const NOTE_MAX = 1024;

/** An event belongs to the namespace of what it is about; `default` where that has none. */
function placeErrors({ involvedObject, metadata }: Event): FieldError[] {
  const about = involvedObject?.namespace ?? '';
  if (
    about
      ? metadata.namespace === about
      : metadata.namespace === 'default' || metadata.namespace === 'kube-system'
  )
    return [];
  return [field('involvedObject', 'namespace').invalid(about, 'does not match event.namespace')];
}

/** Events that carry `eventTime` come from clients of events.k8s.io, and are checked more closely. */
function newStyleErrors(event: Event): FieldError[] {
  if (!event.eventTime) return [];
  const errors: FieldError[] = [];
  const {
    reportingComponent = '',
    reportingInstance = '',
    action = '',
    reason = '',
    message = '',
    type,
  } = event;
  if (!reportingComponent) errors.push(field('reportingController').required());
  else
    errors.push(
      ...problems(
        qualifiedNameProblems(reportingComponent),
        reportingComponent,
        field('reportingController'),
      ),
    );
  const bounded = { reportingInstance, action, reason };
  for (const [name, value] of Object.entries(bounded)) {
    if (!value) errors.push(field(name).required());
    else if (value.length > NAME_MAX)
      errors.push(field(name).invalid('', `can have at most ${NAME_MAX} characters`));
  }
  if (message.length > NOTE_MAX)
    errors.push(field('message').invalid('', `can have at most ${NOTE_MAX} characters`));
  errors.push(...requiredOneOf(type, ['Normal', 'Warning'], field('type')));
  return errors;
}

const sourceOf = ({ source, reportingComponent, reportingInstance }: Event): string => {
  const component = source?.component || reportingComponent || '';
  const host = source?.component ? source.host : reportingInstance;
  return host ? `${component}, ${host}` : component;
};

/** `3m (x4 over 10m)`, `5s`. */
function lastSeen(
  { series, firstTimestamp, lastTimestamp, eventTime, count = 0 }: Event,
  nowMs: number,
): string {
  const first = firstTimestamp ?? eventTime;
  const ago = (t: string) => humanDuration(nowMs - Date.parse(t));
  if (series) return `${ago(series.lastObservedTime!)} (x${series.count} over ${since(eventTime, nowMs)})`;
  if (count > 1 && lastTimestamp) return `${ago(lastTimestamp)} (x${count} over ${since(first, nowMs)})`;
  return since(lastTimestamp ?? first, nowMs);
}

export const events = kind<Event>({
  facts: 'v1 Event',
  nameFormat: 'subdomain',
  createOnUpdate: true,
  ttlSeconds: 3600,
  validate: (event) => [...placeErrors(event), ...newStyleErrors(event)],
  validateUpdate: (event, old) =>
    event.eventTime && old.eventTime
      ? (
          [
            'involvedObject',
            'reason',
            'message',
            'eventTime',
            'action',
            'reportingComponent',
            'reportingInstance',
            'type',
          ] as const
        ).flatMap((name) => immutable(event[name], old[name], field(name)))
      : [],
  fieldSelectors: {
    'involvedObject.kind': ({ involvedObject }) => involvedObject.kind ?? '',
    'involvedObject.namespace': ({ involvedObject }) => involvedObject.namespace ?? '',
    'involvedObject.name': ({ involvedObject }) => involvedObject.name ?? '',
    'involvedObject.uid': ({ involvedObject }) => involvedObject.uid ?? '',
    'involvedObject.apiVersion': ({ involvedObject }) => involvedObject.apiVersion ?? '',
    'involvedObject.resourceVersion': ({ involvedObject }) => involvedObject.resourceVersion ?? '',
    'involvedObject.fieldPath': ({ involvedObject }) => involvedObject.fieldPath ?? '',
    reason: ({ reason }) => reason ?? '',
    reportingComponent: ({ reportingComponent, source }) => reportingComponent || source?.component || '',
    source: ({ source, reportingComponent }) => source?.component || reportingComponent || '',
    type: ({ type }) => type ?? '',
  },
  columns: {
    'Last Seen': lastSeen,
    Type: ({ type }) => type ?? '',
    Reason: ({ reason }) => reason ?? '',
    Object: ({ involvedObject: { kind: of = '', name = '' } }) => `${of.toLowerCase()}/${name}`,
    Subobject: ({ involvedObject }) => involvedObject.fieldPath ?? '',
    Source: sourceOf,
    Message: ({ message }) => (message ?? '').trim(),
    'First Seen': ({ firstTimestamp, eventTime }, nowMs) => since(firstTimestamp ?? eventTime, nowMs),
    Count: ({ series, count }) => String(series?.count ?? (count || 1)),
    Name: ({ metadata }) => metadata.name,
  },
});
