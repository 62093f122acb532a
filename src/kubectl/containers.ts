// Containers of a pod, and which of them is meant.
import type { AnyObject } from '../machinery/meta.ts';
import type { Context } from './command.ts';
import { KubectlError } from './errors.ts';

export interface NamedContainer {
  name: string;
  tty?: boolean;
  ports?: { name?: string; containerPort: number; protocol?: string }[];
  [more: string]: unknown;
}

const of = (pod: AnyObject, field: string): NamedContainer[] => pod.spec?.[field] ?? [];

export const allContainers = (pod: AnyObject): NamedContainer[] => [
  ...of(pod, 'initContainers'),
  ...of(pod, 'containers'),
  ...of(pod, 'ephemeralContainers'),
];

/** `app, sidecar, debugger (ephem), setup (init)`. */
export const containerNames = (pod: AnyObject): string =>
  [
    ...of(pod, 'containers').map(({ name }) => name),
    ...of(pod, 'ephemeralContainers').map(({ name }) => `${name} (ephem)`),
    ...of(pod, 'initContainers').map(({ name }) => `${name} (init)`),
  ].join(', ');

const notValid = (pod: AnyObject, name: string): KubectlError =>
  new KubectlError(
    `container ${name} is not valid for pod ${pod.metadata.name} out of: ${containerNames(pod)}`,
  );

/** Throws a KubectlError where the pod has none of that name. */
export function containerNamed(pod: AnyObject, name: string): NamedContainer {
  const found = allContainers(pod).find((container) => container.name === name);
  if (!found) throw notValid(pod, name);
  return found;
}

export const defaultContainerAnnotation = 'kubectl.kubernetes.io/default-container';

/** The container of that name; without a name the pod's default one, else the first, which is then said. */
export function chooseContainer(
  { err }: Pick<Context, 'err'>,
  pod: AnyObject,
  { name = '', quiet = false }: { name?: string; quiet?: boolean } = {},
): NamedContainer {
  const wanted = name || pod.metadata.annotations?.[defaultContainerAnnotation];
  if (wanted) return containerNamed(pod, wanted);
  const [first] = of(pod, 'containers');
  if (!first)
    throw new KubectlError(`pod ${pod.metadata.namespace}/${pod.metadata.name} does not have any containers`);
  if (!quiet && allContainers(pod).length > 1)
    err.line(`Defaulted container ${JSON.stringify(first.name)} out of: ${containerNames(pod)}`);
  return first;
}
