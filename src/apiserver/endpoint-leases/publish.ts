import type { Client } from '../../client/client.ts';
import type { Clock } from '../../machinery/clock.ts';
import type { Log } from '../../machinery/log.ts';
import { isConflict } from '../../machinery/status.ts';
import type { Store } from '../../machinery/store.ts';
import { reconcileLoop } from '../reconcile.ts';
import { forgetOldIdentities, identityOf, renewIdentity } from './identity-lease.ts';
import { ensureService, publishServers } from './kubernetes-service.ts';
import { MasterLeases } from './master-leases.ts';

const everyMs = 10_000;
const conflictMs = 200;
const forgetEveryMs = 3600_000;

export interface PublishedServer {
  /** Where others reach this server; undefined: nowhere, it has only loopback. */
  address: string | undefined;
  port: number;
  /** The address of the Service `kubernetes`. */
  serviceIP: string;
  host: string;
  /** What its identity is made of; the host's name, where there is one server on it. */
  identity: string;
  uuid: () => string;
}

/**
 * Makes the server known: its address among the endpoints of the Service `kubernetes`, its identity as a Lease. A server
 * that dies goes from there by itself. Disposing of it takes the address back at once.
 */
export async function publishServer(
  server: PublishedServer,
  { store, client, clock, log }: { store: Store; client: Client; clock: Clock; log: Log },
): Promise<AsyncDisposable> {
  const { address, port, serviceIP, host } = server;
  const leases = new MasterLeases(store);
  const name = await identityOf(server.identity);
  const holder = `${name}_${server.uuid()}`;
  let forgottenMs = 0;
  let leaving = false;

  const service = reconcileLoop(
    'endpoints of the service kubernetes',
    async (loop) => {
      if (leaving) return;
      loop.later(everyMs);
      if (address) await leases.renew(address, port);
      await ensureService(client, serviceIP, port);
      if (!address) return;
      try {
        await publishServers(client, await leases.list(), port);
      } catch (error) {
        // Another server does the same at the same time.
        if (!isConflict(error)) throw error;
        loop.later(conflictMs);
      }
    },
    clock,
    log,
  );
  const identity = reconcileLoop(
    'identity of this API server',
    async (loop) => {
      loop.later(everyMs);
      const nowMs = clock.now();
      await renewIdentity(client, { name, holder, host, nowMs });
      if (nowMs - forgottenMs < forgetEveryMs) return;
      forgottenMs = nowMs;
      await forgetOldIdentities(client, nowMs);
    },
    clock,
    log,
  );
  await service.first;
  return {
    async [Symbol.asyncDispose]() {
      leaving = true;
      identity.stop();
      service.stop();
      await service.idle();
      if (!address) return;
      try {
        await leases.remove(address, port);
        await publishServers(client, await leases.list(), port);
      } catch (error) {
        // It goes by itself in some seconds.
        log.warn('the address of this server is still published', { error: String(error) });
      }
    },
  };
}
