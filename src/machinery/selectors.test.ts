import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  labelSelectorMatches,
  labelSelectorToString,
  matchesFields,
  matchesLabels,
  parseFieldSelector,
  parseLabelSelector,
  requirementsToString,
} from './selectors.ts';

test('label selectors: parse, match, print', () => {
  const matches = (selector: string, labels: Record<string, string>) =>
    matchesLabels(parseLabelSelector(selector), labels);
  assert.ok(matches('app=web,tier in (a, b)', { app: 'web', tier: 'b' }));
  assert.ok(!matches('app=web', {}));
  assert.ok(matches('app!=web,!gone', {}));
  assert.ok(matches('n>5,n<7', { n: '6' }));
  assert.ok(matches('', {}));
  assert.ok(!matches('constructor', {}));
  assert.equal(requirementsToString(parseLabelSelector('b,a == x,c in (z,y)')), 'a=x,b,c in (y,z)');
});

test('label selectors that cannot be understood are a bad request', () => {
  for (const text of ['a in', 'a b', '=c', 'a,', 'a=b c', 'a in (b', '!', 'a=-x', 'a/b/c=d'])
    assert.throws(() => parseLabelSelector(text), { code: 400 }, text);
});

test('no LabelSelector selects nothing, an empty one everything', () => {
  assert.equal(labelSelectorMatches(undefined, {}), false);
  assert.equal(labelSelectorMatches({}, undefined), true);
  const selector = {
    matchLabels: { a: '1' },
    matchExpressions: [{ key: 'b', operator: 'NotIn', values: ['x'] }],
  };
  assert.equal(labelSelectorMatches(selector, { a: '1' }), true);
  assert.equal(labelSelectorMatches(selector, { a: '1', b: 'x' }), false);
  assert.equal(labelSelectorToString(selector), 'a=1,b notin (x)');
});

test('field selectors', () => {
  const fields = parseFieldSelector('metadata.name=a\\,b,spec.nodeName!=c');
  assert.deepEqual(fields[0], { path: 'metadata.name', op: '=', value: 'a,b' });
  assert.ok(matchesFields(fields, { 'metadata.name': 'a,b' }));
  assert.ok(!matchesFields(fields, { 'metadata.name': 'a,b', 'spec.nodeName': 'c' }));
  assert.deepEqual(parseFieldSelector(''), []);
  assert.throws(() => parseFieldSelector('x'), { code: 400 });
});
