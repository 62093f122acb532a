import { time } from '../../machinery/clock.ts';
import { dns1035LabelProblems, dnsSubdomainProblems } from '../../machinery/names.ts';
import { type FieldError, field } from '../../machinery/status.ts';
import { present, problems } from '../checks.ts';
import { kind } from '../define.ts';
import type { APIService } from './v1.gen.ts';

const SPEC = field('spec');

export const isAvailable = ({ status }: APIService): boolean =>
  status?.conditions?.some((c) => c.type === 'Available' && c.status === 'True') ?? false;

function specErrors({ metadata, spec }: APIService): FieldError[] {
  const {
    version = '',
    group = '',
    service,
    caBundle,
    insecureSkipTLSVerify,
    groupPriorityMinimum,
    versionPriority,
  } = spec ?? {};
  const errors: FieldError[] = [];
  if (metadata.name !== `${version}.${group}`)
    errors.push(field('metadata', 'name').invalid(metadata.name, '`spec.version+"."+spec.group`'));
  if (group) errors.push(...problems(dnsSubdomainProblems(group), group, SPEC.child('group')));
  else if (service)
    errors.push(SPEC.child('group').required('only v1 may have an empty group and it better be legacy kube'));
  errors.push(
    ...(version
      ? problems(dns1035LabelProblems(version), version, SPEC.child('version'))
      : [SPEC.child('version').required()]),
  );
  if (!(groupPriorityMinimum! > 0) || groupPriorityMinimum! > 20_000)
    errors.push(
      SPEC.child('groupPriorityMinimum').invalid(
        groupPriorityMinimum ?? 0,
        'must be positive and less than 20000',
      ),
    );
  if (!(versionPriority! > 0) || versionPriority! > 1000)
    errors.push(
      SPEC.child('versionPriority').invalid(versionPriority ?? 0, 'must be positive and less than 1000'),
    );
  if (!service) {
    if (caBundle)
      errors.push(
        SPEC.child('caBundle').invalid(
          `${caBundle.length} bytes`,
          'local APIServices may not have a caBundle',
        ),
      );
    if (insecureSkipTLSVerify)
      errors.push(
        SPEC.child('insecureSkipTLSVerify').invalid(
          true,
          'local APIServices may not have insecureSkipTLSVerify',
        ),
      );
    return errors;
  }
  const at = SPEC.child('service');
  errors.push(
    ...present(service.namespace, at.child('namespace')),
    ...present(service.name, at.child('name')),
  );
  if (insecureSkipTLSVerify && caBundle)
    errors.push(SPEC.child('insecureSkipTLSVerify').invalid(true, 'may not be true if caBundle is present'));
  return errors;
}

export const apiServices = kind<APIService>({
  facts: 'apiregistration.k8s.io/v1 APIService',
  nameFormat: 'path',
  generation: false,
  unconditionalUpdate: false,
  defaults({ spec }) {
    if (spec?.service) spec.service.port ??= 443;
  },
  prepareCreate(service, { nowMs }) {
    service.status = {};
    // What this server serves itself is there.
    if (!service.spec.service)
      service.status.conditions = [
        {
          type: 'Available',
          status: 'True',
          reason: 'Local',
          message: 'Local APIServices are always available',
          lastTransitionTime: time(nowMs),
        },
      ];
  },
  validate: specErrors,
  columns: {
    Service: ({ spec }) => (spec?.service ? `${spec.service.namespace}/${spec.service.name}` : 'Local'),
    Available: (service) => {
      const condition = service.status?.conditions?.find((c) => c.type === 'Available');
      if (condition?.status === 'True') return 'True';
      return condition ? `${condition.status} (${condition.reason})` : 'Unknown';
    },
  },
});
