// How the API server calls a webhook: a URL, or a path of a Service. The same for admission and for conversion.
import { dnsSubdomainProblems, portProblems } from '../machinery/names.ts';
import type { FieldError, FieldPath } from '../machinery/status.ts';

interface ServiceReference {
  name: string;
  namespace: string;
  path?: string;
  port?: number;
}

export interface WebhookClient {
  service?: ServiceReference;
  url?: string;
}

const FORM = '; desired format: https://host[/path]';

/** Exactly one of a URL and a Service, either in its form. */
export function webhookClientErrors({ url, service }: WebhookClient, path: FieldPath): FieldError[] {
  if ((url === undefined) === (service === undefined))
    return [path.required('exactly one of url or service is required')];
  return service
    ? serviceReferenceErrors(service, path.child('service'))
    : webhookUrlErrors(url!, path.child('url'));
}

export function webhookUrlErrors(text: string, path: FieldPath): FieldError[] {
  // A URL without a scheme is a path to some parsers; to us its scheme and host are missing.
  const url = URL.parse(text) ?? URL.parse(text, 'none://');
  if (!url) return [path.required(`url must be a valid URL${FORM}`)];
  const errors: FieldError[] = [];
  const scheme = url.protocol === 'none:' ? '' : url.protocol.slice(0, -1);
  if (scheme !== 'https') errors.push(path.invalid(scheme, `'https' is the only allowed URL scheme${FORM}`));
  if (!url.host) errors.push(path.invalid(url.host, `host must be specified${FORM}`));
  if (url.username) errors.push(path.invalid(url.username, 'user information is not permitted in the URL'));
  if (url.hash) errors.push(path.invalid(url.hash.slice(1), 'fragments are not permitted in the URL'));
  if (url.search)
    errors.push(path.invalid(url.search.slice(1), 'query parameters are not permitted in the URL'));
  return errors;
}

export function serviceReferenceErrors(service: ServiceReference, path: FieldPath): FieldError[] {
  const { name, namespace, port = 443, path: urlPath } = service;
  const errors: FieldError[] = [];
  if (!name) errors.push(path.child('name').required());
  if (!namespace) errors.push(path.child('namespace').required());
  const wrong = portProblems(port);
  if (wrong.length) errors.push(path.child('port').invalid(port, `port is not valid: ${wrong.join(', ')}`));
  if (!urlPath || urlPath === '/') return errors;
  const at = path.child('path');
  if (urlPath === '//') return [...errors, at.invalid(urlPath, 'segment[0] may not be empty')];
  if (!urlPath.startsWith('/')) errors.push(at.invalid(urlPath, "must start with a '/'"));
  urlPath
    .slice(1)
    .replace(/\/$/, '')
    .split('/')
    .forEach((step, i) => {
      const found = step ? dnsSubdomainProblems(step).map((p) => `: ${p}`) : [' may not be empty'];
      for (const problem of found) errors.push(at.invalid(urlPath, `segment[${i}]${problem}`));
    });
  return errors;
}
