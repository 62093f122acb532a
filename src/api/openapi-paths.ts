// The paths of the API as OpenAPI describes them: what one may ask of each resource.
import type { Kind } from '../machinery/kind.ts';
import { customListName } from './openapi-custom.ts';
import { customName, type Doc, publishedName, type Style } from './openapi-schemas.ts';

const TYPES = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];
const STREAMS = ['application/json;stream=watch', 'application/vnd.kubernetes.protobuf;stream=watch'];
const PATCHES = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
];

/** Query parameters: name -> type. */
const queries: Record<string, string> = {
  allowWatchBookmarks: 'boolean',
  continue: 'string',
  dryRun: 'string',
  fieldManager: 'string',
  fieldSelector: 'string',
  fieldValidation: 'string',
  force: 'boolean',
  gracePeriodSeconds: 'integer',
  ignoreStoreReadErrorWithClusterBreakingPotential: 'boolean',
  labelSelector: 'string',
  limit: 'integer',
  orphanDependents: 'boolean',
  pretty: 'string',
  propagationPolicy: 'string',
  resourceVersion: 'string',
  resourceVersionMatch: 'string',
  sendInitialEvents: 'boolean',
  timeoutSeconds: 'integer',
  watch: 'boolean',
};
const listing = [
  'allowWatchBookmarks',
  'continue',
  'fieldSelector',
  'labelSelector',
  'limit',
  'resourceVersion',
  'resourceVersionMatch',
  'sendInitialEvents',
  'timeoutSeconds',
  'watch',
];
const deleting = [
  'dryRun',
  'gracePeriodSeconds',
  'ignoreStoreReadErrorWithClusterBreakingPotential',
  'orphanDependents',
  'propagationPolicy',
];
const writing = ['dryRun', 'fieldManager', 'fieldValidation'];

interface Action {
  method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** What x-kubernetes-action says. */
  action: string;
  /** The first word of the operation's id. */
  word: string;
  query: string[];
  body?: 'object' | 'patch' | 'delete';
  code: number[];
}

const actions: Record<string, Action> = {
  list: { method: 'get', action: 'list', word: 'list', query: listing, code: [200] },
  get: { method: 'get', action: 'get', word: 'read', query: [], code: [200] },
  create: {
    method: 'post',
    action: 'post',
    word: 'create',
    query: writing,
    body: 'object',
    code: [200, 201, 202],
  },
  update: { method: 'put', action: 'put', word: 'replace', query: writing, body: 'object', code: [200, 201] },
  patch: {
    method: 'patch',
    action: 'patch',
    word: 'patch',
    query: [...writing, 'force'],
    body: 'patch',
    code: [200, 201],
  },
  delete: {
    method: 'delete',
    action: 'delete',
    word: 'delete',
    query: deleting,
    body: 'delete',
    code: [200, 202],
  },
  deletecollection: {
    method: 'delete',
    action: 'deletecollection',
    word: 'deletecollection',
    query: [...deleting, ...listing.filter((name) => name !== 'watch' && name !== 'allowWatchBookmarks')],
    body: 'delete',
    code: [200],
  },
};

/** `#/parameters/...` of version 2: each query parameter once. */
export const sharedParameters = (): Doc =>
  Object.fromEntries(
    Object.entries(queries).map(([name, type]) => [name, { in: 'query', name, type, uniqueItems: true }]),
  );

function queryParameter(name: string, style: Style): Doc {
  if (style.version === 2) return { $ref: `#/parameters/${name}` };
  return { name, in: 'query', schema: { type: queries[name], uniqueItems: true } };
}

function pathParameter(name: string, style: Style): Doc {
  const base = { name, in: 'path', required: true };
  return style.version === 2
    ? { ...base, type: 'string', uniqueItems: true }
    : { ...base, schema: { type: 'string', uniqueItems: true } };
}

const pascal = (text: string): string =>
  text
    .split(/[^A-Za-z0-9]+/)
    .filter(Boolean)
    .map((part) => part[0]!.toUpperCase() + part.slice(1))
    .join('');

/** `apps` -> `Apps`, `rbac.authorization.k8s.io` -> `RbacAuthorization`, '' -> `Core`. */
export const groupWord = (group: string): string =>
  group ? pascal(group.replace(/\.k8s\.io$/, '')) : 'Core';

interface Target {
  kind: Kind;
  /** Name of the schema of the body. */
  schema: string;
  gvk: Doc;
  /** What follows the kind in operation ids. */
  suffix: string;
  namespaced: boolean;
}

function operation(target: Target, action: Action, style: Style, connects = false): Doc {
  const { kind, schema, gvk } = target;
  const group = groupWord(kind.group);
  const scope = target.namespaced ? 'Namespaced' : '';
  const all = kind.namespaced && !target.namespaced && action.action === 'list' ? 'ForAllNamespaces' : '';
  const word = connects ? `connect${pascal(action.method)}` : action.word;
  const ref = { $ref: style.prefix + (action.action === 'list' ? listName(kind) : schema) };
  const result =
    action.action === 'delete' || action.action === 'deletecollection'
      ? { $ref: style.prefix + publishedName('meta.v1.Status') }
      : ref;
  const custom = isCustom(kind);
  const types = custom ? TYPES.slice(0, 2) : TYPES;
  const produces = action.action === 'list' && !custom ? [...types, ...STREAMS] : types;
  const described = (code: number) => ({ 200: 'OK', 201: 'Created', 202: 'Accepted' })[code] ?? '';
  const content = (types: string[], of: Doc) =>
    Object.fromEntries(types.map((type) => [type, { schema: of }]));
  const responses: Doc = Object.fromEntries(
    action.code.map((code) => [
      String(code),
      connects
        ? { description: described(code) }
        : style.version === 2
          ? { description: described(code), schema: result }
          : { description: described(code), content: content(produces, result) },
    ]),
  );
  responses['401'] = { description: 'Unauthorized' };
  const parameters = connects ? [] : action.query.map((name) => queryParameter(name, style));
  const bodyRef =
    action.body === 'patch'
      ? { $ref: style.prefix + publishedName('meta.v1.Patch') }
      : action.body === 'delete'
        ? { $ref: style.prefix + publishedName('meta.v1.DeleteOptions') }
        : ref;
  const patches = custom ? PATCHES.filter((type) => !type.includes('strategic')) : PATCHES;
  const takes = action.body === 'patch' ? patches : custom ? types : ['*/*'];
  const doc: Doc = {
    tags: [`${group[0]!.toLowerCase()}${group.slice(1)}_${kind.version}`],
    description: describe(action, kind, connects),
    operationId: `${word}${group}${pascal(kind.version)}${scope}${kind.kind}${all}${target.suffix}`,
  };
  if (style.version === 2) {
    doc.consumes = takes;
    doc.produces = produces;
    doc.schemes = ['https'];
    if (action.body && !connects)
      parameters.unshift({ in: 'body', name: 'body', required: action.body !== 'delete', schema: bodyRef });
  } else if (action.body && !connects)
    doc.requestBody = {
      content: content(takes, bodyRef),
      ...(action.body === 'delete' ? {} : { required: true }),
    };
  if (parameters.length) doc.parameters = parameters;
  doc.responses = responses;
  doc['x-kubernetes-action'] = connects ? 'connect' : action.action;
  doc['x-kubernetes-group-version-kind'] = gvk;
  return doc;
}

function describe({ action }: Action, { kind }: Kind, connects: boolean): string {
  if (connects) return `connect requests to ${kind}`;
  const texts: Record<string, string> = {
    list: `list or watch objects of kind ${kind}`,
    get: `read the specified ${kind}`,
    post: `create a ${kind}`,
    put: `replace the specified ${kind}`,
    patch: `partially update the specified ${kind}`,
    delete: `delete a ${kind}`,
    deletecollection: `delete collection of ${kind}`,
  };
  return texts[action]!;
}

const isCustom = ({ type }: Kind): boolean => !type || type.startsWith('custom:');
const schemaName = (kind: Kind): string => (isCustom(kind) ? customName(kind) : publishedName(kind.type));
const listName = (kind: Kind): string =>
  isCustom(kind) ? customListName(kind) : `${publishedName(kind.type)}List`;
const gvkOf = ({ group, version, kind }: { group: string; version: string; kind: string }): Doc => ({
  group,
  kind,
  version,
});

/** What is asked of a connection: `PodExecOptions`. */
const connectOptions: Record<string, string> = {
  attach: 'AttachOptions',
  exec: 'ExecOptions',
  portforward: 'PortForwardOptions',
  proxy: 'ProxyOptions',
};

/** The paths of one resource. */
export function pathsOf(kind: Kind, style: Style): Doc {
  const root = kind.group ? `/apis/${kind.group}/${kind.version}` : `/api/${kind.version}`;
  const scoped = kind.namespaced ? `${root}/namespaces/{namespace}/${kind.plural}` : `${root}/${kind.plural}`;
  const paths: Doc = {};
  const shared = (...names: string[]) => [
    ...names.map((name) => pathParameter(name, style)),
    ...(kind.namespaced ? [pathParameter('namespace', style)] : []),
    queryParameter('pretty', style),
  ];
  const own: Target = {
    kind,
    schema: schemaName(kind),
    gvk: gvkOf(kind),
    suffix: '',
    namespaced: kind.namespaced,
  };
  const put = (path: string, target: Target, verbs: string[], parameters: Doc[], connects = false) => {
    const item: Doc = {};
    for (const verb of verbs) {
      const action = actions[verb];
      if (action) item[action.method] = operation(target, action, style, connects);
    }
    if (Object.keys(item).length) paths[path] = { ...item, parameters };
  };
  const has = (...verbs: string[]) => verbs.filter((verb) => kind.verbs.includes(verb));
  put(scoped, own, has('list', 'create', 'deletecollection'), shared());
  if (kind.namespaced && kind.verbs.includes('list'))
    put(`${root}/${kind.plural}`, { ...own, namespaced: false }, ['list'], [queryParameter('pretty', style)]);
  put(`${scoped}/{name}`, own, has('get', 'update', 'patch', 'delete'), shared('name'));
  for (const [name, { kind: of, verbs }] of Object.entries(kind.subresources)) {
    const [group = '', version = '', bodyKind = ''] = of.split('/');
    const isOwn = !version || bodyKind === kind.kind;
    const options = connectOptions[name];
    const target: Target = {
      ...own,
      suffix: pascal(name),
      ...(options
        ? // kubectl takes any operation on a kind as a sample of what all of them understand.
          { gvk: gvkOf({ group: '', version: 'v1', kind: kind.kind + options }) }
        : isOwn
          ? {}
          : {
              schema: publishedName(`${group.split('.')[0] || 'core'}.${version}.${bodyKind}`),
              gvk: gvkOf({ group, version, kind: bodyKind }),
            }),
    };
    put(`${scoped}/{name}/${name}`, target, verbs, shared('name'), options !== undefined);
  }
  return paths;
}

/** The type ids that the paths of a kind refer to. */
export function typesOf(kind: Kind): string[] {
  const ids = [...common];
  if (!isCustom(kind)) ids.push(kind.type, `${kind.type}List`);
  for (const { kind: of } of Object.values(kind.subresources)) {
    const [group = '', version = '', bodyKind = ''] = of.split('/');
    if (version) ids.push(`${group.split('.')[0] || 'core'}.${version}.${bodyKind}`);
  }
  return ids;
}
const common = [
  'meta.v1.Status',
  'meta.v1.DeleteOptions',
  'meta.v1.Patch',
  'meta.v1.ObjectMeta',
  'meta.v1.ListMeta',
  'meta.v1.WatchEvent',
];
