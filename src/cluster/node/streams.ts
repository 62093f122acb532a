import { readFileSync } from 'node:fs';
import type { Connector } from '../../apiserver/http/handler.ts';
import type { HttpsOptions } from '../../apiserver/node/https-server.ts';
import { createUpgradeHandler, streamConnectors } from '../../apiserver/node/streams/index.ts';
import { httpsKubelets, preferredAddressTypes } from '../../apiserver/node/streams/kubelet-https.ts';
import type { ApiServer } from '../../apiserver/server.ts';
import type {
  KubeletAnswer,
  KubeletConnection,
  KubeletConnections,
  KubeletRequest,
} from '../../apiserver/streams/kubelet-connection.ts';
import type { KubeletApi } from '../../kubelet/api.ts';
import type { Kubelet } from '../../kubelet/kubelet.ts';
import { handle } from '../../kubelet/server.ts';
import type { KubeletSettings } from '../api-settings.ts';
import type { Certificates } from './certificates.ts';

/** The kubelets of this process, as the API server reaches them: by calling them. */
export const kubeletConnections = (kubelets: Map<string, Kubelet>): KubeletConnections => ({
  find(nodeName) {
    const kubelet = kubelets.get(nodeName);
    return kubelet && connection(kubelet.api);
  },
});

/** Kubelets of other processes, over HTTPS. */
export async function remoteKubelets(
  server: () => ApiServer | undefined,
  certificates: Certificates,
  { client, caFile, addressTypes = preferredAddressTypes }: KubeletSettings = {},
): Promise<KubeletConnections> {
  const read = (file: string) => readFileSync(file, 'utf8');
  const { cert, key } = client
    ? { cert: read(client.certFile), key: read(client.keyFile) }
    : await certificates.certificate('apiserver-kubelet-client', {
        commonName: 'kube-apiserver-kubelet-client',
        organizations: ['system:masters'],
      });
  return httpsKubelets(server, { cert, key, ca: caFile && read(caFile), addressTypes });
}

export const eitherOf = (...all: KubeletConnections[]): KubeletConnections => ({
  find(nodeName) {
    for (const some of all) {
      const found = some.find(nodeName);
      if (found) return found;
    }
    return undefined;
  },
});

const connection = (api: KubeletApi): KubeletConnection => ({
  logs: ({ namespace, name }, container, options, signal) =>
    api.containerLogs(namespace, name, container, options, signal),
  execUrl: ({ namespace, name }, container, command, options) =>
    api.exec(namespace, name, container, command, options),
  attachUrl: ({ namespace, name }, container, options) => api.attach(namespace, name, container, options),
  portForwardUrl: ({ namespace, name }, ports) => api.portForward(namespace, name, ports),
  proxy: (request) => answer(api, request),
});

/** What `nodes/NAME/proxy` shows: the kubelet's own server, without its socket. */
async function answer(
  api: KubeletApi,
  { method, path, query, signal }: KubeletRequest,
): Promise<KubeletAnswer> {
  const response = await handle(api, new Request(`http://kubelet${path}?${query}`, { method, signal }));
  return { code: response.status, headers: Object.fromEntries(response.headers), body: response.body ?? '' };
}

/** Upgrades wait for the API server that they belong to; `connect` gives it. */
export function streams(connections: KubeletConnections): {
  upgrade: HttpsOptions['upgrade'];
  connect(server: ApiServer): Connector[];
} {
  let upgrade: HttpsOptions['upgrade'] = async (exchange) =>
    exchange.respond(503, { 'retry-after': '1' }, 'starting\n');
  return {
    upgrade: (...request) => upgrade(...request),
    connect(server) {
      upgrade = createUpgradeHandler(server, connections);
      return streamConnectors(server, connections);
    },
  };
}
