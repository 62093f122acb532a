// Text scenarios: a command line, `----`, and what it prints. `UPDATE=1` writes what is printed; read the difference.
//
//   file app.yaml            the text below becomes a file
//   advance 90s              the clock moves on
//   kubectl get pods         a command; a last line `exit 1` is its exit code
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startKubectl, type TestKubectl } from './fixtures.ts';
import { parseDuration } from './printers/duration.ts';

const directory = join(import.meta.dirname, 'testdata');
const begins = /^(kubectl|file|advance|edit|as) /;

interface Step {
  comments: string[];
  line: string;
  text: string;
}

function parse(source: string): Step[] {
  const steps: Step[] = [];
  const lines = source.replace(/\n+$/, '').split('\n');
  let comments: string[] = [];
  for (let i = 0; i < lines.length; ) {
    if (!begins.test(lines[i]!)) {
      if (lines[i]) comments.push(lines[i]!);
      i++;
      continue;
    }
    const line = lines[i++]!;
    assert.equal(lines[i++], '----', `${line} is followed by ----`);
    const text: string[] = [];
    // An output may have empty lines: it ends where the next step begins.
    while (i < lines.length && !nextBegins(lines, i)) text.push(lines[i++]!);
    steps.push({ comments, line, text: text.join('\n') });
    comments = [];
  }
  return steps;
}

function nextBegins(lines: string[], from: number): boolean {
  let i = from;
  while (lines[i] === '' || lines[i]?.startsWith('# ')) i++;
  return i >= lines.length || (begins.test(lines[i]!) && lines[i + 1] === '----');
}

/** What differs from run to run. */
const steady = (text: string): string =>
  text
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'UID')
    .replace(/(resourceVersion"?:\s+"?)\d+/gi, '$1RV')
    .replace(/\b10\.96\.\d+\.\d+/g, 'CLUSTER-IP')
    .replace(/(Resource Version:\s+)\d+/g, '$1RV');

async function perform(kubectl: TestKubectl, { line, text }: Step): Promise<string> {
  const [word, ...rest] = line.split(' ');
  const argument = rest.join(' ');
  switch (word) {
    case 'file':
      kubectl.files.set(argument, `${text}\n`);
      return text;
    case 'advance':
      kubectl.advance(parseDuration(argument));
      return text;
    case 'edit':
      kubectl.env.EDIT = argument;
      return text;
    case 'as': {
      const [user, ...command] = rest;
      const { all, code } = await kubectl.run(command.slice(1).join(' '), { user });
      return result(all, code);
    }
    default: {
      const [command, input] = argument.split(' < ') as [string, string?];
      const stdin = input && kubectl.files.get(input);
      const { all, code } = await kubectl.run(command, { stdin });
      return result(all, code);
    }
  }
}

const result = (output: string, code: number): string =>
  steady(
    output.replace(/\n$/, '') +
      (code ? `${output && !output.endsWith('\n') ? '\n' : output ? '\n' : ''}exit ${code}` : ''),
  );

for (const name of readdirSync(directory).sort()) {
  test(name.replace(/\.txt$/, ''), async () => {
    const path = join(directory, name);
    const source = readFileSync(path, 'utf8');
    await using kubectl = await startKubectl();
    const steps = parse(source);
    const done: Step[] = [];
    for (const step of steps) done.push({ ...step, text: await perform(kubectl, step) });
    const text = done
      .map(({ comments, line, text: shown }) =>
        [...(comments.length ? [...comments, ''] : []), line, '----', ...(shown ? [shown] : []), ''].join(
          '\n',
        ),
      )
      .join('\n');
    if (process.env.UPDATE) writeFileSync(path, text);
    else assert.equal(text, source);
  });
}
