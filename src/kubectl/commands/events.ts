import type { AnyObject } from '../../machinery/meta.ts';
import { type Context, command } from '../command.ts';
import { KubectlError } from '../errors.ts';
import { type FlagValues, flag } from '../flags.ts';
import { objectPrinter, outputFlags } from '../output.ts';
import { age } from '../printers/duration.ts';
import { escapeTerminal } from '../printers/table.ts';
import { TabWriter, tableTabs } from '../printers/tabs.ts';
import * as resources from '../resources.ts';

const flags = {
  ...outputFlags,
  'all-namespaces': flag.bool('If present, list events of all namespaces.', { short: 'A' }),
  'chunk-size': flag.int('Return large lists in chunks of this size; 0 for all at once.', { default: 500 }),
  for: flag.string('Filter events to only those pertaining to the specified resource.'),
  'no-headers': flag.bool('Print no headers.'),
  types: flag.strings('Output only events of given types.'),
  watch: flag.bool('After listing the requested events, watch for more events.', { short: 'w' }),
};
type EventsContext = Context<FlagValues<typeof flags>>;

export const events = command({
  name: 'events',
  usage: 'events [--for TYPE/NAME] [--watch] [--types=Normal,Warning]',
  summary: 'List events',
  examples: [
    ['List recent events in the default namespace', 'kubectl events'],
    [
      'List recent events for the specified pod, and wait for more',
      'kubectl events --for pod/web-pod-13je7 --watch',
    ],
    ['List recent warnings', 'kubectl events --types=Warning'],
  ],
  flags,
  async run(context) {
    const { flags: f, err } = context;
    for (const type of f.types)
      if (!/^(normal|warning)$/i.test(type)) throw new KubectlError('valid --types are Normal or Warning');
    const kube = await context.kube();
    const namespace = f['all-namespaces'] ? undefined : kube.namespace;
    const fieldSelector = await selectorFor(context);
    const wanted = (event: AnyObject) =>
      !f.types.length || f.types.some((type) => type.toLowerCase() === String(event.type).toLowerCase());
    const print = await printerOf(context);
    if (f.watch) {
      for await (const batch of kube.watch(resources.events, { namespace }, { fieldSelector }))
        for (const { type, object } of batch)
          if ((type === 'ADDED' || type === 'MODIFIED') && wanted(object)) print([object], object);
      return;
    }
    const list = await kube.listAll(resources.events, namespace, {
      fieldSelector,
      limit: f['chunk-size'] || undefined,
    });
    const items = (list.items as AnyObject[])
      .filter(wanted)
      .map((item) => ({ ...item, apiVersion: 'v1', kind: 'Event' }))
      .sort((a, b) => seenAt(a) - seenAt(b));
    if (!items.length)
      err.line(namespace === undefined ? 'No events found.' : `No events found in ${namespace} namespace.`);
    else print(items, { apiVersion: 'v1', kind: 'EventList', metadata: {}, items });
  },
});

const seenAt = (event: AnyObject): number =>
  Date.parse(event.series?.lastObservedTime ?? event.lastTimestamp ?? event.eventTime ?? '') || 0;

async function selectorFor(context: EventsContext): Promise<string | undefined> {
  const text = context.flags.for;
  if (!text) return undefined;
  const [type, name, ...more] = text.split('/');
  if (!type || !name || more.length) throw new KubectlError('--for must be in resource/name form');
  const { group, version, kind } = await (await context.kube()).resource(type);
  const apiVersion = group ? `${group}/${version}` : version;
  return `involvedObject.kind=${kind},involvedObject.apiVersion=${apiVersion},involvedObject.name=${name}`;
}

async function printerOf(context: EventsContext): Promise<(events: AnyObject[], whole: AnyObject) => void> {
  const { flags: f, out, environment } = context;
  if (f.output || f.template) {
    const print = await objectPrinter(environment, f);
    return (_, whole) => print(whole, out);
  }
  let header = !f['no-headers'];
  const writer = new TabWriter(tableTabs, (text) => out.write(text));
  const all = f['all-namespaces'];
  return (shown) => {
    if (header)
      writer.line(...(all ? ['NAMESPACE'] : []), 'LAST SEEN', 'TYPE', 'REASON', 'OBJECT', 'MESSAGE');
    header = false;
    for (const event of shown)
      writer.line(
        ...(all ? [event.metadata.namespace ?? ''] : []),
        lastSeen(event, environment.clock.now()),
        escapeTerminal(event.type ?? ''),
        escapeTerminal(event.reason ?? ''),
        escapeTerminal(`${event.involvedObject?.kind ?? ''}/${event.involvedObject?.name ?? ''}`),
        escapeTerminal((event.message ?? '').trim()),
      );
    writer.flush();
  };
}

function lastSeen(event: AnyObject, nowMs: number): string {
  const first = age(event.eventTime ?? event.firstTimestamp, nowMs);
  if (event.series)
    return `${age(event.series.lastObservedTime, nowMs)} (x${event.series.count} over ${first})`;
  if (event.count > 1) return `${age(event.lastTimestamp, nowMs)} (x${event.count} over ${first})`;
  return first;
}
