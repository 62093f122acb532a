import { parseMoment } from '../../machinery/history.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import { isNotFound } from '../../machinery/status.ts';
import { type Context, command } from '../command.ts';
import { KubectlError, throwAll, UsageError } from '../errors.ts';
import { type FlagValues, flag } from '../flags.ts';
import type { Kube } from '../kube.ts';
import { filenameFlags } from '../manifests.ts';
import { fileProblem, type ObjectPrinter, objectFormats, objectPrinter, outputFlags } from '../output.ts';
import { parseColumnFile, parseColumnSpec } from '../printers/custom-columns.ts';
import { age } from '../printers/duration.ts';
import { sortObjects, sortTable } from '../printers/sort.ts';
import { isTable, type Table, TablePrinter } from '../printers/table.ts';
import { TabWriter, tableTabs } from '../printers/tabs.ts';
import { type Fetched, fetchTargets, resolveTargets } from '../targets.ts';
import { watchTargets } from './get-watch.ts';

export const getFormats = [...objectFormats, 'custom-columns', 'custom-columns-file', 'wide'].sort();
export const tableAccept =
  'application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json';

const flags = {
  ...filenameFlags('identifying the resource to get from a server'),
  ...outputFlags,
  output: flag.string(`Output format. One of: (${getFormats.join(', ')}).`, { short: 'o' }),
  at: flag.string(
    'Show what was at this revision (4711), time (2026-01-02T03:04:05Z), or so long ago (10m): Wherry only.',
  ),
  'all-namespaces': flag.bool('If present, list the objects across all namespaces.', { short: 'A' }),
  'chunk-size': flag.int('Return large lists in chunks of this size; 0 for all at once.', { default: 500 }),
  'field-selector': flag.string("Selector (field query) to filter on, supports '=', '==', and '!='."),
  'ignore-not-found': flag.bool('Treat "resource not found" as a successful retrieval.'),
  'label-columns': flag.strings('Labels to be shown as columns.', { short: 'L' }),
  'no-headers': flag.bool('With the default or custom-columns output format, print no headers.'),
  'output-watch-events': flag.bool('Output watch event objects when --watch or --watch-only is used.'),
  raw: flag.string('Raw URI to request from the server.'),
  selector: flag.string('Selector (label query) to filter on.', { short: 'l' }),
  'server-print': flag.bool('Have the server return the table.', { default: true }),
  'show-kind': flag.bool('List the resource type for the requested objects.'),
  'show-labels': flag.bool('Show all labels as the last column.'),
  'sort-by': flag.string('Sort by this JSONPath expression (e.g. {.metadata.name}).'),
  subresource: flag.string('Get this subresource of the object.'),
  watch: flag.bool('After listing or getting the objects, watch for changes.', { short: 'w' }),
  'watch-only': flag.bool('Watch for changes without listing first.'),
};
export type GetContext = Context<FlagValues<typeof flags>>;

export const get = command({
  name: 'get',
  usage: `get [(-o|--output=)${getFormats.join('|')}] (TYPE[.VERSION][.GROUP] [NAME | -l label] | TYPE[.VERSION][.GROUP]/NAME ...) [flags]`,
  summary: 'Display one or many resources',
  examples: [
    ['List all pods in a table', 'kubectl get pods'],
    ['List all pods with more columns, such as the node', 'kubectl get pods -o wide'],
    ['Show one deployment as YAML', 'kubectl get deployment web -o yaml'],
    ['List pods and services together', 'kubectl get pods,services'],
    ['Follow changes', 'kubectl get pods -w'],
  ],
  flags,
  async run(context) {
    check(context);
    if (context.flags.raw) return raw(context);
    if (context.flags.watch || context.flags['watch-only']) return watchTargets(context);
    if (isHumanReadable(context)) return printTables(context);
    return printObjects(context);
  },
});

export const isHumanReadable = ({ flags: f }: GetContext): boolean =>
  (f.output === '' && f.template === '') || f.output === 'wide';

/** The server makes tables, unless each object is needed as a whole. */
export const wantsTable = (context: GetContext): boolean =>
  isHumanReadable(context) && context.flags['server-print'];

function check(context: GetContext): void {
  const { flags: f, args } = context;
  if (f.raw) {
    if (args.length) throw new KubectlError('arguments may not be passed when --raw is specified');
    if (f.watch || f['watch-only'] || f.selector)
      throw new KubectlError(
        '--raw may not be specified with other flags that filter the server request or alter the output',
      );
    if (f.output) throw new KubectlError('--raw and --output are mutually exclusive');
    return;
  }
  if (f.at && (f.watch || f['watch-only'] || f.subresource))
    throw new KubectlError('--at may not be used with --watch, --watch-only or --subresource');
  for (const name of ['watch', 'watch-only'] as const)
    if (f[name] && f['sort-by'])
      context.err.line(
        `warning: --${name} requested, --sort-by will be ignored${name === 'watch' ? ' for watch events received' : ''}`,
      );
  if (!f.watch && !f['watch-only'] && !args.length && !f.filename.length && !f.kustomize) {
    context.err.line(
      'You must specify the type of resource to get. Use "kubectl api-resources" for a complete list of supported resources.\n',
    );
    throw new UsageError(
      'Required resource not specified.\nUse "kubectl explain <resource>" for a detailed description of that resource (e.g. kubectl explain pods).',
    );
  }
  if (f['show-labels'] && f.output && f.output !== 'wide')
    throw new KubectlError(`--show-labels option cannot be used with ${f.output} printer`);
  if (f['output-watch-events'] && !f.watch && !f['watch-only'])
    throw new KubectlError('--output-watch-events option can only be used with --watch or --watch-only');
}

/** The revision that `--at` names, as the server knows it. */
async function revisionOf(
  kube: Kube,
  { flags: { at }, environment, signal }: GetContext,
): Promise<string | undefined> {
  if (!at) return undefined;
  try {
    const moment = parseMoment(at, environment.clock.now());
    const text = 'revision' in moment ? String(moment.revision) : new Date(moment.timeMs).toISOString();
    const path = `/wherry/history?at=${encodeURIComponent(text)}`;
    const response = await kube.rest.send({ method: 'GET', path, signal });
    const body = JSON.parse(await response.text());
    if (response.status === 404)
      throw new KubectlError('--at: this server keeps no history; it is not Wherry');
    if (response.status >= 400) throw new KubectlError(`--at: ${body.message}`);
    return String(body.at);
  } catch (error) {
    if (error instanceof RangeError) throw new KubectlError(`--at: ${error.message}`);
    throw error;
  }
}

async function raw(context: GetContext): Promise<void> {
  const path = context.flags.raw;
  if (!path.startsWith('/'))
    throw new KubectlError(
      `--raw must be a valid URL path: parse ${JSON.stringify(path)}: invalid URI for request`,
    );
  const kube = await context.kube();
  const response = await kube.rest.send({ method: 'GET', path, stream: true, signal: context.signal });
  for await (const piece of response.stream()) context.environment.stdout.write(piece);
}

export const targetOptions = ({ args, flags: f }: GetContext) => ({
  args,
  filename: f.filename,
  recursive: f.recursive,
  kustomize: f.kustomize,
  selector: f.selector,
  fieldSelector: f['field-selector'],
  bareTypes: true,
  allNamespaces: f['all-namespaces'],
  subresource: f.subresource,
});

/** A printer of tables for one kind. */
export const tablePrinterFor = (context: GetContext, info: Fetched, severalKinds: boolean): TablePrinter => {
  const { flags: f } = context;
  const { group, kind } = info.resource;
  const prefix = group ? `${kind.toLowerCase()}.${group}` : kind.toLowerCase();
  return new TablePrinter({
    noHeaders: f['no-headers'],
    wide: f.output === 'wide',
    withNamespace: f['all-namespaces'] && info.resource.namespaced,
    showLabels: f['show-labels'],
    labelColumns: f['label-columns'],
    kindPrefix: severalKinds || f['show-kind'] ? prefix : undefined,
  });
};

async function printTables(context: GetContext): Promise<void> {
  const { flags: f, out, err } = context;
  const sortBy = f['sort-by'];
  const { targets, errors } = await resolveTargets(context, targetOptions(context));
  const kube = await context.kube();
  const { found, errors: failed } = await fetchTargets(kube, targets, {
    accept: f['server-print'] ? tableAccept : undefined,
    chunkSize: sortBy ? 0 : f['chunk-size'],
    ignoreNotFound: f['ignore-not-found'],
    latest: true,
    includeObject: sortBy ? 'Object' : undefined,
    at: await revisionOf(kube, context),
  });
  const problems = [...errors, ...failed];
  if (sortBy) for (const { object } of found) if (isTable(object)) sortTable(object, sortBy);
  const kinds = new Set(found.map(({ resource: r }) => `${r.group}/${r.version}/${r.kind}`));
  let written = false;
  let separate = false;
  const writer = new TabWriter(tableTabs, (text) => {
    if (separate) out.write('\n');
    separate = false;
    written = true;
    out.write(text);
  });
  let printer: TablePrinter | undefined;
  let last: Fetched['resource'] | undefined;
  for (const info of found) {
    if (!printer || info.resource !== last) {
      writer.flush();
      writer.forget();
      if (last && !f['no-headers'] && written) separate = true;
      printer = tablePrinterFor(context, info, kinds.size > 1);
      last = info.resource;
    }
    printer.print(tableOf(info.object, context.environment.clock.now()), writer);
  }
  writer.flush();
  if (!written && !f['ignore-not-found'] && !problems.length) {
    const namespaced = !f['all-namespaces'] && found.every(({ resource }) => resource.namespaced);
    err.line(namespaced ? `No resources found in ${kube.namespace} namespace.` : 'No resources found');
  }
  throwAll(problems);
}

/** A server that made no table: name and age. */
export function tableOf(object: AnyObject | Table, nowMs: number): Table {
  if (isTable(object)) return object;
  return {
    kind: 'Table',
    columnDefinitions: [
      { name: 'Name', type: 'string', format: 'name' },
      { name: 'Age', type: 'string' },
    ],
    rows: [{ cells: [object.metadata.name, age(object.metadata.creationTimestamp, nowMs)], object }],
  };
}

async function printObjects(context: GetContext): Promise<void> {
  const { flags: f } = context;
  const { targets, errors, single } = await resolveTargets(context, targetOptions(context));
  const kube = await context.kube();
  const { found, errors: failed } = await fetchTargets(kube, targets, {
    chunkSize: f['sort-by'] ? 0 : f['chunk-size'],
    ignoreNotFound: f['ignore-not-found'],
    latest: true,
    at: await revisionOf(kube, context),
  });
  const problems = [...errors, ...failed];
  if (single && failed.length) throw failed[0];
  if (!found.length && f['ignore-not-found']) return throwAll(problems);
  const print = await getPrinter(context);
  const objects = found.map((info) => info.object as AnyObject);
  if (single && objects.length === 1) print(objects[0]!, context.out);
  else {
    const items = f['sort-by'] ? sortObjects(objects, f['sort-by']) : objects;
    print({ apiVersion: 'v1', kind: 'List', metadata: { resourceVersion: '' }, items }, context.out);
  }
  throwAll(problems);
}

/** Any printer of `get` but that of tables. */
export async function getPrinter(context: GetContext): Promise<ObjectPrinter> {
  const { output, 'no-headers': noHeaders } = context.flags;
  const [, format, spec = ''] = /^(custom-columns(?:-file)?)(?:=(.*))?$/s.exec(output) ?? [];
  if (!format) return objectPrinter(context.environment, context.flags, getFormats);
  const { CustomColumns } = await import('../printers/custom-columns.ts');
  const text = format.endsWith('file') ? await readText(context, spec) : spec;
  const columns = format.endsWith('file') ? parseColumnFile(text) : parseColumnSpec(text);
  const printer = new CustomColumns(columns, { noHeaders });
  return (object, out) => printer.print(object, out);
}

async function readText(context: GetContext, path: string): Promise<string> {
  if (!path) throw new KubectlError('custom-columns format specified but no custom columns given');
  try {
    return new TextDecoder().decode(await context.environment.files.read(path));
  } catch (error) {
    throw new KubectlError(`error reading template ${path}, ${fileProblem(error, path)}\n`);
  }
}

export const isIgnorable = (context: GetContext, error: unknown): boolean =>
  context.flags['ignore-not-found'] && isNotFound(error);
