import { CompactedError, FutureRevisionError, StoreClosedError } from '../machinery/store.ts';
import { NothingWrittenError } from './backend.ts';

/** gRPC's status codes, as far as they are used. */
export const code = {
  invalidArgument: 3,
  notFound: 5,
  resourceExhausted: 8,
  failedPrecondition: 9,
  outOfRange: 11,
  internal: 13,
  unknown: 2,
  unavailable: 14,
} as const;

/** What a request is refused with: clients of etcd know these codes and texts. */
export class EtcdError extends Error {
  readonly code: number;
  constructor(status: number, message: string) {
    super(`etcdserver: ${message}`);
    this.code = status;
  }
}

export const compacted = () => new EtcdError(code.outOfRange, 'mvcc: required revision has been compacted');
export const futureRevision = () =>
  new EtcdError(code.outOfRange, 'mvcc: required revision is a future revision');
export const noKey = () => new EtcdError(code.invalidArgument, 'key is not provided');
export const leaseNotFound = () => new EtcdError(code.notFound, 'requested lease not found');

/** A store's error as etcd would say it. */
export function toEtcdError(error: unknown): EtcdError {
  if (error instanceof EtcdError) return error;
  if (error instanceof CompactedError) return compacted();
  if (error instanceof FutureRevisionError) return futureRevision();
  if (error instanceof NothingWrittenError)
    return new EtcdError(code.resourceExhausted, `mvcc: database space exceeded (${error.message})`);
  if (error instanceof StoreClosedError) return new EtcdError(code.unavailable, 'server stopped');
  return new EtcdError(code.unknown, error instanceof Error ? error.message : String(error));
}
