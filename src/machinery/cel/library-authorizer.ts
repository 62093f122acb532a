// Whether a user may do something. https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-authorizer-library
import { dnsLabelProblems, dnsSubdomainProblems } from '../names.ts';
import {
  type CostModel,
  exactly,
  LIST_COST,
  nominal,
  PER_CHARACTER,
  plus,
  type Range,
  STRUCT_COST,
  scale,
  sizeOf,
} from './cost.ts';
import type { Declarations } from './functions.ts';
import { CelError, Opaque, type Value } from './values.ts';

/** What is asked about: a path, or a resource. */
export interface Question {
  verb: string;
  /** The service account that is meant instead of the user who makes the request. */
  serviceAccount?: { namespace: string; name: string };
  path?: string;
  group?: string;
  resource?: string;
  subresource?: string;
  namespace?: string;
  name?: string;
  fieldSelector?: string;
  labelSelector?: string;
}

export interface Answer {
  allowed: boolean;
  reason: string;
  error?: string;
}

export type Decide = (question: Question) => Answer;

export const AUTHORIZER = 'kubernetes.authorization.Authorizer';
export const RESOURCE_CHECK = 'kubernetes.authorization.ResourceCheck';
const PATH_CHECK = 'kubernetes.authorization.PathCheck';
const GROUP_CHECK = 'kubernetes.authorization.GroupCheck';
const DECISION = 'kubernetes.authorization.Decision';

/** A question in the making; its type says how far it has come. */
class Check extends Opaque {
  readonly type: string;
  readonly decide: Decide;
  readonly question: Partial<Question>;
  constructor(type: string, decide: Decide, question: Partial<Question>) {
    super();
    this.type = type;
    this.decide = decide;
    this.question = question;
  }
  with(more: Partial<Question>, type = this.type): Check {
    return new Check(type, this.decide, { ...this.question, ...more });
  }
  equals(other: Value): boolean {
    return other === this;
  }
}

class Decision extends Opaque {
  readonly type = DECISION;
  readonly answer: Answer;
  constructor(answer: Answer) {
    super();
    this.answer = answer;
  }
  equals(other: Value): boolean {
    return other === this;
  }
}

/** The variable `authorizer`. */
export const authorizerOf = (decide: Decide): Value => new Check(AUTHORIZER, decide, {});
/** The variable `authorizer.requestResource`: the resource of the request. */
export const requestResourceOf = (decide: Decide, resource: Partial<Question>): Value =>
  new Check(RESOURCE_CHECK, decide, resource);

function notEmpty(text: string, name: string): string {
  if (!text.trim()) throw new CelError(`${name} must not be empty`);
  return text;
}

function serviceAccount(check: Check, namespace: string, name: string): Value {
  if (dnsSubdomainProblems(name).length) throw new CelError('Invalid service account name');
  if (dnsLabelProblems(namespace).length) throw new CelError('Invalid service account namespace');
  return check.with({ serviceAccount: { namespace, name } });
}

const decision = (check: Check, verb: string): Value =>
  new Decision(check.decide({ ...check.question, verb }));

/** An expression can afford two of them. */
const CHECK_COST = 350_000;

/** A selector becomes a list of requirements, each of them a struct and a list; the shortest is two characters long. */
const selectorCost = (length: Range): Range =>
  plus(
    plus(exactly(LIST_COST), scale(length, PER_CHARACTER)),
    scale(scale(length, 0.5), LIST_COST + STRUCT_COST),
  );
const selector: CostModel = {
  actual: ([, text]) => selectorCost(exactly(sizeOf(text))).max,
  estimate: ([, text]) => ({ cost: selectorCost(text!.size) }),
};

const narrowed = (
  id: string,
  name: 'subresource' | 'namespace' | 'name' | 'fieldSelector' | 'labelSelector',
  cost?: CostModel,
) => ({
  [name]: {
    [id]: [
      `${RESOURCE_CHECK}.(string) -> ${RESOURCE_CHECK}`,
      (check: Check, text: string) => check.with({ [name]: text }),
      cost ?? nominal(),
    ] as const,
  },
});

export const authorization: Declarations = {
  path: {
    authorizer_path: [
      `${AUTHORIZER}.(string) -> ${PATH_CHECK}`,
      (check: Check, path: string) => check.with({ path: notEmpty(path, 'path') }, PATH_CHECK),
    ],
  },
  group: {
    authorizer_group: [
      `${AUTHORIZER}.(string) -> ${GROUP_CHECK}`,
      (check: Check, group: string) => check.with({ group }, GROUP_CHECK),
    ],
  },
  serviceAccount: {
    authorizer_serviceaccount: [`${AUTHORIZER}.(string, string) -> ${AUTHORIZER}`, serviceAccount],
  },
  resource: {
    groupcheck_resource: [
      `${GROUP_CHECK}.(string) -> ${RESOURCE_CHECK}`,
      (check: Check, resource: string) =>
        check.with({ resource: notEmpty(resource, 'resource') }, RESOURCE_CHECK),
    ],
  },
  ...narrowed('resourcecheck_subresource', 'subresource'),
  ...narrowed('resourcecheck_namespace', 'namespace'),
  ...narrowed('resourcecheck_name', 'name'),
  ...narrowed('authorizer_fieldselector', 'fieldSelector', selector),
  ...narrowed('authorizer_labelselector', 'labelSelector', selector),
  check: {
    pathcheck_check: [`${PATH_CHECK}.(string) -> ${DECISION}`, decision, nominal(CHECK_COST)],
    resourcecheck_check: [`${RESOURCE_CHECK}.(string) -> ${DECISION}`, decision, nominal(CHECK_COST)],
  },
  allowed: { decision_allowed: [`${DECISION}.() -> bool`, ({ answer }: Decision) => answer.allowed] },
  reason: { decision_reason: [`${DECISION}.() -> string`, ({ answer }: Decision) => answer.reason] },
  errored: {
    decision_errored: [`${DECISION}.() -> bool`, ({ answer }: Decision) => answer.error !== undefined],
  },
  error: { decision_error: [`${DECISION}.() -> string`, ({ answer }: Decision) => answer.error ?? ''] },
};
