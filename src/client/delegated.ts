// Who asks, and whether he may: a component asks the API server. Source: "Kubelet authentication/authorization" and the flags
// of "kube-scheduler" (--authentication-kubeconfig, --authorization-kubeconfig).
import { tokenReviews } from '../api/authentication/token-review.ts';
import { subjectAccessReviews } from '../api/authorization/subject-access-review.ts';
import type { SubjectAccessReview } from '../api/authorization/v1.gen.ts';
import type { Clock } from '../machinery/clock.ts';
import type { Client } from './client.ts';

export interface Asker {
  name: string;
  uid?: string;
  groups: string[];
  extra?: Record<string, string[]>;
}

export interface Verdict {
  allowed: boolean;
  reason: string;
}

export const anonymous: Asker = { name: 'system:anonymous', groups: ['system:unauthenticated'] };

/** How long an answer holds. */
const holdsMs = 10_000;
const mostAnswers = 1000;

/** Answers that hold for a while; one that failed is forgotten at once. */
class Answers<T> {
  readonly #known = new Map<string, { until: number; answer: Promise<T> }>();
  readonly #clock: Clock;
  constructor(clock: Clock) {
    this.#clock = clock;
  }
  get(key: string, ask: () => Promise<T>): Promise<T> {
    const now = this.#clock.now();
    const known = this.#known.get(key);
    if (known && known.until > now) return known.answer;
    if (this.#known.size >= mostAnswers) this.#known.clear();
    const answer = ask();
    this.#known.set(key, { until: now + holdsMs, answer });
    answer.catch(() => this.#known.delete(key));
    return answer;
  }
}

/** TokenReviews and SubjectAccessReviews, whose answers hold for ten seconds. */
export class Delegated {
  readonly #reviews: { tokens: Client; access: Client };
  readonly #tokens: Answers<Asker | undefined>;
  readonly #verdicts: Answers<Verdict>;

  /** Two clients where two servers, or two accounts, are asked. */
  constructor(tokens: Client, clock: Clock, access = tokens) {
    this.#reviews = { tokens, access };
    this.#tokens = new Answers(clock);
    this.#verdicts = new Answers(clock);
  }

  /** Whose token it is; undefined when nobody's. Rejects when the API server does not say. */
  bearer(token: string): Promise<Asker | undefined> {
    return this.#tokens.get(token, async () => {
      const { status } = await this.#reviews.tokens(tokenReviews).create({ metadata: {}, spec: { token } });
      if (!status?.authenticated || !status.user) return undefined;
      const { username = '', uid, groups = [], extra } = status.user;
      return { name: username, groups, ...(uid ? { uid } : {}), ...(extra ? { extra } : {}) };
    });
  }

  /** Whether somebody may do `verb` (`get`) at a path outside the resources. Rejects when the API server does not say. */
  path({ name: user, uid, groups, extra }: Asker, verb: string, path: string): Promise<Verdict> {
    // Those of this group may do everything: no need to ask.
    if (groups.includes('system:masters')) return Promise.resolve({ allowed: true, reason: '' });
    return this.#verdict({ user, uid, groups, extra, nonResourceAttributes: { path, verb } });
  }

  /** The same of a subresource of a node. */
  node(
    { name: user, uid, groups, extra }: Asker,
    verb: string,
    node: string,
    subresource: string,
  ): Promise<Verdict> {
    const resourceAttributes = { verb, version: 'v1', resource: 'nodes', subresource, name: node };
    return this.#verdict({ user, uid, groups, extra, resourceAttributes });
  }

  #verdict(spec: SubjectAccessReview['spec']): Promise<Verdict> {
    return this.#verdicts.get(JSON.stringify(spec), async () => {
      const { status } = await this.#reviews.access(subjectAccessReviews).create({ metadata: {}, spec });
      return { allowed: status?.allowed === true, reason: status?.reason ?? '' };
    });
  }
}
