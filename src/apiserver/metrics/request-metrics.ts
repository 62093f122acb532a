// What is counted of requests, by upstream's names and labels. Source: "Kubernetes Metrics Reference".
import type { Kind } from '../../machinery/kind.ts';
import {
  type Counter,
  exponentialBuckets,
  type Gauge,
  type Histogram,
  type MetricRegistry,
} from '../../machinery/metrics.ts';
import type { Context } from '../context.ts';

const durations = [
  0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
];
const [hour, day] = [3600, 86_400];
const certificateBounds = [
  ...[0, hour / 2, hour, 2 * hour, 6 * hour, 12 * hour],
  ...[1, 2, 4, 7, 30, 90, 180, 360].map((days) => days * day),
];
const sliDurations = durations.slice(2);
const resourceLabels = ['group', 'version', 'resource', 'subresource', 'scope', 'component'];

const connections = new Set(['log', 'exec', 'portforward', 'attach', 'proxy']);
const systemClients = new Set(['kube-apiserver', 'kube-controller-manager', 'kube-scheduler']);
/** Paths outside the resources that are told apart; the others are one. */
const knownPaths = new Set([
  '/api',
  '/apis',
  '/healthz',
  '/livez',
  '/metrics',
  '/openapi/v2',
  '/openapi/v3',
  '/readyz',
  '/version',
]);

const shownVerbs: Record<string, string> = {
  create: 'POST',
  update: 'PUT',
  delete: 'DELETE',
  deletecollection: 'DELETE',
};

/** The figures of requests that are alike in all but their answer's code. */
interface Series {
  labels: readonly string[];
  duration: Histogram;
  sli: Histogram | undefined;
  sizes: Histogram | undefined;
  codes: Map<string, Counter>;
}

/** How the most of something in the last second is known without a timer. */
class Peak {
  current = 0;
  #peak = 0;
  #before = 0;
  #second = 0;
  add(by: number, nowMs: number): void {
    this.#turn(nowMs);
    this.current += by;
    if (this.current > this.#peak) this.#peak = this.current;
  }
  #turn(nowMs: number): void {
    const second = Math.floor(nowMs / 1000);
    if (second === this.#second) return;
    this.#before = second === this.#second + 1 ? this.#peak : this.current;
    this.#second = second;
    this.#peak = this.current;
  }
  lately(nowMs: number): number {
    this.#turn(nowMs);
    return Math.max(this.#peak, this.#before);
  }
}

export class RequestMetrics {
  readonly #families: ReturnType<typeof families>;
  /** By kind, then by verb, subresource, scope and dry run. */
  readonly #series = new WeakMap<Kind<any>, Map<string, Series>>();
  readonly #paths = new Map<string, Series>();
  readonly #certificates: Histogram;
  readonly #handshakes: Counter;
  readonly inFlight = { readOnly: new Peak(), mutating: new Peak() };
  readonly inQueue = { readOnly: new Peak(), mutating: new Peak() };

  constructor(registry: MetricRegistry, now: () => number) {
    const made = families(registry);
    this.#families = made;
    this.#certificates = registry
      .histogram(
        'apiserver_client_certificate_expiration_seconds',
        'Distribution of the remaining lifetime on the certificate used to authenticate a request.',
        [],
        certificateBounds,
      )
      .with();
    this.#handshakes = registry
      .counter(
        'apiserver_tls_handshake_errors_total',
        "Number of requests dropped with 'TLS handshake error from' error",
      )
      .with();
    registry.beforeRender(() => {
      for (const kind of ['readOnly', 'mutating'] as const) {
        made.inFlight.with(kind).set(this.inFlight[kind].lately(now()));
        made.inQueue.with(kind).set(this.inQueue[kind].lately(now()));
      }
    });
  }

  /** An answered request for a resource. `waitedMs`: of its time, what it stood in a queue. */
  observe(context: Context, code: number, tookMs: number, bytes: number, waitedMs = 0): void {
    const series = this.#of(context);
    count(this.#families, series, code, clientOf(context.userAgent));
    const seconds = tookMs / 1000;
    series.duration.observe(seconds);
    series.sli?.observe(seconds - waitedMs / 1000);
    if (series.sizes && bytes) series.sizes.observe(bytes);
  }
  /** An answered request for anything else. */
  observePath(method: string, path: string, code: number, tookMs: number): void {
    const known = knownPaths.has(path) ? path : '';
    const verb = method === 'HEAD' ? 'GET' : /^(GET|POST|PUT|PATCH|DELETE)$/.test(method) ? method : 'other';
    const key = `${verb} ${known}`;
    let series = this.#paths.get(key);
    if (!series) {
      const labels = [verb, '', '', '', '', known, '', known ? '' : 'apiserver'];
      series = {
        labels,
        duration: this.#families.duration.with(...labels),
        sli: undefined,
        sizes: undefined,
        codes: new Map(),
      };
      this.#paths.set(key, series);
    }
    count(this.#families, series, code, '');
    series.duration.observe(tookMs / 1000);
  }

  #of(context: Context): Series {
    const { kind } = context.served;
    const { verb, subresource = '', namespace, name, options } = context;
    const scope = name !== undefined || verb === 'create' ? 'resource' : namespace ? 'namespace' : 'cluster';
    const dryRun = options.dryRun ?? '';
    const apply = context.patchType === 'apply' ? 'apply' : '';
    const key = `${verb} ${subresource} ${scope}${dryRun}${apply}`;
    let ofKind = this.#series.get(kind);
    if (!ofKind) this.#series.set(kind, (ofKind = new Map()));
    let series = ofKind.get(key);
    if (series) return series;
    // What nobody serves is not told apart: everybody may make up names.
    const known = subresource in kind.subresources ? subresource : '';
    const shown = connections.has(known)
      ? 'CONNECT'
      : apply
        ? 'APPLY'
        : (shownVerbs[verb] ?? verb.toUpperCase());
    const rest = [kind.group, kind.version, kind.plural, known, scope, 'apiserver'];
    series = {
      labels: [shown, dryRun === 'All' || !dryRun ? dryRun : 'invalid', ...rest],
      duration: this.#families.duration.with(
        shown,
        dryRun === 'All' || !dryRun ? dryRun : 'invalid',
        ...rest,
      ),
      sli: dryRun ? undefined : this.#families.sli.with(shown, ...rest),
      sizes: verb === 'get' || verb === 'list' ? this.#families.sizes.with(shown, ...rest) : undefined,
      codes: new Map(),
    };
    if (ofKind.size < 500) ofKind.set(key, series);
    return series;
  }

  /** A request that goes on for as long as the client likes; returns what says that it is over. */
  longRunning(context: Context): Gauge {
    const { verb, subresource = '', namespace, name, served } = context;
    const { kind } = served;
    const shown = connections.has(subresource) ? 'CONNECT' : verb.toUpperCase();
    const scope = name !== undefined ? 'resource' : namespace ? 'namespace' : 'cluster';
    const known = subresource in kind.subresources ? subresource : '';
    return this.#families.longRunning.with(
      shown,
      kind.group,
      kind.version,
      kind.plural,
      known,
      scope,
      'apiserver',
    );
  }
  /** Where the events of a watch are counted. */
  watchEvents({ kind }: Context['served']): { total: Counter; sizes: Histogram } {
    const labels = [kind.group, kind.version, kind.plural];
    return {
      total: this.#families.watchEvents.with(...labels),
      sizes: this.#families.watchEventSizes.with(...labels),
    };
  }
  terminated(context: Context, code: number): void {
    const { labels } = this.#of(context);
    this.#families.terminations.with(labels[0]!, ...labels.slice(2), String(code)).inc();
  }
  deprecated(kind: Kind<any>, subresource: string, removedRelease: string): void {
    this.#families.deprecated.with(kind.group, kind.version, kind.plural, subresource, removedRelease).set(1);
  }
  authenticated(result: 'success' | 'failure' | 'error', tookMs: number): void {
    this.#families.authentications.with(result).value++;
    this.#families.authenticationDuration.with(result).observe(tookMs / 1000);
    if (result === 'success') this.#families.users.with('other').value++;
  }
  /** A client showed a certificate that holds for so long. */
  certificateLeft(ms: number): void {
    this.#certificates.observe(ms / 1000);
  }
  handshakeFailed(): void {
    this.#handshakes.value++;
  }
  authorized(result: 'allowed' | 'denied', tookMs: number): void {
    this.#families.authorizations.with(result).value++;
    this.#families.authorizationDuration.with(result).observe(tookMs / 1000);
  }
}

/** Clients that the system itself has are told apart. */
function clientOf(userAgent: string): string {
  const slash = userAgent.indexOf('/');
  const name = slash < 0 ? userAgent : userAgent.slice(0, slash);
  return systemClients.has(name) ? name : '';
}

function count(
  made: ReturnType<typeof families>,
  { codes, labels }: Series,
  code: number,
  client: string,
): void {
  const key = client ? `${code}${client}` : String(code);
  let counter = codes.get(key);
  if (!counter) {
    counter = made.total.with(...labels, String(code), client);
    codes.set(key, counter);
  }
  counter.value++;
}

const families = (registry: MetricRegistry) => ({
  total: registry.counter(
    'apiserver_request_total',
    'Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, component, and HTTP response code.',
    ['verb', 'dry_run', ...resourceLabels, 'code', 'system_client'],
    'STABLE',
  ),
  duration: registry.histogram(
    'apiserver_request_duration_seconds',
    'Response latency distribution in seconds for each verb, dry run value, group, version, resource, subresource, scope and component.',
    ['verb', 'dry_run', ...resourceLabels],
    durations,
    'STABLE',
  ),
  sli: registry.histogram(
    'apiserver_request_sli_duration_seconds',
    'Response latency distribution (not counting webhook duration and priority & fairness queue wait times) in seconds for each verb, group, version, resource, subresource, scope and component.',
    ['verb', ...resourceLabels],
    sliDurations,
  ),
  sizes: registry.histogram(
    'apiserver_response_sizes',
    'Response size distribution in bytes for each group, version, verb, resource, subresource, scope and component.',
    ['verb', ...resourceLabels],
    exponentialBuckets(1000, 10, 7),
    'STABLE',
  ),
  longRunning: registry.gauge(
    'apiserver_longrunning_requests',
    'Gauge of all active long-running apiserver requests broken out by verb, group, version, resource, scope and component. Not all requests are tracked this way.',
    ['verb', ...resourceLabels],
    'STABLE',
  ),
  inFlight: registry.gauge(
    'apiserver_current_inflight_requests',
    'Maximal number of currently used inflight request limit of this apiserver per request kind in last second.',
    ['request_kind'],
    'STABLE',
  ),
  inQueue: registry.gauge(
    'apiserver_current_inqueue_requests',
    'Maximal number of queued requests in this apiserver per request kind in last second.',
    ['request_kind'],
  ),
  terminations: registry.counter(
    'apiserver_request_terminations_total',
    'Number of requests which apiserver terminated in self-defense.',
    ['verb', ...resourceLabels, 'code'],
  ),
  watchEvents: registry.counter('apiserver_watch_events_total', 'Number of events sent in watch clients', [
    'group',
    'version',
    'resource',
  ]),
  watchEventSizes: registry.histogram(
    'apiserver_watch_events_sizes',
    'Watch event size distribution in bytes',
    ['group', 'version', 'resource'],
    exponentialBuckets(1024, 2, 8),
  ),
  deprecated: registry.gauge(
    'apiserver_requested_deprecated_apis',
    'Gauge of deprecated APIs that have been requested, broken out by API group, version, resource, subresource, and removed_release.',
    ['group', 'version', 'resource', 'subresource', 'removed_release'],
    'STABLE',
  ),
  users: registry.counter(
    'authenticated_user_requests',
    'Counter of authenticated requests broken out by username.',
    ['username'],
  ),
  authentications: registry.counter('authentication_attempts', 'Counter of authenticated attempts.', [
    'result',
  ]),
  authenticationDuration: registry.histogram(
    'authentication_duration_seconds',
    'Authentication duration in seconds broken out by result.',
    ['result'],
    exponentialBuckets(0.001, 2, 15),
  ),
  authorizations: registry.counter(
    'authorization_attempts_total',
    "Counter of authorization attempts broken down by result. It can be either 'allowed', 'denied', 'no-opinion' or 'error'.",
    ['result'],
  ),
  authorizationDuration: registry.histogram(
    'authorization_duration_seconds',
    'Authorization duration in seconds broken out by result.',
    ['result'],
    exponentialBuckets(0.001, 2, 15),
  ),
});
