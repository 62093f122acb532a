import { labelSelectorToString } from '../../machinery/selectors.ts';
import { describeContainers } from './containers.ts';
import type { Description } from './description.ts';
import { describeVolumes } from './volumes.ts';

export function describePodTemplate(d: Description, { metadata = {}, spec }: any): void {
  d.line(0, 'Pod Template:');
  d.labels('  Labels', metadata.labels);
  if (metadata.annotations && Object.keys(metadata.annotations).length)
    d.annotations('  Annotations', metadata.annotations);
  if (spec.serviceAccountName) d.field('Service Account', spec.serviceAccountName, 1);
  if (spec.initContainers?.length)
    describeContainers(d, 'Init Containers', spec.initContainers, undefined, undefined, '  ');
  describeContainers(d, 'Containers', spec.containers ?? [], undefined, undefined, '  ');
  describeVolumes(d, spec.volumes, '  ');
  describeSpread(d, spec.topologySpreadConstraints, '  ');
  if (spec.priorityClassName) d.field('Priority Class Name', spec.priorityClassName, 1);
  d.labels('  Node-Selectors', spec.nodeSelector);
  d.list('  Tolerations', tolerationLines(spec.tolerations));
}

/** Tolerations, a line each. */
export const tolerationLines = (tolerations: any[] = []): string[] =>
  tolerations
    .toSorted((a, b) => ((a.key ?? '') < (b.key ?? '') ? -1 : (a.key ?? '') > (b.key ?? '') ? 1 : 0))
    .map(({ key = '', value, effect, operator, tolerationSeconds }) => {
      const exists = operator === 'Exists' && !value;
      return [
        key,
        value ? `=${value}` : '',
        effect ? `:${effect}` : '',
        exists ? (key || effect ? ' op=Exists' : 'op=Exists') : '',
        tolerationSeconds === undefined || tolerationSeconds === null ? '' : ` for ${tolerationSeconds}s`,
      ].join('');
    });

export function describeSpread(d: Description, constraints: any[] | undefined, space = ''): void {
  if (!constraints?.length) return;
  d.list(
    `${space}Topology Spread Constraints`,
    constraints
      .toSorted((a, b) => (a.topologyKey < b.topologyKey ? -1 : 1))
      .map(
        ({ topologyKey, whenUnsatisfiable, maxSkew, labelSelector }) =>
          `${topologyKey}:${whenUnsatisfiable} when max skew ${maxSkew} is exceeded${labelSelector ? ` for selector ${selectorText(labelSelector)}` : ''}`,
      ),
  );
}

/** A label selector; `<none>` where it is missing or empty. */
export const selectorText = (selector: any): string => labelSelectorToString(selector) || '<none>';
