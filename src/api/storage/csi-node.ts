import { qualifiedNameProblems } from '../../machinery/names.ts';
import { type FieldError, field } from '../../machinery/status.ts';
import { driverNameErrors, duplicates, notNegative, present, problems } from '../checks.ts';
import { kind } from '../define.ts';
import { immutable } from '../meta.ts';
import type { CSINode, CSINodeDriver } from './v1.gen.ts';

const DRIVERS = field('spec', 'drivers');

function driverErrors(
  { name, nodeID, allocatable, topologyKeys = [] }: CSINodeDriver,
  i: number,
): FieldError[] {
  const at = DRIVERS.child(i);
  return [
    ...driverNameErrors(name, at.child('name')),
    ...present(nodeID, at.child('nodeID')),
    ...((nodeID?.length ?? 0) > 256
      ? [at.child('nodeID').invalid(nodeID, 'must be 256 characters or less')]
      : []),
    ...notNegative(allocatable?.count, at.child('allocatable', 'count')),
    ...topologyKeys.flatMap((key, j) => [
      ...(topologyKeys.indexOf(key) < j ? [at.duplicate(key)] : []),
      ...problems(qualifiedNameProblems(key), key, at),
    ]),
  ];
}

export const csiNodes = kind<CSINode>({
  facts: 'storage.k8s.io/v1 CSINode',
  unconditionalUpdate: false,
  validate: ({ spec }) => [
    ...(spec.drivers ?? []).flatMap(driverErrors),
    ...duplicates(
      spec.drivers,
      ({ name }) => name,
      (i) => DRIVERS.child(i, 'name'),
    ),
  ],
  validateUpdate: ({ spec }, { spec: before }) =>
    (before.drivers ?? []).flatMap((old) => {
      const now = spec.drivers?.find((driver) => driver.name === old.name);
      const fixed = ({ allocatable: _, ...rest }: CSINodeDriver) => rest;
      return now ? immutable(fixed(now), fixed(old), DRIVERS) : [];
    }),
  columns: { Drivers: ({ spec }) => spec.drivers?.length ?? 0 },
});
