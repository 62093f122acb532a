import type { Caches } from '../cache/caches.ts';
import type { AdmissionPlugin } from '../registry/registry.ts';
import { namespaceLifecycle } from './namespace-lifecycle.ts';
import { defaultTolerationSeconds, priority, taintNodesByCondition } from './pod-defaults.ts';
import { serviceAccount } from './service-account.ts';

/** The plugins, in the order in which they see a write. */
export const admissionChain = (caches: Caches, random: () => number): AdmissionPlugin[] => [
  namespaceLifecycle(caches),
  serviceAccount(caches, random),
  taintNodesByCondition,
  priority(caches),
  defaultTolerationSeconds,
];
