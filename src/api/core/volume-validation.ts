// Volumes of a pod: one source each, and what each source needs.
import { dnsLabelProblems } from '../../machinery/names.ts';
import { compareQuantity } from '../../machinery/quantity.ts';
import type { FieldError, FieldPath } from '../../machinery/status.ts';
import { oneOf, present, problems } from '../checks.ts';
import { fieldRefErrors, resourceFieldRefErrors } from './field-ref-validation.ts';
import { claimSpecErrors } from './persistent-volume-claim-spec.ts';
import type { DownwardAPIVolumeFile, KeyToPath, PodSpec, ProjectedVolumeSource, Volume } from './v1.gen.ts';

const MODE_PROBLEM = 'must be a number between 0 and 0777 (octal), both inclusive';

const modeErrors = (mode: number | undefined, path: FieldPath): FieldError[] =>
  mode !== undefined && (mode < 0 || mode > 0o777) ? [path.invalid(mode, MODE_PROBLEM)] : [];

/** A path inside a volume: relative, without steps back. */
export function localPathErrors(target: string, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  if (target.startsWith('/')) errors.push(path.invalid(target, 'must be a relative path'));
  if (target.split('/').includes('..')) errors.push(path.invalid(target, "must not contain '..'"));
  return errors;
}

function filePathErrors(target: string, path: FieldPath): FieldError[] {
  if (!target) return [path.required()];
  const errors = localPathErrors(target, path);
  if (target.startsWith('..') && !target.startsWith('../'))
    errors.push(path.invalid(target, "must not start with '..'"));
  return errors;
}

function itemsErrors(items: KeyToPath[] | undefined, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  items?.forEach(({ key, path: target, mode }, i) => {
    const at = path.child('items', i);
    errors.push(
      ...present(key, at.child('key')),
      ...filePathErrors(target, at.child('path')),
      ...modeErrors(mode, at.child('mode')),
    );
  });
  return errors;
}

function downwardErrors(items: DownwardAPIVolumeFile[] | undefined, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  items?.forEach(({ path: target, fieldRef, resourceFieldRef, mode }) => {
    errors.push(...filePathErrors(target, path.child('path')), ...modeErrors(mode, path.child('mode')));
    if (fieldRef) {
      errors.push(...fieldRefErrors(fieldRef, true, path.child('fieldRef')));
      if (resourceFieldRef)
        errors.push(
          path.invalid('resource', 'fieldRef and resourceFieldRef can not be specified simultaneously'),
        );
    } else if (resourceFieldRef)
      errors.push(...resourceFieldRefErrors(resourceFieldRef, true, path.child('resourceFieldRef')));
    else errors.push(path.required('one of fieldRef and resourceFieldRef is required'));
  });
  return errors;
}

function projectedErrors({ defaultMode, sources }: ProjectedVolumeSource, path: FieldPath): FieldError[] {
  const errors = modeErrors(defaultMode, path.child('defaultMode'));
  const paths = new Set<string>();
  const claim = (target: string | undefined, value: unknown) => {
    if (target && paths.has(target)) errors.push(path.invalid(value, 'conflicting duplicate paths'));
    if (target) paths.add(target);
  };
  sources?.forEach((source, i) => {
    const at = path.child('sources', i);
    const {
      secret,
      configMap,
      downwardAPI,
      serviceAccountToken: token,
      clusterTrustBundle: bundle,
      podCertificate,
    } = source;
    const kinds = [secret, configMap, downwardAPI, token, bundle, podCertificate].filter(Boolean).length;
    if (kinds > 1) errors.push(at.forbidden('may not specify more than 1 volume type per source'));
    for (const [name, part] of [
      ['secret', secret],
      ['configMap', configMap],
    ] as const) {
      if (!part) continue;
      errors.push(...present(part.name, at.child(name, 'name')), ...itemsErrors(part.items, at.child(name)));
      for (const item of part.items ?? []) claim(item.path, part.name);
    }
    if (downwardAPI) {
      errors.push(...downwardErrors(downwardAPI.items, at.child('downwardAPI')));
      for (const item of downwardAPI.items ?? []) claim(item.path, item.path);
    }
    if (token) {
      const where = at.child('serviceAccountToken');
      const seconds = token.expirationSeconds ?? 3600;
      if (seconds < 600)
        errors.push(
          where
            .child('expirationSeconds')
            .invalid(seconds, 'may not specify a duration less than 10 minutes'),
        );
      if (seconds > 2 ** 32)
        errors.push(
          where
            .child('expirationSeconds')
            .invalid(seconds, 'may not specify a duration larger than 2^32 seconds'),
        );
      errors.push(...filePathErrors(token.path, where.child('path')));
      claim(token.path, token.path);
    }
    if (bundle) {
      const where = at.child('clusterTrustBundle');
      if (bundle.name && bundle.signerName)
        errors.push(where.invalid(bundle, 'only one of name and signerName may be used'));
      if (!bundle.name && !bundle.signerName)
        errors.push(where.required('either name or signerName must be specified'));
      errors.push(...filePathErrors(bundle.path, where.child('path')));
      claim(bundle.path, bundle.path);
    }
  });
  return errors;
}

const sources: { [K in keyof Volume]?: (source: NonNullable<Volume[K]>, path: FieldPath) => FieldError[] } = {
  emptyDir: ({ sizeLimit }, path) =>
    sizeLimit !== undefined && compareQuantity(sizeLimit, '0') < 0
      ? [path.child('sizeLimit').forbidden('SizeLimit field must be a valid resource quantity')]
      : [],
  hostPath: ({ path: target, type }, path) => [
    ...(target
      ? target.split('/').includes('..')
        ? [path.child('path').invalid(target, "must not contain '..'")]
        : []
      : [path.child('path').required()]),
    ...oneOf(
      type,
      ['', 'BlockDevice', 'CharDevice', 'Directory', 'DirectoryOrCreate', 'File', 'FileOrCreate', 'Socket'],
      path.child('type'),
    ),
  ],
  secret: ({ secretName, defaultMode, items }, path) => [
    ...present(secretName, path.child('secretName')),
    ...modeErrors(defaultMode, path.child('defaultMode')),
    ...itemsErrors(items, path),
  ],
  configMap: ({ name, defaultMode, items }, path) => [
    ...present(name, path.child('name')),
    ...modeErrors(defaultMode, path.child('defaultMode')),
    ...itemsErrors(items, path),
  ],
  downwardAPI: ({ defaultMode, items }, path) => [
    ...modeErrors(defaultMode, path.child('defaultMode')),
    ...downwardErrors(items, path),
  ],
  projected: projectedErrors,
  persistentVolumeClaim: ({ claimName }, path) => present(claimName, path.child('claimName')),
  nfs: ({ server, path: target }, path) => [
    ...present(server, path.child('server')),
    ...present(target, path.child('path')),
    ...(target && !target.startsWith('/')
      ? [path.child('path').invalid(target, 'must be an absolute path')]
      : []),
  ],
  csi: ({ driver }, path) => present(driver, path.child('driver')),
  iscsi: ({ targetPortal, iqn }, path) => [
    ...present(targetPortal, path.child('targetPortal')),
    ...present(iqn, path.child('iqn')),
  ],
  image: ({ reference, pullPolicy }, path) => [
    ...present(reference, path.child('reference')),
    ...oneOf(pullPolicy, ['Always', 'IfNotPresent', 'Never'], path.child('pullPolicy')),
  ],
  ephemeral: ({ volumeClaimTemplate }, path) =>
    volumeClaimTemplate
      ? claimSpecErrors(volumeClaimTemplate.spec, path.child('volumeClaimTemplate', 'spec'))
      : [path.child('volumeClaimTemplate').required()],
};

export function volumesErrors(spec: PodSpec, podName: string | undefined, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  spec.volumes?.forEach((volume, i) => {
    const at = path.child(i);
    if (!volume.name) errors.push(at.child('name').required());
    else errors.push(...problems(dnsLabelProblems(volume.name), volume.name, at.child('name')));
    if (names.has(volume.name)) errors.push(at.child('name').duplicate(volume.name));
    names.add(volume.name);
    let count = 0;
    for (const kind in volume) {
      if (kind === 'name' || (volume as any)[kind] == null) continue;
      if (count++) errors.push(at.child(kind).forbidden('may not specify more than 1 volume type'));
      else errors.push(...((sources as any)[kind]?.((volume as any)[kind], at.child(kind)) ?? []));
    }
    if (!count) errors.push(at.required('must specify a volume type'));
  });
  if (podName) errors.push(...claimNameClashes(spec, podName, path));
  return errors;
}

/** A claim made for an ephemeral volume is called `<pod>-<volume>`; no other volume may use one of that name. */
function claimNameClashes(spec: PodSpec, podName: string, path: FieldPath): FieldError[] {
  const made = new Map<string, string>();
  for (const { name, ephemeral } of spec.volumes ?? []) if (ephemeral) made.set(`${podName}-${name}`, name);
  return (spec.volumes ?? []).flatMap(({ persistentVolumeClaim: claim }, i) =>
    claim && made.has(claim.claimName)
      ? [
          path
            .child(i, 'persistentVolumeClaim', 'claimName')
            .invalid(claim.claimName, 'must not reference a PVC that gets created for an ephemeral volume'),
        ]
      : [],
  );
}
