import assert from 'node:assert/strict';
import { request } from 'node:https';
import { test } from 'node:test';
import { issue, makeAuthority } from '../../cluster/node/certificates.ts';
import { startControlPlane } from '../../testing/control-plane.ts';
import { serveControlPlane } from '../../testing/https-server.ts';
import { requestHeaderDefaults } from '../authn/request-header.ts';

test('a client that sends its certificate alone is known by who issued it', async () => {
  const proxyCA = await makeAuthority('front-proxy-ca', Date.now());
  await using plane = await startControlPlane({
    api: { requestHeader: { ...requestHeaderDefaults, ca: proxyCA.cert } },
  });
  await using https = await serveControlPlane(plane);
  const namesOf = async (identity: { cert: string; key: string }): Promise<string> =>
    new Promise((resolve, reject) => {
      const review = JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' });
      const asked = request({
        host: '127.0.0.1',
        port: https.port,
        method: 'POST',
        path: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
        headers: { 'content-type': 'application/json' },
        // Who has the authority at hand (`ca`) would send it along.
        rejectUnauthorized: false,
        agent: false,
        ...identity,
      });
      asked.on('error', reject);
      asked.on('response', async (response) => {
        const parts: Buffer[] = [];
        for await (const part of response) parts.push(part);
        const { status, message } = JSON.parse(Buffer.concat(parts).toString());
        resolve(status?.userInfo?.username ?? message);
      });
      asked.end(review);
    });
  assert.equal(await namesOf(await https.identity('alice')), 'alice');
  // One that only proxies may have is nobody's by itself.
  const proxy = await issue(proxyCA, { commonName: 'front-proxy-client' }, Date.now());
  assert.match(await namesOf(proxy), /anonymous|Unauthorized|forbidden/);
});
