import type { AnyObject } from '../../machinery/meta.ts';
import { compareQuantity, parseQuantity } from '../../machinery/quantity.ts';
import { type Context, command, entry } from '../command.ts';
import { KubectlError, UsageError } from '../errors.ts';
import { flag } from '../flags.ts';
import { laidOut, tableTabs } from '../printers/tabs.ts';
import * as resources from '../resources.ts';
import { selectorFlag } from '../writing.ts';

type Usage = Record<string, string>;
const measured = ['cpu', 'memory'] as const;
type Measured = (typeof measured)[number];

const sortFlag = flag.string("Sort the list by 'cpu' or 'memory'.");
const noHeadersFlag = flag.bool('Print output without headers.');
const protocolFlag = flag.bool('Accepted for compatibility.', { hidden: true, default: true });

/** Throws where the server has no metrics. */
async function metricsPath(context: Context): Promise<string> {
  const { 'sort-by': sortBy } = context.flags;
  if (sortBy && sortBy !== 'cpu' && sortBy !== 'memory')
    throw new KubectlError('--sort-by accepts only cpu or memory');
  if (context.args.length && context.flags.selector)
    throw new KubectlError('only one of NAME or selector can be provided');
  const { groups } = await (await context.kube()).discovery();
  const group = groups.find(({ name }) => name === 'metrics.k8s.io');
  const version = group?.versions.find((v) => v.resources.length && ['v1beta1', 'v1'].includes(v.version));
  if (!version) throw new KubectlError('Metrics API not available');
  return `/apis/metrics.k8s.io/${version.version}`;
}

async function metrics(context: Context, path: string, namespace?: string): Promise<AnyObject[]> {
  const { args, flags: f } = context;
  const kube = await context.kube();
  const scope = namespace === undefined ? '' : `/namespaces/${namespace}`;
  const [base, type] = path.split(':') as [string, string];
  if (args.length)
    return [JSON.parse(await kube.text(`${base}${scope}/${type}/${encodeURIComponent(args[0]!)}`))];
  const query = new URLSearchParams();
  if (f.selector) query.set('labelSelector', f.selector);
  if (f['field-selector']) query.set('fieldSelector', f['field-selector']);
  return JSON.parse(await kube.text(`${base}${scope}/${type}${query.size ? `?${query}` : ''}`)).items ?? [];
}

const amount = (usage: Usage, name: Measured): number => parseQuantity(usage[name] ?? '0');
const shown = (name: Measured, value: number): string =>
  name === 'cpu' ? `${Math.ceil(value * 1000)}m` : `${Math.floor(value / 1024 ** 2)}Mi`;

function added(usages: Usage[]): Usage {
  const total: Usage = {};
  for (const name of measured)
    total[name] =
      name === 'cpu'
        ? `${Math.round(usages.reduce((sum, usage) => sum + amount(usage, name), 0) * 1e9)}n`
        : String(usages.reduce((sum, usage) => sum + amount(usage, name), 0));
  return total;
}

const compareUsage =
  (sortBy: string) => (a: { usage: Usage; name: string }, b: { usage: Usage; name: string }) =>
    (sortBy && compareQuantity(b.usage[sortBy] ?? '0', a.usage[sortBy] ?? '0')) ||
    (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);

/** Each cell of these tables ends with a tab, the last one too. */
const table = (rows: string[][]): string =>
  laidOut(tableTabs, rows.map((row) => `${row.map((cell) => `${cell}\t`).join('')}\n`).join(''));

const topNode = command({
  name: 'node',
  aliases: ['nodes', 'no'],
  usage: 'top node [NAME | -l label]',
  summary: 'Display resource (CPU/memory) usage of nodes',
  examples: [['Show metrics for all nodes', 'kubectl top node']],
  flags: {
    'no-headers': noHeadersFlag,
    selector: selectorFlag,
    'show-capacity': flag.bool('Of the whole capacity instead of what pods can use of it.'),
    'sort-by': sortFlag,
    'use-protocol-buffers': protocolFlag,
  },
  async run(context) {
    const { args, flags: f, out } = context;
    if (args.length > 1) throw new UsageError('node [NAME | -l label]');
    const path = await metricsPath(context);
    const found = (await metrics(context, `${path}:nodes`)).map((m) => ({
      name: m.metadata.name!,
      usage: m.usage as Usage,
    }));
    if (!found.length) throw new KubectlError('metrics not available yet');
    const kube = await context.kube();
    const nodes = args.length
      ? [await kube.get({ resource: resources.nodes, name: args[0]! })]
      : (await kube.listAll(resources.nodes, undefined, { labelSelector: f.selector || undefined })).items;
    const available = new Map<string, Usage>(
      (nodes as AnyObject[]).map((n) => [
        n.metadata.name!,
        f['show-capacity'] ? n.status.capacity : n.status.allocatable,
      ]),
    );
    const rows = f['no-headers'] ? [] : [['NAME', 'CPU(cores)', 'CPU(%)', 'MEMORY(bytes)', 'MEMORY(%)']];
    for (const { name, usage } of found.sort(compareUsage(f['sort-by']))) {
      const of = available.get(name);
      available.delete(name);
      const cells = measured.flatMap((resource) => {
        const value = amount(usage, resource);
        const whole = of ? amount(of, resource) : 0;
        return [shown(resource, value), ...(of ? [`${whole ? Math.trunc((value / whole) * 100) : 0}%`] : [])];
      });
      rows.push([name, ...cells]);
    }
    for (const name of available.keys()) rows.push([name, ...Array(4).fill('<unknown>')]);
    out.write(table(rows));
  },
});

const topPod = command({
  name: 'pod',
  aliases: ['pods', 'po'],
  usage: 'top pod [NAME | -l label]',
  summary: 'Display resource (CPU/memory) usage of pods',
  examples: [
    ['Show metrics for all pods in the default namespace', 'kubectl top pod'],
    ['Show metrics for a given pod and its containers', 'kubectl top pod POD_NAME --containers'],
  ],
  flags: {
    'all-namespaces': flag.bool('If present, list the requested objects across all namespaces.', {
      short: 'A',
    }),
    containers: flag.bool('If present, print usage of containers within a pod.'),
    'field-selector': flag.string("Selector (field query) to filter on, supports '=', '==', and '!='."),
    'no-headers': noHeadersFlag,
    selector: selectorFlag,
    'sort-by': sortFlag,
    sum: flag.bool('Print the sum of the resource usage.'),
    'use-protocol-buffers': protocolFlag,
  },
  async run(context) {
    const { args, flags: f, out, err } = context;
    if (args.length > 1) throw new UsageError('pod [NAME | -l label]');
    const path = await metricsPath(context);
    const kube = await context.kube();
    const all = f['all-namespaces'];
    const found = await metrics(context, `${path}:pods`, all && !args.length ? undefined : kube.namespace);
    if (!found.length) {
      const { items } = await kube.list(resources.pods, all ? undefined : kube.namespace, { limit: 1 });
      if (items.length) throw new KubectlError('metrics not available yet');
      err.line(all ? 'No resources found' : `No resources found in ${kube.namespace} namespace.`);
      return;
    }
    const pods = found.map((m) => {
      const containers = m.containers as { name: string; usage: Usage }[];
      const { name = '', namespace = '' } = m.metadata;
      return { name, namespace, containers, usage: added(containers.map((c) => c.usage)) };
    });
    const before = (p: { namespace: string }) => (all ? [p.namespace] : []);
    const used = (usage: Usage) => measured.map((name) => shown(name, amount(usage, name)));
    const head = [
      ...(all ? ['NAMESPACE'] : []),
      ...(f.containers ? ['POD'] : []),
      'NAME',
      'CPU(cores)',
      'MEMORY(bytes)',
    ];
    const rows = f['no-headers'] ? [] : [head];
    const compare = compareUsage(f['sort-by']);
    pods.sort((a, b) =>
      all && !f['sort-by'] && a.namespace !== b.namespace
        ? a.namespace < b.namespace
          ? -1
          : 1
        : compare(a, b),
    );
    for (const pod of pods)
      if (!f.containers) rows.push([...before(pod), pod.name, ...used(pod.usage)]);
      else
        for (const container of pod.containers.sort(compare))
          rows.push([...before(pod), pod.name, container.name, ...used(container.usage)]);
    if (f.sum) {
      const blank = Array(head.length - 2).fill('');
      rows.push([...blank, '________', '________'], [...blank, ...used(added(pods.map((p) => p.usage)))]);
    }
    out.write(table(rows));
  },
});

export const top = command({
  name: 'top',
  usage: 'top',
  summary: 'Display resource (CPU/memory) usage',
  description:
    'Display resource (CPU/memory) usage. The server of the metrics API (metrics.k8s.io) must run in the cluster.',
  commands: [entry(topNode), entry(topPod)],
});
