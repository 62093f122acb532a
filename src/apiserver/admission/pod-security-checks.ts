// The controls of the Pod Security Standards. https://kubernetes.io/docs/concepts/security/pod-security-standards/
import { type AnyContainer, allContainers } from '../../api/core/containers.ts';
import type { PodSpec, Volume } from '../../api/core/v1.gen.ts';
import type { ObjectMeta } from '../../machinery/meta.gen.ts';

export type Level = 'privileged' | 'baseline' | 'restricted';

interface Subject {
  metadata: ObjectMeta;
  spec: PodSpec;
  containers: AnyContainer[];
}

type Check = (subject: Subject) => string | undefined;

const quoted = (names: Iterable<string>): string =>
  [...new Set(names)].map((n) => JSON.stringify(n)).join(', ');
const plural = (word: string, n: number): string => (n === 1 ? word : `${word}s`);
/** `container "a"`, `containers "a", "b"`. */
const containerNames = (containers: AnyContainer[]): string =>
  `${plural('container', containers.length)} ${quoted(containers.map((c) => c.name))}`;

/** A value that pod and containers both have: who has a bad one, in words. */
function offenders(
  { spec, containers }: Subject,
  bad: (context: NonNullable<PodSpec['securityContext'] | AnyContainer['securityContext']>) => boolean,
): string | undefined {
  const byPod = spec.securityContext !== undefined && bad(spec.securityContext);
  const wrong = containers.filter((c) => c.securityContext !== undefined && bad(c.securityContext));
  const who = [...(byPod ? ['pod'] : []), ...(wrong.length ? [containerNames(wrong)] : [])].join(' and ');
  return who || undefined;
}

const hostNamespaces: Check = ({ spec }) => {
  const used = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((name) => spec[name]);
  return used.length ? `host namespaces (${used.map((name) => `${name}=true`).join(', ')})` : undefined;
};

const privileged: Check = ({ containers }) => {
  const wrong = containers.filter((c) => c.securityContext?.privileged);
  if (!wrong.length) return undefined;
  return `privileged (${containerNames(wrong)} must not set securityContext.privileged=true)`;
};

const baselineCapabilities = new Set(
  'AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT'.split(
    ' ',
  ),
);
const addedCapabilities: Check = ({ containers }) => {
  const bad = (c: AnyContainer) =>
    (c.securityContext?.capabilities?.add ?? []).filter((name) => !baselineCapabilities.has(name));
  const wrong = containers.filter((c) => bad(c).length);
  if (!wrong.length) return undefined;
  return `non-default capabilities (${containerNames(wrong)} must not include ${quoted(wrong.flatMap(bad).sort())} in securityContext.capabilities.add)`;
};

const hostPaths: Check = ({ spec }) => {
  const wrong = (spec.volumes ?? []).filter((v) => v.hostPath);
  return wrong.length
    ? `hostPath volumes (${plural('volume', wrong.length)} ${quoted(wrong.map((v) => v.name))})`
    : undefined;
};

const hostPorts: Check = ({ containers }) => {
  const wrong = containers.filter((c) => c.ports?.some((p) => p.hostPort));
  if (!wrong.length) return undefined;
  const ports = wrong.flatMap((c) => (c.ports ?? []).map((p) => p.hostPort ?? 0).filter(Boolean));
  return `hostPort (${containerNames(wrong)} ${wrong.length === 1 ? 'uses' : 'use'} ${plural('hostPort', ports.length)} ${ports.join(', ')})`;
};

const appArmor: Check = (subject) => {
  const { metadata } = subject;
  const wrong = Object.entries(metadata.annotations ?? {})
    .filter(([key]) => key.startsWith('container.apparmor.security.beta.kubernetes.io/'))
    .filter(([, value]) => value && value !== 'runtime/default' && !value.startsWith('localhost/'))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  const who = offenders(subject, (c) => c.appArmorProfile?.type === 'Unconfined');
  if (who) wrong.push(`${who} must not set AppArmor profile type to "Unconfined"`);
  return wrong.length
    ? `forbidden AppArmor ${plural('profile', wrong.length)} (${wrong.join(', ')})`
    : undefined;
};

const seLinuxTypes = new Set([
  '',
  'container_t',
  'container_init_t',
  'container_kvm_t',
  'container_engine_t',
]);
const seLinux: Check = (subject) => {
  const who = offenders(
    subject,
    ({ seLinuxOptions: o }) =>
      o !== undefined && (!seLinuxTypes.has(o.type ?? '') || Boolean(o.user || o.role)),
  );
  return who ? `seLinuxOptions (${who} set forbidden securityContext.seLinuxOptions)` : undefined;
};

const procMount: Check = ({ containers }) => {
  const wrong = containers.filter((c) => (c.securityContext?.procMount ?? 'Default') !== 'Default');
  return wrong.length
    ? `procMount (${containerNames(wrong)} must not set securityContext.procMount to ${quoted(wrong.map((c) => c.securityContext!.procMount!))})`
    : undefined;
};

const unconfinedSeccomp: Check = (subject) => {
  const who = offenders(subject, (c) => c.seccompProfile?.type === 'Unconfined');
  return who
    ? `seccompProfile (${who} must not set securityContext.seccompProfile.type to "Unconfined")`
    : undefined;
};

const safeSysctls = new Set(
  'kernel.shm_rmid_forced net.ipv4.ip_local_port_range net.ipv4.ip_unprivileged_port_start net.ipv4.tcp_syncookies net.ipv4.ping_group_range net.ipv4.ip_local_reserved_ports net.ipv4.tcp_keepalive_time net.ipv4.tcp_fin_timeout net.ipv4.tcp_keepalive_intvl net.ipv4.tcp_keepalive_probes net.ipv4.tcp_rmem net.ipv4.tcp_wmem'.split(
    ' ',
  ),
);
const sysctls: Check = ({ spec }) => {
  const wrong = (spec.securityContext?.sysctls ?? []).filter(({ name }) => !safeSysctls.has(name));
  return wrong.length ? `forbidden sysctls (${wrong.map(({ name }) => name).join(', ')})` : undefined;
};

const hostProcess: Check = (subject) => {
  const who = offenders(subject, (c) => c.windowsOptions?.hostProcess === true);
  return who
    ? `hostProcess (${who} must not set securityContext.windowsOptions.hostProcess=true)`
    : undefined;
};

const hostProbes: Check = ({ containers }) => {
  const host = (c: AnyContainer) =>
    [c.livenessProbe, c.readinessProbe, c.startupProbe, c.lifecycle?.postStart, c.lifecycle?.preStop].some(
      (h) => h?.httpGet?.host || h?.tcpSocket?.host,
    );
  const wrong = containers.filter(host);
  return wrong.length ? `probe or lifecycle host (${containerNames(wrong)} must not set a host)` : undefined;
};

const restrictedVolumes = new Set([
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
]);
const volumeTypes: Check = ({ spec }) => {
  const typeOf = (v: Volume) => Object.keys(v).find((key) => key !== 'name') ?? 'emptyDir';
  const wrong = (spec.volumes ?? []).filter((v) => !restrictedVolumes.has(typeOf(v)));
  if (!wrong.length) return undefined;
  return `restricted volume types (${plural('volume', wrong.length)} ${quoted(wrong.map((v) => v.name))} ${wrong.length === 1 ? 'uses' : 'use'} restricted volume ${plural('type', new Set(wrong.map(typeOf)).size)} ${quoted(wrong.map(typeOf))})`;
};

const isWindows = (spec: PodSpec): boolean => spec.os?.name === 'windows';

const escalation: Check = ({ spec, containers }) => {
  if (isWindows(spec)) return undefined;
  const wrong = containers.filter((c) => c.securityContext?.allowPrivilegeEscalation !== false);
  if (!wrong.length) return undefined;
  return `allowPrivilegeEscalation != false (${containerNames(wrong)} must set securityContext.allowPrivilegeEscalation=false)`;
};

const runAsNonRoot: Check = ({ spec, containers }) => {
  const own = containers.filter((c) => c.securityContext?.runAsNonRoot === false);
  const said = spec.securityContext?.runAsNonRoot;
  if (own.length)
    return `runAsNonRoot != true (${containerNames(own)} must not set securityContext.runAsNonRoot=false)`;
  if (said === true) return undefined;
  const silent = containers.filter((c) => c.securityContext?.runAsNonRoot === undefined);
  if (!silent.length) return undefined;
  if (said === false) return 'runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false)';
  return `runAsNonRoot != true (pod or ${containerNames(silent)} must set securityContext.runAsNonRoot=true)`;
};

const runAsUser: Check = (subject) => {
  const who = offenders(subject, (c) => c.runAsUser === 0);
  return who ? `runAsUser=0 (${who} must not set runAsUser=0)` : undefined;
};

const seccomp: Check = (subject) => {
  const { spec, containers } = subject;
  if (isWindows(spec)) return undefined;
  const bad = unconfinedSeccomp(subject);
  if (bad) return bad;
  if (spec.securityContext?.seccompProfile) return undefined;
  const silent = containers.filter((c) => !c.securityContext?.seccompProfile);
  if (!silent.length) return undefined;
  return `seccompProfile (pod or ${containerNames(silent)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")`;
};

const capabilities: Check = ({ spec, containers }) => {
  if (isWindows(spec)) return undefined;
  const undropped = containers.filter((c) => !c.securityContext?.capabilities?.drop?.includes('ALL'));
  const added = (c: AnyContainer) =>
    (c.securityContext?.capabilities?.add ?? []).filter((name) => name !== 'NET_BIND_SERVICE');
  const adding = containers.filter((c) => added(c).length);
  const problems = [
    ...(undropped.length
      ? [`${containerNames(undropped)} must set securityContext.capabilities.drop=["ALL"]`]
      : []),
    ...(adding.length
      ? [
          `${containerNames(adding)} must not include ${quoted(adding.flatMap(added).sort())} in securityContext.capabilities.add`,
        ]
      : []),
  ];
  return problems.length ? `unrestricted capabilities (${problems.join('; ')})` : undefined;
};

const baseline = [
  appArmor,
  hostNamespaces,
  hostPaths,
  hostPorts,
  hostProbes,
  addedCapabilities,
  privileged,
  procMount,
  seLinux,
  unconfinedSeccomp,
  sysctls,
  hostProcess,
];
const restricted: Check[] = [
  ...baseline.filter(
    (check) => check !== addedCapabilities && check !== unconfinedSeccomp && check !== hostPaths,
  ),
  escalation,
  capabilities,
  volumeTypes,
  runAsNonRoot,
  runAsUser,
  seccomp,
];

/** How a pod breaks a level, one text for each control. */
export function podSecurityViolations(level: Level, metadata: ObjectMeta, spec: PodSpec): string[] {
  if (level === 'privileged') return [];
  const subject = { metadata, spec, containers: [...allContainers(spec)].map(([container]) => container) };
  return (level === 'baseline' ? baseline : restricted)
    .map((check) => check(subject))
    .filter((text): text is string => text !== undefined);
}
