import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JsonPath, JsonPathError } from './jsonpath.ts';

const data = {
  kind: 'List',
  items: [
    {
      kind: 'None',
      metadata: { name: '127.0.0.1', labels: { 'kubernetes.io/hostname': '127.0.0.1' } },
      status: { capacity: { cpu: 4 }, addresses: [{ type: 'LegacyHostIP', address: '127.0.0.1' }] },
    },
    {
      kind: 'None',
      metadata: { name: '127.0.0.2', labels: { 'kubernetes.io/hostname': '127.0.0.2' } },
      status: {
        capacity: { cpu: 8 },
        addresses: [
          { type: 'LegacyHostIP', address: '127.0.0.2' },
          { type: 'another', address: '127.0.0.3' },
        ],
        nothing: null,
      },
    },
  ],
  users: [
    { name: 'myself', user: {} },
    { name: 'e2e', user: { username: 'admin', password: 'a<b' } },
  ],
};

// The documented examples, and the corners of each operator.
const cases: [string, string][] = [
  ['kind is {.kind}', 'kind is List'],
  ['{.kind}{\'\\n\'}{"\\t"}{.kind}', 'List\n\tList'],
  ["{['kind']}", 'List'],
  ['{..name}', '127.0.0.1 127.0.0.2 myself e2e'],
  ['{.items[*].metadata.name}', '127.0.0.1 127.0.0.2'],
  ['{.users[0].name}', 'myself'],
  ['{.users[-1].name}', 'e2e'],
  ["{.items[*]['metadata.name', 'status.capacity']}", '127.0.0.1 127.0.0.2 {"cpu":4} {"cpu":8}'],
  ['{.users[?(@.name=="e2e")].user.password}', 'a<b'],
  ['{.users[?(@.name=="e2e")].user}', '{"password":"a\\u003cb","username":"admin"}'],
  ['{.items[?(@.status.capacity.cpu>4)].metadata.name}', '127.0.0.2'],
  ['{.items[?(@.status.capacity.cpu<=4)].metadata.name}', '127.0.0.1'],
  ['{.users[?(@.user.username)].name}', 'e2e'],
  [
    '{range .items[*]}[{.metadata.name}, {.status.capacity}] {end}',
    '[127.0.0.1, {"cpu":4}] [127.0.0.2, {"cpu":8}] ',
  ],
  [
    '{range .items[*]}{.metadata.name}:{range .status.addresses[*]} {.address}{end};{end}done',
    '127.0.0.1: 127.0.0.1;127.0.0.2: 127.0.0.2 127.0.0.3;done',
  ],
  ['{.items[0].metadata.labels.kubernetes\\.io/hostname}', '127.0.0.1'],
  ["{.items[0].metadata.labels['kubernetes\\.io/hostname']}", '127.0.0.1'],
  ['{.items[0:1].metadata.name}', '127.0.0.1'],
  ['{.items[::2].metadata.name}', '127.0.0.1'],
  ['{.items[1:].metadata.name}', '127.0.0.2'],
  ['{.items[-1:].metadata.name}', '127.0.0.2'],
  ['{.missing.thing}', ''],
  ['{range .missing[*]}x{end}.', '.'],
  ['{.items[1].status.nothing}', 'null'],
  ['{$.kind}{@.kind}', 'ListList'],
  ['{.users[0,1].name}', 'myself e2e'],
  ['{.items[*].status.addresses[?(@.type=="another")].address}', '127.0.0.3'],
  ['{3}{-1.5}{true}', '3-1.5true'],
  ['no action', 'no action'],
  ["{.users[?(@.name=='none')].name}", ''],
];

for (const [template, expected] of cases) {
  test(template, () => assert.equal(new JsonPath(template).print(data), expected));
}

test('results as JSON', () => {
  assert.equal(new JsonPath('{.users[*].name}').printJson(data), '[\n    "myself",\n    "e2e"\n]\n');
});

test('what cannot be read or does not fit is said', () => {
  const message = (template: string, missing = true) => {
    try {
      return new JsonPath(template, { allowMissingKeys: missing }).print(data);
    } catch (error) {
      assert(error instanceof JsonPathError, String(error));
      return error.message;
    }
  };
  assert.equal(message('{.items[0]'), 'unclosed action');
  assert.equal(message('{.items[0'), 'unterminated array');
  assert.equal(message('{.items[x]}'), 'invalid array index x');
  assert.equal(message('{.items[5].kind}'), 'array index out of bounds: index 5, length 2');
  assert.equal(message('{.kind[0]}'), 'string is not array or slice');
  assert.equal(message('{end}'), 'not in range, nothing to end');
  assert.equal(message('{foo}'), 'unrecognized identifier foo');
  assert.equal(message('{.nope}', false), 'nope is not found');
  assert.equal(message("{.users[?(@.name=='x']}"), 'unterminated filter');
  assert.equal(message('{&}'), "unrecognized character in action: U+0026 '&'");
});
