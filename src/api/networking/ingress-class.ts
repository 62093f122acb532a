import { dnsLabelProblems, dnsSubdomainProblems, pathSegmentProblems } from '../../machinery/names.ts';
import { type FieldError, type FieldPath, field } from '../../machinery/status.ts';
import { domainPathErrors, oneOf, problems } from '../checks.ts';
import { kind } from '../define.ts';
import { immutable } from '../meta.ts';
import type { IngressClass } from './v1.gen.ts';

const SPEC = field('spec');
const PARAMETERS = SPEC.child('parameters');
const DEFAULT = 'ingressclass.kubernetes.io/is-default-class';

function parametersErrors({ spec: { parameters } }: IngressClass): FieldError[] {
  if (!parameters) return [];
  const { apiGroup, scope, namespace, kind: of, name } = parameters;
  const segment = (text: string, at: FieldPath) =>
    text ? problems(pathSegmentProblems(text), text, at) : [at.required()];
  const errors = [
    ...(apiGroup === undefined
      ? []
      : problems(dnsSubdomainProblems(apiGroup), apiGroup, PARAMETERS.child('apiGroup'))),
    ...segment(of, PARAMETERS.child('kind')),
    ...segment(name, PARAMETERS.child('name')),
    ...(scope
      ? oneOf(scope, ['Cluster', 'Namespace'], PARAMETERS.child('scope'))
      : [PARAMETERS.child('scope').required()]),
  ];
  const at = PARAMETERS.child('namespace');
  if (scope === 'Namespace')
    errors.push(
      ...(namespace
        ? problems(dnsLabelProblems(namespace), namespace, at)
        : [at.required("`parameters.scope` is set to 'Namespace'")]),
    );
  else if (scope === 'Cluster' && namespace !== undefined)
    errors.push(at.forbidden("`parameters.scope` is set to 'Cluster'"));
  return errors;
}

export const ingressClasses = kind<IngressClass>({
  facts: 'networking.k8s.io/v1 IngressClass',
  generation: 'spec',
  defaults(ingressClass) {
    ingressClass.spec ??= {};
    if (ingressClass.spec.parameters) ingressClass.spec.parameters.scope ??= 'Cluster';
  },
  validate: (ingressClass) => {
    const { controller = '' } = ingressClass.spec;
    return [
      ...(controller.length > 250 ? [SPEC.child('controller').tooLong(250)] : []),
      ...domainPathErrors(controller, SPEC.child('controller')),
      ...parametersErrors(ingressClass),
    ];
  },
  validateUpdate: (now, old) => immutable(now.spec.controller, old.spec.controller, SPEC.child('controller')),
  columns: {
    Name: ({ metadata }) =>
      metadata.annotations?.[DEFAULT] === 'true' ? `${metadata.name} (default)` : metadata.name,
    Controller: ({ spec }) => spec?.controller ?? '',
    Parameters: ({ spec }) => {
      const { kind: of, apiGroup, name } = spec?.parameters ?? {};
      return of ? `${of}${apiGroup ? `.${apiGroup}` : ''}/${name}` : '<none>';
    },
  },
});
