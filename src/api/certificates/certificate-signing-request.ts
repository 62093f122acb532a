import { kind } from '../define.ts';
import type { CertificateSigningRequest } from './v1.gen.ts';

export const certificateSigningRequests = kind<CertificateSigningRequest>({
  facts: 'certificates.k8s.io/v1 CertificateSigningRequest',
});
