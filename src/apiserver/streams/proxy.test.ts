import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  answerHeaders,
  endToEnd,
  PageRewriter,
  rewriteLink,
  splitProxyPath,
  withoutIdentity,
} from './proxy-rewrite.ts';
import { isProxyable, splitName } from './proxy-target.ts';

test('names may carry a scheme and a port', () => {
  assert.deepEqual(splitName('pod', 'web'), { scheme: 'http', name: 'web', port: '' });
  assert.deepEqual(splitName('pod', 'web:8080'), { scheme: 'http', name: 'web', port: '8080' });
  assert.deepEqual(splitName('pod', 'https:web:'), { scheme: 'https', name: 'web', port: '' });
  assert.deepEqual(splitName('service', 'http:web:admin'), { scheme: 'http', name: 'web', port: 'admin' });
  for (const id of ['', ':80', 'ftp:web:80', 'a:b:c:d'])
    assert.throws(() => splitName('pod', id), { code: 400 });
});

test('addresses that are proxied to, and those that are not', () => {
  for (const address of ['10.0.0.1', '192.168.1.1', '8.8.8.8', 'fd00::1', '2001:db8::1'])
    assert.equal(isProxyable(address), true, address);
  const refused =
    '127.0.0.1 127.9.9.9 0.0.0.0 169.254.169.254 224.0.0.1 255.255.255.255 ::1 :: 0:0:0:0:0:0:0:1 fe80::1 ff02::1 ' +
    '::ffff:127.0.0.1 ::ffff:169.254.169.254 ::ffff:7f00:1 localhost metadata.google.internal';
  for (const address of refused.split(' ')) assert.equal(isProxyable(address), false, address);
});

test('the path behind proxy stays as it was written', () => {
  const pod = '/api/v1/namespaces/ns/pods/web:80/proxy';
  assert.deepEqual(splitProxyPath(pod), { prefix: pod, rest: '' });
  assert.deepEqual(splitProxyPath(`${pod}/`), { prefix: pod, rest: '/' });
  assert.deepEqual(splitProxyPath(`${pod}/a%2Fb//c/`), { prefix: pod, rest: '/a%2Fb//c/' });
  assert.deepEqual(splitProxyPath(`${pod}/a/../../%2e%2e/b`), { prefix: pod, rest: '/b' });
  assert.deepEqual(splitProxyPath(`${pod}/x/pods/y/proxy/z`).rest, '/x/pods/y/proxy/z');
  const node = '/api/v1/nodes/n/proxy';
  assert.deepEqual(splitProxyPath(`${node}/metrics`), { prefix: node, rest: '/metrics' });
});

test('headers between neighbours and identities stay behind', () => {
  const given = {
    ...{ ':authority': 'x', connection: 'keep-alive, X-Hop', 'x-hop': '1', 'transfer-encoding': 'chunked' },
    ...{
      accept: '*/*',
      authorization: 'Bearer t',
      'impersonate-user': 'root',
      'x-remote-user': 'root',
      te: 'trailers',
    },
  };
  assert.deepEqual(withoutIdentity(endToEnd(given)), { accept: '*/*' });
  assert.deepEqual(
    answerHeaders({ 'access-control-allow-origin': '*', 'set-cookie': ['a', 'b'], upgrade: 'h2c' }),
    {
      'set-cookie': ['a', 'b'],
    },
  );
});

test('links to the target lead through the proxy', () => {
  const base = { prefix: '/p', hosts: ['10.0.0.1:80', 'api:6443'] };
  const cases = {
    '/a?b#c': '/p/a?b#c',
    '/p/a': '/p/a',
    'a/b': 'a/b',
    '#top': '#top',
    '': '',
    'http://10.0.0.1:80/a': '/p/a',
    '//api:6443/a': '/p/a',
    'https://example.com/a': 'https://example.com/a',
    'mailto:a@b': 'mailto:a@b',
  };
  for (const [link, wanted] of Object.entries(cases)) assert.equal(rewriteLink(link, base), wanted);
});

test('a page is rewritten the same however it is cut', () => {
  const page =
    '<!doctype html><A HREF="/x">x</A><img alt="/x" src=\'/i.png\'/><form action=/f><p title="/x">a < b</p><script src="/s.js"></script> <a';
  const wanted =
    '<!doctype html><A HREF="/p/x">x</A><img alt="/x" src="/p/i.png"/><form action="/p/f"><p title="/x">a < b</p><script src="/p/s.js"></script> <a';
  for (let step = 1; step <= page.length; step++) {
    const rewriter = new PageRewriter({ prefix: '/p', hosts: [] });
    let out = '';
    for (let at = 0; at < page.length; at += step) out += rewriter.push(page.slice(at, at + step));
    assert.equal(out + rewriter.end(), wanted, `in steps of ${step}`);
  }
});
