// exec, attach, port-forward, logs and proxies: what the API server passes on to nodes and pods.
//
// - upgrade.ts: requests that become SPDY/3.1 or WebSocket; who may, and to whom they go
// - exec-websocket.ts, port-forward-websocket.ts: WebSocket clients, translated to the runtime's SPDY/3.1
// - splice.ts: SPDY clients, joined with the runtime as they are
// - logs.ts, watch-websocket.ts: logs, and what else comes over WebSocket
// - http-proxy.ts: requests to pods, services and nodes
import { badRequest } from '../../../machinery/status.ts';
import type { Connector } from '../../http/handler.ts';
import type { ApiServer } from '../../server.ts';
import type { KubeletConnections } from '../../streams/kubelet-connection.ts';
import { proxyConnector } from './http-proxy.ts';
import { logConnector } from './logs.ts';

export { createUpgradeHandler } from './upgrade.ts';

/** Answers of subresources that are not objects, in the order in which they are tried. */
export const streamConnectors = (_server: ApiServer, kubelets: KubeletConnections): Connector[] => [
  logConnector(kubelets),
  proxyConnector(kubelets),
  upgradeRequired,
];

const upgradeRequired: Connector = async (_server, { group, plural, subresource }) => {
  if (group === '' && plural === 'pods' && ['exec', 'attach', 'portforward'].includes(subresource!))
    throw badRequest('Upgrade request required');
  return false;
};
