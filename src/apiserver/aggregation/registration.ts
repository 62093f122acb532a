// An APIService for each group version that this server serves itself. Source: "Kubernetes API Aggregation Layer".
import { apiServices } from '../../api/apiregistration/api-service.ts';
import type { APIService } from '../../api/apiregistration/v1.gen.ts';
import type { Client } from '../../client/client.ts';
import { clone, equal } from '../../machinery/meta.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../machinery/status.ts';
import type { ResourceCache } from '../cache/resource-cache.ts';
import type { Scheme } from '../scheme.ts';
import { customPriorities, priorityOf } from './priorities.ts';

/** `onstart`: made when it is not there; `true`: kept as it is made, and removed when it is not wanted. */
const managedLabel = 'kube-aggregator.kubernetes.io/automanaged';

export const serviceName = (group: string, version: string): string => `${version}.${group}`;

function wanted(scheme: Scheme): Map<string, APIService> {
  const found = new Map<string, APIService>();
  for (const { kind, custom } of scheme.all()) {
    const { group, version } = kind;
    const name = serviceName(group, version);
    const priority = custom ? customPriorities : priorityOf(group, version);
    // A built-in group with custom resources in it stays built in.
    if (!priority || (found.has(name) && custom)) continue;
    found.set(name, {
      metadata: { name, labels: { [managedLabel]: custom ? 'true' : 'onstart' } },
      spec: { ...(group ? { group } : {}), version, ...priority },
    });
  }
  return found;
}

/** Makes what is missing, mends and removes what is managed continuously. One that somebody took over is left alone. */
export async function registerServed(
  scheme: Scheme,
  cache: ResourceCache,
  client: Client,
  starting: boolean,
): Promise<void> {
  const services = client(apiServices);
  const desired = wanted(scheme);
  const present = new Map(
    [...cache.entries.values()].map(({ object }) => [object.metadata.name!, object as unknown as APIService]),
  );
  await Promise.all(
    [...new Set([...desired.keys(), ...present.keys()])].map(async (name) => {
      const [want, have] = [desired.get(name), present.get(name)];
      if (!have) {
        await services.create(clone(want!)).catch(ignore(isAlreadyExists));
        return;
      }
      const managed = have.metadata.labels?.[managedLabel];
      // What is managed from the start on is the administrator's afterwards.
      if (managed !== 'true' && !(managed === 'onstart' && starting)) return;
      if (!want) {
        await services
          .delete(name, { preconditions: { uid: have.metadata.uid } })
          .catch(ignore(isNotFound, isConflict));
      } else if (!equal(have.spec, want.spec)) {
        await services.update({ ...clone(have), spec: want.spec }).catch(ignore(isNotFound, isConflict));
      }
    }),
  );
}

const ignore =
  (...expected: ((error: unknown) => boolean)[]) =>
  (error: unknown): void => {
    if (!expected.some((is) => is(error))) throw error;
  };
