import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clone } from '../../machinery/meta.ts';
import { cellsOf, context, errorsOf, made, refuses, texts } from '../kind-fixtures.ts';
import { certificateSigningRequests as requests } from './certificate-signing-request.ts';

const request = btoa('-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n');
const spec = { request, signerName: 'example.com/s', usages: ['client auth'] };
const rules = requests.rules;

test('who asks is what the server says', () => {
  const object: any = {
    metadata: { name: 'a' },
    spec: { ...spec, username: 'system:admin', groups: ['system:masters'] },
  };
  rules.prepareCreate!(object, { ...context, requester: { groups: ['devs'] } });
  assert.equal(object.spec.username, 'jane');
  assert.deepEqual(object.spec.groups, ['devs']);
  assert.deepEqual(errorsOf(requests, object), []);
});

test('decisions are made once, by approval; certificates are given once, by status', () => {
  const old = made(requests, { spec });
  const approved = clone(old);
  approved.status.conditions = [{ type: 'Approved', status: 'True' }];
  rules.prepareSubresource!(approved, old, { ...context, subresource: 'approval' });
  assert.equal(approved.status.conditions[0].lastUpdateTime, '1970-01-01T00:01:40Z');
  const change = (now: any, before: any, subresource: string) =>
    texts(rules.validateUpdate!(now, before, { ...context, subresource }));
  assert.deepEqual(change(approved, old, 'approval'), []);
  assert.deepEqual(change(approved, old, 'status'), [
    'status.conditions: Forbidden: updates may not add a condition of type "Approved"',
  ]);
  assert.deepEqual(change(old, approved, 'approval'), [
    'status.conditions: Forbidden: updates may not remove a condition of type "Approved"',
  ]);
  const issued = { ...approved, status: { ...approved.status, certificate: 'QQ==' } };
  assert.deepEqual(change(issued, approved, 'status'), []);
  assert.deepEqual(change(issued, approved, 'approval'), [
    'status.certificate: Forbidden: updates may not set certificate content',
  ]);
  assert.deepEqual(cellsOf(requests, issued), ['example.com/s', 'jane', '<none>', 'Approved,Issued']);
});

test('what is wrong is named by its field', () => {
  refuses([
    [requests, { spec: { ...spec, usages: [] } }, 'spec.usages: Required value'],
    [requests, { spec: { ...spec, usages: ['tea'] } }, 'spec.usages[0]: Unsupported value: "tea"'],
    [
      requests,
      { spec: { ...spec, signerName: 'x' } },
      'spec.signerName: Invalid value: "x": must be a fully qualified domain and path of the form "example.com/signer-name"',
    ],
    [
      requests,
      { spec: { ...spec, expirationSeconds: 5 } },
      'spec.expirationSeconds: Invalid value: 5: may not specify a duration less than 600 seconds (10 minutes)',
    ],
    [requests, { spec: { ...spec, request: btoa('x') } }, 'spec.request: Invalid value'],
  ]);
});
