import { pods } from '../../api/core/pod.ts';
import { secrets } from '../../api/core/secret.ts';
import { time } from '../../machinery/clock.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import { conflict, field, forbidden, invalid, notFound } from '../../machinery/status.ts';
import type { TokenAuthority } from '../authn/service-account.ts';
import { nodeOf } from '../authz/node.ts';
import { getStored } from '../registry/read.ts';
import { cacheOf } from '../registry/registry.ts';
import { admitBody } from './admit-body.ts';
import type { SubresourceHandler } from './index.ts';

const tokenRequest = { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' };

/** Mints a token for a service account, bound to a pod or a secret if asked. Source: TokenRequest v1. */
export const requestToken =
  (tokens: TokenAuthority): SubresourceHandler =>
  async (registry, context, given) => {
    const body = await admitBody(registry, context, tokenRequest, given);
    const account = getStored(cacheOf(registry, context), context).object;
    const spec = body?.spec ?? {};
    const wanted = spec.expirationSeconds ?? 3600;
    const bad = (message: string) =>
      invalid({ group: 'authentication.k8s.io', kind: 'TokenRequest' }, '', [
        field('spec', 'expirationSeconds').invalid(wanted, message),
      ]);
    if (wanted < 600) throw bad('may not specify a duration less than 10 minutes');
    if (wanted > 2 ** 32) throw bad('may not specify a duration larger than 2^32 seconds');
    const ref = spec.boundObjectRef;
    const node = nodeOf(context.user);
    if (node !== undefined && ref?.kind !== 'Pod')
      throw forbidden(context.served.kind, context.name!, `node requested token not bound to a pod`);
    let bound = {};
    if (ref) {
      const kind = ref.kind === 'Pod' ? pods : secrets;
      const object = registry.caches
        .of(kind)
        ?.get(`/registry/${kind.plural}/${context.namespace}/${ref.name}`)?.object;
      if (!object) throw notFound(kind, ref.name);
      if (ref.uid && ref.uid !== object.metadata.uid) {
        throw conflict(
          kind,
          ref.name,
          `the UID in the bound object reference (${ref.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
        );
      }
      if (node !== undefined && object.spec.nodeName !== node)
        throw forbidden(
          context.served.kind,
          context.name!,
          `node requested token bound to a pod scheduled on a different node`,
        );
      const found = { name: object.metadata.name, uid: object.metadata.uid };
      bound =
        ref.kind === 'Pod'
          ? { pod: found, ...(object.spec.nodeName ? { node: { name: object.spec.nodeName } } : {}) }
          : { secret: found };
    }
    const { token, expires } = await tokens.mint(
      {
        namespace: context.namespace!,
        serviceAccount: { name: account.metadata.name!, uid: account.metadata.uid! },
        audiences: spec.audiences ?? [],
        lifetimeSeconds: wanted,
        ...bound,
      },
      context.nowMs,
    );
    context.code = 201;
    return {
      type: 'object',
      object: {
        kind: 'TokenRequest',
        apiVersion: 'authentication.k8s.io/v1',
        metadata: {
          name: context.name,
          namespace: context.namespace,
          creationTimestamp: time(context.nowMs),
        } as AnyObject['metadata'],
        spec: {
          audiences: spec.audiences?.length ? spec.audiences : [tokens.issuer],
          expirationSeconds: wanted,
          ...(ref ? { boundObjectRef: ref } : {}),
        },
        status: { token, expirationTimestamp: time(expires! * 1000) },
      },
    };
  };
