import type { LabelSelector } from '../machinery/meta.gen.ts';
import type { KubeObject } from '../machinery/meta.ts';
import { labelSelectorToString } from '../machinery/selectors.ts';
import type { PodSpec } from './core/v1.gen.ts';

/** `a=b,c=d`, '' for none. */
export const mapSelectorText = (selector: Record<string, string> | undefined): string =>
  Object.entries(selector ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(',');

export const selectorText = (selector: LabelSelector | undefined): string =>
  labelSelectorToString(selector) || '<none>';

/** The columns of `-o wide` that tell a template's containers and their images. */
export const containersColumns = <T extends KubeObject>(specOf: (object: T) => PodSpec | undefined) => ({
  Containers: (object: T) => (specOf(object)?.containers ?? []).map((c) => c.name).join(','),
  Images: (object: T) => (specOf(object)?.containers ?? []).map((c) => c.image ?? '').join(','),
});
