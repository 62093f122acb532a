import assert from 'node:assert/strict';
import { test } from 'node:test';
import { poly1305 } from './poly1305.ts';
import { hsalsa20 } from './salsa20.ts';
import { open, seal } from './secretbox.ts';

const bytes = (hex: string): Uint8Array =>
  Uint8Array.from(hex.replaceAll(/\s/g, '').match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
const hex = (from: Uint8Array): string =>
  [...from].map((byte) => byte.toString(16).padStart(2, '0')).join('');

// "Cryptography in NaCl", sections 8 to 10.
const shared = bytes('4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742');
const key = bytes('1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389');
const nonce = bytes('69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37');
const message = bytes(
  'be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52f0a089bc76897040e082f937763848645e0705',
);
const sealed =
  'f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5';

test('the vectors of NaCl', () => {
  assert.equal(hex(hsalsa20(shared, new Uint8Array(16))), hex(key));
  assert.equal(hex(seal(message, nonce, key)), sealed);
  assert.equal(hex(open(bytes(sealed), nonce, key)!), hex(message));
});

test('the vectors of RFC 8439 for Poly1305', () => {
  const text = new TextEncoder();
  // Section 2.5.2.
  assert.equal(
    hex(
      poly1305(
        text.encode('Cryptographic Forum Research Group'),
        bytes('85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b'),
      ),
    ),
    'a8061dc1305136c6c22b8baf0c0127a9',
  );
  // Appendix A.3, vectors 7 to 11: where carries and the prime itself matter.
  const cases: [key: string, message: string, tag: string][] = [
    ['01', 'ff'.repeat(16) + 'f0' + 'ff'.repeat(15) + '11' + '00'.repeat(15), '05'],
    ['01', 'ff'.repeat(16) + 'fb' + 'fe'.repeat(15) + '01'.repeat(16), ''],
    ['02', 'fd' + 'ff'.repeat(15), 'fa' + 'ff'.repeat(15)],
    [
      '0100000000000000040000000000000000',
      'e33594d7505e43b9000000000000000033 94d7505e4379cd01000000000000000000000000000000000000000000000001000000000000000000000000000000',
      '1400000000000000550000000000000000',
    ],
    [
      '0100000000000000040000000000000000',
      'e33594d7505e43b900000000000000003394d7505e4379cd010000000000000000000000000000000000000000000000',
      '13',
    ],
  ];
  for (const [k, m, tag] of cases)
    assert.equal(
      hex(poly1305(bytes(m), bytes(k.slice(0, 32).padEnd(64, '0')))),
      tag.slice(0, 32).padEnd(32, '0'),
      `${k} ${m}`,
    );
});

test('any length comes back; what was changed, or has another nonce or key, does not', () => {
  for (let length = 0; length < 300; length += 7) {
    const plain = Uint8Array.from({ length }, (_, i) => i * 7);
    const box = seal(plain, nonce, key);
    assert.deepEqual(open(box, nonce, key), plain);
    for (const at of [0, 15, box.length - 1]) {
      const changed = box.slice();
      changed[at]! ^= 1;
      assert.equal(open(changed, nonce, key), undefined);
    }
    assert.equal(
      open(
        box,
        nonce.map((b) => b ^ 1),
        key,
      ),
      undefined,
    );
    assert.equal(open(box, nonce, shared), undefined);
  }
  assert.equal(open(new Uint8Array(15), nonce, key), undefined);
});
