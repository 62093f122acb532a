// `-o`: how objects are printed.
import type { AnyObject } from '../machinery/meta.ts';
import type { Context, Lines } from './command.ts';
import type { Environment } from './environment.ts';
import { KubectlError } from './errors.ts';
import { flag } from './flags.ts';
import { ComparisonError, goJson, goText } from './printers/go-values.ts';

const templateFormats = ['go-template', 'go-template-file', 'template', 'templatefile'];
const jsonpathFormats = ['jsonpath', 'jsonpath-as-json', 'jsonpath-file'];
/** In the order in which messages list them. */
export const objectFormats = [...templateFormats, 'json', ...jsonpathFormats, 'name', 'yaml'].sort();

/** Flags of the commands that can print the objects that they made or changed. */
export const outputFlags = {
  output: flag.string(`Output format. One of: (${objectFormats.join(', ')}).`, { short: 'o' }),
  template: flag.string(
    'Template string or path to a template file for -o=go-template, -o=go-template-file.',
  ),
  'allow-missing-template-keys': flag.bool('If true, a missing field or map key in a template is no error.', {
    default: true,
  }),
  'show-managed-fields': flag.bool('If true, keep the managedFields when printing objects in JSON or YAML.'),
};

export interface OutputValues {
  output: string;
  template: string;
  'allow-missing-template-keys': boolean;
  'show-managed-fields': boolean;
}

/** Prints one object after another. */
export type ObjectPrinter = (object: AnyObject, out: Lines) => void;

const badFormat = (format: string, allowed: string[]): KubectlError =>
  new KubectlError(
    `unable to match a printer suitable for the output format ${JSON.stringify(format)}, allowed formats are: ${allowed.join(',')}`,
  );

/** `deployment.apps/web`. */
export function nameOf(object: AnyObject): string {
  const [group] = (object.apiVersion ?? '').includes('/') ? object.apiVersion!.split('/') : [''];
  const kind = (object.kind ?? '').toLowerCase();
  return `${group ? `${kind}.${group}` : kind}/${object.metadata?.name || '<unknown>'}`;
}

export const withoutManagedFields = (object: AnyObject): AnyObject => {
  if (Array.isArray(object.items)) return { ...object, items: object.items.map(withoutManagedFields) };
  if (!object.metadata?.managedFields) return object;
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
};

/** The printer for a format. Throws a KubectlError where there is none, or the template is wrong. */
export async function objectPrinter(
  environment: Environment,
  flags: OutputValues,
  allowed: string[] = objectFormats,
): Promise<ObjectPrinter> {
  const { output, template, 'show-managed-fields': managed } = flags;
  if (output === 'json')
    return (object, out) => out.line(goJson(managed ? object : withoutManagedFields(object), '    '));
  if (output === 'yaml') {
    const { goYaml } = await import('./printers/yaml.ts');
    let count = 0;
    return (object, out) => {
      if (count++) out.line('---');
      out.write(goYaml(managed ? object : withoutManagedFields(object)));
    };
  }
  if (output === 'name')
    return (object, out) => {
      for (const item of Array.isArray(object.items) ? object.items : [object]) out.line(nameOf(item));
    };
  const found = formatAndTemplate(output, template);
  if (templateFormats.includes(found.format)) return templatePrinter(environment, found, flags);
  if (jsonpathFormats.includes(found.format)) return jsonPathPrinter(environment, found, flags);
  throw badFormat(output, allowed);
}

/** `jsonpath={.x}` has its template in itself; else `--template` has it. */
function formatAndTemplate(output: string, template: string): { format: string; template: string } {
  if (!output && template) return { format: 'go-template', template };
  const equals = output.indexOf('=');
  return equals < 0
    ? { format: output, template }
    : { format: output.slice(0, equals), template: output.slice(equals + 1) };
}

async function templateText(
  environment: Environment,
  { format, template }: { format: string; template: string },
): Promise<string> {
  if (!template) throw new KubectlError(`${family(format)} format specified but no template given`);
  if (!format.endsWith('file')) return template;
  try {
    return new TextDecoder().decode(await environment.files.read(template));
  } catch (error) {
    throw new KubectlError(`error reading --template ${template}, ${fileProblem(error, template)}\n`);
  }
}

const family = (format: string): string => (format.startsWith('jsonpath') ? 'template' : 'template');

/** A file's failure in Go's words. */
export function fileProblem(error: unknown, path: string): string {
  const { code } = error as { code?: string };
  if (code === 'ENOENT') return `open ${path}: no such file or directory`;
  if (code === 'EACCES') return `open ${path}: permission denied`;
  if (code === 'EISDIR') return `read ${path}: is a directory`;
  return (error as Error).message;
}

async function templatePrinter(
  environment: Environment,
  found: { format: string; template: string },
  flags: OutputValues,
): Promise<ObjectPrinter> {
  const [{ Template, TemplateError }, { TemplateSyntaxError }, text] = await Promise.all([
    import('./printers/template.ts'),
    import('./printers/template-parser.ts'),
    templateText(environment, found),
  ]);
  let parsed: InstanceType<typeof Template>;
  try {
    parsed = new Template(text, { allowMissingKeys: flags['allow-missing-template-keys'] });
  } catch (error) {
    if (!(error instanceof TemplateSyntaxError)) throw error;
    throw new KubectlError(`error parsing template ${text}, ${error.message}\n`);
  }
  return (object, out) => {
    try {
      parsed.execute(object as never, (more) => out.write(more));
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error;
      out.write(
        `Error executing template: ${error.message}. Printing more information for debugging the template:\n`,
      );
      out.write(`\ttemplate was:\n\t\t${text}\n\traw data was:\n\t\t${goJson(object)}\n`);
      out.write(`\tobject given to template engine was:\n\t\t${goText(object)}\n\n`);
      throw new KubectlError(`error executing template ${JSON.stringify(text)}: ${error.message}`);
    }
  };
}

async function jsonPathPrinter(
  environment: Environment,
  found: { format: string; template: string },
  flags: OutputValues,
): Promise<ObjectPrinter> {
  const [{ JsonPath, JsonPathError }, { goSyntax }, text] = await Promise.all([
    import('./printers/jsonpath.ts'),
    import('./printers/go-format.ts'),
    templateText(environment, found),
  ]);
  let parsed: InstanceType<typeof JsonPath>;
  try {
    parsed = new JsonPath(text, { allowMissingKeys: flags['allow-missing-template-keys'] });
  } catch (error) {
    if (!(error instanceof JsonPathError)) throw error;
    throw new KubectlError(`error parsing jsonpath ${text}, ${error.message}\n`);
  }
  return (object, out) => {
    try {
      out.write(found.format === 'jsonpath-as-json' ? parsed.printJson(object) : parsed.print(object));
    } catch (error) {
      if (!(error instanceof JsonPathError || error instanceof ComparisonError)) throw error;
      throw new KubectlError(
        `error executing jsonpath ${JSON.stringify(text)}: Error executing template: ${error.message}. Printing more information for debugging the template:\n\ttemplate was:\n\t\t${text}\n\tobject given to jsonpath engine was:\n\t\t${goSyntax(object)}\n\n\n`,
      );
    }
  };
}

/** How a change is tried out: not at all, by the client alone, or by the server without being kept. */
export type DryRun = 'none' | 'client' | 'server';

export const dryRunFlag = flag.string(
  'Must be "none", "server", or "client". With client, only print the object that would be sent; with server, send it without keeping it.',
  { default: 'none', bare: 'unchanged' },
);

/** Reads `--dry-run`. Throws a KubectlError; `--dry-run` alone is told to be deprecated. */
export function dryRunOf(context: Context): DryRun {
  const value: string = context.flags['dry-run'];
  switch (value) {
    case 'none':
    case 'client':
    case 'server':
      return value;
    case 'unchanged':
      context.err.line(
        'W: --dry-run is deprecated and can be replaced with --dry-run=client.'.replace('W: ', ''),
      );
      return 'client';
    default:
      if (value === 'true' || value === 'false') {
        context.err.line(
          `--dry-run=${value} is deprecated (boolean value) and can be replaced with --dry-run=${value === 'true' ? 'client' : 'none'}.`,
        );
        return value === 'true' ? 'client' : 'none';
      }
      throw new KubectlError(`Invalid dry-run value (${value}). Must be "none", "server", or "client".`);
  }
}

export const dryRunOption = (dryRun: DryRun): { dryRun?: 'All' } =>
  dryRun === 'server' ? { dryRun: 'All' } : {};

const dryRunWords: Record<DryRun, string> = { none: '', client: ' (dry run)', server: ' (server dry run)' };

/** Prints an object that was changed: `deployment.apps/web scaled`, or in the format asked for. */
export async function changePrinter(
  context: Context,
  dryRun: DryRun = 'none',
): Promise<(object: AnyObject, what: string) => void> {
  const { output, template } = context.flags as unknown as OutputValues;
  if (output || template) {
    const print = await objectPrinter(context.environment, context.flags as unknown as OutputValues);
    return (object) => print(object, context.out);
  }
  return (object, what) => context.out.line(`${nameOf(object)} ${what}${dryRunWords[dryRun]}`);
}
