// Statuses of a pod's containers, from what the runtime has and what was said before.
import type {
  ContainerState as ApiState,
  Container,
  ContainerStatus,
  Pod,
  ResourceRequirements,
} from '../api/core/v1.gen.ts';
import { time } from '../machinery/clock.ts';
import { clone } from '../machinery/meta.ts';
import { formatMilli, formatQuantity, integerValue, milliValue } from '../machinery/quantity.ts';
import type { ContainerState, PodRuntime } from './pod-runtime.ts';
import { latest } from './pod-runtime.ts';
import type { AnyContainer, ContainerKind } from './pod-spec.ts';
import { isSidecar } from './pod-spec.ts';
import type { Amounts } from './resize.ts';
import { shouldBeRestarted } from './restart-policy.ts';

/** Why a container could not be started the last time: becomes its waiting state. */
export interface StartFailure {
  reason: string;
  message: string;
}

export interface ContainerStatusInput {
  pod: Pod;
  runtime: PodRuntime;
  containers: AnyContainer[];
  kind: ContainerKind;
  /** Statuses as last written. */
  old: ContainerStatus[];
  failure(name: string): StartFailure | undefined;
  actuated(name: string): Amounts | undefined;
}

export const containerIdOf = (id: string): string => `containerd://${id}`;
/** The bare id of a `containerd://...` reference. */
export const bareId = (reference: string | undefined): string => reference?.split('://').at(-1) ?? '';

const lost = 'ContainerStatusUnknown';
const lostState = (message: string): ApiState => ({ terminated: { reason: lost, message, exitCode: 137 } });
export const lostAtTermination = lostState('The container could not be located when the pod was terminated');
const lostAtDeletion = lostState(
  'The container could not be located when the pod was deleted.  The container used to be Running',
);
const doneUnseen: ApiState = {
  terminated: {
    reason: 'Completed',
    message:
      'Unable to get init container status from container runtime and pod has been initialized, treat it as exited normally',
    exitCode: 0,
  },
};

const stamp = (ms: number): string | undefined => (ms > 0 ? time(ms) : undefined);

function apiState(state: ContainerState): ApiState {
  if (state.state === 'running') return { running: { startedAt: time(state.startedAtMs) } };
  if (state.state !== 'exited') return { waiting: {} };
  return {
    terminated: {
      exitCode: state.exitCode,
      ...(state.reason ? { reason: state.reason } : {}),
      ...(state.message ? { message: state.message } : {}),
      ...(stamp(state.startedAtMs) ? { startedAt: stamp(state.startedAtMs) } : {}),
      ...(stamp(state.finishedAtMs) ? { finishedAt: stamp(state.finishedAtMs) } : {}),
      containerID: containerIdOf(state.id),
    },
  };
}

/** What was granted, with the amounts in force where they are others. */
function resourcesInForce(container: AnyContainer, actuated: Amounts | undefined): ResourceRequirements {
  const resources = clone(container.resources ?? {});
  if (!actuated) return resources;
  const put = (list: Record<string, string> | undefined, name: 'cpu' | 'memory', actual: number): void => {
    if (!list || !(name in list) || actual === 0) return;
    const said = name === 'cpu' ? milliValue(list[name]) : integerValue(list[name]);
    if (said !== actual) list[name] = name === 'cpu' ? formatMilli(actual) : formatQuantity(actual, 'binary');
  };
  for (const name of ['cpu', 'memory'] as const) {
    put(resources.requests, name, actuated[`${name}Request`]);
    put(resources.limits, name, actuated[`${name}Limit`]);
  }
  return resources;
}

const mountStatuses = (container: AnyContainer): Partial<ContainerStatus> =>
  container.volumeMounts?.length
    ? {
        volumeMounts: container.volumeMounts.map((mount) => ({
          name: mount.name,
          mountPath: mount.mountPath,
          ...(mount.readOnly ? { readOnly: true, recursiveReadOnly: 'Disabled' } : {}),
        })),
      }
    : {};

/** Status of a container that the runtime knows, from its newest instance and the one before. */
function knownStatus(
  input: ContainerStatusInput,
  container: AnyContainer,
  states: ContainerState[],
): ContainerStatus {
  const [state, previous] = states as [ContainerState, ContainerState?];
  const old = input.old.find(({ name }) => name === container.name);
  const known: ContainerStatus = {
    name: container.name,
    // A runtime that knows no name for it gives the id.
    image: state.image.startsWith('sha256:') ? (container.image ?? state.image) : state.image,
    imageID: state.imageId,
    containerID: containerIdOf(state.id),
    restartCount: state.restartCount,
    ready: false,
    state: apiState(state),
    lastState: previous ? apiState(previous) : {},
    ...mountStatuses(container),
  };
  // The one before may have been removed already: what was written of it stays.
  if (!previous && old) {
    const replaced = old.containerID !== known.containerID && old.state?.terminated;
    const last = replaced ? { terminated: old.state!.terminated } : old.lastState;
    if (last?.terminated) known.lastState = last;
  }
  if (state.state === 'unknown' && old?.state?.running) {
    known.state = lostAtTermination;
    known.restartCount = old.restartCount + 1;
  }
  if (state.user) known.user = { linux: { ...state.user } };
  if (container.lifecycle?.stopSignal) known.stopSignal = container.lifecycle.stopSignal;
  if (input.kind !== 'ephemeral') {
    known.resources = resourcesInForce(
      container,
      state.state === 'running' ? input.actuated(container.name) : undefined,
    );
    if (container.resources?.requests) known.allocatedResources = { ...container.resources.requests };
  }
  return known;
}

/** Status of a container that the runtime does not know: it has not started yet, or was lost. */
function unknownStatus(input: ContainerStatusInput, container: AnyContainer): ContainerStatus {
  const { pod } = input;
  const old = input.old.find(({ name }) => name === container.name);
  if (old?.state?.terminated) return clone(old);
  const status: ContainerStatus = {
    name: container.name,
    image: container.image ?? '',
    imageID: '',
    restartCount: old?.restartCount ?? 0,
    ready: false,
    state: {
      waiting: { reason: pod.spec!.initContainers?.length ? 'PodInitializing' : 'ContainerCreating' },
    },
    lastState: old?.lastState ?? {},
    ...mountStatuses(container),
  };
  if (old?.state?.running && !status.lastState?.terminated) {
    status.lastState = lostAtDeletion;
    if (!pod.metadata.deletionTimestamp) status.restartCount++;
  }
  return status;
}

/** A container that is about to start, and could not the last time, waits; what it was before is its last state. */
function waitingStatus(input: ContainerStatusInput, container: AnyContainer, status: ContainerStatus): void {
  const state = latest(input.runtime, container.name);
  if (input.kind === 'init') {
    if (state?.state === 'exited' && state.exitCode === 0 && !isSidecar(container)) return;
    const started = input.pod.spec!.containers.some(({ name }) => latest(input.runtime, name));
    if (!state && started && !isSidecar(container) && status.state?.waiting) {
      status.state = doneUnseen;
      return;
    }
  }
  if (input.kind === 'ephemeral' && state) return;
  if (!shouldBeRestarted(input.pod, container, input.runtime)) return;
  const failure = input.failure(container.name);
  if (!failure) return;
  if (status.state?.terminated) status.lastState = status.state;
  status.state = {
    waiting: { reason: failure.reason, ...(failure.message ? { message: failure.message } : {}) },
  };
}

const byName = (a: ContainerStatus, b: ContainerStatus): number =>
  a.name < b.name ? -1 : a.name > b.name ? 1 : 0;

/** In the order of the spec for init containers, by name for the others. `ready` and `started` are set later. */
export function containerStatuses(input: ContainerStatusInput): ContainerStatus[] {
  const statuses = input.containers.map((container: Container | AnyContainer) => {
    const states = input.runtime.containers.filter(({ name }) => name === container.name);
    const status =
      states.length > 0 ? knownStatus(input, container, states) : unknownStatus(input, container);
    waitingStatus(input, container, status);
    return status;
  });
  return input.kind === 'init' ? statuses : statuses.sort(byName);
}
