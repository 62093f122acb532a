import { time } from '../../machinery/clock.ts';
import { dnsLabelProblems, dnsSubdomainProblems } from '../../machinery/names.ts';
import { type FieldError, field } from '../../machinery/status.ts';
import { humanDuration, kind } from '../define.ts';
import { immutable } from '../meta.ts';
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

function conditionsErrors(request: CertificateSigningRequest, old: CertificateSigningRequest): FieldError[] {
  const errors: FieldError[] = [];
  const { conditions = [] } = request.status ?? {};
  if (hasCondition(request, 'Approved') && hasCondition(request, 'Denied'))
    errors.push(CONDITIONS.invalid(conditions, 'Approved and Denied conditions are mutually exclusive'));
  for (const type of ['Approved', 'Denied', 'Failed'])
    if (hasCondition(old, type) && !hasCondition(request, type))
      errors.push(CONDITIONS.forbidden(`updates may not remove a condition of type ${JSON.stringify(type)}`));
  if (old.status?.certificate)
    errors.push(
      ...immutable(request.status?.certificate, old.status.certificate, field('status', 'certificate')),
    );
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
    condition.status ||= 'True';
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
  prepareCreate(request, { user }) {
    // Who asks is for the server to say.
    request.spec.username ??= user;
    request.status = {};
  },
  prepareUpdate(request, old) {
    request.spec = old.spec;
  },
  prepareStatus(request, old, { nowMs }) {
    stampConditions(request.status?.conditions, old, nowMs);
  },
  validate: specErrors,
  validateStatus: conditionsErrors,
  fieldSelectors: { 'spec.signerName': ({ spec }) => spec.signerName ?? '' },
  columns: {
    SignerName: ({ spec }) => spec.signerName || '<none>',
    Requestor: ({ spec }) => spec.username ?? '',
    RequestedDuration: ({ spec }) =>
      spec.expirationSeconds === undefined ? '<none>' : humanDuration(spec.expirationSeconds * 1000),
    Condition: state,
  },
});
