import { canonicalQuantity, parseQuantity } from '../../machinery/quantity.ts';
import { claimLines } from './claims.ts';
import { type Description, shortened, sortedPairs } from './description.ts';

/** Type, and the fields that are shown of a volume of that type. */
type Source = [type: string, fields: (source: any) => [string, unknown][]];

const show = (value: unknown): unknown => value ?? '';

/** Volume sources in the order in which they are looked for. */
const sources: Record<string, Source> = {
  hostPath: [
    'HostPath (bare host directory volume)',
    (s) => [
      ['Path', s.path],
      ['HostPathType', s.type ?? '<none>'],
    ],
  ],
  emptyDir: [
    "EmptyDir (a temporary directory that shares a pod's lifetime)",
    (s) => [
      ['Medium', show(s.medium)],
      [
        'SizeLimit',
        s.sizeLimit && parseQuantity(s.sizeLimit) > 0 ? canonicalQuantity(s.sizeLimit) : '<unset>',
      ],
    ],
  ],
  secret: [
    'Secret (a volume populated by a Secret)',
    (s) => [
      ['SecretName', show(s.secretName)],
      ['Optional', s.optional === true],
    ],
  ],
  configMap: [
    'ConfigMap (a volume populated by a ConfigMap)',
    (s) => [
      ['Name', show(s.name)],
      ['Optional', s.optional === true],
    ],
  ],
  nfs: [
    'NFS (an NFS mount that lasts the lifetime of a pod)',
    (s) => [
      ['Server', s.server],
      ['Path', s.path],
      ['ReadOnly', s.readOnly === true],
    ],
  ],
  iscsi: [
    "ISCSI (an ISCSI Disk resource that is attached to a kubelet's host machine and then exposed to the pod)",
    (s) => [
      ['TargetPortal', s.targetPortal],
      ['IQN', s.iqn],
      ['Lun', s.lun],
      ['ISCSIInterface', show(s.iscsiInterface)],
      ['FSType', show(s.fsType)],
      ['ReadOnly', s.readOnly === true],
      ['Portals', `[${(s.portals ?? []).join(' ')}]`],
      ['DiscoveryCHAPAuth', s.chapAuthDiscovery === true],
      ['SessionCHAPAuth', s.chapAuthSession === true],
      ['SecretRef', s.secretRef ? `&LocalObjectReference{Name:${s.secretRef.name},}` : '<nil>'],
      ['InitiatorName', s.initiatorName ?? '<none>'],
    ],
  ],
  persistentVolumeClaim: [
    'PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)',
    (s) => [
      ['ClaimName', s.claimName],
      ['ReadOnly', s.readOnly === true],
    ],
  ],
  local: ['LocalVolume (a persistent volume backed by local storage on a node)', (s) => [['Path', s.path]]],
  fc: [
    'FC (a Fibre Channel disk)',
    (s) => [
      ['TargetWWNs', (s.targetWWNs ?? []).join(', ')],
      ['LUN', s.lun ?? '<none>'],
      ['FSType', show(s.fsType)],
      ['ReadOnly', s.readOnly === true],
    ],
  ],
  image: [
    'Image (a container image or OCI artifact)',
    (s) => [
      ['Reference', show(s.reference)],
      ['PullPolicy', show(s.pullPolicy)],
    ],
  ],
};

const specialSources: Record<string, (d: Description, source: any) => void> = {
  downwardAPI: downwardApi,
  projected,
  ephemeral,
  csi,
};

/** The volumes of a pod or a template. `space` is the indentation of the title. */
export function describeVolumes(d: Description, volumes: any[] | undefined, space = ''): void {
  if (!volumes?.length) {
    d.raw(`${space}Volumes:\t<none>\n`);
    return;
  }
  d.raw(`${space}Volumes:\n`);
  for (const volume of volumes) {
    d.line(1, `${space ? ' ' : ''}${volume.name}:`);
    describeVolumeSource(d, volume);
  }
}

/** The one source that a volume (or a persistent volume's spec) has. */
export function describeVolumeSource(d: Description, volume: any): void {
  const special = Object.keys(specialSources).find((name) => volume[name]);
  if (special) {
    specialSources[special]!(d, volume[special]);
    return;
  }
  const key = Object.keys(sources).find((name) => volume[name]);
  if (!key) {
    d.line(1, '<unknown>');
    return;
  }
  const [type, fields] = sources[key]!;
  d.field('Type', type, 2);
  for (const [label, value] of fields(volume[key])) d.field(label, value, 2);
}

function downwardApi(d: Description, { items = [] }: any): void {
  d.field('Type', 'DownwardAPI (a volume populated by information about the pod)', 2);
  d.line(2, 'Items:');
  for (const { fieldRef, resourceFieldRef, path } of items) {
    if (fieldRef) d.line(3, `${fieldRef.fieldPath} -> ${path}`);
    if (resourceFieldRef) d.line(3, `${resourceFieldRef.resource} -> ${path}`);
  }
}

function projected(d: Description, { sources: list = [] }: any): void {
  d.field('Type', 'Projected (a volume that contains injected data from multiple sources)', 2);
  for (const { secret, downwardAPI, configMap, serviceAccountToken } of list) {
    if (secret) {
      d.field('SecretName', show(secret.name), 2);
      d.field('Optional', secret.optional === true, 2);
    } else if (downwardAPI) d.field('DownwardAPI', 'true', 2);
    else if (configMap) {
      d.field('ConfigMapName', show(configMap.name), 2);
      d.field('Optional', configMap.optional === true, 2);
    } else if (serviceAccountToken)
      d.field('TokenExpirationSeconds', serviceAccountToken.expirationSeconds, 2);
  }
}

function ephemeral(d: Description, { volumeClaimTemplate }: any): void {
  d.field(
    'Type',
    'EphemeralVolume (an inline specification for a volume that gets created and deleted with the pod)',
    2,
  );
  if (volumeClaimTemplate) claimLines(d, volumeClaimTemplate, false, 2);
}

function csi(d: Description, source: any): void {
  d.field('Type', 'CSI (a Container Storage Interface (CSI) volume source)', 2);
  d.field('Driver', source.driver, 2);
  d.field('FSType', show(source.fsType), 2);
  if (source.volumeHandle !== undefined) d.field('VolumeHandle', source.volumeHandle, 2);
  d.field('ReadOnly', source.readOnly === true, 2);
  const pairs = sortedPairs(source.volumeAttributes).map(([key, value]) => shortened(`${key}=${value}`, 140));
  d.raw(`    VolumeAttributes:\t${pairs.length ? '' : '<none>\n'}`);
  pairs.forEach((pair, i) => {
    d.raw(`${i ? '        \t' : ''}    ${pair}\n`);
  });
}
