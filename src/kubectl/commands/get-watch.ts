// `get --watch`.
import type { AnyObject } from '../../machinery/meta.ts';
import { KubectlError } from '../errors.ts';
import { isTable, type Table } from '../printers/table.ts';
import { TabWriter, tableTabs } from '../printers/tabs.ts';
import { type Fetched, fetchTargets, resolveTargets } from '../targets.ts';
import {
  type GetContext,
  getPrinter,
  isHumanReadable,
  isIgnorable,
  tableAccept,
  tableOf,
  tablePrinterFor,
  targetOptions,
  wantsTable,
} from './get.ts';

type Show = (type: string, object: AnyObject | Table) => void;

/** Shows what is there, then each change, until the server ends the watch or the user does. */
export async function watchTargets(context: GetContext): Promise<number | undefined | void> {
  const { flags: f } = context;
  const kube = await context.kube();
  const { targets, errors } = await resolveTargets(context, targetOptions(context));
  if (errors.length) throw errors[0];
  if (targets.length !== 1)
    throw new KubectlError(
      targets.every((t) => t.type === 'list')
        ? 'you may only specify a single resource type'
        : `watch is only supported on individual resources and resource collections - ${targets.length} resources were found`,
    );
  const target = targets[0]!;
  const accept = wantsTable(context) ? tableAccept : undefined;
  const { resource, namespace } = target;
  let resourceVersion: string | undefined;
  let first: Fetched[] = [];
  if (target.type === 'list') {
    const { labelSelector, fieldSelector } = target;
    const list = await kube.list(resource, namespace, { accept, labelSelector, fieldSelector });
    resourceVersion = list.metadata?.resourceVersion;
    const objects: (AnyObject | Table)[] = isTable(list)
      ? [list]
      : list.items.map((item) => ({
          apiVersion: list.apiVersion,
          kind: list.kind?.replace(/List$/, ''),
          ...item,
        }));
    first = objects.map((object) => ({ resource, namespace, name: '', object }));
  } else {
    const { found, errors: failed } = await fetchTargets(kube, [target], { accept, latest: true });
    if (failed.length && isIgnorable(context, failed[0])) return;
    if (failed.length) throw failed[0];
    first = found;
  }
  const show = await shower(context, first[0] ?? { resource, namespace, name: '', object: {} as AnyObject });
  if (!f['watch-only']) for (const { object } of first) show('ADDED', object);
  // A watch of one object begins with an event for what was just shown.
  let skip = target.type === 'list' ? 0 : 1;
  const selectors =
    target.type === 'list'
      ? { labelSelector: target.labelSelector, fieldSelector: target.fieldSelector }
      : {};
  const events = kube.watch(
    resource,
    { namespace, name: target.type === 'list' ? undefined : target.name },
    { accept, resourceVersion: resourceVersion ?? '0', ...selectors },
  );
  for await (const batch of events)
    for (const { type, object } of batch) {
      if (type === 'BOOKMARK') continue;
      if (skip > 0) skip--;
      else show(type, object);
    }
  return context.signal.aborted ? 130 : 0;
}

async function shower(context: GetContext, info: Fetched): Promise<Show> {
  const { out, flags: f } = context;
  const withEvents = f['output-watch-events'];
  if (!isHumanReadable(context)) {
    const print = await getPrinter(context);
    return (type, object) => print((withEvents ? { type, object } : object) as AnyObject, out);
  }
  const printer = tablePrinterFor(context, info, false);
  const writer = new TabWriter(tableTabs, (text) => out.write(text));
  return (type, object) => {
    printer.print(tableOf(object, context.environment.clock.now()), writer, withEvents ? type : undefined);
    writer.flush();
  };
}
