// `$(NAME)` in commands, arguments and environment values.
// https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#environment-variables

/**
 * Replaces `$(NAME)` by what `lookUp` gives; a name that it does not know stays as it is, and `$$` stands for `$`.
 *
 *   expand('$(A)-$(B)-$$(A)', { A: '1' })  ->  '1-$(B)-$(A)'
 */
export function expand(text: string, lookUp: (name: string) => string | undefined): string {
  return text.replace(/\$(\$|\(([^)]*)\))/g, (whole, what: string, name: string | undefined) =>
    what === '$' ? '$' : (lookUp(name!) ?? whole),
  );
}

/** The same for a list, from a record. */
export const expandAll = (
  texts: readonly string[] | undefined,
  values: Readonly<Record<string, string>>,
): string[] =>
  (texts ?? []).map((text) =>
    expand(text, (name) => (Object.hasOwn(values, name) ? values[name] : undefined)),
  );
