import type { ApiRequest, Options, PatchType } from '../client/client.ts';
import type { AnyObject } from '../machinery/meta.ts';
import type { Served } from './scheme.ts';

/** Who asks. */
export interface User {
  name: string;
  uid?: string;
  groups: string[];
  extra?: Record<string, string[]>;
}

/** One request on its way through the pipeline: what is known of it so far. */
export interface Context extends Omit<ApiRequest, 'verb'> {
  verb: ApiRequest['verb'];
  options: Options;
  user: User;
  served: Served;
  nowMs: number;
  /** What field managers are named after when the request gives no name. */
  userAgent: string;
  /** Sent back as `Warning` headers. */
  warnings: string[];
  patchType?: PatchType;
  /** What is wrong with keys that stand twice in the body of a patch. */
  duplicates?: () => string[];
  /** Sets the HTTP status of a success that is not 200 (201 Created). */
  code: number;
  /** What admission has to say to the audit log. Whoever spreads a context makes sure that they are there before. */
  annotations?: Record<string, string>;
  /** The same for level Request and above: patches, which may hold what is confidential. */
  detailedAnnotations?: Record<string, string>;
}

/** The manager that managedFields names: as asked, or the first part of the user agent. */
export const fieldManagerOf = (context: Context): string =>
  context.options.fieldManager || context.userAgent.split('/')[0]!.slice(0, 128) || 'unknown';

export const isDryRun = (context: Context): boolean => context.options.dryRun === 'All';

/** A write that is made in the same transaction as the object's, or neither is. */
export type Alongside =
  | {
      key: string;
      /** The version that it is a change of. */
      revision: number;
      value: Uint8Array;
      decoded: AnyObject;
    }
  | { key: string; remove: true };

/** A group, a version, and a kind in it. */
export interface TypeName {
  group: string;
  version: string;
  kind: string;
}

/** What admission plugins get to see and to change. */
export interface Admission {
  context: Context;
  operation: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';
  /** Missing in deletions. Of the served kind, or of `type`. */
  object: AnyObject | undefined;
  /** Missing in creations and connections. */
  old: AnyObject | undefined;
  subresource: string;
  /** What `object` is where the subresource has a body of its own: `Scale`, `Binding`, `PodExecOptions`. */
  type?: TypeName;
  /** Made by the first mutating plugin that needs it. */
  reinvocation?: Reinvocation;
  /** What `validate` wants written with the object: worked out anew for each attempt to commit. Throws what refuses it. */
  alongside?: (() => Alongside[])[];
}

/**
 * What webhooks and policies change may be of interest to mutating plugins that had their turn before: all plugins get a
 * second one then, and only one. Source: "Reinvocation policy".
 */
export interface Reinvocation {
  /** This is the second round. */
  again: boolean;
  /** A plugin has changed the object in the first round. */
  wanted: boolean;
  /** What a plugin keeps from one round to the other, by its name. */
  state: Map<string, unknown>;
}
