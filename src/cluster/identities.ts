/** Service accounts of the bootstrap policy whose names are not `CONTROLLER-controller`. */
const accounts: Record<string, string> = {
  'clusterrole-aggregation': 'clusterrole-aggregation-controller',
  daemonset: 'daemon-set-controller',
  endpoints: 'endpoint-controller',
  endpointslicemirroring: 'endpointslicemirroring-controller',
  garbagecollector: 'generic-garbage-collector',
  'node-ipam': 'node-controller',
  'node-lifecycle': 'node-controller',
  'persistentvolume-binder': 'persistent-volume-binder',
  podgc: 'pod-garbage-collector',
  replicationcontroller: 'replication-controller',
  'root-ca-certificate-publisher': 'root-ca-cert-publisher',
  serviceaccount: 'service-account-controller',
  'service-cidr': 'service-cidrs-controller',
  'taint-eviction-controller': 'node-controller',
  'ttl-after-finished': 'ttl-after-finished-controller',
};

/** Controllers that act as the controller manager itself. */
const itself = new Set(['serviceaccount-token']);

/** The user under which a controller asks, as the bootstrap policy names it. */
export const controllerUser = (controller: string): string =>
  itself.has(controller)
    ? 'system:kube-controller-manager'
    : `system:serviceaccount:kube-system:${accounts[controller] ?? `${controller}-controller`}`;
