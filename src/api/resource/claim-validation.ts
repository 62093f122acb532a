// The spec of a claim, also in templates; and its status.
import type { FieldError, FieldPath } from '../../machinery/status.ts';
import { driverNameErrors, requiredOneOf } from '../checks.ts';
import { nodeSelectorErrors } from '../core/scheduling-validation.ts';
import { immutable } from '../meta.ts';
import {
  classNameErrors,
  configurationErrors,
  labelNameErrors,
  listErrors,
  poolNameErrors,
  qualifiedErrors,
  selectorsErrors,
  tolerationErrors,
} from './device-validation.ts';
import type {
  AllocationResult,
  DeviceConstraint,
  DeviceRequest,
  ExactDeviceRequest,
  ResourceClaim,
  ResourceClaimSpec,
} from './v1.gen.ts';

const MAX_REQUESTS = 32;
const MAX_ALTERNATIVES = 8;
const MAX_RESERVED = 256;

/** What a claim's requests get when the user leaves it out. */
export function defaultClaimSpec({ devices }: ResourceClaimSpec): void {
  for (const { exactly, firstAvailable = [] } of devices?.requests ?? [])
    for (const request of exactly ? [exactly, ...firstAvailable] : firstAvailable) {
      request.allocationMode ||= 'ExactCount';
      if (request.allocationMode === 'ExactCount') request.count ||= 1;
      for (const toleration of request.tolerations ?? []) toleration.operator ||= 'Equal';
    }
}

/** Names by which constraints and results refer to requests: `gpu`, `gpu/small`. */
function requestNames({ devices }: ResourceClaimSpec): Set<string> {
  const names = new Set<string>();
  for (const { name, firstAvailable = [] } of devices?.requests ?? []) {
    names.add(name);
    for (const sub of firstAvailable) names.add(`${name}/${sub.name}`);
  }
  return names;
}

const referenceErrors =
  (names: Set<string>) =>
  (name = '', path: FieldPath): FieldError[] => {
    const parts = name.split('/');
    const unknown = path.invalid(
      name,
      "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'",
    );
    if (parts.length > 2) return [unknown];
    const errors = parts.flatMap((part) => labelNameErrors(part, path));
    return names.has(name) ? errors : [...errors, unknown];
  };

export function claimSpecErrors(spec: ResourceClaimSpec | undefined, path: FieldPath): FieldError[] {
  const { requests, constraints, config } = spec?.devices ?? {};
  const at = path.child('devices');
  const reference = referenceErrors(requestNames(spec ?? {}));
  const references = (list: string[] | undefined, where: FieldPath) =>
    listErrors(list, MAX_REQUESTS, where.child('requests'), reference, (name) => name);
  return [
    ...listErrors(requests, MAX_REQUESTS, at.child('requests'), requestErrors, ({ name }) => name),
    ...listErrors(constraints, MAX_REQUESTS, at.child('constraints'), (constraint, where) => [
      ...references(constraint.requests, where),
      ...constraintErrors(constraint, where),
    ]),
    ...listErrors(config, MAX_REQUESTS, at.child('config'), (item, where) => [
      ...references(item.requests, where),
      ...configurationErrors(item, where),
    ]),
  ];
}

function requestErrors(request: DeviceRequest, path: FieldPath): FieldError[] {
  const { name, exactly, firstAvailable } = request;
  const errors = labelNameErrors(name, path.child('name'));
  const one = 'exactly one of `exactly` or `firstAvailable` is required';
  if (exactly && firstAvailable?.length)
    return [...errors, path.invalid(undefined, `${one}, but multiple fields are set`)];
  if (exactly) return [...errors, ...deviceErrors(exactly, path.child('exactly'))];
  if (!firstAvailable?.length) return [...errors, path.required(one)];
  return [
    ...errors,
    ...listErrors(
      firstAvailable,
      MAX_ALTERNATIVES,
      path.child('firstAvailable'),
      (sub, at) => [...labelNameErrors(sub.name, at.child('name')), ...deviceErrors(sub, at)],
      (sub) => sub.name,
    ),
  ];
}

function deviceErrors(request: ExactDeviceRequest, path: FieldPath): FieldError[] {
  const { deviceClassName, selectors, allocationMode: mode, count = 0, tolerations = [] } = request;
  const errors = [
    ...classNameErrors(deviceClassName, path.child('deviceClassName')),
    ...selectorsErrors(selectors, path.child('selectors')),
    ...requiredOneOf(mode, ['All', 'ExactCount'], path.child('allocationMode')),
  ];
  const at = path.child('count');
  if (mode === 'All' && count !== 0)
    errors.push(at.invalid(count, "must not be specified when allocationMode is 'All'"));
  if (mode === 'ExactCount' && count <= 0) errors.push(at.invalid(count, 'must be greater than zero'));
  tolerations.forEach((toleration, i) => {
    errors.push(...tolerationErrors(toleration, path.child('tolerations', i)));
  });
  return errors;
}

function constraintErrors(constraint: DeviceConstraint, path: FieldPath): FieldError[] {
  for (const name of ['matchAttribute', 'distinctAttribute'] as const)
    if (constraint[name] !== undefined) return qualifiedErrors(constraint[name], path.child(name), true);
  return [path.required('exactly one of "matchAttribute" or "distinctAttribute" is required')];
}

interface DeviceId {
  driver: string;
  pool: string;
  device: string;
  shareID?: string;
}
export const deviceKey = ({ driver, pool, device, shareID }: DeviceId): string =>
  `${driver}/${pool}/${device}${shareID ? `/${shareID}` : ''}`;

export function claimStatusErrors(claim: ResourceClaim, old: ResourceClaim, path: FieldPath): FieldError[] {
  const { reservedFor = [], devices = [], allocation } = claim.status ?? {};
  const before = old.status ?? {};
  const errors = listErrors(
    reservedFor,
    MAX_RESERVED,
    path.child('reservedFor'),
    (consumer, at) =>
      (['resource', 'name', 'uid'] as const).flatMap((name) =>
        consumer[name] ? [] : [at.child(name).required()],
      ),
    ({ uid }) => uid,
  );
  const allocated = new Set((allocation?.devices?.results ?? []).map(deviceKey));
  errors.push(
    ...listErrors(
      devices,
      Number.POSITIVE_INFINITY,
      path.child('devices'),
      (device, at) => [
        ...driverNameErrors(device.driver, at.child('driver')),
        ...poolNameErrors(device.pool, at.child('pool')),
        ...labelNameErrors(device.device, at.child('device')),
        ...(allocated.has(deviceKey(device))
          ? []
          : [at.invalid(deviceKey(device), 'must be an allocated device in the claim')]),
      ],
      deviceKey,
    ),
  );
  const at = path.child('reservedFor');
  if (reservedFor.length && !allocation)
    errors.push(at.forbidden('may not be specified when `allocated` is not set'));
  else if (claim.metadata.deletionTimestamp) {
    const known = new Set((before.reservedFor ?? []).map(({ uid }) => uid));
    if (reservedFor.some(({ uid }) => !known.has(uid)))
      errors.push(
        at.forbidden(
          'new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set',
        ),
      );
  }
  const where = path.child('allocation');
  if (allocation && before.allocation) errors.push(...immutable(allocation, before.allocation, where));
  else if (allocation) errors.push(...allocationErrors(allocation, claim.spec, where));
  return errors;
}

function allocationErrors(
  { devices, nodeSelector }: AllocationResult,
  spec: ResourceClaimSpec,
  path: FieldPath,
): FieldError[] {
  const reference = referenceErrors(requestNames(spec));
  const at = path.child('devices');
  return [
    ...listErrors(devices?.results, MAX_REQUESTS, at.child('results'), (result, where) => [
      ...reference(result.request, where.child('request')),
      ...driverNameErrors(result.driver, where.child('driver')),
      ...poolNameErrors(result.pool, where.child('pool')),
      ...labelNameErrors(result.device, where.child('device')),
    ]),
    ...listErrors(devices?.config, 2 * MAX_REQUESTS, at.child('config'), (config, where) => [
      ...requiredOneOf(config.source, ['FromClaim', 'FromClass'], where.child('source')),
      ...listErrors(config.requests, MAX_REQUESTS, where.child('requests'), reference, (name) => name),
      ...configurationErrors(config, where),
    ]),
    ...(nodeSelector ? nodeSelectorErrors(nodeSelector, path.child('nodeSelector')) : []),
  ];
}
