// Names of images, as registries and runtimes understand them.
// https://github.com/distribution/reference: [domain/]path[:tag][@digest]

export interface ImageName {
  /** `docker.io` where none is given. */
  domain: string;
  path: string;
  tag?: string;
  digest?: string;
}

const component = '[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*';
const domainPattern =
  /^(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+(?=:\d+$))(?::\d+)?$/;
const pathPattern = new RegExp(`^${component}(?:/${component})*$`);
const tagPattern = /^\w[\w.-]{0,127}$/;
const digestPattern = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/;

const invalid = (name: string, why = 'invalid reference format'): Error =>
  new Error(`couldn't parse image name "${name}": ${why}`);

/** Throws an Error `couldn't parse image name ...` for what is no name. */
export function parseImageName(name: string): ImageName {
  const at = name.indexOf('@');
  const digest = at < 0 ? undefined : name.slice(at + 1);
  const rest = at < 0 ? name : name.slice(0, at);
  const colon = rest.lastIndexOf(':');
  const tagged = colon > rest.lastIndexOf('/');
  const tag = tagged ? rest.slice(colon + 1) : undefined;
  const full = tagged ? rest.slice(0, colon) : rest;
  const slash = full.indexOf('/');
  const head = slash < 0 ? '' : full.slice(0, slash);
  const hasDomain =
    head === 'localhost' || head.includes('.') || head.includes(':') || head !== head.toLowerCase();
  const domain = hasDomain ? head : 'docker.io';
  let path = hasDomain ? full.slice(slash + 1) : full;
  if (path !== path.toLowerCase())
    throw invalid(name, 'invalid reference format: repository name must be lowercase');
  if (hasDomain && !domainPattern.test(head)) throw invalid(name);
  if (!pathPattern.test(path) || (tag !== undefined && !tagPattern.test(tag))) throw invalid(name);
  if (digest !== undefined && !digestPattern.test(digest)) throw invalid(name);
  if (domain === 'docker.io' && !path.includes('/')) path = `library/${path}`;
  return { domain, path, ...(tag !== undefined ? { tag } : {}), ...(digest !== undefined ? { digest } : {}) };
}

/** The name with `:latest` where it has neither tag nor digest. Throws for what is no name. */
export function withDefaultTag(name: string): string {
  const { tag, digest } = parseImageName(name);
  return tag === undefined && digest === undefined ? `${name}:latest` : name;
}
