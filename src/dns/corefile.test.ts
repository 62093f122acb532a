import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CorefileError, parseCorefile, parseDuration } from './corefile.ts';
import { defaultCorefile } from './default-corefile.ts';
import { makeServer } from './testdata/try.ts';

test('blocks, zones, directives, comments, quotes, snippets', () => {
  const [first, second] = parseCorefile(
    `
# a comment
(common) {
  errors
  log . "a b" # another
}
.:53 dns://Example.ORG:1053, 10.0.0.0/24 {
  import common
  cache 30 {
    success 100 60
    disable denial
  }
}
consul.local {
  forward . 10.0.0.1
}
`,
  );
  assert.deepEqual(first!.zones, ['.', 'example.org.', '0.0.10.in-addr.arpa.']);
  assert.deepEqual(
    first!.directives.map(({ name, args, body }) => [name, args.join('|'), body.length]),
    [
      ['errors', '', 0],
      ['log', '.|a b', 0],
      ['cache', '30', 2],
    ],
  );
  assert.deepEqual(second!.zones, ['consul.local.']);
});

test('mistakes are told with their line', () => {
  const wrong: [string, RegExp][] = [
    ['. {\n errors', /line 1: this block is not closed/],
    ['errors', /line 1: expected zones/],
    ['. {\n erors\n}', /line 2: unknown plugin erors; there are reload, ready/],
    ['. {\n cache x y {\n  bogus 1\n }\n}', /line 3: cache does not know "bogus"/],
    ['. {\n forward .\n}', /line 2: forward FROM TO/],
    ['. {\n forward . tls://1.1.1.1\n}', /line 2: forward speaks plain DNS only/],
    ['. {\n kubernetes {\n  ttl soon\n }\n}', /line 3: not a number: soon/],
    ['tls://. {\n}', /line 1: only plain DNS/],
    ['. {\n}\n.:53 {\n}', /line 3: two server blocks for \./],
    ['. {\n import x\n}', /line 2: there is no snippet \(x\)/],
    ['. {\n ready {\n  x\n }\n}', /line 3: ready does not know "x"/],
  ];
  for (const [text, message] of wrong) {
    assert.throws(
      () => makeServer(text),
      (error) => error instanceof CorefileError && message.test(error.message),
      text,
    );
  }
});

test('durations', () => {
  assert.deepEqual(
    ['30', '5s', '1m30s', '500ms', '1.5h'].map((text) => parseDuration(text, 1)),
    [...[30_000, 5000, 90_000, 500, 5_400_000]],
  );
  assert.throws(() => parseDuration('5 s', 1), CorefileError);
});

test('the Corefile that clusters usually have is understood', () => {
  const usual = `.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    prometheus :9153
    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
    loop
    reload
    loadbalance
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
}`;
  makeServer(usual);
  assert.equal(parseCorefile(defaultCorefile('cluster.local')).length, 1);
});
