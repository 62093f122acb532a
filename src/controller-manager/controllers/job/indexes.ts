import type { Pod } from '../../../api/core/v1.gen.ts';

export const indexKey = 'batch.kubernetes.io/job-completion-index';

/** The completion index of a pod; undefined where it has none. */
export function indexOf(pod: Pod): number | undefined {
  const text = pod.metadata.annotations?.[indexKey];
  return text && /^\d+$/.test(text) ? Number(text) : undefined;
}

/** `1,3-5,7` as a set; numbers from `limit` on are left out. */
export function parseIndexes(text: string | undefined, limit: number): Set<number> {
  const indexes = new Set<number>();
  for (const part of (text ?? '').split(',')) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part);
    if (!match) continue;
    const last = Math.min(Number(match[2] ?? match[1]), limit - 1);
    for (let i = Number(match[1]); i <= last; i++) indexes.add(i);
  }
  return indexes;
}

/** A set as `1,3-5,7`; two that follow each other are written `1,2`. */
export function formatIndexes(indexes: Set<number>): string {
  const sorted = [...indexes].sort((a, b) => a - b);
  const parts: string[] = [];
  for (let i = 0; i < sorted.length; ) {
    let end = i;
    while (sorted[end + 1] === sorted[end]! + 1) end++;
    if (end === i) parts.push(String(sorted[i]));
    else parts.push(`${sorted[i]}${end === i + 1 ? ',' : '-'}${sorted[end]}`);
    i = end + 1;
  }
  return parts.join(',');
}
