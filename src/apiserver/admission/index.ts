import { privilegeEscalation } from '../authz/escalation.ts';
import type { AdmissionPlugin, Registry } from '../registry/registry.ts';
import { namespaceLifecycle } from './namespace-lifecycle.ts';
import { nodeRestriction } from './node-restriction.ts';
import { defaultTolerationSeconds, priority, taintNodesByCondition } from './pod-defaults.ts';
import { serviceAccount } from './service-account.ts';

/** The plugins, in the order in which they see a write. */
export const admissionChain = ({ caches, random, authorizer }: Registry): AdmissionPlugin[] => [
  namespaceLifecycle(caches),
  serviceAccount(caches, random),
  nodeRestriction(caches),
  taintNodesByCondition,
  priority(caches),
  defaultTolerationSeconds,
  privilegeEscalation(authorizer),
];
