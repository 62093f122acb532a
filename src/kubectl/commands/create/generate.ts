import type { ApiResource } from '../../../client/discovery.ts';
import type { AnyObject } from '../../../machinery/meta.ts';
import { isStatusError } from '../../../machinery/status.ts';
import type { Context } from '../../command.ts';
import { KubectlError, UsageError } from '../../errors.ts';
import { changePrinter, dryRunFlag, dryRunOf, dryRunOption, outputFlags } from '../../output.ts';
import { typeMeta } from '../../resources.ts';
import {
  fieldManagerFlag,
  fieldValidation,
  saveConfigFlag,
  validateFlag,
  withConfiguration,
} from '../../writing.ts';

/** Flags of all that makes an object from flags. */
export const generatorFlags = {
  ...outputFlags,
  'dry-run': dryRunFlag,
  'field-manager': fieldManagerFlag('kubectl-create'),
  'save-config': saveConfigFlag,
  validate: validateFlag,
};

/** The one name that the command line gives. */
export function nameArgument({ args, dash }: Context): string {
  const count = dash < 0 ? args.length : dash;
  if (count !== 1) throw new UsageError(`exactly one NAME is required, got ${count}`);
  return args[0]!;
}

export interface GenerateOptions {
  /** Before the server's message when it refuses: `failed to create job`. */
  failure?: string;
  /** The object has a namespace only where `--namespace` was given (always, for requests). */
  namespace?: boolean;
  /** What is printed of the object, instead of `created`. */
  said?: string;
  /** Nothing is printed. */
  quiet?: boolean;
}

/** Metadata as generators write it. */
export const metadataOf = (name: string, more: object = {}): AnyObject['metadata'] =>
  ({ ...more, creationTimestamp: null, name }) as never;

/** Creates the object (or not, in a dry run), prints and gives it. `object` lacks apiVersion, kind and namespace. */
export async function createGenerated(
  context: Context,
  resource: ApiResource,
  object: { metadata: AnyObject['metadata'] } & Record<string, unknown>,
  { failure, namespace = resource.namespaced, said = 'created', quiet = false }: GenerateOptions = {},
): Promise<AnyObject> {
  const dryRun = dryRunOf(context);
  const print = quiet ? () => {} : await changePrinter(context, dryRun);
  const kube = await context.kube();
  let whole: AnyObject = { ...typeMeta(resource), ...object };
  if (namespace && kube.explicitNamespace)
    whole = { ...whole, metadata: { ...whole.metadata, namespace: kube.namespace } };
  if (context.flags['save-config']) whole = withConfiguration(whole);
  const validation = Object.hasOwn(context.flags, 'validate') ? fieldValidation(context) : undefined;
  if (dryRun === 'client') {
    print(whole, said);
    return whole;
  }
  const sent = { ...whole, metadata: { ...whole.metadata } };
  if (resource.namespaced) sent.metadata.namespace = kube.namespace;
  try {
    const answer = await kube.create(resource, { namespace: kube.namespace }, sent, {
      ...dryRunOption(dryRun),
      fieldManager: context.flags['field-manager'],
      fieldValidation: validation,
    });
    const created = { ...typeMeta(resource), ...answer };
    print(created, said);
    return created;
  } catch (error) {
    if (failure && isStatusError(error) && error.code !== 422 && error.code !== 503)
      throw new KubectlError(`${failure}: ${error.message}`);
    throw error;
  }
}

export function required(context: Context, ...names: string[]): void {
  const missing = names.filter((name) => !context.given.has(name));
  if (missing.length)
    throw new KubectlError(`required flag(s) ${missing.map((name) => `"${name}"`).join(', ')} not set`);
}
