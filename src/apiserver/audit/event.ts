import type { AnyObject } from '../../machinery/meta.ts';
import type { Status } from '../../machinery/status.ts';
import type { AuditLevel, Stage } from './policy.ts';

export interface EventUser {
  username?: string;
  uid?: string;
  groups?: string[];
  extra?: Record<string, string[]>;
}

/** audit.k8s.io/v1 Event. */
export interface AuditEvent {
  kind: 'Event';
  apiVersion: 'audit.k8s.io/v1';
  level: AuditLevel;
  auditID: string;
  stage: Stage;
  requestURI: string;
  verb: string;
  user: EventUser;
  impersonatedUser?: EventUser;
  sourceIPs?: string[];
  userAgent?: string;
  objectRef?: {
    resource?: string;
    namespace?: string;
    name?: string;
    uid?: string;
    apiGroup?: string;
    apiVersion?: string;
    resourceVersion?: string;
    subresource?: string;
  };
  responseStatus?: Partial<Status>;
  requestObject?: unknown;
  responseObject?: AnyObject;
  requestReceivedTimestamp: string;
  stageTimestamp: string;
  annotations?: Record<string, string>;
}

const quoted = (text: string): string => JSON.stringify(text);
const listed = (groups: string[] | undefined, none: string): string =>
  groups ? groups.map(quoted).join(',') : none;

/** The line of format `legacy`. */
export function legacyLine(event: AuditEvent): string {
  const { user, impersonatedUser: as, objectRef, responseStatus, sourceIPs } = event;
  const fields: [string, string][] = [
    ['id', event.auditID],
    ['stage', event.stage],
    ['ip', sourceIPs?.[0] ?? '<unknown>'],
    ['method', event.verb],
    ['user', user.username || '<none>'],
    ['groups', listed(user.groups?.length ? user.groups : undefined, '<none>')],
    ['as', as?.username ?? '<self>'],
    ['asgroups', listed(as?.groups, '<lookup>')],
    ['user-agent', event.userAgent ?? ''],
    ['namespace', objectRef?.namespace || '<none>'],
    ['uri', event.requestURI],
  ];
  const shown = fields.map(([name, value]) => `${name}=${quoted(value)}`).join(' ');
  const code = responseStatus?.code === undefined ? '<deferred>' : String(responseStatus.code);
  return `${event.requestReceivedTimestamp} AUDIT: ${shown} response="${code}"`;
}
