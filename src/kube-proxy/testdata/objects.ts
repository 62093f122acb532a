// Services and endpoint slices in a few words, for tests.

import type { Service } from '../../api/core/v1.gen.ts';
import type { Endpoint, EndpointSlice } from '../../api/discovery/v1.gen.ts';

export const service = (name: string, spec: Service['spec'], status: Service['status'] = {}): Service => ({
  metadata: { namespace: 'default', name },
  spec: { ports: [{ port: 80, protocol: 'TCP' }], ...spec },
  status,
});

/** `10.0.0.1` is ready on node `here`; fields of the endpoint may be given instead. */
export const slice = (
  name: string,
  endpoints: (string | Endpoint)[],
  ports: EndpointSlice['ports'] = [{ name: '', port: 8080, protocol: 'TCP' }],
): EndpointSlice => ({
  metadata: { namespace: 'default', name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } },
  addressType: 'IPv4',
  ports,
  endpoints: endpoints.map((endpoint) =>
    typeof endpoint === 'string'
      ? { addresses: [endpoint], nodeName: 'here', conditions: { ready: true } }
      : endpoint,
  ),
});
