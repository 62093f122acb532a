import { type Clock, microTime } from '../../machinery/clock.ts';
import { apiVersionOf } from '../../machinery/kind.ts';
import { type AnyObject, clone } from '../../machinery/meta.ts';
import type { MetricRegistry } from '../../machinery/metrics.ts';
import type { Status } from '../../machinery/status.ts';
import type { Attributes } from '../authz/rbac.ts';
import type { Context, User } from '../context.ts';
import type { Result } from '../perform.ts';
import type { AuditEvent, EventUser } from './event.ts';
import { type Decision, decide, levels, type Policy, type Stage } from './policy.ts';
import type { AuditedCall, Auditor, AuditTrail } from './trail.ts';

/** Where events go. */
export interface AuditBackend {
  name: string;
  /** Takes an event over; it is not changed afterwards. */
  write(event: AuditEvent): void;
  /** Writes what is still under way. */
  close(): Promise<void>;
}

export interface AuditorOptions {
  policy: Policy;
  backends: readonly AuditBackend[];
  clock: Clock;
  metrics: MetricRegistry;
  /** Why somebody may do something, as the authorizer sees it. */
  reason(attributes: Attributes): string;
}

const longestAgent = 1024;
const depth = (level: Decision['level']): number => levels.indexOf(level);

/** Follows requests by a policy, and gives what it sees to the backends. */
export function createAuditor(options: AuditorOptions): Auditor {
  const events = options.metrics.counter(
    'apiserver_audit_event_total',
    'Counter of audit events generated and sent to the audit backend.',
  );
  const levelTotal = options.metrics.counter(
    'apiserver_audit_level_total',
    'Counter of policy levels for audit events (1 per request).',
    ['level'],
  );
  const errors = options.metrics.counter(
    'apiserver_audit_error_total',
    'Counter of audit events that failed to be audited properly. Plugin identifies the plugin affected by the error.',
    ['plugin'],
  );
  const send = (event: AuditEvent) => {
    events.with().inc();
    for (const backend of options.backends) {
      try {
        backend.write(event);
      } catch {
        errors.with(backend.name).inc();
      }
    }
  };
  return {
    begin(call) {
      const decision = decide(options.policy, call.attributes);
      levelTotal.with(decision.level).inc();
      return decision.level === 'None' ? undefined : new Trail(call, decision, options, send);
    },
    async close() {
      await Promise.all(options.backends.map((backend) => backend.close()));
    },
  };
}

class Trail implements AuditTrail {
  readonly #event: Omit<AuditEvent, 'stage' | 'stageTimestamp'>;
  readonly #call: AuditedCall;
  readonly #decision: Decision;
  readonly #options: AuditorOptions;
  readonly #send: (event: AuditEvent) => void;
  #started = false;
  #panicked = false;

  constructor(
    call: AuditedCall,
    decision: Decision,
    options: AuditorOptions,
    send: (event: AuditEvent) => void,
  ) {
    const { attributes, userAgent } = call;
    this.#call = call;
    this.#decision = decision;
    this.#options = options;
    this.#send = send;
    this.#event = {
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      level: decision.level,
      auditID: call.auditId,
      requestURI: call.uri,
      verb: attributes.verb,
      user: eventUser(attributes.user),
      sourceIPs: call.sourceIPs,
      userAgent:
        userAgent.length > longestAgent ? `${userAgent.slice(0, longestAgent)}...TRUNCATED` : userAgent,
      ...(attributes.path === undefined ? { objectRef: referenceOf(attributes) } : {}),
      requestReceivedTimestamp: microTime(call.beganMs),
    };
    this.#stage('RequestReceived', this.#event.requestReceivedTimestamp);
  }

  #stage(stage: Stage, at = microTime(this.#options.clock.now())): void {
    if (this.#decision.omitStages.includes(stage)) return;
    const { annotations } = this.#event;
    // What is sent is not changed any more: annotations may still come.
    this.#send({
      ...this.#event,
      stage,
      stageTimestamp: at,
      ...(annotations ? { annotations: { ...annotations } } : {}),
    });
  }

  impersonates(user: User): void {
    this.#event.impersonatedUser = eventUser(user);
  }
  authorized(attributes: Attributes, allowed: boolean): void {
    this.annotate('authorization.k8s.io/decision', allowed ? 'allow' : 'forbid');
    this.annotate('authorization.k8s.io/reason', allowed ? this.#options.reason(attributes) : '');
  }
  annotate(key: string, value: string): void {
    this.#event.annotations ??= {};
    this.#event.annotations[key] ??= value;
  }

  requested(body: unknown): void {
    if (body === undefined) return;
    const { objectRef } = this.#event;
    const metadata = (body as AnyObject).metadata;
    if (objectRef && metadata && this.#call.context?.verb !== 'patch') {
      if (!objectRef.namespace && metadata.namespace) objectRef.namespace = metadata.namespace;
      if (!objectRef.name && metadata.name) objectRef.name = metadata.name;
      if (metadata.uid) objectRef.uid = metadata.uid;
      if (metadata.resourceVersion) objectRef.resourceVersion = metadata.resourceVersion;
    }
    if (depth(this.#decision.level) < depth('Request')) return;
    // What comes after changes it.
    this.#event.requestObject = this.#lean(clone(body) as AnyObject);
  }
  resulted(context: Context, result: Result): void {
    if (this.#decision.level !== 'RequestResponse') return;
    const { kind } = context.served;
    const head = { kind: kind.kind, apiVersion: apiVersionOf(kind) };
    if (result.type === 'object') this.responded(result.object);
    else if (result.type === 'entry') this.responded({ ...head, ...result.entry.object });
    else {
      const { list } = result;
      this.responded({
        kind: kind.listKind ?? `${kind.kind}List`,
        apiVersion: head.apiVersion,
        metadata: { resourceVersion: String(list.revision) } as AnyObject['metadata'],
        items: list.entries.map(({ object }) => object),
      });
    }
  }
  responded(object: AnyObject): void {
    if (this.#decision.level === 'RequestResponse') this.#event.responseObject = this.#lean(object);
  }
  failed(status: Status): void {
    const { message, reason, details, code } = status;
    this.#event.responseStatus = {
      metadata: {},
      status: status.status,
      ...(message ? { message } : {}),
      ...(reason ? { reason } : {}),
      ...(details ? { details } : {}),
      code,
    };
    this.responded(status as unknown as AnyObject);
  }

  responseStarted(code: number): void {
    if (this.#started) return;
    this.#started = true;
    this.#event.responseStatus = { metadata: {}, code };
    this.#stage('ResponseStarted');
  }
  panicked(): void {
    this.#panicked = true;
  }
  complete(code: number): void {
    const noted = this.#call.context?.annotations;
    if (noted) for (const key in noted) this.annotate(key, noted[key]!);
    const detailed = this.#call.context?.detailedAnnotations;
    if (detailed && this.#decision.level !== 'Metadata')
      for (const key in detailed) this.annotate(key, detailed[key]!);
    this.#event.responseStatus ??= { metadata: {}, code };
    this.#stage(this.#panicked ? 'Panic' : 'ResponseComplete');
  }

  /** Without managedFields, where the policy wants that. The object itself stays as it is. */
  #lean(object: AnyObject): AnyObject {
    if (!this.#decision.omitManagedFields || !object) return object;
    const without = (one: AnyObject): AnyObject => {
      if (!one?.metadata?.managedFields) return one;
      const { managedFields: _, ...metadata } = one.metadata;
      return { ...one, metadata };
    };
    return Array.isArray(object.items) ? { ...object, items: object.items.map(without) } : without(object);
  }
}

const eventUser = ({ name, uid, groups, extra }: User): EventUser => ({
  ...(name ? { username: name } : {}),
  ...(uid ? { uid } : {}),
  ...(groups.length ? { groups } : {}),
  ...(extra && Object.keys(extra).length ? { extra } : {}),
});

function referenceOf(attributes: Attributes): NonNullable<AuditEvent['objectRef']> {
  const { group, version, resource, subresource, namespace, name } = attributes;
  return {
    ...(resource ? { resource } : {}),
    ...(namespace ? { namespace } : {}),
    ...(name ? { name } : {}),
    ...(group ? { apiGroup: group } : {}),
    ...(version ? { apiVersion: version } : {}),
    ...(subresource ? { subresource } : {}),
  };
}
