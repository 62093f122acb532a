// The description of the API in OpenAPI, versions 2 and 3: what kubectl reads to explain, validate and merge.
// https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-specification
import type { JSONSchema } from '../machinery/apply/openapi-schema.ts';
import { apiVersionOf, type Kind } from '../machinery/kind.ts';
import type { Texts } from './descriptions.ts';
import { customDefinition, customListDefinition, customListName } from './openapi-custom.ts';
import { pathsOf, sharedParameters, typesOf } from './openapi-paths.ts';
import { encodeOpenAPIV2 } from './openapi-protobuf.ts';
import { customName, type Doc, definitions, v2Style, v3Style } from './openapi-schemas.ts';

export interface OpenAPISource {
  /** Built-in kinds. */
  kinds: readonly Kind[];
  /** Custom resources with their schemas. */
  custom?: readonly { kind: Kind; schema?: JSONSchema }[];
  /** Version of the server, `v1.36.2`. */
  version: string;
  /** Adds to version 2 what others serve. */
  extend?: (doc: Doc) => Doc;
  /** What is said of types, read when a document is made. */
  texts?: (() => Texts | undefined) | undefined;
}

/** A document in one encoding, with the tag that names its content. */
export interface Document {
  bytes: Uint8Array;
  etag: string;
}

export interface OpenAPI {
  v2Json(): Document;
  /** gnostic's openapi.v2.Document, which kubectl asks for. */
  v2Protobuf(): Document;
  /** `/openapi/v3`: where the documents are; `more` are those of others. */
  v3Index(more?: Record<string, { serverRelativeURL: string }>): Document;
  /** The document of `api/v1`, `apis/apps/v1`; undefined where there is no such group version. */
  v3(groupVersion: string): Document | undefined;
}

const text = new TextEncoder();

/** A short name for a content: 53 bits of FNV-1a twice over. */
function hash(bytes: Uint8Array): string {
  let a = 0x811c9dc5;
  let b = 0x01000193;
  for (const byte of bytes) {
    a = Math.imul(a ^ byte, 0x01000193);
    b = Math.imul(b ^ byte, 0x85ebca6b);
  }
  const hex = (n: number) => (n >>> 0).toString(16).padStart(8, '0');
  return (hex(a) + hex(b) + hex(a ^ b)).toUpperCase();
}

const documentOf = (bytes: Uint8Array): Document => ({ bytes, etag: hash(bytes) });
const json = (doc: unknown): Document => documentOf(text.encode(JSON.stringify(doc)));

/** Makes a value when it is first asked for. */
function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

const info = (version: string): Doc => ({ title: 'Kubernetes', version });

export function buildV2({ kinds, custom = [], version, texts }: OpenAPISource): Doc {
  const paths: Doc = {};
  for (const kind of [...kinds, ...custom.map((c) => c.kind)]) Object.assign(paths, pathsOf(kind, v2Style));
  const types = definitions(kinds.flatMap(typesOf), v2Style, texts?.());
  for (const { kind, schema } of custom) {
    types[customName(kind)] = customDefinition(kind, schema, v2Style);
    types[customListName(kind)] = customListDefinition(kind, v2Style);
  }
  return {
    swagger: '2.0',
    info: info(version),
    paths,
    definitions: types,
    parameters: sharedParameters(),
    securityDefinitions: {
      BearerToken: {
        description: 'Bearer Token authentication',
        type: 'apiKey',
        name: 'authorization',
        in: 'header',
      },
    },
    security: [{ BearerToken: [] }],
  };
}

export function buildV3(
  { kinds, custom = [], version, texts }: OpenAPISource,
  groupVersion: string,
): Doc | undefined {
  const within = (kind: Kind) => pathOf(kind) === groupVersion;
  const builtIn = kinds.filter(within);
  const ours = custom.filter(({ kind }) => within(kind));
  if (!builtIn.length && !ours.length) return undefined;
  const paths: Doc = {};
  for (const kind of [...builtIn, ...ours.map((c) => c.kind)]) Object.assign(paths, pathsOf(kind, v3Style));
  const schemas = definitions([...builtIn, ...ours.map((c) => c.kind)].flatMap(typesOf), v3Style, texts?.());
  for (const { kind, schema } of ours) {
    schemas[customName(kind)] = customDefinition(kind, schema, v3Style);
    schemas[customListName(kind)] = customListDefinition(kind, v3Style);
  }
  return {
    openapi: '3.0.0',
    info: info(version),
    paths,
    components: {
      schemas,
      securitySchemes: {
        BearerToken: {
          type: 'apiKey',
          description: 'Bearer Token authentication',
          name: 'authorization',
          in: 'header',
        },
      },
    },
  };
}

const pathOf = (kind: Kind): string => (kind.group ? `apis/${apiVersionOf(kind)}` : `api/${kind.version}`);

/** The documents for one set of kinds, each made when it is first asked for. Make a new one when the set changes. */
export function openAPI(source: OpenAPISource): OpenAPI {
  const { extend = (doc) => doc } = source;
  const v2 = once(() => extend(buildV2(source)));
  const groupVersions = new Set([...source.kinds, ...(source.custom ?? []).map((c) => c.kind)].map(pathOf));
  const v3 = new Map([...groupVersions].map((gv) => [gv, once(() => json(buildV3(source, gv)))]));
  return {
    v2Json: once(() => json(v2())),
    v2Protobuf: once(() => documentOf(encodeOpenAPIV2(v2()))),
    v3Index(more = {}) {
      const paths: Doc = {};
      for (const gv of [...groupVersions, ...Object.keys(more)].sort())
        paths[gv] = more[gv] ?? { serverRelativeURL: `/openapi/v3/${gv}?hash=${v3.get(gv)!().etag}` };
      return json({ paths });
    },
    v3: (groupVersion) => v3.get(groupVersion)?.(),
  };
}
