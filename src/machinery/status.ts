import type { StatusDetails } from './meta.gen.ts';

/** The wire form of every failure (metav1.Status). */
export interface Status {
  kind: 'Status';
  apiVersion: 'v1';
  metadata: Record<string, unknown>;
  status: 'Success' | 'Failure';
  message?: string;
  reason?: string;
  details?: StatusDetails;
  code: number;
}

/** A failure that the world caused: carries the Status that the client gets. */
export class StatusError extends Error {
  readonly status: Status;
  constructor(code: number, reason: string, message: string, details?: StatusDetails) {
    super(message);
    this.name = 'StatusError';
    this.status = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message,
      reason,
      ...(details ? { details } : {}),
      code,
    };
  }
  get code(): number {
    return this.status.code;
  }
  get reason(): string {
    return this.status.reason ?? '';
  }
}

/** Makes the error again from a Status that came over the wire. */
export function fromStatus(status: Status): StatusError {
  const error = new StatusError(status.code, status.reason ?? '', status.message ?? '', status.details);
  Object.assign(error.status, status);
  return error;
}

export const isStatusError = (error: unknown): error is StatusError => error instanceof StatusError;
const hasReason =
  (reason: string) =>
  (error: unknown): boolean =>
    isStatusError(error) && error.reason === reason;
export const isNotFound = hasReason('NotFound');
export const isConflict = hasReason('Conflict');
export const isAlreadyExists = hasReason('AlreadyExists');
export const isInvalid = hasReason('Invalid');
export const isForbidden = hasReason('Forbidden');
export const isGone = (error: unknown): boolean => isStatusError(error) && error.code === 410;

interface Named {
  group: string;
  plural: string;
}
const named = ({ group, plural }: Named): string => (group ? `${plural}.${group}` : plural);
const details = (kind: Named, name: string): StatusDetails => ({
  ...(name ? { name } : {}),
  ...(kind.group ? { group: kind.group } : {}),
  kind: kind.plural,
});

export const badRequest = (message: string): StatusError => new StatusError(400, 'BadRequest', message);
export const unauthorized = (message = 'Unauthorized'): StatusError =>
  new StatusError(401, 'Unauthorized', message);
export const notFound = (kind: Named, name: string): StatusError =>
  new StatusError(404, 'NotFound', `${named(kind)} "${name}" not found`, details(kind, name));
export const alreadyExists = (kind: Named, name: string): StatusError =>
  new StatusError(409, 'AlreadyExists', `${named(kind)} "${name}" already exists`, details(kind, name));
export const conflict = (kind: Named, name: string, why: string): StatusError =>
  new StatusError(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${named(kind)} "${name}": ${why}`,
    details(kind, name),
  );
export const staleObject = (kind: Named, name: string): StatusError =>
  conflict(
    kind,
    name,
    'the object has been modified; please apply your changes to the latest version and try again',
  );
export const forbidden = (kind: Named, name: string, why: string): StatusError =>
  new StatusError(
    403,
    'Forbidden',
    `${named(kind)} ${name ? `"${name}" ` : ''}is forbidden: ${why}`,
    details(kind, name),
  );
export const methodNotAllowed = (kind: Named, verb: string): StatusError =>
  new StatusError(
    405,
    'MethodNotAllowed',
    `${verb} is not supported on resources of kind "${named(kind)}"`,
    details(kind, ''),
  );
export const notAcceptable = (accepted: string[]): StatusError =>
  new StatusError(
    406,
    'NotAcceptable',
    `only the following media types are accepted: ${accepted.join(', ')}`,
  );
export const gone = (message: string): StatusError => new StatusError(410, 'Expired', message);
export const tooLarge = (message: string): StatusError =>
  new StatusError(413, 'RequestEntityTooLarge', message);
export const unsupportedMediaType = (accepted: string[]): StatusError =>
  new StatusError(
    415,
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`,
  );
export const tooManyRequests = (message: string, retryAfterSeconds: number): StatusError =>
  new StatusError(429, 'TooManyRequests', message, { retryAfterSeconds });
export const internalError = (message: string): StatusError =>
  new StatusError(500, 'InternalError', `Internal error occurred: ${message}`, { causes: [{ message }] });
export const serviceUnavailable = (message: string): StatusError =>
  new StatusError(503, 'ServiceUnavailable', message);
export const timedOut = (message: string): StatusError =>
  new StatusError(504, 'Timeout', `Timeout: ${message}`);

/** What is wrong with one field; `path` as users write it: `spec.containers[0].name`. */
export interface FieldError {
  type:
    | 'FieldValueRequired'
    | 'FieldValueInvalid'
    | 'FieldValueNotSupported'
    | 'FieldValueForbidden'
    | 'FieldValueDuplicate'
    | 'FieldValueNotFound'
    | 'FieldValueTooLong'
    | 'FieldValueTooMany'
    | 'FieldValueTypeInvalid';
  field: string;
  message: string;
}

const show = (value: unknown): string =>
  typeof value === 'string' ? JSON.stringify(value) : value === undefined ? 'null' : JSON.stringify(value);

/** A path to a field, from which errors are made. Its text is made only when an error is: most objects are right. */
export class FieldPath {
  readonly #parent: FieldPath | undefined;
  readonly #part: string | number;
  constructor(part: string | number, parent?: FieldPath) {
    this.#part = part;
    this.#parent = parent;
  }
  /** As users write it: `spec.containers[0].name`. */
  get path(): string {
    const before = this.#parent?.path ?? '';
    if (typeof this.#part === 'number') return `${before}[${this.#part}]`;
    return before && !this.#part.startsWith('[') ? `${before}.${this.#part}` : before + this.#part;
  }
  child(...more: (string | number)[]): FieldPath {
    let path: FieldPath = this;
    for (const part of more) path = new FieldPath(part, path);
    return path;
  }
  /** A map's key: `metadata.labels[app]`. */
  key(key: string): FieldPath {
    return new FieldPath(`[${key}]`, this);
  }
  required(detail = ''): FieldError {
    return this.#error('FieldValueRequired', `Required value${detail ? `: ${detail}` : ''}`);
  }
  invalid(value: unknown, detail: string): FieldError {
    return this.#error('FieldValueInvalid', `Invalid value: ${show(value)}${detail ? `: ${detail}` : ''}`);
  }
  /** Invalid, with a value that is too large to be shown. */
  wrong(detail: string): FieldError {
    return this.#error('FieldValueInvalid', `Invalid value: ${detail}`);
  }
  notSupported(value: unknown, allowed: readonly string[]): FieldError {
    const list = allowed.length
      ? `: supported values: ${allowed.map((a) => JSON.stringify(a)).join(', ')}`
      : '';
    return this.#error('FieldValueNotSupported', `Unsupported value: ${show(value)}${list}`);
  }
  forbidden(detail: string): FieldError {
    return this.#error('FieldValueForbidden', `Forbidden${detail ? `: ${detail}` : ''}`);
  }
  duplicate(value: unknown): FieldError {
    return this.#error('FieldValueDuplicate', `Duplicate value: ${show(value)}`);
  }
  notFound(value: unknown): FieldError {
    return this.#error('FieldValueNotFound', `Not found: ${show(value)}`);
  }
  tooLong(max: number): FieldError {
    return this.#error('FieldValueTooLong', `Too long: may not be more than ${max} bytes`);
  }
  tooMany(count: number, max: number): FieldError {
    return this.#error('FieldValueTooMany', `Too many: ${count}: must have at most ${max} items`);
  }
  typeInvalid(value: unknown, detail: string): FieldError {
    return this.#error('FieldValueTypeInvalid', `Invalid value: ${show(value)}: ${detail}`);
  }
  #error(type: FieldError['type'], message: string): FieldError {
    return { type, field: this.path, message };
  }
}

/** `field('spec', 'containers', 0, 'name').required()`. */
export function field(first: string | number, ...more: (string | number)[]): FieldPath {
  return new FieldPath(first).child(...more);
}

/** 422: the object breaks its kind's rules. */
export function invalid(
  kind: { group: string; kind: string },
  name: string,
  errors: FieldError[],
): StatusError {
  const causes = errors.map((e) => ({ reason: e.type, message: e.message, field: e.field }));
  const texts = [...new Set(errors.map((e) => `${e.field}: ${e.message}`))];
  const list = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`;
  const full = kind.group ? `${kind.kind}.${kind.group}` : kind.kind;
  return new StatusError(422, 'Invalid', `${full} "${name}" is invalid: ${list}`, {
    ...(name ? { name } : {}),
    ...(kind.group ? { group: kind.group } : {}),
    kind: kind.kind,
    causes,
  });
}

/** Thrown by a reconciler: do not retry this one until it changes. */
export class TerminalError extends Error {}
