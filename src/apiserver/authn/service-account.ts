import {
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  importPKCS8,
  importSPKI,
  jwtVerify,
  SignJWT,
} from 'jose';
import type { Pod, Secret, ServiceAccount } from '../../api/core/v1.gen.ts';
import { unauthorized } from '../../machinery/status.ts';
import type { User } from '../context.ts';

export interface TokenRequest {
  namespace: string;
  serviceAccount: { name: string; uid: string };
  pod?: { name: string; uid: string };
  node?: { name: string; uid: string };
  secret?: { name: string; uid: string };
  audiences: string[];
  /** Seconds; undefined for the tokens of secrets, which do not expire. */
  lifetimeSeconds: number | undefined;
}

/** What a token's claims are checked against: all of it must still be there. */
export interface Living {
  serviceAccount(namespace: string, name: string): ServiceAccount | undefined;
  pod(namespace: string, name: string): Pod | undefined;
  secret(namespace: string, name: string): Secret | undefined;
}

export interface TokenAuthority {
  mint(request: TokenRequest, nowMs: number): Promise<{ token: string; expires: number | undefined }>;
  /** The user whom a token stands for. Throws 401. */
  authenticate(
    token: string,
    audiences: string[] | undefined,
    nowMs: number,
  ): Promise<{ user: User; audiences: string[] }>;
  /** The public keys, as `/openid/v1/jwks` shows them. */
  jwks(): Promise<{ keys: unknown[] }>;
  readonly issuer: string;
}

export interface TokenKeys {
  /** PKCS #8 and SPKI, PEM, ECDSA P-256. */
  privateKey: string;
  publicKey: string;
}

const serviceAccountUser = (namespace: string, name: string): Pick<User, 'name' | 'groups'> => ({
  name: `system:serviceaccount:${namespace}:${name}`,
  groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
});

/**
 * Mints and checks bound service account tokens.
 * Source: "Managing Service Accounts" (bound tokens), KEP-1205, KEP-4193.
 */
export async function tokenAuthority(
  keys: TokenKeys,
  issuer: string,
  apiAudiences: string[],
  living: Living,
  newId: () => string,
): Promise<TokenAuthority> {
  const privateKey = await importPKCS8(keys.privateKey, 'ES256');
  const publicKey = (await importSPKI(keys.publicKey, 'ES256', { extractable: true })) as CryptoKey;
  const jwk = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(jwk);
  /** Signatures that were checked already: the mathematics is dear, the rest is looked at every time. */
  const verified = new Map<string, Record<string, any>>();

  async function claimsOf(token: string): Promise<Record<string, any>> {
    const known = verified.get(token);
    if (known) return known;
    const { payload } = await jwtVerify(token, publicKey, { issuer, currentDate: new Date(0) }).catch(
      (error) => {
        // Times are checked against the injected clock below, every time.
        if (error?.code === 'ERR_JWT_CLAIM_VALIDATION_FAILED' && error.claim === 'nbf')
          return { payload: error.payload };
        throw unauthorized();
      },
    );
    if (verified.size > 5000) verified.clear();
    verified.set(token, payload);
    return payload;
  }

  return {
    issuer,
    async mint(request, nowMs) {
      const now = Math.floor(nowMs / 1000);
      const { namespace, serviceAccount, pod, node, secret, lifetimeSeconds } = request;
      const expires = lifetimeSeconds === undefined ? undefined : now + lifetimeSeconds;
      const jwt = new SignJWT({
        'kubernetes.io': {
          namespace,
          serviceaccount: serviceAccount,
          ...(pod ? { pod } : {}),
          ...(node ? { node } : {}),
          ...(secret ? { secret } : {}),
        },
      })
        .setProtectedHeader({ alg: 'ES256', kid })
        .setIssuer(issuer)
        .setAudience(request.audiences.length ? request.audiences : apiAudiences)
        .setSubject(`system:serviceaccount:${namespace}:${serviceAccount.name}`)
        .setIssuedAt(now)
        .setNotBefore(now)
        .setJti(newId());
      if (expires !== undefined) jwt.setExpirationTime(expires);
      return { token: await jwt.sign(privateKey), expires };
    },

    async authenticate(token, audiences, nowMs) {
      const claims = await claimsOf(token);
      const now = nowMs / 1000;
      if ((claims.exp !== undefined && claims.exp <= now) || (claims.nbf ?? 0) > now + 10)
        throw unauthorized();
      const wanted = audiences?.length ? audiences : apiAudiences;
      const matching = [claims.aud ?? []].flat().filter((a: string) => wanted.includes(a));
      if (!matching.length) throw unauthorized();
      const bound = claims['kubernetes.io'];
      if (!bound?.namespace || !bound.serviceaccount?.name) throw unauthorized();
      const { namespace, serviceaccount, pod, secret, node } = bound;
      if (living.serviceAccount(namespace, serviceaccount.name)?.metadata.uid !== serviceaccount.uid)
        throw unauthorized();
      if (pod && living.pod(namespace, pod.name)?.metadata.uid !== pod.uid) throw unauthorized();
      if (secret && living.secret(namespace, secret.name)?.metadata.uid !== secret.uid) throw unauthorized();
      const extra: Record<string, string[]> = {};
      if (claims.jti) extra['authentication.kubernetes.io/credential-id'] = [`JTI=${claims.jti}`];
      if (pod) {
        extra['authentication.kubernetes.io/pod-name'] = [pod.name];
        extra['authentication.kubernetes.io/pod-uid'] = [pod.uid];
      }
      if (node) extra['authentication.kubernetes.io/node-name'] = [node.name];
      const user = { ...serviceAccountUser(namespace, serviceaccount.name), uid: serviceaccount.uid, extra };
      return { user, audiences: matching };
    },

    jwks: async () => ({ keys: [{ use: 'sig', ...jwk, kid, alg: 'ES256' }] }),
  };
}
