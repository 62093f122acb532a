// What is wrong with a slice of a driver's devices.
import { dnsSubdomainProblems, qualifiedNameProblems } from '../../machinery/names.ts';
import { type FieldError, type FieldPath, field } from '../../machinery/status.ts';
import { driverNameErrors, duplicates, problems } from '../checks.ts';
import { nodeSelectorErrors } from '../core/scheduling-validation.ts';
import type { NodeSelector } from '../core/v1.gen.ts';
import {
  labelNameErrors,
  listErrors,
  poolNameErrors,
  qualifiedErrors,
  taintErrors,
} from './device-validation.ts';
import type { CounterSet, Device, DeviceAttribute, ResourceSliceSpec } from './v1.gen.ts';

const SPEC = field('spec');
const MAX_DEVICES = 128;
const MAX_ADVANCED = 64;
const MAX_SETS = 8;
const MAX_ATTRIBUTES = 32;
const MAX_TAINTS = 16;
const MAX_CONDITIONS = 4;
const MAX_CONSUMED = 2;
const listAttributes = ['bools', 'ints', 'strings', 'versions'] as const;
const semver =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?$/;

export function sliceErrors(spec: ResourceSliceSpec): FieldError[] {
  const { driver, pool, devices, sharedCounters, perDeviceNodeSelection } = spec;
  const errors = [
    ...driverNameErrors(driver, SPEC.child('driver')),
    ...poolNameErrors(pool?.name, SPEC.child('pool', 'name')),
  ];
  const { resourceSliceCount: count = 0, generation = 0 } = pool ?? {};
  if (count <= 0)
    errors.push(SPEC.child('pool', 'resourceSliceCount').invalid(count, 'must be greater than zero'));
  if (generation < 0)
    errors.push(
      SPEC.child('pool', 'generation').invalid(generation, 'must be greater than or equal to zero'),
    );
  errors.push(
    ...nodesErrors(spec, SPEC),
    ...oneOfErrors(
      [...placesOf(spec), ...(perDeviceNodeSelection ? ['`perDeviceNodeSelection`'] : [])],
      'exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required',
      ', but multiple fields are set',
      SPEC,
    ),
  );
  if (spec.nodeSelector && spec.nodeSelector.nodeSelectorTerms?.length !== 1)
    errors.push(
      SPEC.child('nodeSelector', 'nodeSelectorTerms').invalid(
        spec.nodeSelector.nodeSelectorTerms,
        'must have exactly one node selector term',
      ),
    );
  if (sharedCounters && devices)
    errors.push(SPEC.invalid('', 'only one of `sharedCounters` or `devices` is allowed'));
  return [
    ...errors,
    ...listErrors(
      devices,
      devices?.some(isAdvanced) ? MAX_ADVANCED : MAX_DEVICES,
      SPEC.child('devices'),
      (device, at) => deviceErrors(device, perDeviceNodeSelection === true, at),
      ({ name }) => name,
    ),
    ...listErrors(sharedCounters, MAX_SETS, SPEC.child('sharedCounters'), counterSetErrors, (s) => s.name),
  ];
}

const isAdvanced = ({ taints, consumesCounters, attributes }: Device): boolean =>
  Boolean(taints?.length || consumesCounters?.length) ||
  Object.values(attributes ?? {}).some((attribute) => listAttributes.some((name) => attribute[name]));

interface Nodes {
  nodeName?: string;
  nodeSelector?: NodeSelector;
  allNodes?: boolean;
}

const placesOf = ({ nodeName, nodeSelector, allNodes }: Nodes): string[] => [
  ...(nodeName ? ['`nodeName`'] : []),
  ...(nodeSelector ? ['`nodeSelector`'] : []),
  ...(allNodes ? ['`allNodes`'] : []),
];

const oneOfErrors = (places: string[], one: string, many: string, path: FieldPath): FieldError[] =>
  places.length === 1
    ? []
    : [places.length ? path.invalid(`{${places.join(', ')}}`, one + many) : path.required(one)];

function nodesErrors({ nodeName, nodeSelector, allNodes }: Nodes, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const at = path.child('nodeName');
  if (nodeName === '') errors.push(at.invalid(nodeName, 'must be either unset or set to a non-empty string'));
  else if (nodeName) errors.push(...problems(dnsSubdomainProblems(nodeName), nodeName, at));
  if (nodeSelector) errors.push(...nodeSelectorErrors(nodeSelector, path.child('nodeSelector')));
  if (allNodes === false)
    errors.push(path.child('allNodes').invalid(allNodes, 'must be either unset or set to true'));
  return errors;
}

function deviceErrors(device: Device, perDevice: boolean, path: FieldPath): FieldError[] {
  const { name, attributes = {}, capacity = {}, taints, consumesCounters } = device;
  const errors = labelNameErrors(name, path.child('name'));
  const total = Object.keys(attributes).length + Object.keys(capacity).length;
  if (total > MAX_ATTRIBUTES)
    errors.push(
      path.invalid(total, `the total number of attributes and capacities must not exceed ${MAX_ATTRIBUTES}`),
    );
  for (const [key, attribute] of Object.entries(attributes)) {
    const at = path.child('attributes');
    errors.push(...qualifiedErrors(key, at), ...attributeErrors(attribute, at.key(key)));
  }
  for (const [key, { requestPolicy }] of Object.entries(capacity)) {
    const at = path.child('capacity');
    errors.push(...qualifiedErrors(key, at));
    if (requestPolicy && !device.allowMultipleAllocations)
      errors.push(at.key(key).child('requestPolicy').forbidden('allowMultipleAllocations must be true'));
  }
  errors.push(
    ...listErrors(taints, MAX_TAINTS, path.child('taints'), taintErrors),
    ...listErrors(
      consumesCounters,
      MAX_CONSUMED,
      path.child('consumesCounters'),
      ({ counterSet, counters }, at) => [
        ...labelNameErrors(counterSet, at.child('counterSet')),
        ...countersErrors(counters, at),
      ],
      ({ counterSet }) => counterSet,
    ),
  );
  if (perDevice)
    errors.push(
      ...nodesErrors(device, path),
      ...oneOfErrors(
        placesOf(device),
        'exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the ResourceSlice spec',
        '',
        path,
      ),
    );
  else if (
    device.nodeName !== undefined ||
    device.nodeSelector !== undefined ||
    device.allNodes !== undefined
  )
    errors.push(
      path.invalid(
        undefined,
        '`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec',
      ),
    );
  return [...errors, ...bindingErrors(device, path)];
}

function attributeErrors(attribute: DeviceAttribute, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const given = Object.keys(attribute);
  const long = (text: string, at: FieldPath) => {
    if (text.length > 64) errors.push(at.tooLong(64));
  };
  const version = (text: string, at: FieldPath) => {
    long(text, at);
    if (!semver.test(text))
      errors.push(at.invalid(text, 'must be a string compatible with semver.org spec 2.0.0'));
  };
  if (attribute.string !== undefined) long(attribute.string, path.child('string'));
  if (attribute.version !== undefined) version(attribute.version, path.child('version'));
  attribute.strings?.forEach((text, i) => {
    long(text, path.child('strings', i));
  });
  attribute.versions?.forEach((text, i) => {
    version(text, path.child('versions', i));
  });
  for (const name of listAttributes)
    if (attribute[name]?.length === 0)
      errors.push(path.child(name).invalid([], 'must not be empty if specified'));
  if (given.length !== 1)
    errors.push(path.invalid(given.length ? attribute : '', 'exactly one value must be specified'));
  return errors;
}

function countersErrors(counters: Record<string, unknown> | undefined, path: FieldPath): FieldError[] {
  const at = path.child('counters');
  const names = Object.keys(counters ?? {});
  return names.length ? names.flatMap((name) => labelNameErrors(name, at)) : [at.required()];
}

const counterSetErrors = ({ name, counters }: CounterSet, path: FieldPath): FieldError[] => [
  ...labelNameErrors(name, path.child('name')),
  ...countersErrors(counters, path),
];

/** Conditions that a device's binding waits for, and those that end it. */
function bindingErrors(device: Device, path: FieldPath): FieldError[] {
  const { bindingConditions: waits = [], bindingFailureConditions: fails = [] } = device;
  const at = path.child('bindingConditions');
  const other = path.child('bindingFailureConditions');
  const condition = (text: string, where: FieldPath) => problems(qualifiedNameProblems(text), text, where);
  const errors = [
    ...listErrors(waits, MAX_CONDITIONS, at, condition),
    ...listErrors(fails, MAX_CONDITIONS, other, condition),
    ...duplicates(
      waits,
      (text) => text,
      (i) => at.child(i),
    ),
    ...duplicates(
      fails,
      (text) => text,
      (i) => other.child(i),
    ),
  ];
  fails.forEach((text, i) => {
    if (waits.includes(text))
      errors.push(
        other.child(i).invalid(text, 'bindingFailureConditions must not overlap with bindingConditions'),
      );
  });
  if (!waits.length && fails.length)
    errors.push(at.invalid(waits, 'bindingConditions are required to use bindingFailureConditions'));
  if (!fails.length && waits.length)
    errors.push(other.invalid(fails, 'bindingFailureConditions are required to use bindingConditions'));
  return errors;
}
