// The course of one probe of one container. Pure: results in, verdicts out.
// https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/
import type { Probe } from '../api/core/v1.gen.ts';

export type ProbeKind = 'startup' | 'readiness' | 'liveness';

export interface ProbeState {
  /** The verdict so far; a container starts as live, not ready, and not started. */
  verdict: 'success' | 'failure' | undefined;
  /** The last result and how often it came in a row. */
  last: 'success' | 'failure' | undefined;
  run: number;
  /** It has done its work for this container: a startup probe that has a verdict, a liveness probe that failed. */
  onHold: boolean;
}

/** `known`: the container ran before the kubelet started; whether it is ready stays as it is until the probe says. */
export const firstState = (kind: ProbeKind, known: boolean): ProbeState => ({
  verdict: kind === 'liveness' ? 'success' : kind === 'readiness' && !known ? 'failure' : undefined,
  last: undefined,
  run: 0,
  onHold: false,
});

/** The verdict changes when a result has come as often in a row as its threshold says. */
export function afterProbe(
  state: ProbeState,
  kind: ProbeKind,
  { failureThreshold = 3, successThreshold = 1 }: Probe,
  result: 'success' | 'failure',
): ProbeState {
  const run = state.last === result ? state.run + 1 : 1;
  const threshold = result === 'success' ? successThreshold : failureThreshold;
  if (run < threshold) return { ...state, last: result, run };
  const onHold = kind === 'startup' || (kind === 'liveness' && result === 'failure');
  return { verdict: result, last: result, run: onHold ? 0 : run, onHold };
}
