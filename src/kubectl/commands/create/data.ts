// Keys and values of config maps and secrets, from files, literals and env files.
import type { Context } from '../../command.ts';
import { KubectlError } from '../../errors.ts';
import { fileProblem } from '../../output.ts';
import { baseName, join } from '../../paths.ts';
import { goJson } from '../../printers/go-values.ts';

export interface DataSources {
  'from-file': string[];
  'from-literal': string[];
  'from-env-file': string[];
}

/** Adds a key; throws where it is no fit one. */
type Add = (key: string, value: Uint8Array) => void;

const encoder = new TextEncoder();

/** Gathers all keys. Throws a KubectlError for a file that cannot be read or a key that is not allowed. */
export async function gatherData(
  context: Context,
  sources: DataSources,
  add: Add,
  what: string,
): Promise<void> {
  for (const source of sources['from-file']) await addFile(context, source, add);
  for (const literal of sources['from-literal']) {
    const equals = literal.indexOf('=');
    if (equals < 1) throw new KubectlError(`invalid literal source ${literal}, expected key=value`);
    add(literal.slice(0, equals), encoder.encode(literal.slice(equals + 1)));
  }
  for (const file of sources['from-env-file']) await addEnvFile(context, file, add, what);
}

async function read(context: Context, path: string): Promise<Uint8Array> {
  try {
    return await context.environment.files.read(path);
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === 'ENOENT') throw new KubectlError(`error reading ${path}: no such file or directory`);
    throw new KubectlError(`error reading ${path}: ${fileProblem(error, path)}`);
  }
}

function splitSource(source: string): [string, string] {
  const count = source.split('=').length - 1;
  if (count === 0) return [baseName(source), source];
  if (count > 1) throw new KubectlError("key names or file paths cannot contain '='");
  const [key, path] = source.split('=') as [string, string];
  if (!key) throw new KubectlError(`key name for file path ${path} missing`);
  if (!path) throw new KubectlError(`file path for key name ${key} missing`);
  return [key, path];
}

async function addFile(context: Context, source: string, add: Add): Promise<void> {
  const { files } = context.environment;
  const [key, path] = splitSource(source);
  const isDirectory = (await files.stat(path))?.type === 'directory';
  if (!isDirectory) return add(key, await read(context, path));
  if (source.includes('=')) throw new KubectlError('cannot give a key name for a directory path');
  for (const name of await files.list(path)) {
    const inner = join(path, name);
    if ((await files.stat(inner))?.type === 'file') add(name, await files.read(inner));
  }
}

async function addEnvFile(context: Context, path: string, add: Add, what: string): Promise<void> {
  if ((await context.environment.files.stat(path))?.type === 'directory')
    throw new KubectlError(`env ${what} file cannot be a directory`);
  const text = new TextDecoder().decode(await read(context, path));
  for (const [key, value] of envLines(text, context.environment.env)) add(key, encoder.encode(value));
}

/** `KEY=value` lines; a bare `KEY` takes its value from the environment. Throws a KubectlError for a bad key. */
export function envLines(text: string, env: Record<string, string | undefined>): [string, string][] {
  const found: [string, string][] = [];
  for (const raw of text.replace(/^\uFEFF/, '').split('\n')) {
    const line = raw.replace(/\r$/, '').trimStart();
    if (!line || line.startsWith('#')) continue;
    const equals = line.indexOf('=');
    const key = equals < 0 ? line : line.slice(0, equals);
    if (!/^[-._a-zA-Z][-._a-zA-Z0-9]*$/.test(key))
      throw new KubectlError(
        `${JSON.stringify(key)} is not a valid key name: a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not start with a digit (e.g. 'my.env-name',  or 'MY_ENV.NAME',  or 'MyEnvName1', regex used for validation is '[-._a-zA-Z][-._a-zA-Z0-9]*')`,
      );
    found.push([key, equals < 0 ? (env[key] ?? '') : line.slice(equals + 1)]);
  }
  return found;
}

export const keyProblem = (key: string): string | undefined => {
  if (key.length > 253) return 'must be no more than 253 characters';
  if (!/^[-._a-zA-Z0-9]+$/.test(key))
    return "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
  if (key === '.') return "must not be '.'";
  if (key === '..') return "must not be '..'";
  return key.startsWith('..') ? "must not start with '..'" : undefined;
};

/** Undefined where the bytes are no UTF-8. */
export function asText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

export function toBase64(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 8192)
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}

const letters: Record<string, string> = { 0: 'g', 1: 'h', 3: 'k', a: 'm', e: 't' };

/** Ten characters that stand for the content: what `--append-hash` appends. */
export async function contentHash(content: object): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', encoder.encode(goJson(content)));
  const hex = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return [...hex.slice(0, 10)].map((c) => letters[c] ?? c).join('');
}
