// The import policy as data. Do not change this data to make a build pass: change the import.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';

const src = resolve(import.meta.dirname, '../src');

/** Room -> rooms that it may import. One component never imports another: they meet at the API, through client. */
const policy: Record<string, string[] | 'everything'> = {
  machinery: [],
  api: ['machinery'],
  client: ['machinery', 'api'],
  kubectl: ['machinery', 'api', 'client'],
  apiserver: ['machinery', 'api', 'client'],
  etcd: ['machinery'],
  'controller-manager': ['machinery', 'api', 'client'],
  scheduler: ['machinery', 'api', 'client'],
  kubelet: ['machinery', 'api', 'client', 'cri', 'cni'],
  cri: ['machinery'],
  cni: ['machinery', 'api', 'client'],
  'kube-proxy': ['machinery', 'api', 'client'],
  dns: ['machinery', 'api', 'client'],
  cluster: 'everything',
  testing: 'everything',
  cmd: 'everything',
};

/** Rooms that may touch Node as a whole; in the others only folders called `node` may. */
const onTheMachine = new Set(['cluster', 'testing', 'cmd']);

/** Packages that need nothing of Node: platform-free code may import them. */
const portable = new Set(['sorted-btree', 'yaml', 're2js', 'jose', 'croner', 'rfc6902', 'fast-check']);

/** What platform-free code gets as arguments instead. */
const globals =
  /(?<![\w.$'"`/-])(Date\.now\(|setTimeout\(|setInterval\(|setImmediate\(|Math\.random\(|console\.\w+\(|process\.|Buffer\.)/;

const isTest = (path: string): boolean =>
  /\.test\.ts$/.test(path) || /(fixtures|suite|rig|harness)\.ts$/.test(path) || path.includes('/testdata/');

function* files(dir: string): Generator<string> {
  for (const name of readdirSync(dir)) {
    const path = join(dir, name);
    if (statSync(path).isDirectory()) yield* files(path);
    else if (path.endsWith('.ts')) yield path;
  }
}

interface Source {
  path: string;
  room: string;
  /** In a folder called `node` (the API group of that name is not meant), or in a room that is on the machine. */
  machine: boolean;
  text: string;
  imports: string[];
}

const all: Source[] = [...files(src)].map((path) => {
  const parts = relative(src, path).split('/');
  const room = parts[0]!;
  const text = readFileSync(path, 'utf8');
  const machine = onTheMachine.has(room) || (parts.slice(1, -1).includes('node') && room !== 'api');
  const imports = [
    ...text.matchAll(
      /(?:^|\n)\s*(?:import|export)\s[^;]*?from\s*'([^']+)'|\bimport\('([^']+)'\)|(?:^|\n)import\s+'([^']+)'/g,
    ),
  ].map((m) => (m[1] ?? m[2] ?? m[3])!);
  return { path, room, machine, text, imports };
});
const name = (path: string): string => relative(resolve(src, '..'), path);

test('every folder of src is a room of the policy, and every room is there', () => {
  const found = readdirSync(src).filter((entry) => statSync(join(src, entry)).isDirectory());
  assert.deepEqual(found.sort(), Object.keys(policy).sort());
});

test('rooms import what the policy lets them', () => {
  const wrong: string[] = [];
  for (const { path, room, imports } of all) {
    if (isTest(path)) continue;
    for (const target of imports.filter((i) => i.startsWith('.'))) {
      const other = relative(src, resolve(dirname(path), target)).split('/')[0]!;
      const allowed = policy[room]!;
      if (other !== room && allowed !== 'everything' && !allowed.includes(other))
        wrong.push(`${name(path)} imports ${other} (${target})`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('tests of a component may start a control plane, not reach into other components', () => {
  const wrong: string[] = [];
  const help = new Set(['testing', 'cluster', 'etcd', 'cri', 'cni', 'test']);
  for (const { path, room, imports } of all.filter((s) => isTest(s.path))) {
    for (const target of imports.filter((i) => i.startsWith('.'))) {
      const other = relative(src, resolve(dirname(path), target))
        .split('/')
        .filter((p) => p !== '..')[0]!;
      const allowed = policy[room]!;
      if (other === room || allowed === 'everything' || allowed.includes(other) || help.has(other)) continue;
      wrong.push(`${name(path)} imports ${other} (${target})`);
    }
  }
  // The API server's own end-to-end tests of streams need nothing but the rooms above; whoever else does belongs into test/.
  assert.deepEqual(wrong, []);
});

test('platform-free code does not import Node, nor packages that need it', () => {
  const wrong: string[] = [];
  for (const { path, machine, imports } of all) {
    if (machine || isTest(path)) continue;
    for (const target of imports.filter((i) => !i.startsWith('.'))) {
      if (!portable.has(target.split('/')[0]!)) wrong.push(`${name(path)} imports ${target}`);
    }
    for (const target of imports.filter((i) => i.startsWith('.') && /\/node\//.test(i))) {
      if (!relative(src, resolve(dirname(path), target)).startsWith('api/'))
        wrong.push(`${name(path)} imports ${target}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('platform-free code takes clock, random and log as arguments', () => {
  const wrong: string[] = [];
  for (const { path, machine, text } of all) {
    if (machine || isTest(path)) continue;
    for (const [i, line] of text.split('\n').entries()) {
      if (/^\s*(\*|\/\/|\/\*)/.test(line)) continue;
      const found = globals.exec(line);
      if (found) wrong.push(`${name(path)}:${i + 1} uses ${found[1]}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('no two files import each other in a circle across rooms', () => {
  const edges = new Map<string, Set<string>>();
  for (const { path, room, imports } of all) {
    if (isTest(path)) continue;
    for (const target of imports.filter((i) => i.startsWith('.'))) {
      const other = relative(src, resolve(dirname(path), target)).split('/')[0]!;
      if (other !== room) edges.set(room, (edges.get(room) ?? new Set()).add(other));
    }
  }
  const state = new Map<string, 'open' | 'done'>();
  const visit = (room: string, way: string[]): void => {
    if (state.get(room) === 'open') assert.fail(`a circle of rooms: ${[...way, room].join(' -> ')}`);
    if (state.has(room)) return;
    state.set(room, 'open');
    for (const next of edges.get(room) ?? []) visit(next, [...way, room]);
    state.set(room, 'done');
  };
  for (const room of edges.keys()) visit(room, []);
});

test('no source file has more than 600 lines', () => {
  const long = all
    .filter(({ path, text }) => !path.endsWith('.gen.ts') && text.split('\n').length > 600)
    .map(({ path }) => name(path));
  assert.deepEqual(long, []);
});
