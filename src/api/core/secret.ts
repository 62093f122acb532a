import { equal, type KubeObject } from '../../machinery/meta.ts';
import { configKeyProblems } from '../../machinery/names.ts';
import { put } from '../../machinery/own.ts';
import { type FieldError, field } from '../../machinery/status.ts';
import { problems } from '../checks.ts';
import { kind } from '../define.ts';
import { immutable } from '../meta.ts';
import type { Secret } from './v1.gen.ts';

export const MAX_BYTES = 1024 * 1024;
const DATA = field('data');

/** Keys that a type of secret must have. */
const requiredKeys: Record<string, string[]> = {
  'kubernetes.io/dockercfg': ['.dockercfg'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
};

const encode = (text: string): string => {
  let binary = '';
  for (const byte of new TextEncoder().encode(text)) binary += String.fromCharCode(byte);
  return btoa(binary);
};
const decode = (base64: string): string =>
  new TextDecoder().decode(Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)));

/** What is written as text becomes data: `stringData` is for writing only. */
function takeStringData(secret: Secret): void {
  if (secret.stringData) {
    secret.data = { ...secret.data };
    for (const key in secret.stringData) put(secret.data, key, encode(secret.stringData[key]!));
  }
  delete secret.stringData;
}

function isJson(base64: string): boolean {
  try {
    JSON.parse(decode(base64));
    return true;
  } catch {
    return false; // which is the answer
  }
}

function typeErrors({ type = '', data = {}, metadata }: Secret): FieldError[] {
  const errors: FieldError[] = [];
  const required = Object.hasOwn(requiredKeys, type) ? requiredKeys[type]! : [];
  for (const key of required) if (!Object.hasOwn(data, key)) errors.push(DATA.key(key).required());
  for (const key of ['.dockercfg', '.dockerconfigjson'])
    if (required[0] === key && data[key] !== undefined && !isJson(data[key]))
      errors.push(DATA.key(key).invalid('<secret contents redacted>', 'invalid character'));
  if (
    type === 'kubernetes.io/basic-auth' &&
    !Object.hasOwn(data, 'username') &&
    !Object.hasOwn(data, 'password')
  )
    errors.push(DATA.key('username').required(), DATA.key('password').required());
  if (
    type === 'kubernetes.io/service-account-token' &&
    !metadata.annotations?.['kubernetes.io/service-account.name']
  )
    errors.push(field('metadata', 'annotations').key('kubernetes.io/service-account.name').required());
  return errors;
}

function contentErrors(secret: Secret): FieldError[] {
  const { data = {} } = secret;
  const errors: FieldError[] = [];
  let size = 0;
  for (const key in data) {
    errors.push(...problems(configKeyProblems(key), key, DATA.key(key)));
    size += Math.floor((data[key]!.length * 3) / 4);
  }
  if (size > MAX_BYTES) errors.push(DATA.tooLong(MAX_BYTES));
  return [...errors, ...typeErrors(secret)];
}

/** What `immutable: true` holds fast, itself included. */
export function frozenErrors(
  now: KubeObject & { immutable?: boolean; data?: unknown },
  old: KubeObject & { immutable?: boolean; data?: unknown },
): FieldError[] {
  if (!old.immutable) return [];
  const why = 'field is immutable when `immutable` is set';
  return [
    ...(now.immutable ? [] : [field('immutable').forbidden(why)]),
    ...(equal(now.data ?? {}, old.data ?? {}) ? [] : [DATA.forbidden(why)]),
  ];
}

export const secrets = kind<Secret>({
  facts: 'v1 Secret',
  defaults(secret) {
    secret.type ||= 'Opaque';
    takeStringData(secret);
  },
  validate: contentErrors,
  validateUpdate: (now, old) => [...immutable(now.type, old.type, field('type')), ...frozenErrors(now, old)],
  fieldSelectors: { type: ({ type }) => type ?? '' },
  columns: { Type: ({ type }) => type ?? '', Data: ({ data = {} }) => String(Object.keys(data).length) },
});
