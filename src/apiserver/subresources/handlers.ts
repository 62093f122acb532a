import { clone } from '../../machinery/meta.ts';
import type { TokenAuthority } from '../authn/service-account.ts';
import type { Authorizer } from '../authz/authorizer.ts';
import { update } from '../registry/write.ts';
import { admitBody } from './admit-body.ts';
import type { SubresourceHandler, SubresourceHandlers } from './index.ts';
import { finalizeNamespace } from './namespace.ts';
import { patchedDraft } from './patched.ts';
import { bindPod, ephemeralContainers, evictPod, resizePod } from './pod.ts';
import { selfSubjectReview, selfSubjectRulesReview, subjectAccessReview, tokenReview } from './reviews.ts';
import { scale } from './scale.ts';
import { requestToken } from './token.ts';

/** A signer's decision: conditions alone change. */
const approval: SubresourceHandler = async (registry, context, body) => ({
  type: 'entry',
  entry: await update(registry, context, (current) => {
    const given = context.verb === 'patch' ? patchedDraft(registry, context, current, body) : body;
    const draft = clone(current);
    draft.status = { ...draft.status, conditions: clone(given.status?.conditions ?? []) };
    draft.metadata.resourceVersion = given.metadata?.resourceVersion;
    return draft;
  }),
});

/** A question, which is answered and never stored: admission sees it as a creation. */
const asked =
  (answer: SubresourceHandler): SubresourceHandler =>
  async (registry, context, body) =>
    answer(registry, context, await admitBody(registry, context, context.served.kind, body));

/** What is done differently from the generic verbs. */
export const subresourceHandlers = (tokens: TokenAuthority, authorizer: Authorizer): SubresourceHandlers => ({
  '*/scale': scale,
  bindings: bindPod,
  'pods/binding': bindPod,
  'pods/eviction': evictPod,
  'pods/ephemeralcontainers': ephemeralContainers,
  'pods/resize': resizePod,
  'namespaces/finalize': finalizeNamespace,
  'serviceaccounts/token': requestToken(tokens),
  'certificatesigningrequests.certificates.k8s.io/approval': approval,
  'tokenreviews.authentication.k8s.io': asked(tokenReview(tokens)),
  'selfsubjectreviews.authentication.k8s.io': asked(selfSubjectReview),
  'subjectaccessreviews.authorization.k8s.io': asked(subjectAccessReview(authorizer, false)),
  'localsubjectaccessreviews.authorization.k8s.io': asked(subjectAccessReview(authorizer, false)),
  'selfsubjectaccessreviews.authorization.k8s.io': asked(subjectAccessReview(authorizer, true)),
  'selfsubjectrulesreviews.authorization.k8s.io': asked(selfSubjectRulesReview(authorizer)),
});
