// What is counted of calls of webhooks, by upstream's names and labels. Source: "Kubernetes Metrics Reference".
import type { MetricRegistry } from '../../machinery/metrics.ts';
import type { Observe } from './outcome.ts';

const durations = [0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 25];

export function webhookMetrics(registry: MetricRegistry): Observe {
  const took = registry.histogram(
    'apiserver_admission_webhook_admission_duration_seconds',
    'Admission webhook latency histogram in seconds, identified by name and broken out for each operation and API resource and type (validate or admit).',
    ['name', 'type', 'operation', 'rejected'],
    durations,
    'STABLE',
  );
  const rejections = registry.counter(
    'apiserver_admission_webhook_rejection_count',
    'Admission webhook rejection count, identified by name and broken out for each admission type (validating or admit) and operation.',
    ['name', 'type', 'operation', 'error_type', 'rejection_code'],
  );
  const failedOpen = registry.counter(
    'apiserver_admission_webhook_fail_open_count',
    'Admission webhook fail open count, identified by name and broken out for each admission type (validating or admit).',
    ['name', 'type'],
  );
  const requests = registry.counter(
    'apiserver_admission_webhook_request_total',
    'Admission webhook request total, identified by name and broken out for each admission type (validating or mutating) and operation.',
    ['name', 'type', 'operation', 'code', 'rejected'],
  );
  return ({ name, type, operation, seconds, code, rejected, failedOpen: open, error, canceled }) => {
    // What webhooks make up must not become ever more labels.
    const shown = String(Math.min(code, 600));
    took.with(name, type, operation, String(rejected)).observe(seconds);
    requests.with(name, type, operation, shown, String(rejected)).inc();
    if (rejected && !canceled) rejections.with(name, type, operation, error, shown).inc();
    if (open && !canceled) failedOpen.with(name, type).inc();
  };
}
