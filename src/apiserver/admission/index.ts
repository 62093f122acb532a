import { privilegeEscalation } from '../authz/escalation.ts';
import { mutatingPolicies } from '../policies/mutating.ts';
import { parameterAccess } from '../policies/param-access.ts';
import { validatingPolicies } from '../policies/validating.ts';
import type { AdmissionPlugin, Registry } from '../registry/registry.ts';
import { mutatingWebhooks } from '../webhooks/mutating.ts';
import type { Observe } from '../webhooks/outcome.ts';
import { validatingWebhooks } from '../webhooks/validating.ts';
import { limitRanger } from './limit-ranger.ts';
import { namespaceLifecycle } from './namespace-lifecycle.ts';
import { nodeRestriction } from './node-restriction.ts';
import { defaultTolerationSeconds, priority, taintNodesByCondition } from './pod-defaults.ts';
import { podSecurity } from './pod-security.ts';
import { resourceQuota } from './resource-quota.ts';
import { runtimeClass } from './runtime-class.ts';
import { serviceAccount } from './service-account.ts';
import { defaultIngressClass, defaultStorageClass, storageObjectInUseProtection } from './storage.ts';

/** The plugins, in the order in which they see a write. Quotas come last: what others refuse is not counted. */
export const admissionChain = (registry: Registry, observeWebhook: Observe = () => {}): AdmissionPlugin[] => {
  const { caches, random, authorizer } = registry;
  return [
    namespaceLifecycle(caches),
    limitRanger(caches),
    serviceAccount(caches, random),
    nodeRestriction(caches),
    taintNodesByCondition,
    podSecurity(caches, registry.metrics.podSecurity),
    priority(caches),
    defaultTolerationSeconds,
    defaultStorageClass(caches),
    storageObjectInUseProtection,
    runtimeClass(caches),
    defaultIngressClass(caches),
    privilegeEscalation(authorizer),
    parameterAccess(registry),
    // Policies, in either phase, come before webhooks.
    mutatingPolicies(registry),
    mutatingWebhooks(registry, observeWebhook),
    validatingPolicies(registry),
    validatingWebhooks(registry, observeWebhook),
    resourceQuota(registry),
  ];
};
