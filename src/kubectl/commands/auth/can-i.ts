import { type ApiResource, qualifiedName } from '../../../client/discovery.ts';
import { type Context, command } from '../../command.ts';
import { KubectlError, PlainError } from '../../errors.ts';
import { type FlagValues, flag } from '../../flags.ts';
import { laidOut, tableTabs } from '../../printers/tabs.ts';
import { selfSubjectAccessReviews, selfSubjectRulesReviews } from '../../resources.ts';
import { warn } from '../delete.ts';

const resourceVerbs =
  'get list watch create update patch delete deletecollection use bind impersonate * approve sign escalate attest'.split(
    ' ',
  );
const urlVerbs = ['get', 'put', 'post', 'head', 'options', 'delete', 'patch', '*'];
/** Words that roles know, and discovery does not. */
const notServed = ['users', 'groups'];

const flags = {
  'all-namespaces': flag.bool('If true, check the specified action in all namespaces.', { short: 'A' }),
  list: flag.bool('If true, prints all allowed actions.'),
  'no-headers': flag.bool('If true, prints allowed actions without headers.'),
  quiet: flag.bool('If true, suppress output and just return the exit code.', { short: 'q' }),
  subresource: flag.string('SubResource such as pod/log or deployment/scale.'),
};
type CanIContext = Context<FlagValues<typeof flags>>;

export const canI = command({
  name: 'can-i',
  usage: 'auth can-i VERB [TYPE | TYPE/NAME | NONRESOURCEURL]',
  summary: 'Check whether an action is allowed',
  examples: [
    ['Check to see if I can create pods in any namespace', 'kubectl auth can-i create pods --all-namespaces'],
    ['Check to see if I can read the logs of pods', 'kubectl auth can-i get pods --subresource=log'],
    ['Check to see if somebody else may', 'kubectl auth can-i list deployments.apps --as=jane'],
    ['List all allowed actions in namespace "foo"', 'kubectl auth can-i --list --namespace=foo'],
  ],
  flags,
  async run(context) {
    const { args, flags: f, out } = context;
    if (f.list) {
      if (args.length) throw new KubectlError('list option must be specified with no arguments');
      if (f.quiet || f['all-namespaces'] || f.subresource)
        throw new KubectlError(
          "list option can't be specified with neither quiet, all-namespaces nor subresource options",
        );
      return list(context);
    }
    if (args.length !== 2)
      throw new PlainError(
        "error: you must specify two arguments: verb resource or verb resource/resourceName.\nSee 'kubectl auth can-i -h' for help and examples.",
      );
    const kube = await context.kube();
    const spec = await attributesOf(context, args[0]!, args[1]!);
    if (f['no-headers']) throw new KubectlError('--no-headers cannot be set without --list specified');
    const review = {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      metadata: {},
      spec,
    };
    const { status } = await kube.create(selfSubjectAccessReviews, {}, review);
    const why = [status.reason, status.evaluationError].filter(Boolean).map((text) => ` - ${text}`);
    if (!f.quiet) out.line(status.allowed ? 'yes' : `no${why.join('')}`);
    return status.allowed ? 0 : 1;
  },
});

async function attributesOf(
  context: CanIContext,
  verb: string,
  what: string,
): Promise<Record<string, unknown>> {
  const { flags: f } = context;
  const kube = await context.kube();
  const unknownVerb = () => warn(context, `verb '${verb}' is not a known verb\n`);
  if (what.startsWith('/')) {
    if (f.subresource) throw new KubectlError('--subresource can not be used with NonResourceURL');
    if (!urlVerbs.includes(verb)) unknownVerb();
    return { nonResourceAttributes: { verb, path: what } };
  }
  const slash = what.indexOf('/');
  const word = slash < 0 ? what : what.slice(0, slash);
  const resource = await resourceOf(context, word);
  if (resource && !f['all-namespaces'] && !resource.namespaced)
    warn(
      context,
      `resource '${resource.plural}' is not namespace scoped${resource.group ? ` in group '${resource.group}'` : ''}\n`,
    );
  if (!f['all-namespaces'] && !resourceVerbs.includes(verb)) unknownVerb();
  return {
    resourceAttributes: {
      namespace: f['all-namespaces'] ? '' : kube.namespace,
      verb,
      group: resource?.group ?? '',
      resource: resource?.plural ?? word,
      subresource: f.subresource,
      name: slash < 0 ? '' : what.slice(slash + 1),
    },
  };
}

/** Warns of words that the server does not know; they are asked for as they are. */
async function resourceOf(context: CanIContext, word: string): Promise<ApiResource | undefined> {
  if (word === '*') return undefined;
  const found = (await (await context.kube()).discovery()).find(word);
  if (found || notServed.includes(word)) return found;
  const [name, ...group] = word.toLowerCase().split('.');
  const where = group.length ? ` in group '${group.join('.')}'` : '';
  warn(context, `the server doesn't have a resource type '${name}'${where}\n`);
  return undefined;
}

interface Rule {
  verbs: string[];
  group: string;
  resource: string;
  resourceName: string;
  url: string;
}

async function list(context: CanIContext): Promise<void> {
  const kube = await context.kube();
  const review = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectRulesReview',
    metadata: {},
    spec: { namespace: kube.namespace },
  };
  const { status } = await kube.create(selfSubjectRulesReviews, {}, review);
  if (status.incomplete) warn(context, `the list may be incomplete: ${status.evaluationError ?? ''}`);
  const rows = compact(status).map(({ group, resource, resourceName, url, verbs }) => [
    combined(resource, group),
    `[${url}]`,
    `[${resourceName}]`,
    `[${verbs.join(' ')}]`,
  ]);
  if (!context.flags['no-headers'])
    rows.unshift(['Resources', 'Non-Resource URLs', 'Resource Names', 'Verbs']);
  context.out.write(laidOut(tableTabs, rows.map((row) => `${row.join('\t')}\n`).join('')));
}

/** `pods.apps/log` of `pods/log` in `apps`. */
function combined(resource: string, group: string): string {
  const [plural = '', subresource] = resource.split('/');
  return qualifiedName({ plural, group }) + (subresource ? `/${subresource}` : '');
}

/** One rule for each resource and name, with all of its verbs; in the order of their texts. */
function compact(status: Record<string, any>): Rule[] {
  const rules = new Map<string, Rule>();
  const urls: Rule[] = [];
  for (const { verbs = [], apiGroups = [], resources = [], resourceNames } of status.resourceRules ?? [])
    for (const group of apiGroups)
      for (const resource of resources)
        for (const resourceName of resourceNames?.length ? resourceNames : [''])
          for (const verb of verbs) {
            const key = JSON.stringify([group, resource, resourceName]);
            const known = rules.get(key);
            if (!known) rules.set(key, { verbs: [verb], group, resource, resourceName, url: '' });
            else if (!known.verbs.includes(verb)) known.verbs.push(verb);
          }
  for (const { verbs = [], nonResourceURLs = [] } of status.nonResourceRules ?? [])
    for (const url of nonResourceURLs)
      for (const verb of verbs) urls.push({ verbs: [verb], group: '', resource: '', resourceName: '', url });
  const text = ({ verbs, group, resource, resourceName, url }: Rule) =>
    url
      ? `Verbs:[${verbs.join(' ')}],APIGroups:[],Resources:[],ResourceNames:[],NonResourceURLs:[${url}]`
      : `Verbs:[${verbs.join(' ')}],APIGroups:[${group}],Resources:[${resource}],ResourceNames:[${resourceName}],NonResourceURLs:[]`;
  return [...rules.values(), ...urls].sort((a, b) => (text(a) < text(b) ? -1 : text(a) > text(b) ? 1 : 0));
}
