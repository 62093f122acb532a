import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Template } from './template.ts';

const data = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: {
    name: 'web',
    namespace: 'd',
    creationTimestamp: null,
    labels: {
      app: 'web',
      'a.b/c': 'x y',
    },
  },
  spec: {
    n: 3,
    big: 1000000,
    big2: 123456789,
    f: 1.5,
    tiny: 0.00001,
    huge: 1e25,
    t: true,
    nul: null,
    items: [
      'a',
      'b',
      {
        k: 'v',
      },
    ],
    empty: [],
    m: {
      z: 1,
      a: 2,
    },
    b64: 'aGVsbG8=',
    s: '<a href="x">\'&',
  },
};

// Each was printed so by kubectl's own engine.
const cases: [template: string, printed: string][] = [
  ['{{.metadata.name}}', 'web'],
  [
    '{{.spec.n}} {{.spec.big}} {{.spec.big2}} {{.spec.f}} {{.spec.tiny}} {{.spec.huge}} {{.spec.t}} {{.spec.nul}}',
    '3 1000000 123456789 1.5 1e-05 1e+25 true <no value>',
  ],
  ['{{.missing}}|{{.missing.deep}}', '<no value>|<no value>'],
  ['{{range .spec.items}}[{{.}}]{{end}}', '[a][b][map[k:v]]'],
  ['{{range $i, $e := .spec.items}}{{$i}}={{$e}};{{end}}', '0=a;1=b;2=map[k:v];'],
  ['{{range $k, $v := .spec.m}}{{$k}}={{$v}},{{end}}', 'a=2,z=1,'],
  ['{{range .spec.empty}}x{{else}}none{{end}}', 'none'],
  ['{{if and .spec.t (eq .metadata.name "web")}}yes{{else if .spec.nul}}no{{else}}never{{end}}', 'yes'],
  ['{{with .metadata.labels}}{{.app}}{{$.kind}}{{end}}', 'webConfigMap'],
  [
    '{{printf "%-8s|%5d|%q|%v|%05d|%x|%t|%f|%.2f|%s" "ab" 42 "q\\"" .spec.m 7 255 true .spec.f .spec.f .spec.items}}',
    'ab      |   42|"q\\""|map[a:2 z:1]|00007|ff|true|1.500000|1.50|[a b map[k:v]]',
  ],
  ['{{printf "%d %s %v" .spec.n 5 nil}}', '3 %!s(int=5) <nil>'],
  ['{{printf "%d"}}', '%!d(MISSING)'],
  ['{{printf "x" 1 "a"}}', 'x%!(EXTRA int=1, string=a)'],
  ['{{index .metadata.labels "a.b/c"}}', 'x y'],
  [
    '{{index .spec.items 0}} {{(index .spec.items 2).k}} {{len .spec.items}} {{len .metadata.name}}',
    'a v 3 3',
  ],
  [
    '{{index .spec.items 9}}',
    'error: template: output:1:2: executing "output" at <index .spec.items 9>: error calling index: index out of range: 9',
  ],
  ['{{.spec.b64 | base64decode}}', 'hello'],
  [
    '{{html .spec.s}} {{js .spec.s}} {{urlquery .spec.s}}',
    '&lt;a href=&#34;x&#34;&gt;&#39;&amp; \\u003Ca href\\u003D\\"x\\"\\u003E\\\'\\u0026 %3Ca+href%3D%22x%22%3E%27%26',
  ],
  [
    '{{eq .spec.n 3.0}} {{ne .metadata.name "x"}} {{lt .spec.f 2.0}} {{gt 3 2}} {{le 1 1}} {{ge 1 2}}',
    'error: template: output:1:2: executing "output" at <eq .spec.n 3.0>: error calling eq: incompatible types for comparison',
  ],
  ['{{eq .spec.n 3}}', 'true'],
  ['  {{- /* c */ -}}  x  {{- " y " -}}  z', 'x y z'],
  ['{{$x := "a"}}{{range .spec.items}}{{$x = "b"}}{{end}}{{$x}}', 'b'],
  ['{{define "T"}}<{{.}}>{{end}}{{template "T" .metadata.name}}', '<web>'],
  ['{{println "a" 1 2 "b"}}{{print "a" 1 2 "b"}}', 'a 1 2 b\na1 2b'],
  ['{{"q" | printf "%s-%s" "p"}}', 'p-q'],
  ['{{not .spec.t}} {{or "" "dflt"}} {{and "a" ""}}', 'false dflt '],
  [
    '{{.spec.items.foo}}',
    'error: template: output:1:7: executing "output" at <.spec.items.foo>: can\'t evaluate field foo in type interface {}',
  ],
  [
    '{{.metadata.name.foo}}',
    'error: template: output:1:11: executing "output" at <.metadata.name.foo>: can\'t evaluate field foo in type interface {}',
  ],
  ['{{slice .metadata.name 1 2}}', 'e'],
  ['{{exists .spec "m" "z"}} {{exists .spec "q"}}', 'true false'],
  ['{{range .spec.items}}{{if eq . "b"}}{{break}}{{end}}{{.}}{{end}}', 'a'],
  ['{{nofunc 1}}', 'error: template: output:1: function "nofunc" not defined'],
  ['{{.a', 'error: template: output:1: unclosed action'],
  ['{{if}}x{{end}}', 'error: template: output:1: missing value for if'],
  ['{{end}}', 'error: template: output:1: unexpected {{end}}'],
  ['{{range $i := 3}}{{$i}}{{end}}', '012'],
  ["{{'a'}} {{0x10}} {{1.5e3}} {{`raw\\n`}}", '97 16 1500 raw\\n'],
  ['{{.metadata}}', 'map[creationTimestamp:<nil> labels:map[a.b/c:x y app:web] name:web namespace:d]'],
  [
    '{{$}}',
    'map[apiVersion:v1 kind:ConfigMap metadata:map[creationTimestamp:<nil> labels:map[a.b/c:x y app:web] name:web namespace:d] spec:map[b64:aGVsbG8= big:1000000 big2:123456789 empty:[] f:1.5 huge:1e+25 items:[a b map[k:v]] m:map[a:2 z:1] n:3 nul:<nil> s:<a href="x">\'& t:true tiny:1e-05]]',
  ],
  ['{{range .spec.m}}{{.}} {{end}}', '2 1 '],
  [
    '{{.spec.nul.foo}}',
    'error: template: output:1:7: executing "output" at <.spec.nul.foo>: nil pointer evaluating interface {}.foo',
  ],
  [
    '{{len .spec.n}}',
    'error: template: output:1:2: executing "output" at <len .spec.n>: error calling len: len of type int64',
  ],
  [
    '{{template "none"}}',
    'error: template: output:1:11: executing "output" at <{{template "none"}}>: template "none" not defined',
  ],
  ['{{with $y := .spec.f}}{{$y}}{{end}}', '1.5'],
  ['{{printf "%T %T %T %T" 1 1.0 "s" .spec.m}}', 'int float64 string map[string]interface {}'],
  ['{{printf "%+v %#v %e %g" 5 "x" 1.5 100000000.0}}', '5 "x" 1.500000e+00 1e+08'],
  [
    '{{printf "%6.2f|%-6s|%06.1f|%+d|% d|%c|%U|%%|%8v|" 3.14159 "ab" 2.5 3 4 65 65 "r"}}',
    '  3.14|ab    |0002.5|+3| 4|A|U+0041|%|       r|',
  ],
  ['{{ print 1000000.0 }} {{ print 21e20}}', '1e+06 2.1e+21'],
];

for (const [template, expected] of cases) {
  test(template, () => {
    let printed: string;
    try {
      printed = new Template(template).print(data as never);
    } catch (error) {
      printed = `error: ${(error as Error).message}`;
    }
    assert.equal(printed, expected);
  });
}

test('a missing key is an error where it is asked for', () => {
  assert.throws(
    () => new Template('{{.nope}}', { allowMissingKeys: false }).print({}),
    /executing "output" at <\.nope>: map has no entry for key "nope"/,
  );
});
