import { fits, never, plugin } from '../framework.ts';

/** A pod waits until its last gate is removed. */
export const schedulingGates = plugin({
  name: 'SchedulingGates',
  wakeOn: ['pod/self'],
  preEnqueue(pod) {
    const gates = (pod.spec.schedulingGates ?? []).map((gate) => gate.name);
    return gates.length > 0 ? never(`waiting for scheduling gates: ${gates.join(', ')}`) : fits;
  },
});
