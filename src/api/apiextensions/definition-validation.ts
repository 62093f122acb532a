// What is wrong with a CustomResourceDefinition: its names, versions, subresources, columns, conversion.
import type { JSONSchema } from '../../machinery/apply/openapi-schema.ts';
import { equal } from '../../machinery/meta.ts';
import { dns1035LabelProblems, dnsSubdomainProblems } from '../../machinery/names.ts';
import { type FieldError, type FieldPath, field } from '../../machinery/status.ts';
import { ruleErrors } from '../../machinery/structural/rule-checks.ts';
import { requiredOneOf } from '../checks.ts';
import { webhookClientErrors } from '../webhook-client.ts';
import { rootErrors, schemaErrors } from './schema-validation.ts';
import { structuralErrors } from './structural.ts';
import type {
  CustomResourceColumnDefinition,
  CustomResourceConversion,
  CustomResourceDefinition,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionSpec,
  CustomResourceDefinitionVersion,
  CustomResourceSubresources,
  JSONSchemaProps,
  SelectableField,
} from './v1.gen.ts';

const SPEC = field('spec');

export function definitionErrors(crd: CustomResourceDefinition): FieldError[] {
  const { spec, metadata, status } = crd;
  const errors: FieldError[] = [];
  if (metadata.name && metadata.name !== `${spec.names?.plural}.${spec.group}`)
    errors.push(field('metadata', 'name').invalid(metadata.name, 'must be spec.names.plural+"."+spec.group'));
  return [
    ...errors,
    ...groupErrors(spec.group),
    ...requiredOneOf(spec.scope, ['Cluster', 'Namespaced'], SPEC.child('scope')),
    ...versionErrors(spec),
    ...requiredNameErrors(spec.names),
    ...namesErrors(spec.names, SPEC.child('names')),
    ...conversionErrors(spec.conversion, SPEC.child('conversion')),
    ...namesErrors(status?.acceptedNames, field('status', 'acceptedNames')),
    ...storedVersionErrors(status?.storedVersions ?? [], spec.versions ?? []),
  ];
}

/** Of the rules in schemas that are new, or not what they were. To be asked of a definition without other errors. */
export function rulesErrors(crd: CustomResourceDefinition, old?: CustomResourceDefinition): FieldError[] {
  const versions = crd.spec.versions ?? [];
  const before = new Map(old?.spec.versions?.map(({ name, schema }) => [name, schema]));
  if (old && versions.every(({ name, schema }) => equal(schema, before.get(name)))) return [];
  return forVersions(
    versions,
    ({ schema }) => schema,
    'validation',
    'schema',
    ({ openAPIV3Schema: schema }, path) =>
      schema ? ruleErrors(schema as JSONSchema, path.child('openAPIV3Schema')) : [],
  );
}

function groupErrors(group: string | undefined): FieldError[] {
  const at = SPEC.child('group');
  if (!group) return [at.required()];
  const wrong = dnsSubdomainProblems(group);
  if (wrong.length) return [at.invalid(group, wrong.join(','))];
  return group.includes('.') ? [] : [at.invalid(group, 'should be a domain with at least one dot')];
}

/** A part that all versions have alike is named once, at the top, as upstream's messages do. */
function forVersions<T>(
  versions: CustomResourceDefinitionVersion[],
  part: (version: CustomResourceDefinitionVersion) => T | undefined,
  top: string,
  own: string,
  check: (value: T, path: FieldPath) => FieldError[],
): FieldError[] {
  const first = versions[0] && part(versions[0]);
  if (versions.every((version) => equal(part(version), first)))
    return first === undefined ? [] : check(first, SPEC.child(top));
  return versions.flatMap((version, i) => {
    const value = part(version);
    return value === undefined ? [] : check(value, SPEC.child('versions', i, own));
  });
}

const hasDefaults = (schema: unknown): boolean =>
  typeof schema === 'object' &&
  schema !== null &&
  ((!Array.isArray(schema) && (schema as JSONSchemaProps).default !== undefined) ||
    Object.values(schema).some(hasDefaults));

function versionErrors(spec: CustomResourceDefinitionSpec): FieldError[] {
  const versions = spec.versions ?? [];
  const at = SPEC.child('versions');
  const errors: FieldError[] = [];
  versions.forEach((version, i) => {
    if (!version.schema?.openAPIV3Schema) errors.push(at.child(i, 'schema', 'openAPIV3Schema').required());
    const wrong = dns1035LabelProblems(version.name ?? '');
    if (wrong.length) errors.push(at.child(i, 'name').invalid(version.name ?? '', wrong.join(',')));
    errors.push(...deprecationErrors(version, at.child(i, 'deprecationWarning')));
  });
  if (spec.preserveUnknownFields) {
    const preserve = SPEC.child('preserveUnknownFields');
    if (versions.some(({ schema }) => hasDefaults(schema?.openAPIV3Schema)))
      errors.push(preserve.invalid(true, 'must be false in order to use defaults in the schema'));
    errors.push(
      preserve.invalid(
        true,
        'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead',
      ),
    );
  }
  if (new Set(versions.map(({ name }) => name)).size < versions.length)
    errors.push(at.invalid(versions, 'must contain unique version names'));
  if (versions.filter(({ storage }) => storage).length !== 1)
    errors.push(at.invalid(versions, 'must have exactly one version marked as storage version'));
  const hasStatus = versions.some(({ subresources }) => subresources?.status);
  return [
    ...errors,
    ...forVersions(
      versions,
      (v) => v.schema,
      'validation',
      'schema',
      (schema, path) =>
        schema.openAPIV3Schema
          ? rootSchemaErrors(schema.openAPIV3Schema, hasStatus, path.child('openAPIV3Schema'))
          : [],
    ),
    ...forVersions(versions, (v) => v.subresources, 'subresources', 'subresources', subresourceErrors),
    ...forVersions(
      versions,
      (v) => v.additionalPrinterColumns,
      'additionalPrinterColumns',
      'additionalPrinterColumns',
      (columns, path) => columns.flatMap((column, i) => columnErrors(column, path.child(i))),
    ),
    ...versions.flatMap((version, i) =>
      version.selectableFields?.length && version.schema?.openAPIV3Schema
        ? selectableErrors(
            version.selectableFields,
            version.schema.openAPIV3Schema,
            versions.length === 1 ? SPEC.child('selectableFields') : at.child(i, 'selectableFields'),
          )
        : [],
    ),
  ];
}

function rootSchemaErrors(schema: JSONSchemaProps, hasStatus: boolean, path: FieldPath): FieldError[] {
  const errors = [...rootErrors(schema, hasStatus, path), ...schemaErrors(schema, path)];
  const seen = new Set(errors.map((e) => e.field + e.message));
  return [...errors, ...structuralErrors(schema, path).filter((e) => !seen.has(e.field + e.message))];
}

function deprecationErrors(version: CustomResourceDefinitionVersion, at: FieldPath): FieldError[] {
  const { deprecated, deprecationWarning: warning } = version;
  if (warning === undefined) return [];
  if (!deprecated) return [at.invalid(warning, 'can only be set for deprecated versions')];
  const errors: FieldError[] = [];
  if (warning.length > 256) errors.push(at.invalid(warning, 'must be <= 256 characters long'));
  if (!warning) errors.push(at.invalid(warning, 'must not be an empty string'));
  const control = warning.search(/\p{C}/u);
  if (control >= 0)
    errors.push(
      at.invalid(
        warning,
        `must only contain printable UTF-8 characters; non-printable character found at index ${control}`,
      ),
    );
  return errors;
}

const requiredNameErrors = (names: CustomResourceDefinitionNames | undefined): FieldError[] =>
  (['plural', 'singular', 'kind', 'listKind'] as const).flatMap((name) =>
    names?.[name] ? [] : [SPEC.child('names', name).required()],
  );

function namesErrors(names: CustomResourceDefinitionNames | undefined, path: FieldPath): FieldError[] {
  if (!names) return [];
  const errors: FieldError[] = [];
  const check = (text: string | undefined, at: FieldPath, mixed = false) => {
    if (!text) return;
    const wrong = dns1035LabelProblems(mixed ? text.toLowerCase() : text).join(',');
    if (wrong)
      errors.push(
        at.invalid(text, mixed ? `may have mixed case, but should otherwise match: ${wrong}` : wrong),
      );
  };
  check(names.plural, path.child('plural'));
  check(names.singular, path.child('singular'));
  check(names.kind, path.child('kind'), true);
  check(names.listKind, path.child('listKind'), true);
  names.shortNames?.forEach((name, i) => {
    check(name, path.child('shortNames', i));
  });
  if (names.kind && names.kind === names.listKind)
    errors.push(path.child('listKind').invalid(names.listKind, 'kind and listKind may not be the same'));
  names.categories?.forEach((name, i) => {
    check(name, path.child('categories', i));
  });
  return errors;
}

function subresourceErrors({ scale }: CustomResourceSubresources, path: FieldPath): FieldError[] {
  if (!scale) return [];
  const errors: FieldError[] = [];
  const check = (name: keyof typeof scale, under: string[], why: string) => {
    const at = path.child('scale', name);
    const value = scale[name];
    if (!value) {
      if (name !== 'labelSelectorPath') errors.push(at.required());
    } else if (!value.startsWith('.'))
      errors.push(at.invalid(value, 'must be a simple json path starting with .'));
    else if (!under.some((prefix) => value.startsWith(prefix)))
      errors.push(at.invalid(value, `should be a json path under ${why}`));
  };
  check('specReplicasPath', ['.spec.'], '.spec');
  check('statusReplicasPath', ['.status.'], '.status');
  check('labelSelectorPath', ['.spec.', '.status.'], 'either .spec or .status');
  return errors;
}

const columnTypes = ['boolean', 'date', 'integer', 'number', 'string'];
const formats = ['byte', 'date', 'date-time', 'double', 'float', 'int32', 'int64', 'password'];

function columnErrors(column: CustomResourceColumnDefinition, path: FieldPath): FieldError[] {
  const { name, type, format, jsonPath } = column;
  const errors: FieldError[] = [];
  if (!name) errors.push(path.child('name').required());
  const which = `must be one of ${columnTypes.join(',')}`;
  if (!type) errors.push(path.child('type').required(which));
  else if (!columnTypes.includes(type)) errors.push(path.child('type').invalid(type, which));
  if (format && !formats.includes(format))
    errors.push(path.child('format').invalid(format, `must be one of ${formats.join(',')}`));
  if (!jsonPath) errors.push(path.child('JSONPath').required());
  else if (!jsonPath.startsWith('.'))
    errors.push(path.child('JSONPath').invalid(jsonPath, 'must be a simple json path starting with .'));
  return errors;
}

const MAX_SELECTABLE = 8;

function selectableErrors(list: SelectableField[], schema: JSONSchemaProps, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  list.forEach(({ jsonPath }, i) => {
    const at = path.child(i, 'jsonPath');
    if (!jsonPath) {
      errors.push(at.required());
      return;
    }
    const parts = jsonPath.split('.').slice(1);
    let found: JSONSchemaProps | undefined = schema;
    for (const part of parts) found = found?.properties?.[part];
    if (!jsonPath.startsWith('.') || !found) {
      errors.push(at.invalid(jsonPath, 'is an invalid path: does not refer to a valid field'));
      return;
    }
    if (parts[0] === 'metadata') errors.push(at.invalid(jsonPath, 'must not point to fields in metadata'));
    if (!['string', 'boolean', 'integer'].includes(found.type ?? ''))
      errors.push(
        at.invalid(
          jsonPath,
          'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.',
        ),
      );
    if (seen.has(jsonPath)) errors.push(at.duplicate(jsonPath));
    seen.add(jsonPath);
  });
  if (seen.size > MAX_SELECTABLE) errors.push(path.tooMany(seen.size, MAX_SELECTABLE));
  return errors;
}

function conversionErrors(conversion: CustomResourceConversion | undefined, path: FieldPath): FieldError[] {
  if (!conversion) return [];
  const { strategy, webhook } = conversion;
  const errors = requiredOneOf(strategy, ['None', 'Webhook'], path.child('strategy'));
  const client = path.child('webhookClientConfig');
  const reviews = path.child('conversionReviewVersions');
  const versions = webhook?.conversionReviewVersions ?? [];
  if (strategy !== 'Webhook') {
    const why = 'should not be set when strategy is not set to Webhook';
    if (webhook?.clientConfig) errors.push(client.forbidden(why));
    if (versions.length) errors.push(reviews.forbidden(why));
    return errors;
  }
  if (!webhook?.clientConfig) errors.push(client.required('required when strategy is set to Webhook'));
  else errors.push(...webhookClientErrors(webhook.clientConfig, client));
  if (!versions.length) return [...errors, reviews.required()];
  versions.forEach((version, i) => {
    if (versions.indexOf(version) < i) errors.push(reviews.child(i).invalid(version, 'duplicate version'));
    else
      for (const problem of dns1035LabelProblems(version))
        errors.push(reviews.child(i).invalid(version, problem));
  });
  if (!versions.includes('v1') && !versions.includes('v1beta1'))
    errors.push(reviews.invalid(versions, 'must include at least one of v1, v1beta1'));
  return errors;
}

function storedVersionErrors(stored: string[], versions: CustomResourceDefinitionVersion[]): FieldError[] {
  const at = field('status', 'storedVersions');
  if (!stored.length) return [at.invalid(stored, 'must have at least one stored version')];
  const errors: FieldError[] = [];
  for (const { name, storage } of versions)
    if (storage && !stored.includes(name))
      errors.push(at.invalid(stored, `must have the storage version ${name}`));
  stored.forEach((name, i) => {
    if (!versions.some((version) => version.name === name))
      errors.push(
        at
          .child(i)
          .invalid(
            name,
            `missing from spec.versions; ${name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`,
          ),
      );
  });
  return errors;
}

export const APPROVAL = 'api-approved.kubernetes.io';

/** Groups whose names belong to the project of Kubernetes. */
export const isProtectedGroup = (group = ''): boolean =>
  ['k8s.io', 'kubernetes.io'].includes(group.split('.').slice(-2).join('.'));

/** They need an approval, or a reason why there is none (KEP-1111). */
export function approvalErrors(
  { spec, metadata }: CustomResourceDefinition,
  old?: CustomResourceDefinition,
): FieldError[] {
  if (!isProtectedGroup(spec.group)) return [];
  const approval = metadata.annotations?.[APPROVAL];
  if (old && old.metadata.annotations?.[APPROVAL] === approval) return [];
  const at = field('metadata', 'annotations').key(APPROVAL);
  const see = 'see https://github.com/kubernetes/enhancements/pull/1111';
  if (!approval) return [at.required(`protected groups must have approval annotation "${APPROVAL}", ${see}`)];
  if (approval.startsWith('unapproved') || URL.parse(approval)?.host) return [];
  return [
    at.invalid(
      approval,
      `protected groups must have approval annotation "${APPROVAL}" with either a URL or a reason starting with "unapproved", ${see}`,
    ),
  ];
}
