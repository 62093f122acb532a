// Runs kubectl itself and ours against one server, over HTTPS, and demands the same output and exit code: each line of
// compare/commands.txt, in a namespace of its own for each of the two.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { namespaces } from '../../src/api/core/namespace.ts';
import type { Output } from '../../src/kubectl/environment.ts';
import { shellWords } from '../../src/kubectl/fixtures.ts';
import { runKubectl } from '../../src/kubectl/main.ts';
import { nodeEnvironment } from '../../src/kubectl/node/environment.ts';
import { type ControlPlane, startControlPlane } from '../../src/testing/control-plane.ts';
import { type HttpsPlane, serveControlPlane } from '../../src/testing/https-server.ts';
import { kubectlProgram } from '../e2e/harness.ts';

const upstream = kubectlProgram();
const files = join(import.meta.dirname, 'compare');
const lines = readFileSync(join(files, 'commands.txt'), 'utf8')
  .split('\n')
  .filter((line) => line && !line.startsWith('#'));

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

let plane: ControlPlane;
let https: HttpsPlane;
const directory = mkdtempSync(join(tmpdir(), 'wherry-compare-'));

before(async () => {
  plane = await startControlPlane();
  https = await serveControlPlane(plane);
  for (const name of ['real', 'ours']) {
    await plane.client(namespaces).create({ metadata: { name }, spec: {} });
    writeFileSync(join(directory, name), await kubeconfig(name));
  }
});
after(async () => {
  await https[Symbol.asyncDispose]();
  await plane.stop();
  rmSync(directory, { recursive: true });
});

async function kubeconfig(namespace: string): Promise<string> {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const { cert, key } = await https.identity('admin', ['system:masters']);
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    clusters: [
      {
        name: 'test',
        cluster: {
          server: `https://127.0.0.1:${https.port}`,
          'certificate-authority-data': base64(https.ca),
        },
      },
    ],
    users: [
      {
        name: 'admin',
        user: { 'client-certificate-data': base64(cert), 'client-key-data': base64(key) },
      },
    ],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin', namespace } }],
  });
}

const variables = (name: string) => ({
  ...process.env,
  KUBECONFIG: join(directory, name),
  HOME: directory,
  KUBECTL_EXTERNAL_DIFF: '',
});

const real = (args: string[]): Promise<Outcome> =>
  new Promise((resolve) => {
    const child = execFile(
      upstream,
      args,
      { env: variables('real'), maxBuffer: 1e8 },
      (error, stdout, stderr) =>
        resolve({ code: error ? Number((error as { code?: number }).code) : 0, stdout, stderr }),
    );
    child.stdin!.end();
  });

async function ours(args: string[]): Promise<Outcome> {
  const outcome = { code: 0, stdout: '', stderr: '' };
  const decoder = new TextDecoder();
  const to = (which: 'stdout' | 'stderr'): Output => ({
    write: (data) => void (outcome[which] += typeof data === 'string' ? data : decoder.decode(data)),
    drained: async () => {},
    isTerminal: false,
    columns: 80,
  });
  const environment = {
    ...nodeEnvironment(new AbortController().signal),
    stdout: to('stdout'),
    stderr: to('stderr'),
    env: variables('ours'),
    home: directory,
  };
  outcome.code = await runKubectl(args, environment);
  return outcome;
}

/** An outcome as text, without what no two runs share. */
function steady({ code, stdout, stderr }: Outcome, name: string): string {
  const text = `${stdout}${stderr && `--- stderr\n${stderr}`}--- ${code}\n`;
  // Addresses and ports that differ in length move the columns beside them.
  return (
    (/10\.96\./.test(text) ? text.replace(/ {2,}/g, '  ') : text)
      .replaceAll(new RegExp(`\\b${name}\\b`, 'g'), 'SELF')
      // kubectl says where it deletes from 1.34 on.
      .replace(/(" (?:force )?deleted) from SELF namespace/g, '$1')
      .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'UID')
      .replace(/(resourceVersion"?:\s*"?)\d+/g, '$1RV')
      .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC/g, 'TIME')
      .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g, 'TIME')
      .replace(/\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000/g, 'TIME')
      .replace(/\b10\.96\.\d+\.\d+/g, 'CLUSTER-IP')
      .replace(/\b\d{5}\/TCP/g, 'PORT/TCP')
      .replace(/(nodePort"?:\s*)\d+/g, '$1PORT')
      .replace(/\b\d{1,2}(?:\.\d+)?s\b/g, 'AGE')
  );
}

for (const line of lines) {
  test(line, { timeout: 60_000 }, async () => {
    const args = shellWords(line.replaceAll('D/', `${files}/`));
    const [theirs, mine] = await Promise.all([real(args), ours(args)]);
    // kubectl shows labels, and what a config map has, in no order.
    const unordered = args.includes('--list') || line.startsWith('describe cm');
    const sorted = (text: string) => (unordered ? text.split('\n').sort().join('\n') : text);
    assert.equal(sorted(steady(mine, 'ours')), sorted(steady(theirs, 'real')));
  });
}
