import { addQuantities, compareQuantity } from '../../machinery/quantity.ts';

type Amounts = Record<string, string>;

const add = (sum: Amounts, more: Amounts | undefined): Amounts => {
  const result = { ...sum };
  for (const [name, value] of Object.entries(more ?? {})) result[name] = addQuantities(result[name], value);
  return result;
};
const max = (a: Amounts, b: Amounts): Amounts => {
  const result = { ...a };
  for (const [name, value] of Object.entries(b))
    if (result[name] === undefined || compareQuantity(value, result[name]) > 0) result[name] = value;
  return result;
};

/**
 * What a pod takes of a node: its containers together, or more where one that runs before them needs more, and the overhead.
 * https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#resource-sharing-within-containers
 */
export function podAmounts({ spec }: any, which: 'requests' | 'limits'): Amounts {
  let running: Amounts = {};
  for (const container of spec.containers ?? []) running = add(running, container.resources?.[which]);
  let sidecars: Amounts = {};
  let peak: Amounts = {};
  for (const container of spec.initContainers ?? []) {
    const own: Amounts = container.resources?.[which] ?? {};
    if (container.restartPolicy === 'Always') {
      running = add(running, own);
      sidecars = add(sidecars, own);
      peak = max(peak, sidecars);
    } else peak = max(peak, add(sidecars, own));
  }
  let total = max(running, peak);
  // What is said for the pod as a whole counts instead.
  for (const [name, value] of Object.entries((spec.resources?.[which] ?? {}) as Amounts))
    total = { ...total, [name]: value };
  if (!spec.overhead) return total;
  if (which === 'requests') return add(total, spec.overhead);
  const limited = Object.entries(spec.overhead as Amounts).filter(([name]) => total[name] !== undefined);
  return add(total, Object.fromEntries(limited));
}
