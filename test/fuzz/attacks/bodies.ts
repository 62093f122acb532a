import { gzipSync } from 'node:zlib';
import { protobuf } from '../../../src/api/protobuf.ts';
import { sealEnvelope } from '../../../src/machinery/protobuf/kubernetes.ts';
import { ProtoWriter } from '../../../src/machinery/protobuf/wire.ts';
import { once, pick } from '../../../src/testing/random-objects.ts';
import { type Attack, type Context, json, sleep } from '../context.ts';

const maps = '/api/v1/namespaces/default/configmaps';
const widgets = '/apis/fuzz.example.com/v1/namespaces/default/widgets';
const depths = [50, 200, 900, 1001, 5000, 100_000, 500_000];

/** `[[[…]]]`, `{"a":{"a":…}}`, or both in turn. */
function nested(kind: number, depth: number): string {
  const [open, close] = [
    ['[', ']'],
    ['{"a":', '}'],
    ['[{"a":', '}]'],
  ][kind]!;
  return `${open!.repeat(depth)}1${close!.repeat(depth)}`;
}

const deepJson: Attack = {
  name: 'deep JSON',
  async run({ draw, send }) {
    const value = nested(draw.upTo(2), pick(draw, depths));
    const kind = pick(draw, [
      'configmaps',
      'pods',
      'widgets',
      'patch',
      'merge',
      'json',
      'apply',
      'delete',
      'review',
    ]);
    const whole = (apiVersion: string, name: string, field: string) =>
      `{"apiVersion":"${apiVersion}","kind":"${name}","metadata":{"generateName":"deep-"},"${field}":${value}}`;
    if (kind === 'configmaps')
      await send({ method: 'POST', path: maps, headers: json, body: whole('v1', 'ConfigMap', 'data') });
    else if (kind === 'pods')
      await send({
        method: 'POST',
        path: '/api/v1/namespaces/default/pods',
        headers: json,
        body: whole('v1', 'Pod', 'spec'),
      });
    else if (kind === 'widgets')
      await send({
        ...{ method: 'POST', path: widgets, headers: json },
        body: `{"apiVersion":"fuzz.example.com/v1","kind":"Kindwidgets","metadata":{"generateName":"deep-"},"spec":{"free":{"x":${value}}}}`,
      });
    else if (kind === 'review')
      await send({
        method: 'POST',
        path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
        headers: json,
        body: `{"spec":${value}}`,
      });
    else if (kind === 'delete')
      await send({ method: 'DELETE', path: `${maps}/none`, headers: json, body: value });
    else {
      const types: Record<string, string> = {
        patch: 'application/strategic-merge-patch+json',
        merge: 'application/merge-patch+json',
        json: 'application/json-patch+json',
        apply: 'application/apply-patch+yaml',
      };
      const body =
        kind === 'json'
          ? `[{"op":"add","path":"/metadata/annotations","value":${value}}]`
          : `{"data":${value}}`;
      await send({
        method: 'PATCH',
        path: `${maps}/kube-root-ca.crt?fieldManager=x`,
        headers: { 'content-type': types[kind]! },
        body,
      });
    }
  },
};

const yamlHeaders = { 'content-type': 'application/yaml' };
const yamlTexts: ((size: number) => string)[] = [
  (n) => `a: ${'['.repeat(n)}${']'.repeat(n)}`,
  (n) => `a: ${'{a: '.repeat(n)}1${'}'.repeat(n)}`,
  (n) => `${'- '.repeat(n)}a`,
  (n) => `${'? '.repeat(n)}a`,
  (n) => Array.from({ length: Math.min(n, 1500) }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
  (n) => `a: ${'!!str '.repeat(n)}x`,
  (n) => `a: ${'&a '.repeat(n)}x`,
  (n) => `a: "${'\\n'.repeat(n)}"`,
  (n) => `a: |\n${'  x\n'.repeat(n)}`,
  (n) => '\n'.repeat(n) + '#'.repeat(n),
  (n) => `${'---\n'.repeat(n)}`,
  (n) => `%YAML 1.2\n${'%TAG ! tag:x,2000:\n'.repeat(Math.min(n, 5000))}---\na: 1`,
  (n) => Array.from({ length: n }, (_, i) => `k${i % 10}: ${i}`).join('\n'),
  (n) => `a: ${'x'.repeat(n)}: ${'y'.repeat(n)}`,
  (n) => `a: '${"''".repeat(n)}`,
  (n) => `a: 0${'_1'.repeat(n)}`,
  (n) => `a: ${'1:'.repeat(n)}1`,
  (n) => `"${' \n'.repeat(n)}": 1`,
  (n) => `{${'a,'.repeat(n)}}`,
  (n) => `a: >-\n${' x\n\n\n'.repeat(n)}`,
];
const yaml: Attack = {
  name: 'YAML',
  async run({ draw, send }) {
    const text = pick(draw, yamlTexts)(pick(draw, [100, 3000, 30_000, 300_000])).slice(0, 3 << 20);
    const patch = once(draw, 2);
    await send(
      patch
        ? {
            method: 'PATCH',
            path: `${maps}/y?fieldManager=x`,
            headers: { 'content-type': 'application/apply-patch+yaml' },
            body: text,
          }
        : { method: 'POST', path: maps, headers: yamlHeaders, body: text },
    );
  },
};

const laughs: ((size: number) => string)[] = [
  // Each level is nine times the one before.
  (n) =>
    [
      'a0: &a0 [x,x,x,x,x,x,x,x,x]',
      ...Array.from({ length: Math.min(n, 30) }, (_, i) => `a${i + 1}: &a${i + 1} [${`*a${i},`.repeat(9)}]`),
    ].join('\n'),
  // One long text many times.
  (n) =>
    `a: &a ${'x'.repeat(100_000)}\ndata: {${Array.from({ length: n }, (_, i) => `k${i}: *a`).join(', ')}}`,
  // Many anchors, each used once.
  (n) => Array.from({ length: n * 50 }, (_, i) => `a${i}: &a${i} x\nb${i}: *a${i}`).join('\n'),
  // Maps merged into maps.
  (n) =>
    [
      'a0: &a0 {x: 1}',
      ...Array.from({ length: n }, (_, i) => `a${i + 1}: &a${i + 1} {<<: *a${i}, k${i}: 1}`),
    ].join('\n'),
  // Itself.
  () => 'a: &a [*a]',
  () => 'data: &a {a: *a}',
  () => 'a: *none',
  (n) => `a: &a {${Array.from({ length: n }, (_, i) => `k${i}: 1`).join(', ')}}\nb: [${'*a,'.repeat(n)}]`,
];
const aliases: Attack = {
  name: 'YAML aliases',
  async run({ draw, send }) {
    const text = pick(draw, laughs)(pick(draw, [5, 30, 500, 2000])).slice(0, 3 << 20);
    const head = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: laugh-}\n';
    await send({ method: 'POST', path: maps, headers: yamlHeaders, body: head + text });
  },
};

const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const protobufType = { 'content-type': 'application/vnd.kubernetes.protobuf' };
const deepProtobuf: Attack = {
  name: 'deep protobuf',
  async run({ draw, send }) {
    const depth = pick(draw, [10, 200, 400, 3000, 100_000]);
    let inner = new Uint8Array();
    const field = pick(draw, [26, 2, 1]);
    // Written from the inside out: a message in a message, as far as 3 MB go.
    const parts: Uint8Array[] = [];
    let size = 0;
    for (let i = 0; i < depth && size < 2 << 20; i++) {
      const head = new ProtoWriter(16).tag(field, 2).uint32(size).finish();
      parts.push(head);
      size += head.length;
    }
    inner = Buffer.concat(parts.reverse());
    const body = sealEnvelope(
      'apiextensions.k8s.io/v1',
      'CustomResourceDefinition',
      wrap(inner, [2, 7, 4, 1]),
    );
    await send({ method: 'POST', path: definitions, headers: protobufType, body });
  },
};
const wrap = (inner: Uint8Array, fields: number[]): Uint8Array =>
  fields
    .toReversed()
    .reduce((content, field) => new ProtoWriter().tag(field, 2).bytes(content).finish(), inner);

const brokenProtobuf: Attack = {
  name: 'broken protobuf',
  weight: 2,
  async run({ draw, send }) {
    const whole = protobuf.encode(
      {
        ...{ apiVersion: 'v1', kind: 'Pod', metadata: { generateName: 'proto-', labels: { a: 'b' } } },
        spec: {
          containers: [
            { name: 'c', image: 'i', ports: [{ containerPort: 80 }], resources: { limits: { cpu: '1' } } },
          ],
        },
      },
      'core.v1.Pod',
    )!;
    const bytes = Buffer.from(whole);
    const how = draw.upTo(5);
    let body: Uint8Array = bytes;
    if (how === 0) body = bytes.subarray(0, draw.upTo(bytes.length));
    else if (how === 1)
      for (let i = 0; i < 1 + draw.upTo(5); i++) bytes[draw.upTo(bytes.length - 1)] = draw.upTo(255);
    else if (how === 2)
      body = Buffer.concat([bytes, Buffer.from(Array.from({ length: 20 }, () => draw.upTo(255)))]);
    else if (how === 3)
      body = sealEnvelope(
        'v1',
        pick(draw, ['Pod', 'constructor', '__proto__', 'Status', '', 'DeleteOptions']),
        wrap(new Uint8Array(10).fill(0xff), [1]),
      );
    // Lengths and numbers without end.
    else if (how === 4) body = sealEnvelope('v1', 'Pod', Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]));
    else
      body = sealEnvelope(
        'v1',
        'Pod',
        new Uint8Array(100_000).fill(pick(draw, [0x0b, 0x0c, 0x80, 0xff, 0x08])),
      );
    await send(
      {
        method: 'POST',
        path: '/api/v1/namespaces/default/pods',
        headers: {
          ...protobufType,
          ...(once(draw, 2) ? { accept: 'application/vnd.kubernetes.protobuf' } : {}),
        },
        body,
      },
      { text: true },
    );
  },
};

const huge: Attack = {
  name: 'huge bodies',
  async run(context) {
    const { draw, send, wire, count, problem } = context;
    const http2 = once(draw, 2);
    const size = pick(draw, [(3 << 20) - 200, 3 << 20, (3 << 20) + 1, 8 << 20]);
    const head = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"generateName":"huge-"},"data":{"a":"';
    const body = Buffer.concat([
      Buffer.from(head),
      Buffer.alloc(size - head.length - 3, 'x'),
      Buffer.from('"}}'),
    ]);
    const answer = await send(
      { method: 'POST', path: `${maps}?dryRun=All`, headers: json, body, http2 },
      { mayClose: size > 3 << 20 },
    );
    if (size > 3 << 20 && answer.code && answer.code !== 413)
      problem(`${size} bytes were answered with ${answer.code}`);
    // A length that never comes, and chunks that never end.
    const endless = once(draw, 2);
    count();
    const socket = await wire.open().catch(() => undefined);
    if (!socket) return;
    let text = '';
    socket.on('data', (part) => (text += part));
    const type = endless ? 'transfer-encoding: chunked' : 'content-length: 99999999999';
    socket.write(`POST ${maps} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${type}\r\n\r\n`);
    const chunk = endless ? `10000\r\n${'x'.repeat(65536)}\r\n` : 'x'.repeat(65536);
    for (let i = 0; i < 120 && !socket.destroyed && !text; i++) {
      if (!socket.write(chunk))
        await Promise.race([new Promise((go) => socket.once('drain', go)), sleep(1000)]);
    }
    for (let i = 0; i < 50 && !text && !socket.destroyed; i++) await sleep(20);
    if (!/^HTTP\/1\.1 413 /.test(text))
      problem(`a body without end was answered with ${JSON.stringify(text.slice(0, 200))}`);
    else await closes(context, socket, 'after a body without end');
    socket.destroy();
  },
};

async function closes(
  { problem }: Context,
  socket: { destroyed: boolean; closed?: boolean; once: any },
  when: string,
): Promise<void> {
  for (let i = 0; i < 150 && !socket.destroyed; i++) await sleep(20);
  if (!socket.destroyed) problem(`the connection stays open ${when}`);
}

const gzips: Attack = {
  name: 'compressed bodies',
  async run({ draw, send }) {
    const bomb = gzipSync(Buffer.alloc(20 << 20, ' '));
    const encoding = pick(draw, ['gzip', 'deflate', 'br', 'gzip, gzip', 'identity', 'x']);
    await send({
      method: 'POST',
      path: maps,
      headers: { ...json, 'content-encoding': encoding },
      body: bomb,
    });
  },
};

const badBytes: Attack = {
  name: 'bad text',
  weight: 2,
  async run({ draw, send }) {
    const bad = pick(draw, [
      [0xc3, 0x28],
      [0xe2, 0x82],
      [0xf0, 0x9f, 0x98],
      [0xff, 0xfe],
      [0xed, 0xa0, 0x80],
      [0xc0, 0x80],
      [0],
      [0xef, 0xbb, 0xbf],
    ]);
    const inside = Buffer.concat([
      Buffer.from(
        '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"generateName":"bad-","annotations":{"a":"',
      ),
      Buffer.from(bad),
      Buffer.from('"}},"data":{"b":"\\ud800"}}'),
    ]);
    const body = pick(draw, [
      inside,
      Buffer.concat([Buffer.from(bad), Buffer.from('{}')]),
      Buffer.from('{"kind":"ConfigMap"}', 'utf16le'),
      Buffer.from('{"a":1,"a":2,'),
      Buffer.from('nul'),
      Buffer.from('null'),
      Buffer.from('[]'),
      Buffer.from('"x"'),
      Buffer.from('1e999'),
      Buffer.from('{"metadata":null,"data":null}'),
      Buffer.from('{"metadata":[],"data":[]}'),
      Buffer.from(
        '{"metadata":{"name":1,"labels":[],"ownerReferences":{},"finalizers":"x","managedFields":{}}}',
      ),
    ]);
    const type = pick(draw, [
      'application/json',
      'application/yaml',
      'application/merge-patch+json',
      'text/plain',
      '',
      'application/json; charset=utf-16',
    ]);
    await send({
      method: pick(draw, ['POST', 'PUT', 'PATCH', 'DELETE']),
      path: pick(draw, [maps, `${maps}/kube-root-ca.crt?dryRun=All`]),
      headers: { 'content-type': type },
      body,
    });
  },
};

export const bodies: Attack[] = [
  deepJson,
  yaml,
  aliases,
  deepProtobuf,
  brokenProtobuf,
  huge,
  gzips,
  badBytes,
];
