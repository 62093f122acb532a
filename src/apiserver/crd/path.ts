/** The value at a simple JSON path of a custom resource definition: `.spec.replicas`, `.metadata.labels['a\.b']`, `.status.conditions[?(@.type=="Ready")].status`. */
export function evaluatePath(path: string, object: unknown): unknown {
  let values: any[] = [object];
  const step =
    /\.?([A-Za-z_][\w-]*)|\['((?:[^'\\]|\\.)*)'\]|\[(\d+|\*)\]|\[\?\(@\.([\w.]+)\s*==\s*["']([^"']*)["']\)\]/gy;
  for (const [, name, quoted, index, field, wanted] of path.matchAll(step)) {
    const key = name ?? quoted?.replace(/\\(.)/g, '$1');
    if (key !== undefined)
      values = values.map((v) =>
        v !== null && typeof v === 'object' && Object.hasOwn(v, key) ? v[key] : undefined,
      );
    else if (index === '*') values = values.flatMap((v) => (Array.isArray(v) ? v : []));
    else if (index !== undefined) values = values.map((v) => v?.[Number(index)]);
    else
      values = values.flatMap((v) =>
        Array.isArray(v) ? v.filter((x) => String(x?.[field!]) === wanted) : [],
      );
    values = values.filter((v) => v !== undefined && v !== null);
  }
  return values[0];
}
