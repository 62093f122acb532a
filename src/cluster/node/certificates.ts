import 'reflect-metadata';
import { createPrivateKey, createPublicKey, randomBytes, webcrypto } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { dirname, join } from 'node:path';
import * as x509 from '@peculiar/x509';

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

const imported = new Map<string, Promise<CryptoKey>>();
function importKey(pem: string): Promise<CryptoKey> {
  let key = imported.get(pem);
  if (!key) {
    key = webcrypto.subtle.importKey('pkcs8', x509.PemConverter.decodeFirst(pem), algorithm, true, [
      'sign',
    ]) as Promise<CryptoKey>;
    imported.set(pem, key);
  }
  return key;
}

export async function issue(authority: KeyPair, subject: Subject, nowMs: number): Promise<KeyPair> {
  const keys = await generate();
  const ca = new x509.X509Certificate(authority.cert);
  const usages = [x509.ExtendedKeyUsage.clientAuth as string];
  if (subject.hosts?.length) usages.unshift(x509.ExtendedKeyUsage.serverAuth);
  const cert = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: nameOf(subject),
    issuer: ca.subject,
    publicKey: keys.publicKey,
    signingKey: await importKey(authority.key),
    signingAlgorithm: algorithm,
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
export async function makeTokenKeys(): Promise<{ privateKey: string; publicKey: string }> {
  const { privateKey } = await generate();
  const pem = await pemOf(privateKey);
  return { privateKey: pem, publicKey: publicPem(pem) };
}
const publicPem = (privatePem: string): string =>
  createPublicKey(createPrivateKey(privatePem)).export({ type: 'spki', format: 'pem' }) as string;

/** Writes a file whole or not at all, readable by its owner alone. */
export function writeWhole(path: string, content: string, mode = 0o600): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(`${path}.new`, content, { mode });
  renameSync(`${path}.new`, path);
}

export interface Certificates {
  ca: KeyPair;
  tokenKeys: { privateKey: string; publicKey: string };
  /** The certificate of a name, made or renewed when needed. */
  certificate(name: string, subject: Subject): Promise<KeyPair>;
  /** Who the API server is to the servers of aggregated APIs: an authority for this alone, and a certificate of it. */
  frontProxy(): Promise<{ ca: KeyPair; client: KeyPair }>;
}

/** The certificates of a cluster, kept in `dir` under upstream's names (`ca.crt`, `apiserver.key`, `sa.key` …). */
export async function certificatesIn(dir: string, nowMs: number): Promise<Certificates> {
  const at = (name: string) => join(dir, name);
  const load = (name: string): KeyPair | undefined =>
    existsSync(at(`${name}.crt`)) && existsSync(at(`${name}.key`))
      ? { cert: readFileSync(at(`${name}.crt`), 'utf8'), key: readFileSync(at(`${name}.key`), 'utf8') }
      : undefined;
  const save = (name: string, pair: KeyPair): KeyPair => {
    writeWhole(at(`${name}.key`), pair.key);
    writeWhole(at(`${name}.crt`), pair.cert, 0o644);
    return pair;
  };
  const ca = load('ca') ?? save('ca', await makeAuthority('kubernetes', nowMs));
  let tokenKeys: { privateKey: string; publicKey: string };
  if (existsSync(at('sa.key'))) {
    const privateKey = readFileSync(at('sa.key'), 'utf8');
    tokenKeys = { privateKey, publicKey: publicPem(privateKey) };
  } else {
    tokenKeys = await makeTokenKeys();
    writeWhole(at('sa.key'), tokenKeys.privateKey);
    writeWhole(at('sa.pub'), tokenKeys.publicKey, 0o644);
  }
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
      const authority =
        load('front-proxy-ca') ?? save('front-proxy-ca', await makeAuthority('front-proxy-ca', nowMs));
      const subject = { commonName: 'front-proxy-client' };
      return { ca: authority, client: await certificate('front-proxy-client', subject, authority) };
    },
  };
}

function stillGood(pem: string, ca: string, subject: Subject, nowMs: number): boolean {
  const cert = new x509.X509Certificate(pem);
  if (cert.notAfter.getTime() - nowMs < renewBeforeDays * day) return false;
  if (cert.issuer !== new x509.X509Certificate(ca).subject) return false;
  const names =
    cert.getExtension(x509.SubjectAlternativeNameExtension)?.names.items.map((n) => n.value) ?? [];
  return (subject.hosts ?? []).every((host) => names.includes(host));
}
