// Where the pod of an object is: in itself, or in its template.
import type { AnyObject } from '../../machinery/meta.ts';

interface PodTemplate {
  metadata?: any;
  spec?: any;
}

/** The pod template of an object that makes pods (the pod itself is its own); undefined where it makes none. */
export function podTemplateOf(object: AnyObject): PodTemplate | undefined {
  switch (object.kind) {
    case 'Pod':
      return object;
    case 'CronJob':
      return object.spec?.jobTemplate?.spec?.template;
    case 'Deployment':
    case 'DaemonSet':
    case 'StatefulSet':
    case 'ReplicaSet':
    case 'ReplicationController':
    case 'Job':
      return object.spec?.template;
    default:
      return undefined;
  }
}

/** All containers of a pod: those that run first, and the others. */
export const containersOf = (spec: any): any[] => [
  ...(spec?.initContainers ?? []),
  ...(spec?.containers ?? []),
];

/** Whether a name matches a pattern in which `*` stands for anything. */
export const nameMatches = (pattern: string, name: string): boolean =>
  pattern === '*' ||
  new RegExp(
    `^${pattern
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.')}$`,
  ).test(name);
