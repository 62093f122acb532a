// What `kubectl explain` says of types and fields. The texts are upstream's, and are not kept here: they are taken from the
// documentation comments of @kubernetes/client-node when the bundle is made.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './node24.mjs';

const models = join(root, 'node_modules', '@kubernetes', 'client-node', 'dist', 'gen', 'models');
const comment = String.raw`/\*\*\n((?:\s*\*(?!/).*\n)*)\s*\*/\n`;
const classOf = new RegExp(`${comment}export declare class (\\w+)`);
const field = new RegExp(`${comment}\\s+'([^']+)'\\??: `, 'g');

const textOf = (lines) =>
  lines
    .split('\n')
    .map((line) => line.replace(/^\s*\*\s?/, ''))
    .join('\n')
    .trim();

/** Texts by class and field; '' is the class itself. The client renames what is no name in its language. */
function textsIn(name) {
  const source = readFileSync(join(models, `${name}.d.ts`), 'utf8');
  const program = readFileSync(join(models, `${name}.js`), 'utf8');
  const names = new Map(
    [...program.matchAll(/"name": "([^"]+)",\s+"baseName": "([^"]+)"/g)].map(([, is, was]) => [is, was]),
  );
  const texts = {};
  const [, about] = classOf.exec(source) ?? [];
  if (about) texts[''] = textOf(about);
  for (const [, lines, is] of source.matchAll(field)) texts[names.get(is) ?? is] = textOf(lines);
  return texts;
}

/** Writes `{"V1Pod": {"": TEXT, "spec": TEXT}}`; false where the package is not installed. */
export function writeDescriptions(path) {
  if (!existsSync(models)) return false;
  const all = {};
  for (const file of readdirSync(models)) {
    const name = /^(\w*V\d\w*)\.d\.ts$/.exec(file)?.[1];
    if (name) all[name] = textsIn(name);
  }
  writeFileSync(path, JSON.stringify(all));
  return true;
}
