// Policies that are there for the time of a test.
import { mutatingAdmissionPolicies } from '../../api/admissionregistration/mutating-admission-policy.ts';
import { mutatingAdmissionPolicyBindings } from '../../api/admissionregistration/mutating-admission-policy-binding.ts';
import { validatingAdmissionPolicies } from '../../api/admissionregistration/validating-admission-policy.ts';
import { validatingAdmissionPolicyBindings } from '../../api/admissionregistration/validating-admission-policy-binding.ts';
import type { Client } from '../../client/client.ts';
import type { Kind } from '../../machinery/kind.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import type { AdmissionPlugin } from '../registry/registry.ts';

export const rule = (
  resources: string[],
  operations: string[] = ['CREATE', 'UPDATE'],
  apiGroups: string[] = ['*'],
  apiVersions: string[] = ['*'],
) => ({ operations, apiGroups, apiVersions, resources });

export const configMap = (name: string, data: Record<string, string> = {}, namespace = 'default'): any => ({
  ...{ metadata: { name, namespace }, data },
});

interface Options {
  name?: string;
  policy: Record<string, unknown>;
  /** One binding for each; one without anything more when there are none. */
  bindings?: Record<string, unknown>[];
}

async function within(
  client: Client,
  [policies, bindings]: [Kind<any>, Kind<any>],
  { name = 'p', policy, bindings: specs = [{}] }: Options,
  run: () => Promise<void>,
): Promise<void> {
  const create = (kind: Kind<any>, object: object) => client(kind).create(object as AnyObject);
  await create(policies, {
    metadata: { name },
    spec: { matchConstraints: { resourceRules: [rule(['configmaps'])] }, ...policy },
  });
  for (const [i, spec] of specs.entries())
    await create(bindings, { metadata: { name: `${name}-b${i}` }, spec: { policyName: name, ...spec } });
  try {
    await run();
  } finally {
    for (const i of specs.keys()) await client(bindings).delete(`${name}-b${i}`);
    await client(policies).delete(name);
  }
}

export const validating = (client: Client, options: Options, run: () => Promise<void>): Promise<void> =>
  within(
    client,
    [validatingAdmissionPolicies, validatingAdmissionPolicyBindings],
    {
      ...options,
      bindings: (options.bindings ?? [{}]).map((binding) => ({ validationActions: ['Deny'], ...binding })),
    },
    run,
  );

export const mutating = (client: Client, options: Options, run: () => Promise<void>): Promise<void> =>
  within(
    client,
    [mutatingAdmissionPolicies, mutatingAdmissionPolicyBindings],
    { ...options, policy: { reinvocationPolicy: 'Never', ...options.policy } },
    run,
  );

/** Notes what admission has said of the last write. */
export function listen(admission: AdmissionPlugin[]) {
  const heard: { annotations: Record<string, string>; warnings: string[] } = {
    annotations: {},
    warnings: [],
  };
  admission.unshift({
    name: 'Listener',
    on: () => true,
    mutate({ context }) {
      context.annotations ??= {};
      heard.annotations = context.annotations;
      heard.warnings = context.warnings;
    },
  });
  return heard;
}
