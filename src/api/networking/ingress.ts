import {
  dnsLabelProblems,
  dnsSubdomainProblems,
  pathSegmentProblems,
  portNameProblems,
  portProblems,
  wildcardSubdomainProblems,
} from '../../machinery/names.ts';
import { type FieldError, type FieldPath, field } from '../../machinery/status.ts';
import { ipErrors, isIP, problems } from '../checks.ts';
import type { TypedLocalObjectReference } from '../core/v1.gen.ts';
import { kind } from '../define.ts';
import type { HTTPIngressPath, Ingress, IngressBackend } from './v1.gen.ts';

const SPEC = field('spec');
const CLASS_ANNOTATION = 'kubernetes.io/ingress.class';

const hostProblems = (host: string): string[] =>
  host.includes('*') ? wildcardSubdomainProblems(host) : dnsSubdomainProblems(host);

function backendErrors(backend: IngressBackend | undefined, path: FieldPath): FieldError[] {
  const { service, resource } = backend ?? {};
  if (service && resource) return [path.invalid('', 'cannot set both resource and service backends')];
  if (resource) return resourceErrors(resource, path.child('resource'));
  if (!service) return [path.invalid('', 'resource or service backend is required')];
  const at = path.child('service');
  const { name, port } = service;
  const errors = name
    ? problems(dnsLabelProblems(name), name, at.child('name'))
    : [at.child('name').required()];
  if (port?.name && port.number) errors.push(path.invalid('', 'cannot set both port name & port number'));
  else if (port?.name)
    errors.push(...problems(portNameProblems(port.name), port.name, at.child('port', 'name')));
  else if (port?.number)
    errors.push(...problems(portProblems(port.number), port.number, at.child('port', 'number')));
  else errors.push(path.required('port name or number is required'));
  return errors;
}

function resourceErrors(
  { apiGroup, kind: of, name }: TypedLocalObjectReference,
  path: FieldPath,
): FieldError[] {
  const segment = (text: string, at: FieldPath) =>
    text ? problems(pathSegmentProblems(text), text, at) : [at.required()];
  return [
    ...(apiGroup === undefined
      ? []
      : problems(dnsSubdomainProblems(apiGroup), apiGroup, path.child('apiGroup'))),
    ...segment(of, path.child('kind')),
    ...segment(name, path.child('name')),
  ];
}

function pathErrors(
  { path: target = '', pathType, backend }: HTTPIngressPath,
  path: FieldPath,
): FieldError[] {
  if (!pathType) return [path.child('pathType').required('pathType must be specified')];
  const errors: FieldError[] = [];
  const at = path.child('path');
  if (pathType === 'Exact' || pathType === 'Prefix') {
    if (!target.startsWith('/')) errors.push(at.invalid(target, 'must be an absolute path'));
    for (const bad of ['//', '/./', '/../', '%2f', '%2F'])
      if (target.includes(bad)) errors.push(at.invalid(target, `must not contain '${bad}'`));
    for (const bad of ['/..', '/.'])
      if (target.endsWith(bad)) errors.push(at.invalid(target, `cannot end with '${bad}'`));
  } else if (pathType === 'ImplementationSpecific') {
    if (target && !target.startsWith('/')) errors.push(at.invalid(target, 'must be an absolute path'));
  } else
    errors.push(path.child('pathType').notSupported(pathType, ['Exact', 'ImplementationSpecific', 'Prefix']));
  return [...errors, ...backendErrors(backend, path.child('backend'))];
}

function specErrors({ spec }: Ingress): FieldError[] {
  const errors: FieldError[] = [];
  if (!spec.rules?.length && !spec.defaultBackend)
    errors.push(SPEC.invalid(spec.rules, 'either `defaultBackend` or `rules` must be specified'));
  if (spec.defaultBackend) errors.push(...backendErrors(spec.defaultBackend, SPEC.child('defaultBackend')));
  spec.rules?.forEach(({ host, http }, i) => {
    const at = SPEC.child('rules', i);
    if (host) {
      if (isIP(host)) errors.push(at.child('host').invalid(host, 'must be a DNS name, not an IP address'));
      else errors.push(...problems(hostProblems(host), host, at.child('host')));
    }
    if (!http) return;
    if (!http.paths?.length) errors.push(at.child('http', 'paths').required());
    errors.push(...(http.paths ?? []).flatMap((p, j) => pathErrors(p, at.child('http', 'paths', j))));
  });
  spec.tls?.forEach(({ hosts = [], secretName }, i) => {
    const at = SPEC.child('tls', i);
    errors.push(...hosts.flatMap((host, j) => problems(hostProblems(host), host, at.child('hosts', j))));
    if (secretName)
      errors.push(...problems(dnsSubdomainProblems(secretName), secretName, at.child('secretName')));
  });
  if (spec.ingressClassName)
    errors.push(
      ...problems(
        dnsSubdomainProblems(spec.ingressClassName),
        spec.ingressClassName,
        SPEC.child('ingressClassName'),
      ),
    );
  return errors;
}

/** `a.example,b.example + 2 more...`, `*` for every host. */
function hosts({ spec }: Ingress): string {
  const all = (spec.rules ?? []).map(({ host }) => host).filter(Boolean);
  if (!all.length) return '*';
  return all.length > 3 ? `${all.slice(0, 3).join(',')} + ${all.length - 3} more...` : all.join(',');
}

export const ingresses = kind<Ingress>({
  facts: 'networking.k8s.io/v1 Ingress',
  defaults(ingress) {
    ingress.spec ??= {};
  },
  prepareCreate(ingress) {
    ingress.status = { loadBalancer: {} };
  },
  validate: (ingress) => {
    const given = ingress.metadata.annotations?.[CLASS_ANNOTATION];
    const name = ingress.spec.ingressClassName;
    const clash =
      given !== undefined && name !== undefined && given !== name && !ingress.metadata.resourceVersion;
    return [
      ...(clash
        ? [
            field('annotations', CLASS_ANNOTATION).invalid(
              given,
              'must match `ingressClassName` when both are specified',
            ),
          ]
        : []),
      ...specErrors(ingress),
    ];
  },
  validateStatus: ({ status }) =>
    (status?.loadBalancer?.ingress ?? []).flatMap(({ ip, hostname }, i) => {
      const at = field('status', 'loadBalancer', 'ingress', i);
      return [
        ...(ip ? ipErrors(ip, at.child('ip')) : []),
        ...(hostname ? problems(dnsSubdomainProblems(hostname), hostname, at.child('hostname')) : []),
        ...(hostname && isIP(hostname)
          ? [at.child('hostname').invalid(hostname, 'must be a DNS name, not an IP address')]
          : []),
      ];
    }),
  columns: {
    Class: ({ spec }) => spec.ingressClassName ?? '<none>',
    Hosts: hosts,
    Address: ({ status }) =>
      [
        ...new Set(
          (status?.loadBalancer?.ingress ?? [])
            .map(({ ip, hostname }) => ip || hostname || '')
            .filter(Boolean),
        ),
      ]
        .sort()
        .join(','),
    Ports: ({ spec }) => (spec.tls?.length ? '80, 443' : '80'),
  },
});
