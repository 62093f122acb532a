// What the expressions of a policy, or of a webhook's conditions, see of a request.
import {
  type Answer,
  authorizerOf,
  type Decide,
  type Question,
  requestResourceOf,
} from '../../machinery/cel/library-authorizer.ts';
import { adapt, type Value } from '../../machinery/cel/values.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import type { Authorizer } from '../authz/authorizer.ts';
import type { User } from '../context.ts';
import type { Attributes } from '../webhooks/attributes.ts';

export type Variables = Record<string, Value>;

export interface Seen {
  object: AnyObject | undefined;
  oldObject: AnyObject | undefined;
  request: Record<string, unknown>;
  params?: AnyObject | undefined;
  namespace?: AnyObject | undefined;
}

/** The variables but for those of authorization. What is missing is null. */
export const variablesOf = ({ object, oldObject, request, params, namespace }: Seen): Variables => ({
  object: adapt(object),
  oldObject: adapt(oldObject),
  request: adapt(request),
  params: adapt(params),
  namespaceObject: adapt(namespace && shownNamespace(namespace)),
});

/** Of a namespace, what it is asked for by: neither who owns it nor who manages its fields. */
function shownNamespace({ metadata, spec, status }: AnyObject): AnyObject {
  const { managedFields: _, ownerReferences: __, ...shown } = metadata;
  return { metadata: shown, spec, status };
}

const serviceAccountUser = ({ namespace, name }: { namespace: string; name: string }): User => ({
  name: `system:serviceaccount:${namespace}:${name}`,
  groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
});

/** `authorizer`, and `authorizer.requestResource`. The same question is asked of the authorizer once for a request. */
export function authorizerVariables(authorizer: Authorizer, attributes: Attributes): Variables {
  const { admission, resource, subresource, namespace, name } = attributes;
  const { user } = admission.context;
  const answers = new Map<string, Answer>();
  const decide: Decide = (question) => {
    const key = JSON.stringify(question);
    let answer = answers.get(key);
    if (!answer) {
      answer = answerOf(authorizer, user, question);
      answers.set(key, answer);
    }
    return answer;
  };
  return {
    authorizer: authorizerOf(decide),
    'authorizer.requestResource': requestResourceOf(decide, {
      group: resource.group,
      resource: resource.resource,
      subresource,
      namespace,
      name,
    }),
  };
}

function answerOf(authorizer: Authorizer, user: User, question: Question): Answer {
  const { serviceAccount, path, verb, group, resource, subresource, namespace, name } = question;
  const asked = {
    user: serviceAccount ? serviceAccountUser(serviceAccount) : user,
    verb,
    ...(path === undefined
      ? {
          group: group ?? '',
          resource: resource ?? '',
          subresource,
          namespace: namespace || undefined,
          name: name || undefined,
        }
      : { path }),
  };
  return { allowed: authorizer.authorize(asked), reason: '' };
}
