import { namespaces } from '../api/core/namespace.ts';
import { serviceAccounts } from '../api/core/service-account.ts';
import { clusterRoles } from '../api/rbac/cluster-role.ts';
import { clusterRoleBindings } from '../api/rbac/cluster-role-binding.ts';
import { roles } from '../api/rbac/role.ts';
import { roleBindings } from '../api/rbac/role-binding.ts';
import { priorityClasses } from '../api/scheduling/priority-class.ts';
import { bootstrapPolicy } from '../apiserver/authz/bootstrap.gen.ts';
import type { Client } from '../client/client.ts';
import type { Kind } from '../machinery/kind.ts';
import { clone } from '../machinery/meta.ts';
import { isAlreadyExists } from '../machinery/status.ts';

const kinds: Record<string, Kind<any>> = {
  ClusterRole: clusterRoles,
  ClusterRoleBinding: clusterRoleBindings,
  Role: roles,
  RoleBinding: roleBindings,
};
const namespaceNames = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];

/** What is in every cluster from the beginning: namespaces, roles and bindings, priority classes. Adds what is missing. */
export async function bootstrapCluster(
  client: Client,
  options: { defaultServiceAccounts?: boolean } = {},
): Promise<void> {
  const ensure = async (kind: Kind<any>, object: any) => {
    await client(kind)
      .create(object)
      .catch((error) => {
        if (!isAlreadyExists(error)) throw error;
      });
  };
  const known = new Set((await client(namespaces).list()).items.map((n) => n.metadata.name));
  await Promise.all(
    namespaceNames
      .filter((n) => !known.has(n))
      .map((name) => ensure(namespaces, { metadata: { name }, spec: {} })),
  );
  const present = new Set<string>();
  for (const kind of Object.values(kinds)) {
    for (const { metadata } of (await client(kind).list()).items)
      present.add(`${kind.kind} ${metadata.namespace ?? ''} ${metadata.name}`);
  }
  const missing = bootstrapPolicy.filter(
    (o) => !present.has(`${o.kind} ${o.metadata.namespace ?? ''} ${o.metadata.name}`),
  );
  await Promise.all(
    missing.map((object) =>
      ensure(kinds[object.kind!]!, { ...clone(object), rules: object.rules ?? undefined }),
    ),
  );
  const classes = new Set((await client(priorityClasses).list()).items.map((c) => c.metadata.name));
  for (const [name, value, description] of [
    [
      'system-cluster-critical',
      2_000_000_000,
      'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.',
    ],
    [
      'system-node-critical',
      2_000_001_000,
      'Used for system critical pods that must not be moved from their current node.',
    ],
  ] as const) {
    if (!classes.has(name)) await ensure(priorityClasses, { metadata: { name }, value, description });
  }
  if (options.defaultServiceAccounts) {
    await Promise.all(
      namespaceNames.map((namespace) =>
        ensure(serviceAccounts, { metadata: { name: 'default', namespace } }),
      ),
    );
  }
}
