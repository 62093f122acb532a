import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FieldNotFound, type OpenApiDocument, printSchema, wrap } from './explain.ts';

const gvk = { group: 'example.com', version: 'v1', kind: 'Tree' };
const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });
const document: OpenApiDocument = {
  components: {
    schemas: {
      Tree: {
        'x-kubernetes-group-version-kind': [gvk],
        type: 'object',
        description: 'A tree.',
        required: ['root'],
        properties: {
          root: { allOf: [ref('io.example.Node')] },
          labels: { type: 'object', additionalProperties: { type: 'string' } },
        },
      },
      'io.example.Node': {
        type: 'object',
        properties: {
          children: { type: 'array', items: ref('io.example.Node') },
          color: { type: 'string', enum: ['red', '', 'green', 'blue', 'black'], description: 'Its color.' },
        },
      },
    },
  },
};

test('fields with their types, required ones marked', () => {
  assert.equal(
    printSchema(document, gvk, [], false),
    `DESCRIPTION:
    A tree.
    
FIELDS:
  labels\t<map[string]string>
    <no description>

  root\t<Node> -required-
    <no description>

`,
  );
});

test('a path leads through lists and references, and ends where there is nothing', () => {
  const text = printSchema(document, gvk, ['root', 'children', 'color'], false);
  assert.match(text, /^FIELD: color <string>\nENUM:\n {4}red\n {4}""\n {4}green\n {4}blue\n {4}black\n\n/);
  assert.throws(() => printSchema(document, gvk, ['root', 'leaf'], false), FieldNotFound);
});

test('recursion ends at a type that holds itself', () => {
  assert.match(
    printSchema(document, gvk, [], true),
    /\n {2}root\t<Node> -required-\n {4}children\t<\[\]Node>\n {4}color\t<string>\n {4}enum: red, "", green, blue, \.\.\.\.\n$/,
  );
});

test('lines break between words', () => {
  assert.equal(wrap('aa bb cc', 5), 'aa bb\ncc');
  assert.equal(wrap('aaaaaaaa b', 5), 'aaaaaaaa\nb');
  assert.equal(wrap('a  b\nc', 10), 'a  b\nc');
});
