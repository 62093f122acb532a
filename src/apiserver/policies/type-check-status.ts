// Writes what type checking finds into the status of validating policies.
import type { ValidatingAdmissionPolicy } from '../../api/admissionregistration/v1.gen.ts';
import { validatingAdmissionPolicies } from '../../api/admissionregistration/validating-admission-policy.ts';
import type { Client } from '../../client/client.ts';
import type { Kind } from '../../machinery/kind.ts';
import type { Log } from '../../machinery/log.ts';
import { isConflict, isNotFound } from '../../machinery/status.ts';
import { type ReconcileLoop, reconcileLoop } from '../reconcile.ts';
import type { Registry } from '../registry/registry.ts';
import { expressionWarnings } from './type-check.ts';

/** Checks each policy once after each change of its spec. */
export function tellTypeChecks(registry: Registry, client: Client, log: Log): ReconcileLoop {
  const cache = registry.caches.of(validatingAdmissionPolicies as Kind<any>);
  const policies = () =>
    [...(cache?.entries.values() ?? [])].map((entry) => entry.object as unknown as ValidatingAdmissionPolicy);
  const pass = async () => {
    for (const { metadata, spec, status } of policies()) {
      const { name = '', generation = 0 } = metadata;
      if (generation <= (status?.observedGeneration ?? 0)) continue;
      const warnings = expressionWarnings(registry, spec);
      const typeChecking = warnings.length ? { expressionWarnings: warnings } : {};
      const { apiVersion, kind } = {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'ValidatingAdmissionPolicy',
      };
      const told = {
        apiVersion,
        kind,
        metadata: { name },
        status: { observedGeneration: generation, typeChecking },
      };
      await client(validatingAdmissionPolicies)
        .patch(name, told, {
          ...{
            type: 'apply',
            subresource: 'status',
            fieldManager: 'validatingadmissionpolicy-status',
            force: true,
          },
        })
        .catch((error) => {
          if (!isNotFound(error) && !isConflict(error)) throw error;
        });
    }
  };
  const loop = reconcileLoop('type checking of admission policies', pass, registry.clock, log);
  const unwatch = cache?.watch(cache.revision, loop.wake);
  return {
    ...loop,
    stop() {
      unwatch?.();
      loop.stop();
    },
  };
}
