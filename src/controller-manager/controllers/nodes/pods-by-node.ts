import { pods } from '../../../api/core/pod.ts';
import type { Informers } from '../../../client/client.ts';

/** Index of pods by the node they are bound to. */
export const byNode = 'podsByNode';

export const indexPodsByNode = (informers: Informers): void =>
  informers(pods).index(byNode, ({ spec }) => (spec.nodeName ? [spec.nodeName] : []));
