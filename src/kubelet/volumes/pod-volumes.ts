import type { Volume } from '../../api/core/v1.gen.ts';
import { equal } from '../../machinery/meta.ts';
import type { Host, HostVolume } from '../host.ts';
import { allContainers } from '../pod-spec.ts';
import { sameFiles } from './projection.ts';
import type { PlanInput } from './volume-plan.ts';
import { planVolume } from './volume-plan.ts';

export interface MountedVolume {
  path: string;
  /** Whether containers may only read it. */
  readOnly: boolean;
}

const same = (a: HostVolume, b: HostVolume): boolean =>
  a.type === 'files' && b.type === 'files' ? a.gid === b.gid && sameFiles(a.files, b.files) : equal(a, b);

/** A volume could not be provided. The message is an event's. */
export class MountError extends Error {
  readonly volume: string;
  constructor(volume: string, cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause);
    super(`MountVolume.SetUp failed for volume "${volume}" : ${why}`);
    this.name = 'MountError';
    this.volume = volume;
  }
}

/** The volumes of one pod: set up before its containers, kept up to date while it runs. */
export class PodVolumes {
  readonly #host: Host;
  readonly #uid: string;
  readonly #done = new Map<string, { plan: HostVolume; path: string }>();

  constructor(host: Host, podUid: string) {
    this.#host = host;
    this.#uid = podUid;
  }

  /** Sets up what is missing and rewrites what has changed. Tries each volume, and throws the MountErrors of those that failed. */
  async ensure(input: PlanInput): Promise<void> {
    const errors: MountError[] = [];
    for (const volume of usedVolumes(input)) {
      try {
        const plan = await planVolume(volume, input);
        if (!plan) continue;
        const done = this.#done.get(volume.name);
        if (done && same(done.plan, plan)) continue;
        this.#done.set(volume.name, { plan, path: await this.#host.setUpVolume(this.#uid, plan) });
      } catch (error) {
        errors.push(new MountError(volume.name, error));
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, errors.map(({ message }) => message).join('\n'));
  }

  get(name: string, volumes: Volume[] | undefined): MountedVolume | undefined {
    const done = this.#done.get(name);
    if (!done) return undefined;
    const claim = volumes?.find((volume) => volume.name === name)?.persistentVolumeClaim;
    return { path: done.path, readOnly: claim?.readOnly ?? false };
  }
}

/** A volume that no container mounts is not provided. */
function usedVolumes({ pod }: PlanInput): Volume[] {
  const mounted = new Set(
    [...allContainers(pod)].flatMap(([c]) => (c.volumeMounts ?? []).map(({ name }) => name)),
  );
  return (pod.spec!.volumes ?? []).filter(({ name }) => mounted.has(name));
}
