// Subject and alternative names of a PKCS #10 request (RFC 2986), as much DER as that needs.
import { KubectlError } from '../errors.ts';

export interface CertificateRequest {
  /** Values by object identifier: `2.5.4.3` is the common name. */
  subject: Record<string, string[]>;
  dns: string[];
  emails: string[];
  uris: string[];
  addresses: string[];
}

interface Node {
  tag: number;
  bytes: Uint8Array;
}

function children(bytes: Uint8Array): Node[] {
  const found: Node[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at]!;
    let length = bytes[at + 1]!;
    let start = at + 2;
    if (length & 0x80) {
      const count = length & 0x7f;
      length = 0;
      for (let i = 0; i < count; i++) length = length * 256 + bytes[start++]!;
    }
    if (!Number.isFinite(length) || start + length > bytes.length) throw new Error('the data ends too early');
    found.push({ tag, bytes: bytes.subarray(start, start + length) });
    at = start + length;
  }
  return found;
}

function identifier(bytes: Uint8Array): string {
  const parts = [Math.floor(bytes[0]! / 40), bytes[0]! % 40];
  let value = 0;
  for (const byte of bytes.subarray(1)) {
    value = value * 128 + (byte & 0x7f);
    if (!(byte & 0x80)) {
      parts.push(value);
      value = 0;
    }
  }
  return parts.join('.');
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const alternativeNames = '2.5.29.17';
const extensionRequest = '1.2.840.113549.1.9.14';

function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i]! << 8) | bytes[2 * i + 1]!).toString(16));
  return groups.join(':').replace(/(^|:)0(:0)+(:|$)/, '::');
}

/** Reads the base64 of a PEM text, as a CertificateSigningRequest has it. Throws a KubectlError. */
export function parseCertificateRequest(request: string): CertificateRequest {
  try {
    const pem = atob(request);
    const body = /-----BEGIN CERTIFICATE REQUEST-----([\s\S]*?)-----END/.exec(pem)?.[1];
    if (!body) throw new Error('PEM block type must be CERTIFICATE REQUEST');
    const der = Uint8Array.from(atob(body.replace(/\s/g, '')), (c) => c.charCodeAt(0));
    return read(der);
  } catch (error) {
    throw new KubectlError(`Error parsing CSR: ${(error as Error).message}`);
  }
}

function read(der: Uint8Array): CertificateRequest {
  const [, name, , attributes] = children(children(children(der)[0]!.bytes)[0]!.bytes);
  const found: CertificateRequest = { subject: {}, dns: [], emails: [], uris: [], addresses: [] };
  for (const set of children(name!.bytes))
    for (const pair of children(set.bytes)) {
      const [oid, value] = children(pair.bytes) as [Node, Node];
      (found.subject[identifier(oid.bytes)] ??= []).push(text(value.bytes));
    }
  for (const attribute of children(attributes?.bytes ?? new Uint8Array())) {
    const [oid, values] = children(attribute.bytes) as [Node, Node];
    if (identifier(oid.bytes) !== extensionRequest) continue;
    for (const extension of children(children(values.bytes)[0]!.bytes)) {
      const parts = children(extension.bytes);
      if (identifier(parts[0]!.bytes) !== alternativeNames) continue;
      for (const { tag, bytes } of children(children(parts.at(-1)!.bytes)[0]!.bytes)) {
        if (tag === 0x81) found.emails.push(text(bytes));
        else if (tag === 0x82) found.dns.push(text(bytes));
        else if (tag === 0x86) found.uris.push(text(bytes));
        else if (tag === 0x87) found.addresses.push(addressText(bytes));
      }
    }
  }
  return found;
}
