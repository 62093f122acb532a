import { notAcceptable } from '../../machinery/status.ts';

export type Encoding = 'json' | 'yaml' | 'protobuf';

/** How an answer is to be written. */
export interface Form {
  encoding: Encoding;
  as?: 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList';
  pretty: boolean;
}

const encodings: Record<string, Encoding> = {
  'application/json': 'json',
  'application/yaml': 'yaml',
  'application/vnd.kubernetes.protobuf': 'protobuf',
  '*/*': 'json',
  'application/*': 'json',
};
const known = new Map<string, Form>();

/** The first form of an Accept header that can be had. Throws 406. */
export function negotiate(
  accept: string | undefined,
  query: URLSearchParams,
  userAgent: string,
  offered: Encoding[],
): Form {
  const pretty = query.has('pretty')
    ? query.get('pretty') !== 'false' && query.get('pretty') !== '0'
    : /^(curl|Wget|Mozilla)/.test(userAgent);
  const key = `${accept} ${pretty} ${offered.length}`;
  let form = known.get(key);
  if (form) return form;
  form = choose(accept, pretty, offered);
  if (known.size > 500) known.clear();
  known.set(key, form);
  return form;
}

function choose(accept: string | undefined, pretty: boolean, offered: Encoding[]): Form {
  if (!accept) return { encoding: 'json', pretty };
  const ranges = accept
    .split(',')
    .map((text) => {
      const [type, ...params] = text.split(';').map((part) => part.trim());
      return {
        type: type!,
        params: Object.fromEntries(params.map((p) => p.split('=', 2) as [string, string])),
      };
    })
    .sort((a, b) => Number(b.params.q ?? 1) - Number(a.params.q ?? 1));
  for (const { type, params } of ranges) {
    const encoding = encodings[type];
    if (!encoding || !offered.includes(encoding)) continue;
    if (!params.as) return { encoding, pretty };
    const fits =
      ['Table', 'PartialObjectMetadata', 'PartialObjectMetadataList'].includes(params.as) &&
      (params.g ?? 'meta.k8s.io') === 'meta.k8s.io' &&
      ['v1', 'v1beta1'].includes(params.v ?? 'v1');
    if (fits && encoding !== 'yaml') return { encoding, as: params.as as Form['as'], pretty };
  }
  throw notAcceptable(offered.map((e) => Object.keys(encodings).find((type) => encodings[type] === e)!));
}
