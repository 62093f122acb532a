import { time } from '../../machinery/clock.ts';
import type { WriteContext } from '../../machinery/kind.ts';
import { equal } from '../../machinery/meta.ts';
import { dnsLabelProblems, dnsSubdomainProblems } from '../../machinery/names.ts';
import { type FieldError, field } from '../../machinery/status.ts';
import { requiredOneOf } from '../checks.ts';
import { humanDuration, kind } from '../define.ts';
import type { CertificateSigningRequest, CertificateSigningRequestCondition } from './v1.gen.ts';

const SPEC = field('spec');
const CONDITIONS = field('status', 'conditions');
const usages = new Set([
  'signing',
  'digital signature',
  'content commitment',
  'key encipherment',
  'key agreement',
  'data encipherment',
  'cert sign',
  'crl sign',
  'encipher only',
  'decipher only',
  'any',
  'server auth',
  'client auth',
  'code signing',
  'email protection',
  's/mime',
  'ipsec end system',
  'ipsec tunnel',
  'ipsec user',
  'timestamping',
  'ocsp signing',
  'microsoft sgc',
  'netscape sgc',
]);

export const hasCondition = ({ status }: CertificateSigningRequest, type: string): boolean =>
  status?.conditions?.some((c) => c.type === type) ?? false;

/** `example.com/signer`: a domain, and a path below it. */
function signerNameErrors(name: string): FieldError[] {
  const at = SPEC.child('signerName');
  if (!name) return [at.required()];
  if (name === 'kubernetes.io/legacy-unknown')
    return [at.invalid(name, 'the legacy signerName is not allowed via this API version')];
  const slash = name.indexOf('/');
  if (slash < 0)
    return [
      at.invalid(name, 'must be a fully qualified domain and path of the form "example.com/signer-name"'),
    ];
  const domain = name.slice(0, slash);
  const errors = dnsSubdomainProblems(domain).map((p) =>
    at.invalid(domain, `validating label "${domain}": ${p}`),
  );
  if (!domain.includes('.'))
    errors.push(at.invalid(domain, 'should be a domain with at least two segments separated by dots'));
  if (!name.slice(slash + 1)) errors.push(at.invalid('', `validating label "": ${dnsLabelProblems('')[0]}`));
  return errors;
}

function isRequest(base64: string): boolean {
  const pem = atob(base64);
  return /-----BEGIN (NEW )?CERTIFICATE REQUEST-----[\s\S]+-----END (NEW )?CERTIFICATE REQUEST-----/.test(
    pem,
  );
}

function specErrors({ spec }: CertificateSigningRequest): FieldError[] {
  const errors: FieldError[] = [];
  if (!spec.usages?.length) errors.push(SPEC.child('usages').required());
  spec.usages?.forEach((usage, i) => {
    if (!usages.has(usage)) errors.push(SPEC.child('usages', i).notSupported(usage, [...usages].sort()));
    if (spec.usages!.indexOf(usage) < i) errors.push(SPEC.child('usages', i).duplicate(usage));
  });
  if (!spec.request || !isRequest(spec.request))
    errors.push(
      SPEC.child('request').invalid(spec.request ?? '', 'PEM block type must be CERTIFICATE REQUEST'),
    );
  errors.push(...signerNameErrors(spec.signerName ?? ''));
  if (spec.expirationSeconds !== undefined && spec.expirationSeconds < 600)
    errors.push(
      SPEC.child('expirationSeconds').invalid(
        spec.expirationSeconds,
        'may not specify a duration less than 600 seconds (10 minutes)',
      ),
    );
  return errors;
}

const ofType = ({ status }: CertificateSigningRequest, type: string): CertificateSigningRequestCondition[] =>
  (status?.conditions ?? []).filter((condition) => condition.type === type);

function conditionsErrors(request: CertificateSigningRequest): FieldError[] {
  const conditions = request.status?.conditions ?? [];
  const errors = conditions.flatMap(({ type, status }, i) => {
    const at = CONDITIONS.child(i);
    const allowed = ['Approved', 'Denied', 'Failed'].includes(type) ? ['True'] : ['False', 'True', 'Unknown'];
    return [
      ...(type ? [] : [at.child('type').required()]),
      ...requiredOneOf(status, allowed, at.child('status')),
      ...(conditions.findIndex((c) => c.type === type) < i ? [at.child('type').duplicate(type)] : []),
    ];
  });
  if (hasCondition(request, 'Approved') && hasCondition(request, 'Denied'))
    errors.push(CONDITIONS.invalid('Denied', 'Approved and Denied conditions are mutually exclusive'));
  return errors;
}

/** `approval` decides, `status` gives the certificate, and nobody takes back what was said. */
function changeErrors(
  request: CertificateSigningRequest,
  old: CertificateSigningRequest,
  { subresource }: WriteContext,
): FieldError[] {
  const errors = conditionsErrors(request);
  for (const type of ['Approved', 'Denied', 'Failed']) {
    const now = ofType(request, type);
    const before = ofType(old, type);
    if (now.length < before.length)
      errors.push(CONDITIONS.forbidden(`updates may not remove a condition of type ${JSON.stringify(type)}`));
    else if (type === 'Failed' || subresource === 'approval') continue;
    else if (now.length > before.length)
      errors.push(CONDITIONS.forbidden(`updates may not add a condition of type ${JSON.stringify(type)}`));
    else if (!equal(now, before))
      errors.push(CONDITIONS.forbidden(`updates may not modify a condition of type ${JSON.stringify(type)}`));
  }
  const certificate = field('status', 'certificate');
  if ((request.status?.certificate ?? '') !== (old.status?.certificate ?? '')) {
    if (subresource !== 'status')
      errors.push(certificate.forbidden('updates may not set certificate content'));
    else if (old.status?.certificate)
      errors.push(certificate.forbidden('updates may not modify existing certificate content'));
  }
  return errors;
}

/** Conditions that came without times get them. */
function stampConditions(
  conditions: CertificateSigningRequestCondition[] | undefined,
  old: CertificateSigningRequest,
  nowMs: number,
): void {
  for (const condition of conditions ?? []) {
    const before = old.status?.conditions?.find((c) => c.type === condition.type);
    condition.lastUpdateTime ??= time(nowMs);
    condition.lastTransitionTime ??=
      before?.status === condition.status ? before.lastTransitionTime : time(nowMs);
  }
}

function state(request: CertificateSigningRequest): string {
  const words = [
    hasCondition(request, 'Denied') ? 'Denied' : hasCondition(request, 'Approved') ? 'Approved' : 'Pending',
  ];
  if (hasCondition(request, 'Failed')) words.push('Failed');
  if (request.status?.certificate) words.push('Issued');
  return words.join(',');
}

export const certificateSigningRequests = kind<CertificateSigningRequest>({
  facts: 'certificates.k8s.io/v1 CertificateSigningRequest',
  nameFormat: 'any',
  generation: false,
  /** Who asks is for the server to say. */
  prepareCreate(request, { user, requester }) {
    const { username: _u, uid: _i, groups: _g, extra: _e, ...spec } = request.spec;
    const { uid, groups, extra } = requester ?? {};
    request.spec = {
      ...spec,
      username: user,
      ...(uid ? { uid } : {}),
      ...(groups?.length ? { groups: [...groups] } : {}),
      ...(extra && Object.keys(extra).length ? { extra } : {}),
    };
    request.status = {};
  },
  prepareUpdate(request, old) {
    request.spec = old.spec;
  },
  prepareStatus(request, old, { nowMs }) {
    const decision = ({ type }: CertificateSigningRequestCondition) =>
      type === 'Approved' || type === 'Denied';
    const kept = (old.status?.conditions ?? []).filter(decision);
    const { status } = request;
    // A decision may be left out of a status, and stays.
    if (status && kept.length && !status.conditions?.some(decision))
      status.conditions = [...kept, ...(status.conditions ?? [])];
    stampConditions(status?.conditions, old, nowMs);
  },
  prepareSubresource(request, old, { nowMs, subresource }) {
    if (subresource !== 'approval') return;
    request.spec = old.spec;
    stampConditions(request.status?.conditions, old, nowMs);
  },
  validate: specErrors,
  validateUpdate: changeErrors,
  validateStatus: changeErrors,
  fieldSelectors: { 'spec.signerName': ({ spec }) => spec.signerName ?? '' },
  columns: {
    SignerName: ({ spec }) => spec.signerName || '<none>',
    Requestor: ({ spec }) => spec.username ?? '',
    RequestedDuration: ({ spec }) =>
      spec.expirationSeconds === undefined ? '<none>' : humanDuration(spec.expirationSeconds * 1000),
    Condition: state,
  },
});
