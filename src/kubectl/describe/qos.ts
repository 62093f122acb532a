import { parseQuantity } from '../../machinery/quantity.ts';

/** The quality of service that a pod's requests and limits give it. */
export function qosClass({ spec }: any): 'Guaranteed' | 'Burstable' | 'BestEffort' {
  const all: any[] = [...(spec.containers ?? []), ...(spec.initContainers ?? [])];
  const amount = (container: any, which: 'requests' | 'limits', name: string): number =>
    parseQuantity(container.resources?.[which]?.[name]);
  const names = ['cpu', 'memory'];
  const any = all.some((c) =>
    names.some((name) => amount(c, 'requests', name) > 0 || amount(c, 'limits', name) > 0),
  );
  if (!any) return 'BestEffort';
  const guaranteed = all.every((c) =>
    names.every((name) => {
      const limit = amount(c, 'limits', name);
      return limit > 0 && (amount(c, 'requests', name) || limit) === limit;
    }),
  );
  return guaranteed ? 'Guaranteed' : 'Burstable';
}
