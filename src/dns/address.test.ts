import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatAddress, parseAddress } from './address.ts';
import { isWithin, labelsBefore, longestMatch, reverseAddress, reverseZone } from './name.ts';

test('addresses, both ways', () => {
  const same = [
    '10.0.0.1',
    '::',
    '::1',
    '2001:db8::1',
    '1:2:3:4:5:6:7:8',
    'fe80::1:0:0:1',
    '1:0:2:0:3:0:4:0',
  ];
  for (const text of same) assert.equal(formatAddress(parseAddress(text)!), text);
  assert.equal(formatAddress(parseAddress('2001:DB8:0:0:1:0:0:1')!), '2001:db8::1:0:0:1');
  assert.equal(formatAddress(parseAddress('::ffff:10.0.0.1')!), '::ffff:a00:1');
  for (const text of [
    '',
    '1.2.3',
    '1.2.3.256',
    '01.2.3.4',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '::12345',
    '1:2:3:4:5:6:7:8::',
  ])
    assert.equal(parseAddress(text), undefined, text);
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      assert.deepEqual(parseAddress(formatAddress(bytes)), bytes);
    }),
  );
});

test('names in zones, and the names of addresses', () => {
  assert.ok(
    isWithin('a.example.com.', 'example.com.') &&
      isWithin('a.', '.') &&
      !isWithin('aexample.com.', 'example.com.'),
  );
  assert.equal(longestMatch('a.b.c.', ['.', 'c.', 'b.c.', 'x.b.c.']), 'b.c.');
  assert.deepEqual(labelsBefore('a.b.c.', 'c.'), ['a', 'b']);
  assert.deepEqual(labelsBefore('c.', 'c.'), []);
  assert.deepEqual(labelsBefore('a.b.', '.'), ['a', 'b']);
  assert.deepEqual([...reverseAddress('4.3.2.1.in-addr.arpa.')!], [1, 2, 3, 4]);
  assert.equal(reverseAddress('3.2.1.in-addr.arpa.'), undefined);
  const six = `1${'.0'.repeat(23)}.8.b.d.0.1.0.0.2.ip6.arpa.`;
  assert.equal(formatAddress(reverseAddress(six)!), '2001:db8::1');
  assert.equal(reverseZone('10.96.0.0/12'), '10.in-addr.arpa.');
});
