// Objects from files, directories, URLs and standard input: what `-f` means.
import type { AnyObject } from '../machinery/meta.ts';
import { isStatusError } from '../machinery/status.ts';
import type { Environment } from './environment.ts';
import { KubectlError } from './errors.ts';
import { flag } from './flags.ts';
import { baseName, directoryOf, globPattern, join } from './paths.ts';

export interface Manifest {
  object: AnyObject;
  /** The file's path or URL, or `STDIN`, as messages name it. */
  source: string;
  /** The document as it stood there. */
  text: string;
}

export const filenameFlags = (what: string) => ({
  filename: flag.strings(`Filename, directory, or URL to files ${what}.`, { short: 'f' }),
  recursive: flag.bool('Process the directory used in -f, --filename recursively.', { short: 'R' }),
  kustomize: flag.string(
    "Process the kustomization directory. This flag can't be used together with -f or -R.",
    {
      short: 'k',
    },
  ),
});

const extensions = ['.json', '.yaml', '.yml'];

export interface Found {
  manifests: Manifest[];
  errors: unknown[];
  /** One file (or URL) was named: its object is shown alone, not in a list. */
  single: boolean;
}

/** Reads all that the filenames name. Throws a KubectlError for a path that is not there; bad documents are in `errors`. */
export async function readManifests(
  environment: Environment,
  { filename, recursive, kustomize }: { filename: string[]; recursive?: boolean; kustomize?: string },
): Promise<Found> {
  if (kustomize) {
    if (filename.length) throw new KubectlError('only one of -f or -k can be specified');
    const { buildKustomization } = await import('./kustomize/build.ts');
    const objects = await buildKustomization(environment, kustomize);
    const manifests = objects.map((object) => ({ object, source: kustomize, text: '' }));
    return { manifests, errors: [], single: false };
  }
  const found: Found = { manifests: [], errors: [], single: filename.length === 1 && filename[0] !== '-' };
  for (const name of filename) {
    if (name === '-') await readInto(found, 'STDIN', await environment.stdin.text());
    else if (/^https?:\/\//.test(name)) {
      const { status, statusText, text } = await environment.fetch(name);
      if (status !== 200)
        throw new KubectlError(
          `unable to read URL ${JSON.stringify(name)}, server reported ${status} ${statusText}, status code=${status}`,
        );
      await readInto(found, name, text);
    } else {
      const paths = await expand(environment, name);
      const files: string[] = [];
      for (const path of paths) files.push(...(await filesIn(environment, path, recursive === true)));
      if (files.length !== 1 || recursive) found.single = false;
      if (!files.length)
        throw new KubectlError(
          `error reading [${paths.join(' ')}]: recognized file extensions are [${extensions.join(' ')}]`,
        );
      for (const file of files) {
        const text = new TextDecoder().decode(await environment.files.read(file));
        await readInto(found, file, text);
      }
    }
  }
  return found;
}

/** Names that a pattern in the last part of a path matches. */
async function expand({ files }: Environment, name: string): Promise<string[]> {
  const exists = await files.stat(name);
  if (exists) return [name];
  const missing = () => new KubectlError(`the path ${JSON.stringify(name)} does not exist`);
  if (!/[*?[]/.test(baseName(name))) throw missing();
  const directory = directoryOf(name);
  const pattern = globPattern(baseName(name));
  const matches = (await files.stat(directory))
    ? (await files.list(directory)).filter((entry) => pattern.test(entry))
    : [];
  if (!matches.length) throw missing();
  return matches.map((entry) => (name.includes('/') ? join(directory, entry) : entry));
}

async function filesIn(
  { files }: Environment,
  path: string,
  recursive: boolean,
  depth = 0,
): Promise<string[]> {
  const info = await files.stat(path);
  if (info?.type !== 'directory') {
    // A link to a directory is followed where it is named, not where it is come across.
    const listed = info?.type === 'link' && depth === 0 ? await listOf(files, path) : undefined;
    if (!listed) return [path];
  }
  if (depth > 0 && !recursive) return [];
  const found: string[] = [];
  for (const entry of await files.list(path)) {
    const inner = join(path, entry);
    const type = (await files.stat(inner))?.type;
    if (type === 'directory')
      found.push(...(await filesIn({ files } as Environment, inner, recursive, depth + 1)));
    else if (extensions.some((extension) => entry.endsWith(extension))) found.push(inner);
  }
  return found;
}

const listOf = async (files: Environment['files'], path: string): Promise<string[] | undefined> => {
  try {
    return await files.list(path);
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOTDIR') return undefined;
    throw error;
  }
};

async function readInto(found: Found, source: string, text: string): Promise<void> {
  try {
    for (const object of await parseDocuments(text)) found.manifests.push({ object, source, text });
  } catch (error) {
    const reason = isStatusError(error) ? error.message : (error as Error).message;
    throw new KubectlError(`error parsing ${source}: ${reason}`);
  }
}

/** Documents of a YAML or JSON text; JSON documents may follow each other without a separator. */
export async function parseDocuments(text: string): Promise<AnyObject[]> {
  if (/^\s*[{[]/.test(text)) {
    const documents = jsonDocuments(text);
    if (documents) return documents;
  }
  const { parseYamlDocuments } = await import('../machinery/yaml.ts');
  return parseYamlDocuments(text).map(({ value }) => value);
}

/** Undefined where the text is no JSON. */
function jsonDocuments(text: string): AnyObject[] | undefined {
  const tryParse = (part: string): unknown => {
    try {
      return JSON.parse(part);
    } catch (error) {
      if (error instanceof SyntaxError) return undefined;
      throw error;
    }
  };
  const whole = tryParse(text);
  if (whole !== undefined) return [whole as AnyObject];
  const documents = text.split(/(?<=\})\s*\n(?=\s*\{)/).map(tryParse);
  return documents.every((d) => d !== undefined) ? (documents as AnyObject[]) : undefined;
}
