// What is counted of custom resources: conversions by webhooks, rules in CEL. Source: "Kubernetes Metrics Reference".
import { exponentialBuckets, type MetricRegistry } from '../../machinery/metrics.ts';

/** What was wrong with a conversion webhook, or '' when nothing was. */
export type ConversionFailure =
  | ''
  | 'conversion_webhook_call_failure'
  | 'conversion_webhook_malformed_response_failure'
  | 'conversion_webhook_partial_response_failure'
  | 'conversion_webhook_invalid_converted_object_failure';

const requestBounds = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 45, 60];
const celBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export class CustomMetrics {
  readonly #conversions;
  readonly #requests;
  readonly #requestSeconds;
  /** Rules of one object, of one definition. */
  readonly evaluation;
  readonly compilation;

  constructor(registry: MetricRegistry) {
    this.#conversions = registry.histogram(
      'apiserver_crd_conversion_webhook_duration_seconds',
      'CRD webhook conversion duration in seconds',
      ['crd_name', 'from_version', 'to_version', 'succeeded'],
      exponentialBuckets(0.001, 2, 15),
    );
    const labels = ['result', 'failure_type'];
    this.#requests = registry.counter(
      'apiserver_conversion_webhook_request_total',
      'Counter for conversion webhook requests with success/failure and failure error type',
      labels,
    );
    this.#requestSeconds = registry.histogram(
      'apiserver_conversion_webhook_duration_seconds',
      'Conversion webhook request latency',
      labels,
      requestBounds,
    );
    this.compilation = registry
      .histogram(
        'apiserver_cel_compilation_duration_seconds',
        'CEL compilation time in seconds.',
        [],
        celBounds,
        'BETA',
      )
      .with();
    this.evaluation = registry
      .histogram(
        'apiserver_cel_evaluation_duration_seconds',
        'CEL evaluation time in seconds.',
        [],
        celBounds,
        'BETA',
      )
      .with();
  }
  /** A webhook was asked to convert objects of `definition` from one apiVersion to another. */
  converted(definition: string, from: string, to: string, failure: ConversionFailure, tookMs: number): void {
    const seconds = tookMs / 1000;
    const version = (apiVersion: string) => apiVersion.slice(apiVersion.indexOf('/') + 1);
    const result = failure ? 'failure' : 'success';
    this.#conversions.with(definition, version(from), version(to), String(!failure)).observe(seconds);
    this.#requests.with(result, failure).inc();
    this.#requestSeconds.with(result, failure).observe(seconds);
  }
}
