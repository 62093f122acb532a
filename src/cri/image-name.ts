// Image names as the container ecosystem completes them.
//
//   busybox               docker.io/library/busybox:latest
//   me/app:v1             docker.io/me/app:v1
//   localhost:5000/x      localhost:5000/x:latest          (a first part with a dot, a colon, or 'localhost' is a host)
//   r.io/x:v1@sha256:...  r.io/x@sha256:...                (a digest makes the tag meaningless)
//
// Source: https://github.com/distribution/reference (documented grammar)

const digestPattern = /^sha256:[0-9a-f]{64}$/;
const pathPattern = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/;
const hostPattern =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9a-f:]+\])(?::\d+)?$/;
const tagPattern = /^\w[\w.-]{0,127}$/;

export interface ImageName {
  readonly host: string;
  readonly path: string;
  /** '' when there is a digest. */
  readonly tag: string;
  /** 'sha256:...', or ''. */
  readonly digest: string;
}

/** The parts of a name, completed; undefined when it is not one. */
export function parseImageName(text: string): ImageName | undefined {
  const at = text.indexOf('@');
  const digest = at < 0 ? '' : text.slice(at + 1);
  const named = at < 0 ? text : text.slice(0, at);
  if (digest !== '' ? !digestPattern.test(digest) : at >= 0) return undefined;
  const slash = named.indexOf('/');
  const first = slash < 0 ? '' : named.slice(0, slash);
  const hasHost = /[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase();
  const remote = hasHost ? named.slice(slash + 1) : named;
  const colon = remote.indexOf(':');
  const bare = colon < 0 ? remote : remote.slice(0, colon);
  const tag = colon < 0 ? 'latest' : remote.slice(colon + 1);
  const host = hasHost ? (first === 'index.docker.io' ? 'docker.io' : first) : 'docker.io';
  const path = host === 'docker.io' && !bare.includes('/') ? `library/${bare}` : bare;
  if (!hostPattern.test(host) || !pathPattern.test(path) || !tagPattern.test(tag)) return undefined;
  return { host, path, tag: digest === '' ? tag : '', digest };
}

/** The complete name, as containerd stores it. What is not a name is given back as it is. */
export function completeImageName(text: string): string {
  const name = parseImageName(text);
  if (!name) return text;
  return `${name.host}/${name.path}${name.digest === '' ? `:${name.tag}` : `@${name.digest}`}`;
}
