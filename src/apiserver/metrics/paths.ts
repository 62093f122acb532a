import type { PathHandler } from '../http/handler.ts';

/** Amounts that only the process knows, by the metric's name. */
export type ProcessMetrics = () => Record<
  string,
  { type: 'gauge' | 'counter'; value: number; help?: string }
>;
/** Metrics of other components of this process, as text. */
export type MoreMetrics = () => string;

export const contentType = 'text/plain; version=0.0.4; charset=utf-8';

/** `/metrics`: what this server counts, and what `ofProcess` adds; `/metrics/slis`: how its own health checks did. */
export const metricsPaths =
  (ofProcess: ProcessMetrics): PathHandler =>
  (server, exchange) => {
    const { path } = exchange;
    if (path === '/metrics') {
      exchange.respond(
        200,
        { 'content-type': contentType },
        server.metrics.registry.render() + processText(ofProcess),
      );
      return true;
    }
    if (path !== '/metrics/slis') return false;
    exchange.respond(200, { 'content-type': contentType }, server.health.slis.render());
    return true;
  };

/** What only the process knows, in Prometheus' text format. */
export function processText(ofProcess: ProcessMetrics): string {
  let text = '';
  for (const [name, { type, value, help }] of Object.entries(ofProcess()))
    text += `${help ? `# HELP ${name} ${help}\n` : ''}# TYPE ${name} ${type}\n${name} ${value}\n`;
  return text;
}
