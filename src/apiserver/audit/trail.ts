import type { AnyObject } from '../../machinery/meta.ts';
import type { Status } from '../../machinery/status.ts';
import type { Attributes } from '../authz/rbac.ts';
import type { Context, User } from '../context.ts';
import type { Result } from '../perform.ts';

/** Follows requests for the audit log. */
export interface Auditor {
  /** Undefined where the policy does not want to know. */
  begin(call: AuditedCall): AuditTrail | undefined;
  /** Writes what is still under way. */
  close(): Promise<void>;
}

/** What is known of a request when it begins. */
export interface AuditedCall {
  auditId: string;
  beganMs: number;
  attributes: Attributes;
  context: Context | undefined;
  uri: string;
  userAgent: string;
  sourceIPs: string[];
}

/** What is written down of one request. */
export interface AuditTrail {
  impersonates(user: User): void;
  authorized(attributes: Attributes, allowed: boolean): void;
  annotate(key: string, value: string): void;
  requested(body: unknown): void;
  resulted(context: Context, result: Result): void;
  responded(object: AnyObject): void;
  failed(status: Status): void;
  /** The head of a long answer is sent. */
  responseStarted(code: number): void;
  panicked(error: unknown): void;
  complete(code: number): void;
}
