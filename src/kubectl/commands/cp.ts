import type { AnyObject } from '../../machinery/meta.ts';
import { type Context, command } from '../command.ts';
import { chooseContainer } from '../containers.ts';
import { KubectlError } from '../errors.ts';
import { flag } from '../flags.ts';
import { baseName, directoryOf, join, normalize } from '../paths.ts';
import { BytePipe, CommandFailed, openStreams } from '../remote.ts';
import { pods } from '../resources.ts';
import { readTar, type TarEntry, tarBlocks, tarEnd } from './tar.ts';

interface Place {
  namespace: string;
  pod: string;
  path: string;
}

export const cp = command({
  name: 'cp',
  usage: 'cp <file-spec-src> <file-spec-dest>',
  summary: 'Copy files and directories to and from containers',
  description:
    'Copy files and directories to and from containers. The container must have the tar program: without it, copying fails.',
  examples: [
    ['Copy a directory to a pod', 'kubectl cp ./site web-0:/usr/share/nginx/html'],
    ['Copy a file from a pod in another namespace', 'kubectl cp staging/web-0:/etc/hosts ./hosts'],
  ],
  flags: {
    container: flag.string('Container name. If omitted, the default container of the pod, or its first.', {
      short: 'c',
    }),
    'no-preserve': flag.bool(
      "The copied file/directory's ownership and permissions will not be preserved in the container.",
    ),
    retries: flag.int('Accepted for compatibility.', { hidden: true }),
  },
  async run(context) {
    const { args } = context;
    if (args.length !== 2) throw new KubectlError('source and destination are required');
    const kube = await context.kube();
    const [source, destination] = args.map((text) => parsePlace(text, kube.namespace)) as [Place, Place];
    if (source.pod && destination.pod)
      throw new KubectlError('one of src or dest must be a local file specification');
    if (!source.path || !destination.path) throw new KubectlError('filepath can not be empty');
    if (source.pod) return copyFrom(context, source, destination.path);
    if (destination.pod) return copyTo(context, source.path, destination);
    throw new KubectlError('one of src or dest must be a remote file specification');
  },
});

/** `[[namespace/]pod:]path`. */
export function parsePlace(text: string, namespace: string): Place {
  const colon = text.indexOf(':');
  if (colon === 0)
    throw new KubectlError('filespec must match the canonical format: [[namespace/]pod:]file/path');
  if (colon < 0) return { namespace: '', pod: '', path: text };
  const parts = text.slice(0, colon).split('/');
  const path = text.slice(colon + 1);
  if (parts.length === 1) return { namespace, pod: parts[0]!, path };
  if (parts.length === 2) return { namespace: parts[0]!, pod: parts[1]!, path };
  throw new KubectlError('filespec must match the canonical format: [[namespace/]pod:]file/path');
}

interface Remote {
  pod: AnyObject;
  container: string;
}

async function remoteOf(context: Context, { namespace, pod: name }: Place): Promise<Remote> {
  const kube = await context.kube();
  const pod = await kube.get({ resource: pods, namespace, name });
  return { pod, container: chooseContainer(context, pod, { name: context.flags.container }).name };
}

interface Run {
  stdin?: AsyncIterable<Uint8Array>;
  stdout?: (bytes: Uint8Array) => void | Promise<void>;
}

/** Runs a command in the container; its exit code and what it complained of. */
async function run(
  context: Context,
  { pod, container }: Remote,
  words: string[],
  { stdin, stdout = () => {} }: Run = {},
): Promise<{ code: number; complaint: string }> {
  const opener = await openStreams(context);
  let complaint = '';
  const decoder = new TextDecoder();
  const { name, namespace } = pod.metadata;
  const { code } = await opener.exec({
    namespace: namespace!,
    pod: name!,
    container,
    command: words,
    stdin,
    stdout,
    stderr: (bytes) => {
      complaint += decoder.decode(bytes, { stream: true });
    },
  });
  return { code, complaint };
}

async function copyTo(context: Context, local: string, place: Place): Promise<void> {
  const { files } = context.environment;
  if (!(await files.stat(local))) throw new KubectlError(`${local} doesn't exist in local filesystem`);
  const remote = await remoteOf(context, place);
  const path = place.path === '/' ? '/' : place.path.replace(/\/+$/, '');
  // Into a directory that is there, the source goes under its own name.
  const { code: isDirectory } = await run(context, remote, ['test', '-d', path]);
  const target = isDirectory === 0 ? join(path, baseName(normalize(local))) : path;
  const words = context.flags['no-preserve']
    ? ['tar', '--no-same-permissions', '--no-same-owner', '-xmf', '-']
    : ['tar', '-xmf', '-'];
  const directory = directoryOf(target);
  if (directory && directory !== '.') words.push('-C', directory);
  const { code, complaint } = await run(context, remote, words, {
    stdin: archive(context, local, baseName(target)),
  });
  if (complaint) context.err.write(complaint);
  if (code !== 0) throw new CommandFailed(code);
}

async function* archive(context: Context, path: string, name: string): AsyncGenerator<Uint8Array> {
  for await (const entry of entriesOf(context, path, name)) yield* tarBlocks(entry);
  yield tarEnd();
}

async function* entriesOf(context: Context, path: string, name: string): AsyncGenerator<TarEntry> {
  const { files } = context.environment;
  const info = await files.stat(path);
  if (!info) return;
  const { mode, modifiedMs } = info;
  if (info.type === 'directory') {
    const names = await files.list(path);
    if (!names.length) yield { name, type: 'directory', mode, modifiedMs };
    for (const inner of names) yield* entriesOf(context, join(path, inner), `${name}/${inner}`);
  } else if (info.type === 'link')
    yield { name, type: 'link', mode, modifiedMs, target: await files.readLink(path) };
  else if (info.type === 'file') yield { name, type: 'file', mode, modifiedMs, data: await files.read(path) };
}

async function copyFrom(context: Context, place: Place, local: string): Promise<void> {
  const { files } = context.environment;
  const remote = await remoteOf(context, place);
  const pipe = new BytePipe();
  const path = place.path.replace(/(?<=.)\/+$/, '');
  const running = run(context, remote, ['tar', 'cf', '-', path], {
    stdout: (bytes) => pipe.write(bytes),
  }).finally(() => pipe.end());
  // What a container sends is not trusted: nothing is written outside of the destination.
  const root = (await files.stat(local))?.type === 'directory' ? join(local, baseName(path)) : local;
  const prefix = normalize(path).replace(/^\/+/, '');
  let links = false;
  for await (const entry of readTar(pipe)) {
    const name = normalize(entry.name).replace(/^\/+/, '');
    if (name !== prefix && !name.startsWith(`${prefix}/`) && prefix !== '.' && prefix !== '')
      throw new KubectlError('tar contents corrupted');
    const inner = prefix === '.' || prefix === '' ? name : name.slice(prefix.length).replace(/^\//, '');
    const target = inner ? join(root, inner) : root;
    if (inner.split('/').includes('..')) {
      context.err.line(`warning: file ${JSON.stringify(target)} is outside target destination, skipping`);
      continue;
    }
    if (entry.type === 'directory') await files.mkdir(target);
    else if (entry.type === 'link') {
      if (!links)
        context.err.line(
          `warning: skipping symlink: ${JSON.stringify(target)} -> ${JSON.stringify(entry.target)} (consider using "kubectl exec -n ${JSON.stringify(place.namespace)} ${JSON.stringify(place.pod)} -- tar cf - ${JSON.stringify(path)} | tar xf -")`,
        );
      else
        context.err.line(
          `warning: skipping symlink: ${JSON.stringify(target)} -> ${JSON.stringify(entry.target)}`,
        );
      links = true;
    } else await files.write(target, entry.data ?? new Uint8Array(), entry.mode || 0o644);
  }
  const { code, complaint } = await running;
  if (complaint) context.err.write(complaint);
  if (code !== 0) throw new CommandFailed(code);
}
