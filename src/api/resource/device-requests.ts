// What a ResourceClaim asks for. https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/
import { dnsLabelProblems } from '../../machinery/names.ts';
import type { FieldError, FieldPath } from '../../machinery/status.ts';
import { present, problems, requiredOneOf } from '../checks.ts';
import type { DeviceClaim, DeviceSelector, ExactDeviceRequest } from './v1.gen.ts';

type Asked = Pick<ExactDeviceRequest, 'allocationMode' | 'count' | 'deviceClassName' | 'selectors'>;

export function defaultDevices(devices: DeviceClaim | undefined): void {
  const fill = (asked: Asked) => {
    asked.allocationMode ||= 'ExactCount';
    if (asked.allocationMode === 'ExactCount') asked.count ||= 1;
  };
  for (const { exactly, firstAvailable } of devices?.requests ?? []) {
    if (exactly) fill(exactly);
    for (const alternative of firstAvailable ?? []) fill(alternative);
  }
}

export function selectorsErrors(selectors: DeviceSelector[] | undefined, path: FieldPath): FieldError[] {
  if ((selectors?.length ?? 0) > 32) return [path.child('selectors').tooMany(selectors!.length, 32)];
  return (selectors ?? []).flatMap(({ cel }, i) => {
    const at = path.child('selectors', i, 'cel');
    return cel ? present(cel.expression?.trim(), at.child('expression')) : [at.required()];
  });
}

function askedErrors(asked: Asked, path: FieldPath): FieldError[] {
  const { allocationMode: mode, count = 0 } = asked;
  return [
    ...present(asked.deviceClassName, path.child('deviceClassName')),
    ...requiredOneOf(mode, ['All', 'ExactCount'], path.child('allocationMode')),
    ...(mode === 'ExactCount' && count <= 0
      ? [path.child('count').invalid(count, 'must be greater than zero')]
      : []),
    ...(mode === 'All' && count !== 0
      ? [path.child('count').invalid(count, "must not be specified when allocationMode is 'All'")]
      : []),
    ...selectorsErrors(asked.selectors, path),
  ];
}

export function devicesErrors(devices: DeviceClaim | undefined, path: FieldPath): FieldError[] {
  const { requests = [], constraints = [], config = [] } = devices ?? {};
  const errors: FieldError[] = [];
  if (requests.length > 32) errors.push(path.child('requests').tooMany(requests.length, 32));
  const names = new Set<string>();
  requests.forEach(({ name, exactly, firstAvailable }, i) => {
    const at = path.child('requests', i);
    errors.push(
      ...(name ? problems(dnsLabelProblems(name), name, at.child('name')) : [at.child('name').required()]),
    );
    if (names.has(name)) errors.push(at.child('name').duplicate(name));
    names.add(name);
    if (exactly && firstAvailable?.length)
      errors.push(
        at.invalid(
          { name },
          'exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set',
        ),
      );
    else if (exactly) errors.push(...askedErrors(exactly, at.child('exactly')));
    else if (firstAvailable?.length)
      firstAvailable.forEach((alternative, j) => {
        names.add(`${name}/${alternative.name}`);
        errors.push(...askedErrors(alternative, at.child('firstAvailable', j)));
      });
    else errors.push(at.required('exactly one of `exactly` or `firstAvailable` is required'));
  });
  const known = (list: string[] | undefined, at: FieldPath) => {
    list?.forEach((name, i) => {
      if (!names.has(name))
        errors.push(
          at
            .child('requests', i)
            .invalid(
              name,
              "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'",
            ),
        );
    });
  };
  constraints.forEach((constraint, i) => {
    const at = path.child('constraints', i);
    known(constraint.requests, at);
    if (!constraint.matchAttribute && !constraint.distinctAttribute)
      errors.push(at.child('matchAttribute').required());
  });
  config.forEach((entry, i) => {
    const at = path.child('config', i);
    known(entry.requests, at);
    if (!entry.opaque) errors.push(at.child('opaque').required());
    else
      errors.push(
        ...present(entry.opaque.driver, at.child('opaque', 'driver')),
        ...present(entry.opaque.parameters, at.child('opaque', 'parameters')),
      );
  });
  return errors;
}
