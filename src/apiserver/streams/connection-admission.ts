// Connections (exec, attach, port-forward, proxy) as admission sees them: the operation CONNECT, with the options as object.
import type { AnyObject } from '../../machinery/meta.ts';
import type { Admission, Context } from '../context.ts';
import { admit, type Registry } from '../registry/registry.ts';

type Options = (query: URLSearchParams, rest: string) => object;

const flag = (query: URLSearchParams, name: string): object =>
  ['', '1', 'true', 'True', 'TRUE'].includes(query.get(name) ?? 'false') ? { [name]: true } : {};

const streams: Options = (query) => ({
  ...flag(query, 'stdin'),
  ...flag(query, 'stdout'),
  ...flag(query, 'stderr'),
  ...flag(query, 'tty'),
  ...(query.get('container') ? { container: query.get('container') } : {}),
});
const path: Options = (_query, rest) => (rest ? { path: rest } : {});

/** The kinds of options, and what they say, by resource and subresource. */
const kinds: Record<string, [kind: string, options: Options]> = {
  'pods/exec': [
    'PodExecOptions',
    (query, rest) => ({ ...streams(query, rest), command: query.getAll('command') }),
  ],
  'pods/attach': ['PodAttachOptions', streams],
  'pods/portforward': [
    'PodPortForwardOptions',
    (query) => ({ ports: query.getAll('ports').flatMap((ports) => ports.split(',').map(Number)) }),
  ],
  'pods/proxy': ['PodProxyOptions', path],
  'services/proxy': ['ServiceProxyOptions', path],
  'nodes/proxy': ['NodeProxyOptions', path],
};

/** Shows a connection that is asked for to admission; does nothing for other requests. Throws what refuses it. */
export async function admitConnection(
  registry: Registry,
  context: Context,
  query: URLSearchParams,
  rest: string,
): Promise<void> {
  const { group, plural, subresource } = context;
  const known = group === '' && subresource ? kinds[`${plural}/${subresource}`] : undefined;
  if (!known) return;
  const [kind, options] = known;
  const object = { kind, apiVersion: 'v1', ...options(query, rest) } as unknown as AnyObject;
  const admission: Admission = {
    ...{ context, operation: 'CONNECT', object, old: undefined, subresource: subresource! },
    type: { group: '', version: 'v1', kind },
  };
  await admit(registry, admission, 'mutate');
  await admit(registry, admission, 'validate');
}
