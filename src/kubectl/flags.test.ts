import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shellWords } from './fixtures.ts';
import { flag, parseFlags } from './flags.ts';

const flags = {
  all: flag.bool('', { short: 'A' }),
  output: flag.string('', { short: 'o' }),
  tail: flag.int('', { default: -1 }),
  timeout: flag.duration(''),
  label: flag.strings('', { short: 'L', default: ['x'] }),
  env: flag.stringArray('', { short: 'e' }),
  'dry-run': flag.string('', { default: 'none', bare: 'unchanged' }),
  stdin: flag.bool('', { short: 'i' }),
  tty: flag.bool('', { short: 't' }),
};
const parse = (line: string) => parseFlags(flags, shellWords(line));

test('long and short, with and without equals signs', () => {
  const { values, args, dash } = parse('get -A pods -oyaml --tail=5 --timeout 1m -it --label a,b -L c web');
  assert.deepEqual(args, ['get', 'pods', 'web']);
  assert.equal(dash, -1);
  assert.deepEqual(
    [values.all, values.output, values.tail, values.timeout, values.stdin, values.tty, values.label],
    [true, 'yaml', 5, 60_000, true, true, ['a', 'b', 'c']],
  );
});

test('a flag that needs no value takes none', () => {
  assert.deepEqual(parse('--dry-run server').args, ['server']);
  assert.equal(parse('--dry-run').values['dry-run'], 'unchanged');
  assert.equal(parse('--dry-run=client').values['dry-run'], 'client');
  assert.equal(parse('--all=false').values.all, false);
});

test('two dashes end the flags', () => {
  const { args, dash } = parse('exec web -- ls -l');
  assert.deepEqual(args, ['exec', 'web', 'ls', '-l']);
  assert.equal(dash, 2);
});

test('lists split at commas, arrays do not', () => {
  assert.deepEqual(parse('-e a=1,2 -e b=3').values.env, ['a=1,2', 'b=3']);
  assert.deepEqual(parse('-L "a,b",c').values.label, ['a', 'b', 'c']);
  assert.deepEqual(parse('').values.label, ['x']);
});

test('what is wrong is said as kubectl says it', () => {
  const message = (line: string) => {
    try {
      parse(line);
    } catch (error) {
      return (error as Error).message;
    }
    return undefined;
  };
  assert.equal(message('--nope'), 'unknown flag: --nope');
  assert.equal(message('-x'), "unknown shorthand flag: 'x' in -x");
  assert.equal(message('--output'), 'flag needs an argument: --output');
  assert.equal(message('-o'), "flag needs an argument: 'o' in -o");
  assert.equal(
    message('--tail=x'),
    'invalid argument "x" for "--tail" flag: strconv.ParseInt: parsing "x": invalid syntax',
  );
  assert.equal(
    message('--all=maybe'),
    'invalid argument "maybe" for "-A, --all" flag: strconv.ParseBool: parsing "maybe": invalid syntax',
  );
});
