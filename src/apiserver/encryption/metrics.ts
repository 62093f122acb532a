import { allKinds } from '../../api/all.ts';
import type { Clock } from '../../machinery/clock.ts';
import { exponentialBuckets, type MetricRegistry } from '../../machinery/metrics.ts';
import type { Store } from '../../machinery/store.ts';
import { storePrefix } from '../scheme.ts';
import { EncryptedStore } from './encrypted-store.ts';

/** Counts what is encrypted and decrypted, by upstream's names, where anything is. Source: "Kubernetes Metrics Reference". */
export function countTransformations(store: Store, registry: MetricRegistry, clock: Clock): void {
  if (!(store instanceof EncryptedStore)) return;
  const took = registry.histogram(
    'apiserver_storage_transformation_duration_seconds',
    'Latencies in seconds of value transformation operations.',
    ['transformation_type', 'transformer_prefix'],
    exponentialBuckets(5e-6, 2, 25),
  );
  const total = registry.counter(
    'apiserver_storage_transformation_operations_total',
    "Total number of transformations. Successful transformation will have a status 'OK' and a varied status string when the transformation fails.",
    ['resource', 'transformation_type', 'transformer_prefix', 'status'],
  );
  store.observe((key, direction, prefix, failed, tookMs) => {
    total.with(resourceOf(key), direction, prefix, failed ? 'unknown-non-grpc' : 'OK').inc();
    if (!failed) took.with(direction, prefix).observe(tookMs / 1000);
  }, clock.now.bind(clock));
}

const builtIn = new Map(
  allKinds.map((kind) => [
    storePrefix(kind, false),
    kind.group ? `${kind.plural}.${kind.group}` : kind.plural,
  ]),
);
/** `secrets` of `/registry/secrets/ns/name`, `widgets.example.com` of `/registry/example.com/widgets/ns/name`. */
function resourceOf(key: string): string {
  const [, root, first = '', second = ''] = key.split('/');
  const short = `/${root}/${first}/`;
  return builtIn.get(short) ?? builtIn.get(`${short}${second}/`) ?? `${second}.${first}`;
}
