import 'reflect-metadata';
import { createPrivateKey, randomBytes, webcrypto, X509Certificate } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { dirname, join } from 'node:path';
import * as x509 from '@peculiar/x509';
import type { TokenKeys } from '../../apiserver/authn/service-account.ts';
import { tokenKeysFrom } from './token-keys.ts';

x509.cryptoProvider.set(webcrypto as Crypto);

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const day = 86_400_000;
/** Authorities live ten years, certificates one; those that end within 30 days are made anew at start. */
const authorityDays = 3650;
const certificateDays = 365;
const renewBeforeDays = 30;

export interface KeyPair {
  /** PEM. */
  cert: string;
  key: string;
}

export interface Subject {
  commonName: string;
  organizations?: string[];
  /** Host names and addresses; a certificate that has some is for a server, any is for a client. */
  hosts?: string[];
}

const escaped = (value: string): string => value.replace(/[,+"\\<>;=]/g, '\\$&');
const nameOf = ({ commonName, organizations = [] }: Subject): string =>
  [...organizations.map((o) => `O=${escaped(o)}`), `CN=${escaped(commonName)}`].join(', ');

const generate = () =>
  webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']) as Promise<CryptoKeyPair>;
async function pemOf(key: CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY') + '\n';
}
const serial = (): string => '01' + randomBytes(15).toString('hex');

export async function makeAuthority(commonName: string, nowMs: number): Promise<KeyPair> {
  const keys = await generate();
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: `CN=${escaped(commonName)}`,
    keys,
    signingAlgorithm: algorithm,
    notBefore: new Date(nowMs - day / 24),
    notAfter: new Date(nowMs + authorityDays * day),
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign | x509.KeyUsageFlags.digitalSignature,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { cert: cert.toString('pem') + '\n', key: await pemOf(keys.privateKey) };
}

const rsa = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } as const;
const curves: Record<string, string> = { prime256v1: 'P-256', secp384r1: 'P-384', secp521r1: 'P-521' };

const imported = new Map<string, Promise<CryptoKey>>();
/** A key of ours, or one that another tool has made, in any of the usual forms. */
function importKey(pem: string): Promise<CryptoKey> {
  let key = imported.get(pem);
  if (!key) {
    const found = createPrivateKey(pem);
    const namedCurve = curves[found.asymmetricKeyDetails?.namedCurve ?? ''];
    const how = found.asymmetricKeyType === 'rsa' ? rsa : { name: 'ECDSA', namedCurve: namedCurve ?? '' };
    const der = found.export({ type: 'pkcs8', format: 'der' });
    key = webcrypto.subtle.importKey('pkcs8', der, how, true, ['sign']) as Promise<CryptoKey>;
    imported.set(pem, key);
  }
  return key;
}

export async function issue(authority: KeyPair, subject: Subject, nowMs: number): Promise<KeyPair> {
  const keys = await generate();
  const ca = new x509.X509Certificate(authority.cert);
  const signingKey = await importKey(authority.key);
  const usages = [x509.ExtendedKeyUsage.clientAuth as string];
  if (subject.hosts?.length) usages.unshift(x509.ExtendedKeyUsage.serverAuth);
  const cert = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: nameOf(subject),
    issuer: ca.subject,
    publicKey: keys.publicKey,
    signingKey,
    signingAlgorithm: signingKey.algorithm.name === rsa.name ? rsa : { name: 'ECDSA', hash: 'SHA-256' },
    notBefore: new Date(nowMs - day / 24),
    notAfter: new Date(nowMs + certificateDays * day),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment,
        true,
      ),
      new x509.ExtendedKeyUsageExtension(usages, false),
      await x509.AuthorityKeyIdentifierExtension.create(ca),
      ...(subject.hosts?.length
        ? [
            new x509.SubjectAlternativeNameExtension(
              subject.hosts.map((host) => ({
                type: isIP(host) ? ('ip' as const) : ('dns' as const),
                value: host,
              })),
            ),
          ]
        : []),
    ],
  });
  return { cert: cert.toString('pem') + '\n', key: await pemOf(keys.privateKey) };
}

/** A key pair for tokens, ECDSA P-256. */
export async function makeTokenKeys(): Promise<TokenKeys> {
  const { privateKey } = await generate();
  return tokenKeysFrom(await pemOf(privateKey));
}

/** Writes a file whole or not at all, readable by its owner alone. */
export function writeWhole(path: string, content: string, mode = 0o600): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(`${path}.new`, content, { mode });
  renameSync(`${path}.new`, path);
}

/** Runs `make` while no other process does so in this directory; what a process left that died meanwhile is passed over. */
async function alone<T>(dir: string, make: () => Promise<T>): Promise<T> {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const lock = join(dir, '.making');
  const mine = `${lock}.${serial()}`;
  writeFileSync(mine, String(process.pid));
  let held = false;
  try {
    for (let tries = 0; ; tries++) {
      try {
        linkSync(mine, lock);
        held = true;
        break;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        if (tries > 50) rmSync(lock, { force: true });
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
    return await make();
  } finally {
    rmSync(mine, { force: true });
    if (held) rmSync(lock, { force: true });
  }
}

export interface Certificates {
  ca: KeyPair;
  tokenKeys: TokenKeys;
  /** The certificate of a name, made or renewed when needed. */
  certificate(name: string, subject: Subject): Promise<KeyPair>;
  /** Who the API server is to the servers of aggregated APIs: an authority for this alone, and a certificate of it. */
  frontProxy(): Promise<{ ca: KeyPair; client: KeyPair }>;
}

/**
 * The certificates of a cluster under upstream's names (`ca.crt`, `apiserver.key`, `sa.key` …). What all servers of a cluster
 * have in common, the authorities and the key of tokens, is in `shared`; what each has for itself is in `dir`. Servers that
 * share a directory may start at the same time: the first makes what is missing.
 */
export async function certificatesIn(dir: string, nowMs: number, shared = dir): Promise<Certificates> {
  const load = (name: string, from = dir): KeyPair | undefined => {
    const [cert, key] = [join(from, `${name}.crt`), join(from, `${name}.key`)];
    return existsSync(cert) && existsSync(key)
      ? { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') }
      : undefined;
  };
  const save = (name: string, pair: KeyPair, to = dir): KeyPair => {
    writeWhole(join(to, `${name}.key`), pair.key);
    writeWhole(join(to, `${name}.crt`), pair.cert, 0o644);
    return pair;
  };
  const authority = async (name: string, commonName: string): Promise<KeyPair> =>
    load(name, shared) ??
    (await alone(shared, async () => {
      return load(name, shared) ?? save(name, await makeAuthority(commonName, nowMs), shared);
    }));
  const ca = await authority('ca', 'kubernetes');
  const privateKey = join(shared, 'sa.key');
  if (!existsSync(privateKey))
    await alone(shared, async () => {
      if (existsSync(privateKey)) return;
      const made = await makeTokenKeys();
      writeWhole(join(shared, 'sa.pub'), made.publicKey, 0o644);
      writeWhole(privateKey, made.privateKey);
    });
  const tokenKeys = tokenKeysFrom(readFileSync(privateKey, 'utf8'));
  const certificate = async (name: string, subject: Subject, authority: KeyPair): Promise<KeyPair> => {
    const known = load(name);
    if (known && stillGood(known.cert, authority.cert, subject, nowMs)) return known;
    return save(name, await issue(authority, subject, nowMs));
  };
  return {
    ca,
    tokenKeys,
    certificate: (name, subject) => certificate(name, subject, ca),
    async frontProxy() {
      const frontProxyCA = await authority('front-proxy-ca', 'front-proxy-ca');
      const subject = { commonName: 'front-proxy-client' };
      return { ca: frontProxyCA, client: await certificate('front-proxy-client', subject, frontProxyCA) };
    },
  };
}

function stillGood(pem: string, ca: string, subject: Subject, nowMs: number): boolean {
  const cert = new x509.X509Certificate(pem);
  if (cert.notAfter.getTime() - nowMs < renewBeforeDays * day) return false;
  // By its key: another authority may have the same name.
  if (!new X509Certificate(pem).verify(new X509Certificate(ca).publicKey)) return false;
  const names =
    cert.getExtension(x509.SubjectAlternativeNameExtension)?.names.items.map((n) => n.value) ?? [];
  return (subject.hosts ?? []).every((host) => names.includes(host));
}
