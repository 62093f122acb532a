// Pod sandboxes of a simulated node.

import { criCodec, NamespaceMode, PodSandboxState } from './cri.ts';
import { checkRequest } from './requests.ts';
import { type Calls, fail, matches, type SimulatedNode, sameFields } from './simulated-node.ts';
import { podStats } from './simulated-stats.ts';

export const podCalls = (node: SimulatedNode) =>
  ({
    async runPodSandbox(request) {
      checkRequest('runPodSandbox', request);
      const { config = {} } = request;
      const { podCIDR, sandboxMs = 20 } = node.options;
      const { metadata = {} } = config;
      for (const { status } of node.pods.values()) {
        if (sameFields(status.metadata, metadata, ['name', 'namespace', 'uid', 'attempt'])) {
          fail(
            'runPodSandbox',
            'UNKNOWN',
            `failed to reserve sandbox name: it is reserved for "${status.id}"`,
          );
        }
      }
      const namespaces = config.linux?.securityContext?.namespaceOptions ?? {};
      const onHost = namespaces.network === NamespaceMode.NODE;
      const address = onHost ? '' : node.addresses.take();
      if (address === undefined) {
        fail('runPodSandbox', 'UNKNOWN', `failed to set up network: no addresses available in ${podCIDR}`);
      }
      const id = node.newId();
      const status = criCodec.create('PodSandboxStatus', {
        ...{ id, metadata, createdAt: node.nowNs(), labels: config.labels, annotations: config.annotations },
        ...{ network: { ip: address }, linux: { namespaces: { options: namespaces } } },
      });
      status.state = PodSandboxState.SANDBOX_NOTREADY;
      const pod = { config, status, address };
      node.pods.set(id, pod);
      await node.wait(sandboxMs);
      if (node.pods.get(id) !== pod || pod.address !== address) {
        fail('runPodSandbox', 'UNKNOWN', `sandbox "${id}" was stopped while it was being made`);
      }
      status.state = PodSandboxState.SANDBOX_READY;
      return { podSandboxId: id };
    },
    async stopPodSandbox({ podSandboxId = '' }) {
      node.stopPod(podSandboxId);
      return {};
    },
    async removePodSandbox({ podSandboxId = '' }) {
      node.stopPod(podSandboxId);
      for (const run of node.runsOf(podSandboxId)) node.runs.delete(run.status.id);
      node.pods.delete(podSandboxId);
      return {};
    },
    async podSandboxStatus({ podSandboxId }) {
      const { status } = node.pod('podSandboxStatus', podSandboxId);
      const containersStatuses = node.runsOf(status.id).map((run) => run.status);
      return criCodec.create('PodSandboxStatusResponse', {
        status,
        containersStatuses,
        timestamp: node.nowNs(),
      });
    },
    async listPodSandbox({ filter = {} }) {
      const items = [...node.pods.values()]
        .map(({ status }) => status)
        .filter(({ id, state, labels }) =>
          (filter.id ?? '') === '' || id.startsWith(filter.id!)
            ? (!filter.state || (filter.state.state ?? 0) === state) && matches(labels, filter.labelSelector)
            : false,
        )
        .map((status) => criCodec.create('PodSandbox', status));
      return { items };
    },
    async podSandboxStats({ podSandboxId }) {
      return { stats: podStats(node, node.pod('podSandboxStats', podSandboxId)) };
    },
    async listPodSandboxStats() {
      return { stats: [...node.pods.values()].map((pod) => podStats(node, pod)) };
    },
    async updatePodSandboxResources({ podSandboxId }) {
      node.pod('updatePodSandboxResources', podSandboxId);
      return {};
    },
  }) satisfies Calls;
