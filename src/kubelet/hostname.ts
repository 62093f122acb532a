import type { Pod } from '../api/core/v1.gen.ts';

export interface PodHostname {
  hostname: string;
  /** `<subdomain>.<namespace>.svc.<cluster domain>`, or ''. */
  domain: string;
}

/** Longest name that the kernel takes. */
const longest = 63;

/** The names of a pod: by spec, else its own name cut to what a hostname may be. */
export function podHostname(pod: Pod, clusterDomain: string): PodHostname {
  const { hostname, hostnameOverride, subdomain } = pod.spec!;
  if (hostnameOverride) return { hostname: hostnameOverride, domain: '' };
  const own = hostname || pod.metadata.name!.slice(0, longest).replace(/[-.]+$/, '');
  const domain = subdomain ? `${subdomain}.${pod.metadata.namespace}.svc.${clusterDomain}` : '';
  return { hostname: own, domain };
}

/** What `hostname` prints in the containers. Throws when setHostnameAsFQDN asks for more than the kernel takes. */
export function kernelHostname(pod: Pod, { hostname, domain }: PodHostname): string {
  if (!pod.spec!.setHostnameAsFQDN || !domain) return hostname;
  const full = `${hostname}.${domain}`;
  if (full.length > longest + 1)
    throw new Error(
      `failed to construct FQDN from pod hostname and cluster domain, FQDN ${full} is too long (64 characters is the max, ${full.length} characters requested)`,
    );
  return full;
}
