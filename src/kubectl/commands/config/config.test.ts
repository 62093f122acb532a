// Scenarios of `kubectl config`: a command, `----`, and what it writes. `UPDATE=1` rewrites what is expected.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Environment } from '../../environment.ts';
import { runKubectl } from '../../main.ts';

const encoder = new TextEncoder();

/** A machine with files in memory and no cluster. */
function machine(files: Map<string, string>) {
  let output = '';
  const sink = {
    write: (data: string | Uint8Array) => {
      output += typeof data === 'string' ? data : new TextDecoder().decode(data);
    },
    drained: async () => {},
    isTerminal: false,
    columns: 80,
  };
  const environment = {
    stdout: sink,
    stderr: sink,
    env: { KUBECONFIG: '/c/one:/c/two' },
    home: '/home',
    workingDirectory: '/pki',
    signal: new AbortController().signal,
    files: {
      async read(path: string) {
        const text = files.get(path);
        if (text === undefined) throw Object.assign(new Error(path), { code: 'ENOENT' });
        return encoder.encode(text);
      },
      async write(path: string, data: string) {
        files.set(path, data);
      },
      stat: async (path: string) => (files.has(path) ? { type: 'file' } : undefined),
    },
  } as unknown as Environment;
  return { environment, taken: () => [output, (output = '')][0]! };
}

test('config scenarios', async () => {
  const path = join(import.meta.dirname, 'testdata/config.txt');
  const before = readFileSync(path, 'utf8');
  const files = new Map([['/pki/ca.crt', 'CERTIFICATE']]);
  let after = '';
  for (const block of before.split(/\n\n(?=[$#])/)) {
    const [head = '', ...lines] = block.split('\n');
    if (!head.startsWith('$ ')) {
      after += `${block.trimEnd()}\n\n`;
      continue;
    }
    assert.equal(lines[0], '----', head);
    const { environment, taken } = machine(files);
    const cat = /^\$ cat (\S+)$/.exec(head);
    let text: string;
    if (cat) text = files.get(cat[1]!) ?? 'no such file\n';
    else {
      const words = [...head.slice(2).matchAll(/'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2]!);
      const code = await runKubectl(words, environment);
      text = taken() + (code ? `exit ${code}\n` : '');
    }
    // An empty line would end the block.
    after += `${head}\n----\n${text.replace(/^$(?!\n?$(?![\s\S]))/gm, '<empty>').trimEnd()}\n\n`;
  }
  after = `${after.trimEnd()}\n`;
  if (process.env.UPDATE) writeFileSync(path, after);
  assert.equal(after, process.env.UPDATE ? after : before);
});
