import { dnsLabelProblems, dnsSubdomainProblems, pathSegmentProblems } from '../../machinery/names.ts';
import { field } from '../../machinery/status.ts';
import { ipErrors, problems } from '../checks.ts';
import { kind } from '../define.ts';
import { immutable } from '../meta.ts';
import type { IPAddress } from './v1.gen.ts';

const PARENT = field('spec', 'parentRef');

export const ipAddresses = kind<IPAddress>({
  facts: 'networking.k8s.io/v1 IPAddress',
  nameFormat: 'any',
  validate: ({ metadata, spec }) => {
    const parent = spec?.parentRef;
    const errors = ipErrors(metadata.name ?? '', field('metadata', 'name'));
    if (!parent) return [...errors, PARENT.required()];
    const { group, resource, name, namespace } = parent;
    return [
      ...errors,
      ...(group ? problems(dnsSubdomainProblems(group), group, PARENT.child('group')) : []),
      ...(resource
        ? problems(pathSegmentProblems(resource), resource, PARENT.child('resource'))
        : [PARENT.child('resource').required()]),
      ...(name
        ? problems(pathSegmentProblems(name), name, PARENT.child('name'))
        : [PARENT.child('name').required()]),
      ...(namespace ? problems(dnsLabelProblems(namespace), namespace, PARENT.child('namespace')) : []),
    ];
  },
  validateUpdate: (now, old) => immutable(now.spec.parentRef, old.spec.parentRef, PARENT),
  columns: {
    ParentRef: ({ spec }) => {
      if (!spec?.parentRef) return '<none>';
      const { group, resource, namespace, name } = spec.parentRef;
      return [`${resource}${group ? `.${group}` : ''}`.toLowerCase(), namespace, name]
        .filter(Boolean)
        .join('/');
    },
  },
});
