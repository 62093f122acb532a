// Which pods of a node a drain takes away, which stay, and which stand in its way.
import type { AnyObject } from '../../machinery/meta.ts';
import { isNotFound } from '../../machinery/status.ts';
import type { Kube } from '../kube.ts';
import { daemonSets, pods } from '../resources.ts';

export interface DrainRules {
  force: boolean;
  ignoreDaemonSets: boolean;
  deleteEmptyDirData: boolean;
  podSelector: string;
  chunkSize: number;
}

interface Verdict {
  goes: boolean;
  warning?: string;
  error?: string;
}

export interface DrainPlan {
  /** To be evicted. */
  pods: AnyObject[];
  warnings: string;
  errors: string[];
}

// The last of the errors says it twice, as kubectl does: scripts look for it.
const messages = {
  daemonSet: [
    'cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore)',
    'ignoring DaemonSet-managed Pods',
  ],
  localStorage: [
    'cannot delete Pods with local storage (use --delete-emptydir-data to override)',
    'deleting Pods with local storage',
  ],
  unmanaged: [
    'cannot delete cannot delete Pods that declare no controller (use --force to override)',
    'deleting Pods that declare no controller',
  ],
} as const;

const finished = (pod: AnyObject): boolean => ['Succeeded', 'Failed'].includes(pod.status?.phase);

/** The last thing to be said of a pod counts: a warning of a check is lost where a later check has nothing to say. */
async function judge(kube: Kube, pod: AnyObject, rules: DrainRules): Promise<Verdict> {
  const controller = pod.metadata.ownerReferences?.find((owner) => owner.controller);
  let verdict: Verdict = { goes: true };
  if (controller?.kind === 'DaemonSet' && controller.apiVersion === 'apps/v1' && !finished(pod)) {
    try {
      await kube.get({ resource: daemonSets, namespace: pod.metadata.namespace, name: controller.name });
      return rules.ignoreDaemonSets
        ? { goes: false, warning: messages.daemonSet[1] }
        : { goes: false, error: messages.daemonSet[0] };
    } catch (error) {
      const { message } = error as Error;
      if (!isNotFound(error) || !rules.force) return { goes: false, error: message };
      verdict = { goes: true, warning: message };
    }
  }
  // The API server's copy of a static pod: deleting it changes nothing.
  if (pod.metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined) return { goes: false };
  if (finished(pod)) return { goes: true };
  if (pod.spec.volumes?.some((volume: { emptyDir?: unknown }) => volume.emptyDir)) {
    if (!rules.deleteEmptyDirData) return { goes: false, error: messages.localStorage[0] };
    verdict = { goes: true, warning: messages.localStorage[1] };
  }
  if (controller) return { ...verdict, warning: undefined };
  return rules.force
    ? { goes: true, warning: messages.unmanaged[1] }
    : { goes: false, error: messages.unmanaged[0] };
}

/** Looks at all pods of a node. */
export async function planDrain(kube: Kube, node: string, rules: DrainRules): Promise<DrainPlan> {
  const { items } = await kube.listAll(pods, undefined, {
    fieldSelector: `spec.nodeName=${node}`,
    labelSelector: rules.podSelector || undefined,
    limit: rules.chunkSize || undefined,
  });
  const plan: AnyObject[] = [];
  const warnings = new Map<string, string[]>();
  const errors = new Map<string, string[]>();
  const note = (into: Map<string, string[]>, message: string | undefined, pod: AnyObject) => {
    if (!message) return;
    const text = `${pod.metadata.namespace}/${pod.metadata.name}`;
    into.set(message, [...(into.get(message) ?? []), text]);
  };
  for (const pod of items as AnyObject[]) {
    const { goes, warning, error } = await judge(kube, pod, rules);
    if (goes) plan.push(pod);
    note(warnings, warning, pod);
    note(errors, error, pod);
  }
  const lines = (from: Map<string, string[]>) =>
    [...from].map(([message, names]) => `${message}: ${names.join(', ')}`);
  return { pods: plan, warnings: lines(warnings).join('; '), errors: lines(errors) };
}
