import type { PodTrace } from '../cluster/trace.ts';

const titles: Record<number, string> = {
  1: 'kubectl asks the API server',
  2: 'the API server records it in etcd',
  3: 'the controller manager makes the pod',
  4: 'the scheduler chooses a node',
  5: 'the kubelet sees its pod',
  6: 'it asks the container runtime (CRI)',
  7: 'sandbox, network, containers',
  8: 'ready: endpoints, rules, names',
};

const ms = (n: number): string =>
  n < 10 ? n.toFixed(1) : n < 10_000 ? n.toFixed(0) : `${(n / 1000).toFixed(1)}k`;

/**
 * The picture in the terminal: a block for each step, a line for each record with its time since the beginning, the gap to the
 * record before it, and a bar that shows where in the whole time it lies.
 */
export function drawTrace({ pod, lineage, records }: PodTrace, width: number): string {
  if (!records.length)
    return `nothing was recorded of ${pod.namespace}/${pod.name}: it was there before this start of Wherry.\n`;
  const start = records[0]!.at;
  const readyAt = records.find((r) => r.step === 8 && r.event === 'pod ready')?.at ?? records.at(-1)!.at;
  const total =
    Math.max(readyAt, ...records.filter((r) => r.at - readyAt < 5000).map((r) => r.at)) - start || 1;
  const bar = Math.max(10, Math.min(30, width - 86));
  const from = lineage
    .slice(1)
    .map((o) => `${o.resource}/${o.name}`)
    .join(' < ');
  const lines = [
    `pod ${pod.namespace}/${pod.name}${from ? `, made by ${from}` : ''}${pod.node ? `, on ${pod.node}` : ''}${pod.ip ? `, ${pod.ip}` : ''}`,
    `${new Date(start).toISOString()}, ${ms(readyAt - start)} ms from the request to ready`,
  ];
  const places: string[] = [];
  for (let step = 1; step <= 8; step++) {
    const mine = records.filter((r) => r.step === step);
    lines.push('', `${step}  ${titles[step]}${mine.length ? '' : '  (nothing recorded)'}`);
    for (const record of mine) {
      const i = records.indexOf(record);
      const gap = i ? record.at - records[i - 1]!.at : 0;
      const at = Math.min(bar - 1, Math.floor(((record.at - start) / total) * bar));
      const ruler = `${'·'.repeat(at)}█${'·'.repeat(bar - at - 1)}`;
      const who = record.resource === 'pods' ? '' : `${record.resource.split('.')[0]}/${record.name} `;
      const detail = Object.entries(record.detail ?? {})
        .map(([k, v]) => `${k}=${typeof v === 'object' ? JSON.stringify(v) : v}`)
        .join(' ');
      const text = `   ${ms(record.at - start).padStart(7)} ms  +${ms(gap).padStart(6)}  ${ruler}  ${record.component.padEnd(18)} ${who}${record.event}${detail ? `  ${detail}` : ''}`;
      lines.push(text.length > width + 40 ? `${text.slice(0, width + 39)}…` : text);
    }
    if (mine.length) places.push(String(step));
  }
  lines.push('', `steps recorded: ${places.join(' ')}`);
  return `${lines.join('\n')}\n`;
}
