// The environment of a container. Pure: what it refers to has been fetched.
import type { ConfigMap, EnvVar, Pod, Secret } from '../api/core/v1.gen.ts';
import type { DownwardFacts } from './downward-api.ts';
import { fieldValue, resourceValue } from './downward-api.ts';
import { expand } from './expansion.ts';
import type { AnyContainer } from './pod-spec.ts';

/** Config maps and secrets of the pod's namespace that have been fetched. */
export interface PodObjects {
  configMap(name: string): ConfigMap | undefined;
  secret(name: string): Secret | undefined;
}

export interface EnvironmentInput extends DownwardFacts {
  objects: PodObjects;
  services: Record<string, string>;
}

const decoder = new TextDecoder();
export const fromBase64 = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(text.replace(/\s/g, '')), (c) => c.charCodeAt(0));
const secretText = (base64: string): string => decoder.decode(fromBase64(base64));

/** Text of an object's keys; undefined where it may be missing and is. Throws `configmap "x" not found`. */
function textsOf(
  kind: 'configmap' | 'secret',
  name: string,
  optional: boolean | undefined,
  { objects }: EnvironmentInput,
): Record<string, () => string> | undefined {
  const object = kind === 'configmap' ? objects.configMap(name) : objects.secret(name);
  if (!object && optional) return undefined;
  if (!object) throw new Error(`${kind} "${name}" not found`);
  const texts = Object.entries(object.data ?? {});
  const read = kind === 'secret' ? secretText : (text: string) => text;
  return Object.fromEntries(texts.map(([key, value]) => [key, () => read(value)]));
}

function keyValue(
  kind: 'configmap' | 'secret',
  ref: { name?: string; key: string; optional?: boolean },
  pod: Pod,
  input: EnvironmentInput,
): string | undefined {
  const texts = textsOf(kind, ref.name ?? '', ref.optional, input);
  const text = texts && Object.hasOwn(texts, ref.key) ? texts[ref.key]!() : undefined;
  if (text !== undefined || ref.optional) return text;
  const title = kind === 'secret' ? 'Secret' : 'ConfigMap';
  throw new Error(`couldn't find key ${ref.key} in ${title} ${pod.metadata.namespace}/${ref.name}`);
}

function valueFrom(variable: EnvVar, container: AnyContainer, input: EnvironmentInput): string | undefined {
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef } = variable.valueFrom!;
  if (fieldRef) return fieldValue(fieldRef, input);
  if (resourceFieldRef) return resourceValue(resourceFieldRef, input, container);
  if (configMapKeyRef) return keyValue('configmap', configMapKeyRef, input.pod, input);
  if (secretKeyRef) return keyValue('secret', secretKeyRef, input.pod, input);
  if (fileKeyRef) throw new Error(`env ${variable.name}: fileKeyRef is not supported by this node`);
  return '';
}

/**
 * Name -> value: `envFrom` first, `env` over it in order (a value may name what stands before it), and services where
 * nothing else has the name. Throws an Error, fit for an event, when something that is not optional is missing.
 */
export function environment(container: AnyContainer, input: EnvironmentInput): Record<string, string> {
  const env: Record<string, string> = {};
  for (const { configMapRef, secretRef, prefix = '' } of container.envFrom ?? []) {
    const ref = configMapRef ?? secretRef;
    if (!ref) continue;
    const texts = textsOf(configMapRef ? 'configmap' : 'secret', ref.name ?? '', ref.optional, input);
    for (const [key, text] of Object.entries(texts ?? {})) env[prefix + key] = text();
  }
  const known = (name: string): string | undefined =>
    Object.hasOwn(env, name)
      ? env[name]
      : Object.hasOwn(input.services, name)
        ? input.services[name]
        : undefined;
  for (const variable of container.env ?? []) {
    if (variable.value) env[variable.name] = expand(variable.value, known);
    else if (variable.valueFrom) {
      const value = valueFrom(variable, container, input);
      if (value !== undefined) env[variable.name] = value;
    } else env[variable.name] = '';
  }
  for (const [name, value] of Object.entries(input.services))
    if (!Object.hasOwn(env, name)) env[name] = value;
  return env;
}

/** Only what stands in the spec as it is: what exec probes may refer to. */
export const staticEnvironment = (container: AnyContainer): Record<string, string> =>
  Object.fromEntries((container.env ?? []).map(({ name, value }) => [name, value ?? '']));
