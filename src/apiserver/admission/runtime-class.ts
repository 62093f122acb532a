import type { Pod, Toleration } from '../../api/core/v1.gen.ts';
import { runtimeClasses } from '../../api/node/runtime-class.ts';
import type { RuntimeClass } from '../../api/node/v1.gen.ts';
import { equal } from '../../machinery/meta.ts';
import { compareQuantity } from '../../machinery/quantity.ts';
import { forbidden } from '../../machinery/status.ts';
import type { Caches } from '../cache/caches.ts';
import type { AdmissionPlugin } from '../registry/registry.ts';

/** What running as a class costs, and where it can be had, is stated in the pod. Source: "Runtime Class", "Pod Overhead". */
export const runtimeClass = (caches: Caches): AdmissionPlugin => ({
  name: 'RuntimeClass',
  on: ({ context, operation, subresource }) =>
    operation === 'CREATE' && !subresource && context.plural === 'pods' && context.served.kind.group === '',
  mutate({ object, context }) {
    const pod = object as Pod;
    const { spec } = pod;
    const refuse = (why: string) =>
      forbidden(context.served.kind, pod.metadata.name ?? '', `pod rejected: ${why}`);
    const name = spec.runtimeClassName;
    const found = name
      ? (caches.of(runtimeClasses)?.get(`/registry/runtimeclasses/${name}`)
          ?.object as unknown as RuntimeClass)
      : undefined;
    if (name && !found) throw refuse(`RuntimeClass ${JSON.stringify(name)} not found`);
    const overhead = found?.overhead?.podFixed;
    if (spec.overhead && !overhead)
      throw refuse('Pod Overhead set without corresponding RuntimeClass defined Overhead');
    if (spec.overhead && overhead && !sameAmounts(spec.overhead, overhead))
      throw refuse("Pod's Overhead doesn't match RuntimeClass's defined Overhead");
    if (overhead) spec.overhead = { ...overhead };
    const { nodeSelector, tolerations } = found?.scheduling ?? {};
    for (const [key, value] of Object.entries(nodeSelector ?? {})) {
      if (spec.nodeSelector?.[key] !== undefined && spec.nodeSelector[key] !== value)
        throw refuse(
          `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${spec.nodeSelector[key]}`,
        );
      spec.nodeSelector = { ...spec.nodeSelector, [key]: value };
    }
    for (const toleration of tolerations ?? [])
      if (!spec.tolerations?.some((t: Toleration) => equal(t, toleration)))
        spec.tolerations = [...(spec.tolerations ?? []), { ...toleration }];
  },
});

const sameAmounts = (a: Record<string, string>, b: Record<string, string>): boolean =>
  Object.keys({ ...a, ...b }).every((name) => compareQuantity(a[name], b[name]) === 0);
