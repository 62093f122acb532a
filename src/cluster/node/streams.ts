import type { Kubelet } from '../../kubelet/kubelet.ts';
import type { Connector } from '../../apiserver/http/handler.ts';
import type { HttpsOptions } from '../../apiserver/node/https-server.ts';
import { createUpgradeHandler, streamConnectors } from '../../apiserver/node/streams/index.ts';
import type { KubeletConnections } from '../../apiserver/streams/kubelet-connection.ts';
import type { ApiServer } from '../../apiserver/server.ts';
