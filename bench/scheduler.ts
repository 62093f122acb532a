// How many pods a second the scheduling cycle decides on, without API server and informers.
// node bench/scheduler.ts [NODES] [PODS]
import { makeNode, makePod, makeWorld } from '../src/scheduler/fixtures.ts';
import { podInfo } from '../src/scheduler/pod-info.ts';

const [nodeCount = 1000, podCount = 20_000] = process.argv.slice(2).map(Number);
const labels = { app: 'web' };
const shapes: Record<string, Parameters<typeof makePod>[1]> = {
  plain: {},
  'anti-affinity': {
    affinity: {
      podAntiAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          {
            weight: 1,
            podAffinityTerm: {
              topologyKey: 'kubernetes.io/hostname',
              labelSelector: { matchLabels: labels },
            },
          },
        ],
      },
    },
  },
  spread: {
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: 'zone',
        whenUnsatisfiable: 'DoNotSchedule',
        labelSelector: { matchLabels: labels },
      },
    ],
  },
};

for (const [shape, spec] of Object.entries(shapes)) {
  const nodes = Array.from({ length: nodeCount }, (_, i) =>
    makeNode(`node-${i}`, { labels: { zone: `z${i % 3}` }, allocatable: { cpu: '32', memory: '256Gi' } }),
  );
  const { cache, schedule } = makeWorld(nodes, [], { siblings: { matchLabels: labels } });
  const pods = Array.from({ length: podCount }, (_, i) =>
    makePod(`pod-${i}`, { ...spec, requests: { cpu: '100m', memory: '200Mi' } }, { labels }),
  );
  const start = performance.now();
  for (const pod of pods) {
    const result = schedule(pod);
    if (!('node' in result)) throw new Error(`pod without a node in ${shape}`);
    cache.assume(podInfo(pod), result.node);
  }
  const seconds = (performance.now() - start) / 1000;
  console.log(`${shape}: ${podCount} pods on ${nodeCount} nodes, ${Math.round(podCount / seconds)} pods/s`);
}
