// A small cluster to be asked about.

import { services } from '../../api/core/service.ts';
import type { Service } from '../../api/core/v1.gen.ts';
import { endpointSlices } from '../../api/discovery/endpoint-slice.ts';
import type { Endpoint, EndpointSlice } from '../../api/discovery/v1.gen.ts';
import type { Client } from '../../client/client.ts';

export const service = (name: string, spec: Service['spec']): Service => ({
  metadata: { namespace: 'default', name },
  spec: { ports: [{ name: 'http', port: 80, protocol: 'TCP' }], ...spec },
});

export const slice = (
  name: string,
  endpoints: Endpoint[],
  ports: EndpointSlice['ports'] = [{ name: 'http', port: 8080, protocol: 'TCP' }],
  addressType = 'IPv4',
): EndpointSlice => ({
  metadata: {
    ...{ namespace: 'default', name: `${name}-${addressType.toLowerCase()}` },
    labels: { 'kubernetes.io/service-name': name },
  },
  ...{ addressType, ports, endpoints },
});

export const pod = (name: string) => ({ kind: 'Pod', namespace: 'default', name, uid: `uid-${name}` });

/** `web` 10.96.0.80, headless `db` (two named endpoints, one not ready), ExternalName `out`, headless `empty`. */
export async function createServices(client: Client): Promise<void> {
  await client(services).create(service('web', { clusterIP: '10.96.0.80' }));
  await client(services).create(
    service('db', {
      clusterIP: 'None',
      ports: [
        { name: 'sql', port: 5432, protocol: 'TCP' },
        { name: 'stat', port: 9000, protocol: 'UDP' },
      ],
    }),
  );
  await client(services).create(
    service('out', { type: 'ExternalName', externalName: 'www.example.com', ports: [] }),
  );
  await client(services).create(
    service('inner', { type: 'ExternalName', externalName: 'web.default.svc.cluster.local', ports: [] }),
  );
  await client(services).create(service('empty', { clusterIP: 'None' }));
  await client(endpointSlices).create(
    slice('web', [{ addresses: ['10.1.0.7'], conditions: { ready: true }, targetRef: pod('web-1') }]),
  );
  const ports = [
    { name: 'sql', port: 5432, protocol: 'TCP' },
    { name: 'stat', port: 9000, protocol: 'UDP' },
  ];
  await client(endpointSlices).create(
    slice(
      'db',
      [
        { addresses: ['10.1.0.1'], conditions: { ready: true }, hostname: 'db-0', targetRef: pod('db-0') },
        { addresses: ['10.1.0.2'], conditions: { ready: true }, targetRef: pod('db-1') },
        { addresses: ['10.1.0.3'], conditions: { ready: false }, hostname: 'db-2', targetRef: pod('db-2') },
      ],
      ports,
    ),
  );
  await client(endpointSlices).create(
    slice('db', [{ addresses: ['fd00::1'], conditions: { ready: true }, hostname: 'db-0' }], ports, 'IPv6'),
  );
}
