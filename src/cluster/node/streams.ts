import type { Kubelet } from '../../kubelet/kubelet.ts';
import type { Connector } from '../../apiserver/http/handler.ts';
import type { HttpsOptions } from '../../apiserver/node/https-server.ts';
import type { ApiServer } from '../../apiserver/server.ts';
export const kubeletConnections = (k: Map<string, Kubelet>) => k;
export const streams = (_c: unknown): { upgrade: HttpsOptions['upgrade']; connect(server: ApiServer): Connector[] } => ({ upgrade: async (e) => e.respond(501, {}, ''), connect: () => [] });
