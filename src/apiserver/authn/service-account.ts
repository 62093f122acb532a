import {
  base64url,
  type CryptoKey,
  decodeProtectedHeader,
  exportJWK,
  importPKCS8,
  importSPKI,
  type JWK,
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

/** SPKI, PEM. */
export interface PublicTokenKey {
  publicKey: string;
  /** ES256 unless told. */
  algorithm?: 'ES256' | 'ES384' | 'ES512' | 'RS256';
}

export interface TokenKeys extends PublicTokenKey {
  /** PKCS #8, PEM: tokens are signed with it. */
  privateKey: string;
  /** Tokens may be signed with these, too: by other servers, or before the key was changed. */
  others?: PublicTokenKey[];
}

interface Verifier {
  kid: string;
  algorithm: string;
  key: CryptoKey;
  jwk: JWK;
}

/** The id of a key is the SHA-256 of what it is encoded as: all servers call it the same. */
async function verifierOf({ publicKey, algorithm = 'ES256' }: PublicTokenKey): Promise<Verifier> {
  const key = (await importSPKI(publicKey, algorithm, { extractable: true })) as CryptoKey;
  const der = await crypto.subtle.exportKey('spki', key);
  const kid = base64url.encode(new Uint8Array(await crypto.subtle.digest('SHA-256', der)));
  return { kid, algorithm, key, jwk: await exportJWK(key) };
}

function kidOf(token: string): string | undefined {
  try {
    return decodeProtectedHeader(token).kid;
  } catch {
    throw unauthorized();
  }
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
  /** The first is who signs; tokens of the others are believed, too. */
  issuers: string | readonly string[],
  apiAudiences: string[],
  living: Living,
  newId: () => string,
): Promise<TokenAuthority> {
  const issuer = [issuers].flat()[0]!;
  const { algorithm = 'ES256' } = keys;
  const privateKey = await importPKCS8(keys.privateKey, algorithm);
  const verifiers = await Promise.all([keys, ...(keys.others ?? [])].map(verifierOf));
  const { kid } = verifiers[0]!;
  /** Signatures that were checked already: the mathematics is dear, the rest is looked at every time. */
  const verified = new Map<string, Record<string, any>>();

  async function claimsOf(token: string): Promise<Record<string, any>> {
    const known = verified.get(token);
    if (known) return known;
    const named = kidOf(token);
    const so = verifiers.filter((one) => one.kid === named);
    const fitting = so.length ? so : verifiers;
    let payload: Record<string, any> | undefined;
    for (const { key, algorithm } of fitting) payload ??= await signedBy(token, key, algorithm);
    if (!payload) throw unauthorized();
    if (verified.size > 5000) verified.clear();
    verified.set(token, payload);
    return payload;
  }

  async function signedBy(token: string, key: CryptoKey, algorithm: string) {
    const how = { issuer: [...[issuers].flat()], algorithms: [algorithm], currentDate: new Date(0) };
    try {
      return (await jwtVerify(token, key, how)).payload;
    } catch (error: any) {
      // Times are checked against the injected clock below, every time.
      if (error?.code === 'ERR_JWT_CLAIM_VALIDATION_FAILED' && error.claim === 'nbf') return error.payload;
      return undefined;
    }
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
        .setProtectedHeader({ alg: algorithm, kid })
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

    jwks: async () => ({
      keys: verifiers.map((one) => ({ use: 'sig', ...one.jwk, kid: one.kid, alg: one.algorithm })),
    }),
  };
}
