import { dnsSubdomainProblems } from '../../machinery/names.ts';
import { labelSelectorErrors } from '../../machinery/selectors.ts';
import { field } from '../../machinery/status.ts';
import { problems } from '../checks.ts';
import { kind } from '../define.ts';
import { immutable } from '../meta.ts';
import type { CSIStorageCapacity } from './v1.gen.ts';

export const csiStorageCapacities = kind<CSIStorageCapacity>({
  facts: 'storage.k8s.io/v1 CSIStorageCapacity',
  unconditionalUpdate: false,
  validate: ({ storageClassName, nodeTopology }) => [
    ...(storageClassName
      ? problems(dnsSubdomainProblems(storageClassName), storageClassName, field('storageClassName'))
      : [field('storageClassName').required()]),
    ...labelSelectorErrors(nodeTopology, field('nodeTopology')),
  ],
  validateUpdate: (now, old) => [
    ...immutable(now.nodeTopology, old.nodeTopology, field('nodeTopology')),
    ...immutable(now.storageClassName, old.storageClassName, field('storageClassName')),
  ],
  columns: {
    StorageClassName: ({ storageClassName }) => storageClassName,
    Capacity: ({ capacity }) => capacity ?? '<unset>',
  },
});
