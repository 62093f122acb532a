import type { Context } from '../context.ts';
import type { Result } from '../perform.ts';
import type { Registry } from '../registry/registry.ts';

export type SubresourceHandler = (registry: Registry, context: Context, body: any) => Promise<Result>;

/** By `pods/binding`, `serviceaccounts/token`, `*` + `/scale`; and by resource for those that are not stored (`tokenreviews…`). */
export type SubresourceHandlers = Record<string, SubresourceHandler>;
