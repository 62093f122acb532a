import { limitRanges } from '../../api/core/limit-range.ts';
import { usageOf } from '../../api/core/quota-usage.ts';
import type {
  Container,
  LimitRange,
  LimitRangeItem,
  PersistentVolumeClaim,
  Pod,
} from '../../api/core/v1.gen.ts';
import { compareQuantity, parseQuantity } from '../../machinery/quantity.ts';
import { forbidden } from '../../machinery/status.ts';
import type { Caches } from '../cache/caches.ts';
import type { Admission } from '../context.ts';
import type { AdmissionPlugin } from '../registry/registry.ts';

type Amounts = Record<string, string>;

/** Fills in what a namespace's limit ranges give by default, and refuses what they do not allow. Source: "Limit Ranges". */
export const limitRanger = (caches: Caches): AdmissionPlugin => {
  const rangesOf = ({ context, object }: Admission): LimitRange[] => {
    const namespace = context.namespace ?? object?.metadata.namespace;
    const found = caches.of(limitRanges)?.range(`/registry/limitranges/${namespace}/`) ?? [];
    return [...found].map((entry) => entry.object as LimitRange);
  };
  return {
    name: 'LimitRanger',
    on: ({ context, operation, subresource }) =>
      context.served.kind.group === '' &&
      ((context.plural === 'pods' &&
        ((operation === 'CREATE' && !subresource) || (operation === 'UPDATE' && subresource === 'resize'))) ||
        (context.plural === 'persistentvolumeclaims' &&
          !subresource &&
          (operation === 'CREATE' || operation === 'UPDATE'))),
    mutate(admission) {
      if (admission.context.plural !== 'pods' || admission.operation !== 'CREATE') return;
      for (const range of rangesOf(admission)) fillIn(admission.object as Pod, range);
    },
    validate(admission) {
      const { object, context } = admission;
      const errors = rangesOf(admission).flatMap(({ spec }) =>
        spec.limits.flatMap((item) =>
          context.plural === 'pods'
            ? podErrors(object as Pod, item)
            : claimErrors(object as PersistentVolumeClaim, item),
        ),
      );
      if (!errors.length) return;
      const why = errors.length === 1 ? errors[0]! : `[${errors.join(', ')}]`;
      throw forbidden(context.served.kind, object!.metadata.name ?? '', why);
    },
  };
};

/** Sets what containers leave open, and says so in an annotation. */
function fillIn(pod: Pod, { spec }: LimitRange): void {
  const items = spec.limits.filter((item) => item.type === 'Container');
  const limits: Amounts = Object.assign({}, ...items.map((item) => item.default ?? {}));
  const requests: Amounts = Object.assign({}, ...items.map((item) => item.defaultRequest ?? {}));
  const notes: string[] = [];
  const fill = (container: Container, kind: string) => {
    for (const [sort, amounts, word] of [
      ['limits', limits, 'limit'],
      ['requests', requests, 'request'],
    ] as const) {
      const own: Amounts = { ...container.resources?.[sort] };
      const set = Object.keys(amounts).filter((name) => own[name] === undefined);
      if (!set.length) continue;
      for (const name of set) own[name] = amounts[name]!;
      container.resources = { ...container.resources, [sort]: own };
      notes.push(`${set.sort().join(', ')} ${word} for ${kind} ${container.name}`);
    }
  };
  for (const container of pod.spec.containers) fill(container, 'container');
  for (const container of pod.spec.initContainers ?? []) fill(container, 'init container');
  if (notes.length)
    pod.metadata.annotations = {
      ...pod.metadata.annotations,
      'kubernetes.io/limit-ranger': `LimitRanger plugin set: ${notes.join('; ')}`,
    };
}

function podErrors(pod: Pod, item: LimitRangeItem): string[] {
  if (item.type === 'Container') {
    return [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].flatMap(({ resources }) =>
      rangeErrors(item, resources?.requests ?? {}, resources?.limits ?? {}),
    );
  }
  if (item.type !== 'Pod') return [];
  const usage = usageOf('pods', pod, 0);
  const under = (prefix: string): Amounts =>
    Object.fromEntries(
      Object.entries(usage)
        .filter(([name]) => name.startsWith(prefix))
        .map(([name, amount]) => [name.slice(prefix.length), amount]),
    );
  return rangeErrors(item, under('requests.'), under('limits.'));
}

function rangeErrors(item: LimitRangeItem, requests: Amounts, limits: Amounts): string[] {
  const errors: string[] = [];
  const { type, min = {}, max = {}, maxLimitRequestRatio = {} } = item;
  for (const [name, least] of Object.entries(min)) {
    const is = `minimum ${name} usage per ${type} is ${least}`;
    if (requests[name] === undefined) errors.push(`${is}.  No request is specified`);
    else if (compareQuantity(requests[name], least) < 0)
      errors.push(`${is}, but request is ${requests[name]}`);
    else if (limits[name] !== undefined && compareQuantity(limits[name], least) < 0)
      errors.push(`${is}, but limit is ${limits[name]}`);
  }
  for (const [name, most] of Object.entries(max)) {
    const is = `maximum ${name} usage per ${type} is ${most}`;
    if (limits[name] === undefined) errors.push(`${is}.  No limit is specified`);
    else if (compareQuantity(limits[name], most) > 0) errors.push(`${is}, but limit is ${limits[name]}`);
    else if (requests[name] !== undefined && compareQuantity(requests[name], most) > 0)
      errors.push(`${is}, but request is ${requests[name]}`);
  }
  for (const [name, ratio] of Object.entries(maxLimitRequestRatio)) {
    const is = `${name} max limit to request ratio per ${type} is ${ratio}`;
    const request = parseQuantity(requests[name]);
    const limit = parseQuantity(limits[name]);
    if (!request || !limit) errors.push(`${is}, but no request or limit is specified`);
    else if (limit / request > parseQuantity(ratio))
      errors.push(`${is}, but provided ratio is ${(limit / request).toFixed(6)}`);
  }
  return errors;
}

function claimErrors(
  { spec }: PersistentVolumeClaim,
  { type, min = {}, max = {} }: LimitRangeItem,
): string[] {
  if (type !== 'PersistentVolumeClaim') return [];
  const requests: Amounts = spec.resources?.requests ?? {};
  const over = Object.entries(max)
    .filter(([name, most]) => requests[name] !== undefined && compareQuantity(requests[name], most) > 0)
    .map(([name, most]) => `maximum ${name} usage per ${type} is ${most}, but request is ${requests[name]}`);
  return [...rangeErrors({ type, min }, requests, {}), ...over];
}
