import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import type { PublicTokenKey, TokenKeys } from '../../apiserver/authn/service-account.ts';

const algorithms: Record<string, NonNullable<PublicTokenKey['algorithm']>> = {
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512',
};

/** What tokens are signed with this key by. Throws for keys that tokens cannot be signed with. */
function publicOf(key: KeyObject): PublicTokenKey {
  const curve = key.asymmetricKeyDetails?.namedCurve ?? '';
  const algorithm = key.asymmetricKeyType === 'rsa' ? 'RS256' : algorithms[curve];
  if (!algorithm)
    throw new Error('service account tokens take RSA keys, or ECDSA keys of P-256, P-384, P-521');
  return { publicKey: key.export({ type: 'spki', format: 'pem' }) as string, algorithm };
}

/** All keys and certificates of a PEM file: of private keys the public part. */
export function publicTokenKeys(pem: string): PublicTokenKey[] {
  const blocks = pem.match(/-----BEGIN ([A-Z ]+)-----[\s\S]+?-----END \1-----/g) ?? [];
  if (!blocks.length) throw new Error('there is no key in it');
  return blocks.map((block) => publicOf(createPublicKey(block)));
}

/** The key that tokens are signed with (PEM, in any of the usual forms), and further ones that are believed. */
export function tokenKeysFrom(privatePem: string, others: PublicTokenKey[] = []): TokenKeys {
  const key = createPrivateKey(privatePem);
  const own = publicOf(createPublicKey(key));
  return {
    ...own,
    privateKey: key.export({ type: 'pkcs8', format: 'pem' }) as string,
    others: others.filter(({ publicKey }) => publicKey !== own.publicKey),
  };
}
