import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { nameservers } from '../plugins/forward.ts';
import type { DnsSockets } from '../start.ts';
import { exchange } from './exchange.ts';
import { serveHttp } from './http.ts';
import { listen } from './listen.ts';

/** The sockets and files of this machine. */
export const dnsSockets: DnsSockets = {
  exchange,
  serveHttp,
  readFile: (path) => readFile(path, 'utf8'),
  listen: (server, address, log) => listen(server, address, { log }),
};

/**
 * Resolvers that this machine uses. Where it uses only one on itself (systemd-resolved), those behind that one, if they
 * can be found. [] when there are none.
 */
export function nodeResolvers(): string[] {
  const read = (path: string) => (existsSync(path) ? nameservers(readFileSync(path, 'utf8')) : []);
  const own = read('/etc/resolv.conf');
  const behind = own.every((address) => address.startsWith('127.'))
    ? read('/run/systemd/resolve/resolv.conf')
    : [];
  return behind.length > 0 ? behind : own;
}
