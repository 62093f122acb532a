import { apiVersionOf, type Kind } from '../../machinery/kind.ts';
import type { AnyObject } from '../../machinery/meta.ts';

/** Metadata alone, as metav1.PartialObjectMetadata. */
export const partial = (object: AnyObject): AnyObject => ({
  kind: 'PartialObjectMetadata',
  apiVersion: 'meta.k8s.io/v1',
  metadata: object.metadata,
});

/** Objects as metav1.Table, with the kind's printer columns. `include` says what rows carry beside their cells. */
export function table(
  kind: Kind<any>,
  objects: AnyObject[],
  metadata: object,
  nowMs: number,
  include: string,
  withColumns = true,
): AnyObject {
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: metadata as AnyObject['metadata'],
    columnDefinitions: withColumns
      ? kind.columns.map(({ name, type, format = '', priority }) => ({
          name,
          type,
          format,
          description: '',
          priority,
        }))
      : null,
    rows: objects.map((object) => ({
      cells: kind.columns.map((column) => column.value(object, nowMs) ?? null),
      ...(include === 'None'
        ? {}
        : {
            object:
              include === 'Object'
                ? { kind: kind.kind, apiVersion: apiVersionOf(kind), ...object }
                : partial(object),
          }),
    })),
  };
}
