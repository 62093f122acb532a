import type { ApiResource, Discovery } from '../../client/discovery.ts';
import { groupVersionPath } from '../../client/rest.ts';
import { command } from '../command.ts';
import { KubectlError, PlainError } from '../errors.ts';
import { flag } from '../flags.ts';
import { FieldNotFound, type OpenApiDocument, printSchema } from '../printers/explain.ts';

export const explain = command({
  name: 'explain',
  usage: 'explain TYPE [--recursive=FALSE|TRUE] [--api-version=api-version-group] [-o|--output=plaintext]',
  summary: 'Get documentation for a resource',
  description:
    'Describe fields and structure of various resources, from the OpenAPI schema of the server. A field is named by its path: <type>.<fieldName>[.<fieldName>]',
  examples: [
    ['Get the documentation of the resource and its fields', 'kubectl explain pods'],
    ['Get all the fields in the resource', 'kubectl explain pods --recursive'],
    ['Get the explanation of a field in a version', 'kubectl explain deployments --api-version=apps/v1'],
    ['Get the documentation of a specific field of a resource', 'kubectl explain pods.spec.containers'],
  ],
  flags: {
    'api-version': flag.string('Use the given api-version (group/version) of the resource.'),
    output: flag.string('Format in which to render the schema. Valid values are: (plaintext).', {
      short: 'o',
      default: 'plaintext',
    }),
    recursive: flag.bool('When true, print the name of all the fields recursively.'),
  },
  async run(context) {
    const { args, flags: f, out } = context;
    if (!args.length)
      throw new KubectlError(
        'You must specify the type of resource to explain. Use "kubectl api-resources" for a complete list of supported resources.\n',
      );
    if (args.length > 1) throw new KubectlError('We accept only this format: explain RESOURCE\n');
    if (f.output !== 'plaintext' && f.output !== 'plaintext-openapiv2')
      throw new KubectlError(`unrecognized format: ${f.output}`);
    const kube = await context.kube();
    const { resource, fields } = split(await kube.discovery(), args[0]!);
    const chosen = inVersion(resource, f['api-version']);
    const { paths } = JSON.parse(await kube.text('/openapi/v3')) as {
      paths: Record<string, { serverRelativeURL: string }>;
    };
    const path = groupVersionPath(chosen);
    const found = paths[path.slice(1)];
    const text = `${chosen.group}/${chosen.version}, Resource=${chosen.plural}`;
    if (!found) throw new KubectlError(`couldn't find resource for "${text}"`);
    const document = JSON.parse(await kube.text(found.serverRelativeURL)) as OpenApiDocument;
    const gvk = kindAt(document, path, chosen.plural);
    if (!gvk) throw new KubectlError(`GVR (${text}) not found in OpenAPI schema`);
    if (gvk.group) out.line(`GROUP:      ${gvk.group}`);
    out.write(`KIND:       ${gvk.kind}\nVERSION:    ${gvk.version}\n\n`);
    try {
      out.line(printSchema(document, gvk, fields, f.recursive));
    } catch (error) {
      if (error instanceof FieldNotFound) throw new KubectlError(error.message);
      throw error;
    }
  },
});

/** Takes `deployments.apps.spec.template` apart: the resource, with its group where that is written, and a path of fields. */
function split(discovery: Discovery, text: string): { resource: ApiResource; fields: string[] } {
  const [word, ...rest] = text.split('.') as [string, ...string[]];
  for (const resource of discovery.preferred()) {
    if (!resource.group || ![resource.plural, resource.singular].includes(word.toLowerCase())) continue;
    const group = resource.group.split('.');
    if (group.every((part, i) => rest[i] === part)) return { resource, fields: rest.slice(group.length) };
  }
  const resource = discovery.find(word);
  if (!resource) throw new PlainError(`the server doesn't have a resource type ${JSON.stringify(word)}`);
  return { resource, fields: rest };
}

function inVersion(
  resource: ApiResource,
  apiVersion: string,
): Pick<ApiResource, 'group' | 'version' | 'plural'> {
  if (!apiVersion) return resource;
  const [version, group = ''] = apiVersion.split('/').reverse() as [string, string?];
  return { group, version, plural: resource.plural };
}

interface GroupVersionKind {
  group: string;
  version: string;
  kind: string;
}

/** The kind that operations on the resource's paths name. */
function kindAt({ paths }: OpenApiDocument, prefix: string, plural: string): GroupVersionKind | undefined {
  for (const base of [prefix, `${prefix}/namespaces/{namespace}`])
    for (const path of [`${base}/${plural}`, `${base}/${plural}/{name}`])
      for (const method of ['get', 'post', 'put', 'patch', 'delete']) {
        const found = paths?.[path]?.[method]?.['x-kubernetes-group-version-kind'];
        if (found) return found as GroupVersionKind;
      }
  return undefined;
}
