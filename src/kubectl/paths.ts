// Paths with slashes, for code that runs anywhere.

export const isAbsolute = (path: string): boolean => path.startsWith('/');

/** Without `.` and `..`, as far as that can be told. */
export function normalize(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..' && parts.length && parts.at(-1) !== '..') parts.pop();
    else if (part !== '..' || !isAbsolute(path)) parts.push(part);
  }
  return (isAbsolute(path) ? '/' : '') + parts.join('/') || '.';
}

export const join = (...parts: string[]): string => normalize(parts.filter(Boolean).join('/'));
export const resolve = (directory: string, path: string): string =>
  isAbsolute(path) ? normalize(path) : join(directory, path);
export const baseName = (path: string): string => path.replace(/\/+$/, '').split('/').at(-1) ?? '';
export function directoryOf(path: string): string {
  const at = path.replace(/\/+$/, '').lastIndexOf('/');
  return at < 0 ? '.' : at === 0 ? '/' : path.slice(0, at);
}

/** `*.yaml` as a pattern of one path segment: `*`, `?`, `[a-z]`. */
export function globPattern(segment: string): RegExp {
  const source = segment
    .replace(/[.+^${}()|\\]/g, '\\$&')
    .replaceAll('*', '[^/]*')
    .replaceAll('?', '[^/]');
  return new RegExp(`^${source}$`);
}
