import type { APIService } from '../../api/apiregistration/v1.gen.ts';
import type { Callee, ClientIdentity } from '../outbound/outbound.ts';

/** How the server of an APIService is reached, and why it is believed. */
export function calleeOf({ spec }: APIService, identity: ClientIdentity | undefined): Callee {
  const { namespace = '', name = '', port = 443 } = spec.service!;
  return {
    service: { namespace, name, port },
    ...(spec.caBundle ? { caBundle: spec.caBundle } : {}),
    ...(spec.insecureSkipTLSVerify ? { insecure: true } : {}),
    ...(identity ? { identity } : {}),
  };
}

/** `/apis/GROUP/VERSION`, or `/api/v1`. */
export const pathOf = ({ spec: { group, version } }: APIService): string =>
  group ? `/apis/${group}/${version}` : `/api/${version}`;

/** `GROUP/VERSION`: what requests are sorted by. */
export const groupVersionOf = ({ spec: { group = '', version = '' } }: APIService): string =>
  `${group}/${version}`;
