import { sleep } from '../../machinery/clock.ts';
import { apiVersionOf } from '../../machinery/kind.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import { internalError, isStatusError } from '../../machinery/status.ts';
import { type CacheEvent, watchLine } from '../cache/resource-cache.ts';
import type { Context } from '../context.ts';
import { cacheOf } from '../registry/registry.ts';
import { watch } from '../registry/watch.ts';
import type { ApiServer } from '../server.ts';
import { encodeWatchObject } from './encode.ts';
import type { Exchange } from './exchange.ts';
import type { Form } from './negotiate.ts';
import { partial, table } from './table.ts';
import { warningHeader } from './warnings.ts';

/** Bytes that a watcher may be behind before it is cut off: it lists again, and the server's memory stays bounded. */
const maxPendingBytes = 16 << 20;
const bookmarkEveryMs = 60_000;

/** Serves a watch until its time is over, the client goes, or the client cannot follow. */
export async function serveWatch(
  server: ApiServer,
  context: Context,
  exchange: Exchange,
  form: Form,
  include: string,
  closing: AbortSignal,
  /** Called once what there is already is sent. */
  begun: () => void = () => {},
): Promise<void> {
  const { kind } = context.served;
  const { clock, random } = server.registry;
  const cache = cacheOf(server.registry, context);
  const plain = form.encoding === 'json' && !form.as;
  const protobuf = form.encoding === 'protobuf';
  const type = protobuf ? 'application/vnd.kubernetes.protobuf;stream=watch' : 'application/json';
  const line = (eventType: string, payload: AnyObject) =>
    protobuf
      ? encodeWatchObject(eventType, payload)
      : `${JSON.stringify({ type: eventType, object: payload })}\n`;
  const end = new AbortController();
  let stream: ReturnType<Exchange['stream']> | undefined;
  const early: (Uint8Array | string)[] = [];
  const { total, sizes } = server.metrics.requests.watchEvents(context.served);
  const send = (chunk: Uint8Array | string) => {
    total.value++;
    sizes.observe(chunk.length);
    if (!stream) return void early.push(chunk);
    stream.write(chunk);
    if (stream.pendingBytes > maxPendingBytes) {
      stream.destroy();
      end.abort();
    }
  };
  let rows = 0;
  const encodeObject = (eventType: string, object: AnyObject): Uint8Array | string => {
    const payload =
      form.as === 'Table'
        ? table(
            kind,
            [object],
            { resourceVersion: object.metadata.resourceVersion },
            clock.now(),
            include,
            rows++ === 0,
          )
        : form.as
          ? partial(object)
          : { kind: kind.kind, apiVersion: apiVersionOf(kind), ...object };
    return line(eventType, payload);
  };
  const bookmark = (revision: number, initialEnd: boolean) => {
    const metadata = {
      resourceVersion: String(revision),
      creationTimestamp: null,
      ...(initialEnd ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}),
    };
    const bare = { kind: kind.kind, apiVersion: apiVersionOf(kind), metadata } as unknown as AnyObject;
    if (form.as === 'Table') {
      const empty = {
        ...table(kind, [], metadata, 0, include, rows++ === 0),
        rows: [{ cells: kind.columns.map(() => null), object: partial(bare) }],
      };
      return send(`${JSON.stringify({ type: 'BOOKMARK', object: empty })}\n`);
    }
    const payload = form.as ? partial(bare) : bare;
    send(line('BOOKMARK', payload));
  };

  const watching = watch(cache, context, {
    initial: (entry) => send(plain ? watchLine('ADDED', entry.json) : encodeObject('ADDED', entry.object)),
    event: (eventType, event: CacheEvent) =>
      send(plain ? event.line(eventType) : encodeObject(eventType, event.entry.object)),
    bookmark,
    fail(error) {
      const { status } = isStatusError(error) ? error : internalError((error as Error).message);
      send(line('ERROR', status as unknown as AnyObject));
      end.abort();
    },
  });
  try {
    const warning = warningHeader(context.warnings);
    stream = exchange.stream(
      200,
      {
        'content-type': type,
        'cache-control': 'no-cache, private',
        ...(warning ? { warning } : {}),
      },
      { paced: true },
    );
    for (const chunk of early.splice(0)) stream.write(chunk);
    begun();
    const seconds = context.options.timeoutSeconds || 1800 + random() * 1800;
    const until = clock.now() + seconds * 1000;
    const { ended } = context.served;
    const over = AbortSignal.any([exchange.signal, closing, end.signal, ...(ended ? [ended] : [])]);
    while (!over.aborted && clock.now() < until) {
      await sleep(clock, Math.min(until - clock.now(), bookmarkEveryMs * (0.9 + random() * 0.2)), over).catch(
        () => {},
      );
      if (!over.aborted && clock.now() < until && context.options.allowWatchBookmarks) watching.bookmark();
    }
  } finally {
    watching.stop();
    stream?.end();
  }
}
