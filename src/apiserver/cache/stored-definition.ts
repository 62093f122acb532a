import type { AnyObject } from '../../machinery/meta.ts';

/** In v1beta1 all versions may have these in common. */
const common = {
  validation: 'schema',
  subresources: 'subresources',
  additionalPrinterColumns: 'additionalPrinterColumns',
  selectableFields: 'selectableFields',
} as const;

/**
 * A CustomResourceDefinition of apiextensions.k8s.io/v1beta1, the form in which upstream's API server stores them to this
 * day, as one of v1: what all versions have in common is each one's, columns have a `jsonPath`, webhooks a box of their own.
 */
export function definitionFromBeta({ spec, ...rest }: AnyObject): AnyObject {
  const { version, versions, conversion, preserveUnknownFields = true, ...others } = spec;
  const shared: Record<string, unknown> = {};
  for (const [from, to] of Object.entries(common)) {
    if (others[from] !== undefined) shared[to] = others[from];
    delete others[from];
  }
  const all = versions?.length ? versions : version ? [{ name: version, served: true, storage: true }] : [];
  return {
    ...rest,
    apiVersion: 'apiextensions.k8s.io/v1',
    spec: {
      ...others,
      scope: others.scope || 'Namespaced',
      versions: all.map((one: any) => withPaths({ ...structuredClone(shared), ...one })),
      ...(conversion ? { conversion: conversionFromBeta(conversion) } : {}),
      ...(preserveUnknownFields ? { preserveUnknownFields } : {}),
    },
  };
}

function withPaths({ additionalPrinterColumns: columns, ...version }: any): unknown {
  if (!columns) return version;
  const named = columns.map(({ JSONPath, ...column }: any) => ({ ...column, jsonPath: JSONPath }));
  return { ...version, additionalPrinterColumns: named };
}

function conversionFromBeta({ strategy, webhookClientConfig, conversionReviewVersions }: any): unknown {
  if (strategy !== 'Webhook') return { strategy };
  const versions = conversionReviewVersions?.length ? conversionReviewVersions : ['v1beta1'];
  return {
    strategy,
    webhook: {
      ...(webhookClientConfig ? { clientConfig: webhookClientConfig } : {}),
      conversionReviewVersions: versions,
    },
  };
}
