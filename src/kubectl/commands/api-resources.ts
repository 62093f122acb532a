import { type ApiResource, qualifiedName } from '../../client/discovery.ts';
import { type Context, command } from '../command.ts';
import { KubectlError, UsageError } from '../errors.ts';
import { flag } from '../flags.ts';
import { laidOut, tableTabs } from '../printers/tabs.ts';

const noArguments = ({ args }: Context): void => {
  if (args.length) throw new UsageError(`unexpected arguments: [${args.join(' ')}]`);
};
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const versionOf = ({ group, version }: ApiResource): string => (group ? `${group}/${version}` : version);

export const apiResources = command({
  name: 'api-resources',
  usage: 'api-resources [flags]',
  summary: 'Print the supported API resources on the server',
  examples: [
    ['Print the supported API resources', 'kubectl api-resources'],
    ['Print them with verbs and categories', 'kubectl api-resources -o wide'],
    ['Print the resources that have no namespace', 'kubectl api-resources --namespaced=false'],
    ['Print the resources of one group', 'kubectl api-resources --api-group=rbac.authorization.k8s.io'],
  ],
  flags: {
    'api-group': flag.string('Limit to resources in the specified API group.'),
    cached: flag.bool('Accepted for compatibility: nothing is cached.'),
    categories: flag.strings('Limit to resources that belong to the specified categories.'),
    namespaced: flag.bool('If false, only resources without a namespace; if true, only those with one.', {
      default: true,
    }),
    'no-headers': flag.bool('Print no headers.'),
    output: flag.string('Output format. One of: (wide, name).', { short: 'o' }),
    'sort-by': flag.string("Sort by 'name' or 'kind'."),
    verbs: flag.strings('Limit to resources that support the specified verbs.'),
  },
  async run(context) {
    const { flags: f, given, out } = context;
    noArguments(context);
    const { output } = f;
    if (output && output !== 'wide' && output !== 'name')
      throw new KubectlError(`--output ${output} is not available`);
    if (f['sort-by'] && f['sort-by'] !== 'name' && f['sort-by'] !== 'kind')
      throw new KubectlError('--sort-by accepts only name or kind');
    const resources = (await (await context.kube()).discovery())
      .preferred()
      .filter((r) => r.verbs.length)
      .filter((r) => !given.has('api-group') || r.group === f['api-group'])
      .filter((r) => !given.has('namespaced') || r.namespaced === f.namespaced)
      .filter((r) => f.verbs.every((verb) => r.verbs.includes(verb as never)))
      .filter((r) => f.categories.every((category) => r.categories.includes(category)))
      .sort((a, b) => {
        if (f['sort-by'] === 'name') return compare(a.plural, b.plural);
        if (f['sort-by'] === 'kind') return compare(a.kind, b.kind);
        return compare(a.group, b.group) || compare(a.plural, b.plural);
      });
    if (output === 'name') {
      for (const resource of resources) out.line(qualifiedName(resource));
      return;
    }
    const wide = output === 'wide';
    const header = ['NAME', 'SHORTNAMES', 'APIVERSION', 'NAMESPACED', 'KIND'];
    const rows = f['no-headers'] ? [] : [wide ? [...header, 'VERBS', 'CATEGORIES'] : header];
    for (const r of resources) {
      const row = [r.plural, r.shortNames.join(','), versionOf(r), String(r.namespaced), r.kind];
      rows.push(wide ? [...row, r.verbs.join(','), r.categories.join(',')] : row);
    }
    out.write(laidOut(tableTabs, rows.map((row) => `${row.join('\t')}\n`).join('')));
  },
});

export const apiVersions = command({
  name: 'api-versions',
  usage: 'api-versions',
  summary: 'Print the supported API versions on the server, in the form of "group/version"',
  examples: [['Print the supported API versions', 'kubectl api-versions']],
  async run(context) {
    noArguments(context);
    const { groups } = await (await context.kube()).discovery();
    const versions = groups.flatMap(({ name, versions: served }) =>
      served.map(({ version }) => (name ? `${name}/${version}` : version)),
    );
    for (const version of versions.sort()) context.out.line(version);
  },
});
