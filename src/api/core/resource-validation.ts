// Resource names and amounts: of containers, pods, nodes, quotas.
import { qualifiedNameProblems } from '../../machinery/names.ts';
import { compareQuantity, milliValue, parseQuantity } from '../../machinery/quantity.ts';
import type { FieldError, FieldPath } from '../../machinery/status.ts';
import { NOT_NEGATIVE, problems } from '../checks.ts';
import type { PodSpec, ResourceRequirements } from './v1.gen.ts';

const forContainers = new Set(['cpu', 'memory', 'ephemeral-storage']);
const standard = new Set([
  ...forContainers,
  'requests.cpu',
  'requests.memory',
  'requests.ephemeral-storage',
  'limits.cpu',
  'limits.memory',
  'limits.ephemeral-storage',
  'pods',
  'resourcequotas',
  'services',
  'replicationcontrollers',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'storage',
  'requests.storage',
  'services.nodeports',
  'services.loadbalancers',
]);
const integers = new Set([
  'pods',
  'resourcequotas',
  'services',
  'replicationcontrollers',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'services.nodeports',
  'services.loadbalancers',
]);

export const isHugePages = (name: string): boolean => name.startsWith('hugepages-');
const isNative = (name: string): boolean => !name.includes('/') || name.includes('kubernetes.io/');
/** Extended resources: qualified names outside kubernetes.io. */
export const isExtendedResource = (name: string): boolean =>
  !isNative(name) && !name.startsWith('requests.') && !qualifiedNameProblems(`requests.${name}`).length;
/** Resources of which more may be promised than there is. */
const overcommits = (name: string): boolean => isNative(name) && !isHugePages(name);

export function resourceNameErrors(name: string, path: FieldPath): FieldError[] {
  const errors = problems(qualifiedNameProblems(name), name, path);
  if (
    !errors.length &&
    !name.includes('/') &&
    !standard.has(name) &&
    !isHugePages(name) &&
    !name.startsWith('requests.hugepages-')
  )
    errors.push(path.invalid(name, 'must be a standard resource type or fully qualified'));
  return errors;
}

function containerResourceNameErrors(name: string, path: FieldPath): FieldError[] {
  const errors = resourceNameErrors(name, path);
  if (!name.includes('/')) {
    if (!forContainers.has(name) && !isHugePages(name))
      errors.push(path.invalid(name, 'must be a standard resource for containers'));
  } else if (!isNative(name) && !isExtendedResource(name))
    errors.push(path.invalid(name, "doesn't follow extended resource name standard"));
  return errors;
}

/** A resource of a quota: also counts like `count/pods` and `x.storageclass.storage.k8s.io/requests.storage`. */
export const quotaResourceNameErrors = resourceNameErrors;

/** An amount: not negative, and whole where the resource comes in pieces. */
export function quantityErrors(name: string, value: string, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  if (compareQuantity(value, '0') < 0) errors.push(path.invalid(value, NOT_NEGATIVE));
  if ((integers.has(name) || isExtendedResource(name)) && milliValue(value) % 1000 !== 0)
    errors.push(path.invalid(value, 'must be an integer'));
  return errors;
}

function hugePagesErrors(name: string, value: string, path: FieldPath): FieldError[] {
  const size = parseQuantity(name.slice('hugepages-'.length));
  return parseQuantity(value) % size === 0
    ? []
    : [path.invalid(value, `${value} is not positive integer multiple of ${name}`)];
}

/** Requests, limits and claims of a container. */
export function resourcesErrors(
  resources: ResourceRequirements | undefined,
  claimNames: ReadonlySet<string>,
  path: FieldPath,
  nameErrors: (name: string, path: FieldPath) => FieldError[] = containerResourceNameErrors,
): FieldError[] {
  if (!resources) return [];
  const errors: FieldError[] = [];
  const { limits = {}, requests = {}, claims } = resources;
  const limitsPath = path.child('limits');
  const requestsPath = path.child('requests');
  let hugePages = false;
  let compute = false;
  const check = (name: string, value: string, at: FieldPath) => {
    errors.push(...nameErrors(name, at), ...quantityErrors(name, value, at));
    if (isHugePages(name)) {
      hugePages = true;
      errors.push(...hugePagesErrors(name, value, at));
    }
    compute ||= name === 'cpu' || name === 'memory';
  };
  for (const name in limits) check(name, limits[name]!, limitsPath.key(name));
  for (const name in requests) {
    const value = requests[name]!;
    const limit = limits[name];
    check(name, value, requestsPath.key(name));
    if (limit === undefined) {
      if (!overcommits(name))
        errors.push(limitsPath.required('Limit must be set for non overcommitable resources'));
      continue;
    }
    const order = compareQuantity(value, limit);
    if (order !== 0 && !overcommits(name))
      errors.push(requestsPath.invalid(value, `must be equal to ${name} limit of ${limit}`));
    else if (order > 0)
      errors.push(requestsPath.invalid(value, `must be less than or equal to ${name} limit of ${limit}`));
  }
  if (hugePages && !compute) errors.push(path.forbidden('HugePages require cpu or memory'));
  const seen = new Set<string>();
  claims?.forEach(({ name, request }, i) => {
    const at = path.child('claims', i);
    const key = request ? `${name}/${request}` : name;
    if (!name) errors.push(at.required());
    else if (seen.has(name) || seen.has(key)) errors.push(at.duplicate(key));
    else if (!claimNames.has(name)) errors.push(at.notFound(name));
    seen.add(key);
  });
  return errors;
}

/** Resources of the pod as a whole. */
export function podResourcesErrors(spec: PodSpec, path: FieldPath): FieldError[] {
  if (!spec.resources) return [];
  const at = path.child('resources');
  const errors = resourcesErrors(spec.resources, new Set(), at, (name, where) => {
    const wrong = resourceNameErrors(name, where);
    if (!wrong.length && name !== 'cpu' && name !== 'memory' && !isHugePages(name))
      wrong.push(where.notSupported(name, ['cpu', 'memory', 'hugepages-*']));
    return wrong;
  });
  if (spec.resources.claims?.length)
    errors.push(at.child('claims').forbidden('claims may not be set for Resources at pod-level'));
  spec.containers?.forEach(({ resources }, i) => {
    for (const name in resources?.limits) {
      const podLimit = spec.resources!.limits?.[name];
      if (podLimit !== undefined && compareQuantity(resources.limits[name], podLimit) > 0)
        errors.push(
          path
            .child('containers', i, 'resources', 'limits')
            .key(name)
            .invalid(resources.limits[name], `must be less than or equal to pod limits of ${podLimit}`),
        );
    }
  });
  return errors;
}
