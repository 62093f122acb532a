// Metadata: the rules that hold for every kind.
// https://kubernetes.io/docs/concepts/overview/working-with-objects/
import type { Kind } from '../machinery/kind.ts';
import type { ObjectMeta, OwnerReference } from '../machinery/meta.gen.ts';
import { equal, type KubeObject } from '../machinery/meta.ts';
import {
  dns1035LabelProblems,
  dnsLabelProblems,
  dnsSubdomainProblems,
  pathSegmentProblems,
  qualifiedNameProblems,
} from '../machinery/names.ts';
import { labelsErrors } from '../machinery/selectors.ts';
import { type FieldError, type FieldPath, field } from '../machinery/status.ts';

const nameChecks = {
  subdomain: dnsSubdomainProblems,
  label: dnsLabelProblems,
  'label-1035': dns1035LabelProblems,
  path: pathSegmentProblems,
  any: () => [],
};
const MAX_ANNOTATIONS = 256 * 1024;
const META = field('metadata');

/** Checks of names by the kind's format: each gives what is wrong. */
export const nameProblems = (format: keyof typeof nameChecks | undefined, name: string): string[] =>
  nameChecks[format ?? 'subdomain'](name);

/** What is wrong with the metadata of an object that is to be stored. */
export function validateMeta(
  kind: Pick<Kind, 'namespaced' | 'rules'> & Partial<Pick<Kind, 'type' | 'group'>>,
  object: KubeObject,
): FieldError[] {
  const errors = validateObjectMeta(object.metadata, kind.namespaced, kind.rules.nameFormat, META);
  // Custom resources, and their definitions, may be held by names without a slash.
  if (kind.type === '' || kind.type?.startsWith('custom:') || kind.group === 'apiextensions.k8s.io')
    return errors.filter(({ message }) => !message.endsWith(NOT_STANDARD));
  return errors;
}

export function validateObjectMeta(
  meta: ObjectMeta,
  namespaced: boolean,
  format: keyof typeof nameChecks | undefined,
  path: FieldPath,
): FieldError[] {
  const errors: FieldError[] = [];
  if (meta.generateName) {
    // What comes after it ends the name: a dash at its end is no problem.
    const prefix = meta.generateName.endsWith('-') ? `${meta.generateName.slice(0, -1)}a` : meta.generateName;
    for (const problem of nameProblems(format, prefix))
      errors.push(path.child('generateName').invalid(meta.generateName, problem));
  }
  if (!meta.name) errors.push(path.child('name').required('name or generateName is required'));
  else
    for (const problem of nameProblems(format, meta.name))
      errors.push(path.child('name').invalid(meta.name, problem));
  if (namespaced) {
    if (!meta.namespace) errors.push(path.child('namespace').required());
    else
      for (const problem of dnsLabelProblems(meta.namespace))
        errors.push(path.child('namespace').invalid(meta.namespace, problem));
  } else if (meta.namespace) errors.push(path.child('namespace').forbidden('not allowed on this type'));
  if (meta.labels) errors.push(...labelsErrors(meta.labels, path.child('labels')));
  if (meta.annotations) errors.push(...annotationsErrors(meta.annotations, path.child('annotations')));
  if (meta.ownerReferences) errors.push(...ownerErrors(meta.ownerReferences, path.child('ownerReferences')));
  if (meta.finalizers) errors.push(...finalizersErrors(meta.finalizers, path.child('finalizers')));
  if (meta.managedFields) errors.push(...managedFieldsErrors(meta, path.child('managedFields')));
  return errors;
}

export function annotationsErrors(annotations: Record<string, string>, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  let size = 0;
  for (const key in annotations) {
    for (const problem of qualifiedNameProblems(key.toLowerCase())) errors.push(path.invalid(key, problem));
    size += key.length + annotations[key]!.length;
  }
  if (size > MAX_ANNOTATIONS) errors.push(path.tooLong(MAX_ANNOTATIONS));
  return errors;
}

function ownerErrors(owners: OwnerReference[], path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  let controller: string | undefined;
  for (const owner of owners) {
    const { apiVersion, kind, name, uid } = owner;
    if (!apiVersion)
      errors.push(path.child('apiVersion').invalid(apiVersion ?? '', 'version must not be empty'));
    if (!kind) errors.push(path.child('kind').invalid(kind ?? '', 'must not be empty'));
    if (!name) errors.push(path.child('name').invalid(name ?? '', 'must not be empty'));
    if (!uid) errors.push(path.child('uid').invalid(uid ?? '', 'must not be empty'));
    if (kind === 'Event' && apiVersion === 'v1')
      errors.push(path.invalid(owner, '/v1, Kind=Event is disallowed from being an owner'));
    if (!owner.controller) continue;
    const current = `${kind}/${name}`;
    if (controller)
      errors.push(
        path.invalid(
          owners,
          `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${current}`,
        ),
      );
    else controller = current;
  }
  return errors;
}

function finalizersErrors(finalizers: string[], path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  for (const finalizer of finalizers) {
    for (const problem of qualifiedNameProblems(finalizer)) errors.push(path.invalid(finalizer, problem));
    if (!finalizer.includes('/') && !standardFinalizers.has(finalizer))
      errors.push(path.invalid(finalizer, NOT_STANDARD));
  }
  if (finalizers.includes('orphan') && finalizers.includes('foregroundDeletion'))
    errors.push(path.invalid(finalizers, 'finalizer orphan and foregroundDeletion cannot be both set'));
  return errors;
}
const NOT_STANDARD = 'name is neither a standard finalizer name nor is it fully qualified';
const standardFinalizers = new Set(['kubernetes', 'orphan', 'foregroundDeletion']);

function managedFieldsErrors(meta: ObjectMeta, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  meta.managedFields!.forEach((entry, i) => {
    if (Object.keys(entry).length === 0) return;
    if (entry.operation !== 'Apply' && entry.operation !== 'Update')
      errors.push(path.child(i, 'operation').invalid(entry.operation ?? '', 'must be `Apply` or `Update`'));
    if (entry.fieldsType && entry.fieldsType !== 'FieldsV1')
      errors.push(path.child(i, 'fieldsType').invalid(entry.fieldsType, 'must be `FieldsV1`'));
    errors.push(...fieldManagerErrors(entry.manager ?? '', path.child(i, 'manager')));
  });
  return errors;
}

/** What is wrong with the name of a field manager (`?fieldManager=`). */
export function fieldManagerErrors(manager: string, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  if (manager.length > 128) errors.push(path.tooLong(128));
  if (/\p{C}/u.test(manager)) errors.push(path.invalid(manager, 'invalid character'));
  return errors;
}

export const IMMUTABLE = 'field is immutable';

/** The error of a field that may not change; none when it did not. */
export const immutable = (now: unknown, before: unknown, path: FieldPath): FieldError[] =>
  equal(now, before) ? [] : [path.invalid(now, IMMUTABLE)];

/** What is wrong with the change of metadata, beside `validateMeta`. */
export function validateMetaUpdate(
  _kind: Pick<Kind, 'namespaced' | 'rules'>,
  { metadata: now }: KubeObject,
  { metadata: before }: KubeObject,
): FieldError[] {
  const errors: FieldError[] = [];
  if (before.deletionTimestamp) {
    const extra = (now.finalizers ?? []).filter((f) => !before.finalizers?.includes(f));
    if (extra.length)
      errors.push(
        META.child('finalizers').forbidden(
          `no new finalizers can be added if the object is being deleted, found new finalizers []string{${extra.map((f) => JSON.stringify(f)).join(', ')}}`,
        ),
      );
  }
  if ((now.generation ?? 0) < (before.generation ?? 0))
    errors.push(META.child('generation').invalid(now.generation, 'must not be decremented'));
  for (const name of fixed) errors.push(...immutable(now[name], before[name], META.child(name)));
  return errors;
}
const fixed = [
  'name',
  'namespace',
  'uid',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
] as const;

const at = (object: any, path: string): unknown =>
  path.split('.').reduce((value, part) => value?.[part], object);

/** Errors of the dotted paths that `rules.immutable` names. */
export function validateImmutable(
  paths: readonly string[] | undefined,
  object: KubeObject,
  old: KubeObject,
): FieldError[] {
  return (paths ?? []).flatMap((path) => {
    const [first, ...rest] = path.split('.');
    return immutable(at(object, path), at(old, path), field(first!, ...rest));
  });
}
