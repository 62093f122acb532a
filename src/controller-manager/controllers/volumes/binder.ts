import type { Controller } from '../../runtime/environment.ts';
import { persistentVolumeClaimController } from './claims.ts';
import { persistentVolumeController } from './volumes.ts';

/** Claims and volumes, each with a queue of its own: one controller to the user, and one identity. */
export const persistentVolumeBinder: Controller = {
  name: 'persistentvolume-binder',
  async start(environment) {
    const claims = await persistentVolumeClaimController.start(environment);
    const volumes = await persistentVolumeController.start(environment);
    return {
      async [Symbol.asyncDispose]() {
        await claims[Symbol.asyncDispose]();
        await volumes[Symbol.asyncDispose]();
      },
    };
  },
};
