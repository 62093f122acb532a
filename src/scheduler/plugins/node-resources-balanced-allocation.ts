import { plugin, skip } from '../framework.ts';

const share = (used: number, has: number): number => Math.min(1, used / has);

/** How far apart the used shares of cpu and memory are, as a score: 100 when they are equal. */
const balance = (cpu: number, memory: number): number => Math.floor((1 - Math.abs(cpu - memory) / 2) * 100);

/** Likes nodes where this pod brings the use of cpu and memory closer together. 75 means it makes no difference. */
export const nodeResourcesBalancedAllocation = plugin({
  name: 'NodeResourcesBalancedAllocation',
  wakeOn: [],
  // A pod that asks for nothing balances nothing.
  preScore: ({ requests }) => (requests.milliCpu > 0 || requests.memoryBytes > 0 ? undefined : skip),
  score({ requests }, { allocatable, requested }) {
    if (allocatable.milliCpu === 0 || allocatable.memoryBytes === 0) return 75;
    const before = balance(
      share(requested.milliCpu, allocatable.milliCpu),
      share(requested.memoryBytes, allocatable.memoryBytes),
    );
    const after = balance(
      share(requested.milliCpu + requests.milliCpu, allocatable.milliCpu),
      share(requested.memoryBytes + requests.memoryBytes, allocatable.memoryBytes),
    );
    return 50 + Math.floor((50 + after - before) / 2);
  },
});
