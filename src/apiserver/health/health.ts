// Whether the server works: named checks behind /healthz, /livez and /readyz. Source: "Kubernetes API health endpoints".
import { MetricRegistry } from '../../machinery/metrics.ts';

export type HealthPath = 'healthz' | 'livez' | 'readyz';

/** Resolves to what is wrong, if anything is. */
export type Check = () => string | undefined | Promise<string | undefined>;

interface Named {
  name: string;
  check: Check;
  paths: readonly HealthPath[];
}

const everywhere: readonly HealthPath[] = ['healthz', 'livez', 'readyz'];

export class Health {
  readonly #checks: Named[] = [];
  /** How the checks did, for `/metrics/slis`. */
  readonly slis = new MetricRegistry();
  readonly #gauge = this.slis.gauge(
    'kubernetes_healthcheck',
    'This metric records the result of a single healthcheck.',
    ['name', 'type'],
    'STABLE',
  );
  readonly #total = this.slis.counter(
    'kubernetes_healthchecks_total',
    'This metric records the results of all healthcheck.',
    ['name', 'status', 'type'],
    'STABLE',
  );

  /** Checks are shown in the order in which they are added. */
  add(name: string, check: Check, paths: readonly HealthPath[] = everywhere): void {
    this.#checks.push({ name, check, paths });
  }

  names(path: HealthPath): string[] {
    return this.#checks.filter(({ paths }) => paths.includes(path)).map(({ name }) => name);
  }

  /** One check by its name; undefined when there is none. */
  async one(path: HealthPath, name: string): Promise<{ problem: string | undefined } | undefined> {
    const found = this.#checks.find((c) => c.name === name && c.paths.includes(path));
    return found && { problem: await this.#run(found, path) };
  }

  /** All that a path has, but for those whose names are excluded. The text is the verbose answer. */
  async all(path: HealthPath, exclude: readonly string[]): Promise<{ healthy: boolean; text: string }> {
    const lines: string[] = [];
    const unknown = new Set(exclude);
    let healthy = true;
    for (const named of this.#checks) {
      if (!named.paths.includes(path)) continue;
      const { name } = named;
      if (unknown.delete(name) || exclude.includes(name)) {
        lines.push(`[+]${name} excluded: ok`);
        continue;
      }
      if ((await this.#run(named, path)) === undefined) lines.push(`[+]${name} ok`);
      else {
        healthy = false;
        // Everybody may ask; those who may know more ask for the check itself.
        lines.push(`[-]${name} failed: reason withheld`);
      }
    }
    if (unknown.size) {
      const names = [...unknown].map((name) => JSON.stringify(name)).join(',');
      lines.push(`warn: some health checks cannot be excluded: no matches for ${names}`);
    }
    lines.push(`${path} check ${healthy ? 'passed' : 'failed'}`);
    return { healthy, text: `${lines.join('\n')}\n` };
  }

  async #run({ name, check }: Named, type: HealthPath): Promise<string | undefined> {
    const problem = await check();
    this.#gauge.with(name, type).set(problem === undefined ? 1 : 0);
    this.#total.with(name, problem === undefined ? 'success' : 'error', type).inc();
    return problem;
  }
}
