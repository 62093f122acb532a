import type { Subresource } from '../machinery/kind.ts';

/** A resource as the facts give it. */
export interface ResourceFact {
  group: string;
  version: string;
  resource: string;
  singular: string;
  kind: string;
  scope: 'Cluster' | 'Namespaced';
  short: string[];
  categories: string[];
  verbs: string[];
  subresources: Record<string, Subresource>;
}

/** Name, type, and what differs from format '' and priority 0. */
export type PrinterColumnFact = [string, string, { priority?: number; format?: string }?];
