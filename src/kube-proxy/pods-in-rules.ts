import type { ObjectReference } from '../api/core/v1.gen.ts';
import type { RoutedPort, ServiceMap } from './service-map.ts';

/** Knows which pods the rules lead to, to tell which ones are new. A pod can be in several services. */
export class PodsInRules {
  /** Uid of the pod -> keys of the services that lead to it. */
  readonly #services = new Map<string, Set<string>>();

  /** The services of `keys` now have these ports. Returns pods that no rule led to before, each with its service. */
  update(
    keys: Iterable<string>,
    before: ServiceMap,
    after: ServiceMap,
  ): { pod: ObjectReference; service: string }[] {
    const arrived: { pod: ObjectReference; service: string }[] = [];
    for (const service of keys) {
      const now = podsOf(after.get(service));
      for (const uid of podsOf(before.get(service)).keys()) {
        if (now.has(uid)) continue;
        const services = this.#services.get(uid);
        services?.delete(service);
        if (services?.size === 0) this.#services.delete(uid);
      }
      for (const [uid, pod] of now) {
        const services = this.#services.get(uid);
        if (services) services.add(service);
        else {
          this.#services.set(uid, new Set([service]));
          arrived.push({ pod, service });
        }
      }
    }
    return arrived;
  }
}

function podsOf(ports: readonly RoutedPort[] = []): Map<string, ObjectReference> {
  const pods = new Map<string, ObjectReference>();
  for (const { reachable } of ports) {
    for (const { pod } of reachable) if (pod?.uid) pods.set(pod.uid, pod);
  }
  return pods;
}
