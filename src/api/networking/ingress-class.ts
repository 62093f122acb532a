import { dnsLabelProblems, qualifiedNameProblems } from '../../machinery/names.ts';
import { type FieldError, field } from '../../machinery/status.ts';
import { oneOf, present, problems } from '../checks.ts';
import { kind } from '../define.ts';
import { immutable } from '../meta.ts';
import type { IngressClass } from './v1.gen.ts';

const SPEC = field('spec');
const PARAMETERS = SPEC.child('parameters');
const DEFAULT = 'ingressclass.kubernetes.io/is-default-class';

function parametersErrors({ spec: { parameters } }: IngressClass): FieldError[] {
  if (!parameters) return [];
  const { scope, namespace, kind: of, name } = parameters;
  const errors = [
    ...present(of, PARAMETERS.child('kind')),
    ...present(name, PARAMETERS.child('name')),
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
  else if (namespace) errors.push(at.forbidden("`parameters.scope` is set to 'Cluster'"));
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
    const domain = controller.includes('/') ? [] : ['must be a domain-prefixed path (such as "acme.io/foo")'];
    return [
      ...(controller.length > 250 ? [SPEC.child('controller').tooLong(250)] : []),
      ...(controller
        ? problems(
            domain.length ? domain : qualifiedNameProblems(controller.split('/').slice(0, 2).join('/')),
            controller,
            SPEC.child('controller'),
          )
        : [SPEC.child('controller').required()]),
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
