// What a component asks of its API server, by upstream's names. Source: "Kubernetes Metrics Reference", rest_client_*.
import type { Counter, Histogram, MetricRegistry } from '../machinery/metrics.ts';

/** A request that was answered with this code, or was not: then it is `<error>`. */
export type ObserveRequest = (method: string, code: string, milliseconds: number) => void;

const seconds = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60];

/** Counts requests to `server` (`https://host:port`). */
export function restMetrics(registry: MetricRegistry, server: string): ObserveRequest {
  const host = server.replace(/^https?:\/\//, '').replace(/\/.*/, '');
  const total = registry.counter(
    'rest_client_requests_total',
    'Number of HTTP requests, partitioned by status code, method, and host.',
    ['code', 'method', 'host'],
  );
  const took = registry.histogram(
    'rest_client_request_duration_seconds',
    'Request latency in seconds. Broken down by verb, and host.',
    ['verb', 'host'],
    seconds,
  );
  const known = new Map<string, { counter: Counter; histogram: Histogram }>();
  return (method, code, milliseconds) => {
    const key = `${method} ${code}`;
    let one = known.get(key);
    if (!one) {
      one = { counter: total.with(code, method, host), histogram: took.with(method, host) };
      known.set(key, one);
    }
    one.counter.value++;
    one.histogram.observe(milliseconds / 1000);
  };
}
