import { existsSync, readFileSync } from 'node:fs';
import { EtcdConnection } from '../etcd/node/etcd-connection.ts';
import { type FlagHelp, type FlagSpecs, UserError } from './command.ts';

/** How to reach an etcd cluster that wants certificates: upstream's names. */
export const etcdFlags = {
  'etcd-cafile': { type: 'string' },
  'etcd-certfile': { type: 'string' },
  'etcd-keyfile': { type: 'string' },
} as const satisfies FlagSpecs;
export const etcdHelp = {
  'etcd-cafile': { value: 'FILE', help: "authority of etcd's certificates" },
  'etcd-certfile': { value: 'FILE', help: 'certificate that etcd knows us by' },
  'etcd-keyfile': { value: 'FILE', help: 'its key' },
} as const satisfies Record<keyof typeof etcdFlags, FlagHelp>;

/** What `--store etcd=URL,...` names; undefined when it is not given. */
export function etcdConnection(
  store: string | undefined,
  flags: { [name in keyof typeof etcdFlags]?: string },
): EtcdConnection | undefined {
  if (store === undefined) return undefined;
  if (!store.startsWith('etcd='))
    throw new UserError(`--store takes "etcd=http://HOST:PORT" here, not "${store}".`, 2);
  const pem = (path: string | undefined) => {
    if (path === undefined) return undefined;
    if (!existsSync(path)) throw new UserError(`there is no file ${path}.`);
    return readFileSync(path);
  };
  return new EtcdConnection({
    endpoints: store.slice('etcd='.length).split(','),
    tls: {
      ca: pem(flags['etcd-cafile']),
      cert: pem(flags['etcd-certfile']),
      key: pem(flags['etcd-keyfile']),
    },
  });
}
