import type { AnyObject } from '../../../machinery/meta.ts';
import { type Context, command } from '../../command.ts';
import { KubectlError } from '../../errors.ts';
import { flag } from '../../flags.ts';
import type { Kube } from '../../kube.ts';
import { objectsOf } from '../../targets.ts';
import { parsePairs } from '../pairs.ts';
import { containersOf, nameMatches, podTemplateOf } from '../pod-spec.ts';
import { updateFlags, updateObjects } from './update.ts';

interface Variable {
  name: string;
  value?: string;
  valueFrom?: any;
}

export const setEnv = command({
  name: 'env',
  usage: 'set env RESOURCE/NAME KEY_1=VAL_1 ... KEY_N=VAL_N',
  summary: 'Update environment variables on a pod template',
  examples: [
    ['Set a variable', 'kubectl set env deployment/web LOG_LEVEL=debug'],
    ['List variables', 'kubectl set env deployment/web --list'],
    ['Take all keys of a config map', 'kubectl set env --from=configmap/settings deployment/web'],
    ['Remove a variable', 'kubectl set env deployment/web LOG_LEVEL-'],
  ],
  flags: {
    ...updateFlags('set'),
    containers: flag.string(
      'The names of containers in the selected pod templates to change; may use wildcards.',
      {
        default: '*',
        short: 'c',
      },
    ),
    env: flag.stringArray(
      'Specify a key-value pair for an environment variable to set into each container.',
      {
        short: 'e',
      },
    ),
    from: flag.string('The name of a resource from which to inject environment variables.'),
    keys: flag.strings('Comma-separated list of keys to import from specified resource.'),
    list: flag.bool('If true, display the environment and any changes in the standard format.'),
    overwrite: flag.bool('If true, allow environment to be overwritten, otherwise reject updates.', {
      default: true,
    }),
    prefix: flag.string('Prefix to append to variable names.'),
    resolve: flag.bool('If true, show secret or configmap references when listing variables.'),
  },
  async run(context) {
    const { flags: f } = context;
    if (f.filename.includes('-') && [...context.args, ...f.env].includes('-'))
      throw new KubectlError('standard input cannot be used for multiple arguments');
    const { resources, set, remove } = parsePairs([...context.args, ...f.env], 'environment');
    if (f.all && f.selector) throw new KubectlError('cannot set --all and --selector at the same time');
    if (!resources.length && !f.filename.length)
      throw new KubectlError(
        'one or more resources must be specified as <resource> <name> or <resource>/<name>',
      );
    if (f.list && f.output) throw new KubectlError('--list and --output may not be specified together');
    if (f.keys.length && !f.from)
      throw new KubectlError('when specifying --keys, a configmap or secret must be provided with --from');
    if (remove.some((name) => set.has(name)))
      throw new KubectlError(
        'can not both modify and remove the same environment variable in the same command',
      );
    const kube = await context.kube();
    const variables: Variable[] = [...set].map(([name, value]) => ({ name, value }));
    if (f.from) variables.push(...(await variablesFrom(context, kube)));
    if (f.list) return list(context, kube, resources);
    await updateObjects(
      context,
      { resources, said: 'env updated', failure: 'failed to patch env update to pod template' },
      (object) => {
        const spec = podTemplateOf(object)?.spec;
        if (!spec)
          throw new KubectlError(`the object is not a pod or does not have a pod template: ${object.kind}`);
        const chosen = containersOf(spec).filter((c) => nameMatches(f.containers, c.name));
        if (!chosen.length)
          context.err.line(
            `Warning: ${object.kind}/${object.metadata.name} does not have any containers matching ${JSON.stringify(f.containers)}`,
          );
        for (const container of chosen) change(container, variables, remove, f.overwrite);
      },
    );
  },
});

function change(container: any, variables: Variable[], remove: string[], overwrite: boolean): void {
  const env: Variable[] = container.env ?? [];
  if (!overwrite)
    for (const { name } of variables) {
      const present = env.find((v) => v.name === name);
      if (present)
        throw new KubectlError(
          `'${name}' already has a value (${present.value ?? ''}), and --overwrite is false`,
        );
    }
  const next = env.filter((v) => !remove.includes(v.name));
  for (const variable of variables) {
    const at = next.findIndex((v) => v.name === variable.name);
    if (at < 0) next.push({ ...variable });
    else next[at] = { ...variable };
  }
  if (next.length || container.env) container.env = next;
}

/** A variable for each key of a config map or secret; keys become names in capitals. */
async function variablesFrom(context: Context, kube: Kube): Promise<Variable[]> {
  const { from, keys, prefix } = context.flags;
  const [type, name] = from.split('/');
  const resource = await kube.resource(type);
  const object = await kube.get({ resource, namespace: kube.namespace, name });
  const reference =
    resource.kind === 'Secret' ? 'secretKeyRef' : resource.kind === 'ConfigMap' ? 'configMapKeyRef' : '';
  if (!reference) throw new KubectlError('unsupported resource specified in --from');
  return Object.keys(object.data ?? {})
    .sort()
    .filter((key) => !keys.length || keys.includes(key))
    .map((key) => {
      const variable = key.toUpperCase().replace(/[^a-zA-Z0-9_]/g, '_');
      if (variable !== key) context.err.line(`Warning: key ${key} transferred to ${variable}`);
      return { name: prefix + variable, valueFrom: { [reference]: { key, name } } };
    });
}

async function list(context: Context, kube: Kube, resources: string[]): Promise<void> {
  const { flags: f, out } = context;
  const { infos } = await objectsOf(context, {
    args: resources,
    filename: f.filename,
    recursive: f.recursive,
    selector: f.selector,
    all: f.all,
    latest: !f.local,
  });
  for (const { object, resource, name, namespace } of infos)
    for (const container of containersOf(podTemplateOf(object)?.spec)) {
      if (!nameMatches(f.containers, container.name)) continue;
      out.line(`# ${resource.kind} ${name}, container ${container.name}`);
      for (const variable of (container.env ?? []) as Variable[]) {
        if (!variable.valueFrom) out.line(`${variable.name}=${variable.value ?? ''}`);
        else if (f.resolve) out.line(`${variable.name}=${await resolved(kube, variable, namespace, object)}`);
        else out.line(`# ${variable.name} from ${referenceText(variable.valueFrom)}`);
      }
    }
}

function referenceText({
  configMapKeyRef: map,
  secretKeyRef: secret,
  fieldRef,
  resourceFieldRef,
}: any): string {
  if (map) return `configmap ${map.name}, key ${map.key}`;
  if (secret) return `secret ${secret.name}, key ${secret.key}`;
  if (fieldRef) return `field path ${fieldRef.fieldPath}`;
  if (!resourceFieldRef) return 'invalid valueFrom';
  const container = resourceFieldRef.containerName ? `${resourceFieldRef.containerName}/` : '';
  return `resource field ${container}${resourceFieldRef.resource}`;
}

async function resolved(
  kube: Kube,
  { valueFrom }: Variable,
  namespace: string | undefined,
  object: AnyObject,
): Promise<string> {
  const { configMapKeyRef: map, secretKeyRef: secret, fieldRef } = valueFrom;
  const reference = map ?? secret;
  if (!reference) return fieldRef?.fieldPath === 'metadata.name' ? object.metadata.name! : '';
  const resource = await kube.resource(map ? 'configmaps' : 'secrets');
  const found = await kube.get({ resource, namespace, name: reference.name });
  const value = found.data?.[reference.key];
  if (value === undefined)
    throw new KubectlError(
      `key ${reference.key} not found in ${map ? 'config map' : 'secret'} ${reference.name}`,
    );
  return map ? value : atob(value);
}
