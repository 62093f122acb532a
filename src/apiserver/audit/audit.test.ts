import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { namespaces } from '../../api/core/namespace.ts';
import { issue, makeAuthority } from '../../cluster/node/certificates.ts';
import { systemClock, systemRandom } from '../../cluster/node/platform.ts';
import { createLog, silentLog } from '../../machinery/log.ts';
import { startControlPlane } from '../../testing/control-plane.ts';
import { serveControlPlane } from '../../testing/https-server.ts';
import { nodeSender } from '../node/sender.ts';
import { createOutbound } from '../outbound/outbound.ts';
import type { AuditBackend } from './auditor.ts';
import { type AuditEvent, legacyLine } from './event.ts';
import { logFile } from './node/log-file.ts';
import { decide, type Policy, parsePolicy } from './policy.ts';
import { webhookBackend } from './webhook.ts';

const dir = mkdtempSync(join(tmpdir(), 'wherry-audit-'));
after(() => rmSync(dir, { recursive: true }));
const head = 'apiVersion: audit.k8s.io/v1\nkind: Policy\n';

test('a policy that says nothing, or nonsense, is refused in words', () => {
  const refused = (rest: string, words: RegExp) => assert.throws(() => parsePolicy(rest), words);
  refused('', /it is empty/);
  refused('kind: Policy\n', /audit\.k8s\.io\/v1 and kind Policy/);
  refused(head, /it has no rules/);
  refused(`${head}rule: []\n`, /unknown field "rule"/);
  refused(`${head}rules:\n- users: [a]\n`, /rules\[0\]\.level: Required value/);
  refused(`${head}rules:\n- level: All\n`, /rules\[0\]\.level: Unsupported value: "All"/);
  refused(
    `${head}rules:\n- level: None\n  verb: [get]\n`,
    /rules\[0\]\.verb: Forbidden: there is no such field/,
  );
  refused(`${head}rules:\n- level: None\n  nonResourceURLs: [a]\n`, /must begin with a '\/'/);
  refused(`${head}rules:\n- level: None\n  nonResourceURLs: [/a*/b]\n`, /must be the final character/);
  refused(
    `${head}rules:\n- level: None\n  nonResourceURLs: [/a]\n  namespaces: [a]\n`,
    /cannot apply to both/,
  );
  refused(`${head}omitStages: [Never]\nrules:\n- level: None\n`, /omitStages\[0\]: Invalid value: "Never"/);
});

test('the first rule that fits decides', () => {
  const policy = parsePolicy(`${head}
omitStages: [RequestReceived]
omitManagedFields: true
rules:
- level: None
  users: ["system:kube-proxy"]
  verbs: [watch]
  resources: [{group: "", resources: [endpoints, services]}]
- level: None
  userGroups: ["system:authenticated"]
  nonResourceURLs: ["/api*", /version]
- level: Request
  resources: [{group: "", resources: [configmaps]}]
  namespaces: [kube-system]
  omitManagedFields: false
- level: Metadata
  resources: [{group: "", resources: [secrets], resourceNames: [a]}, {group: "*", resources: ["*/scale", "pods/*"]}]
- level: RequestResponse
  namespaces: [""]
  resources: [{group: apps}]
  omitStages: [Panic]
`);
  const ask = (user: string, verb: string, what: object) =>
    decide(policy, { user: { name: user, groups: ['system:authenticated'] }, verb, ...what });
  const pods = { group: '', resource: 'pods', namespace: 'a', name: 'p' };
  assert.equal(ask('system:kube-proxy', 'watch', { resource: 'services' }).level, 'None');
  assert.equal(ask('a', 'get', { path: '/apis' }).level, 'None');
  assert.equal(ask('a', 'get', { path: '/healthz' }).level, 'None');
  const map = ask('a', 'get', { resource: 'configmaps', namespace: 'kube-system' });
  assert.deepEqual(map, { level: 'Request', omitStages: ['RequestReceived'], omitManagedFields: false });
  assert.equal(ask('a', 'get', { resource: 'configmaps', namespace: 'default' }).level, 'None');
  assert.equal(ask('a', 'get', { resource: 'secrets', name: 'a' }).level, 'Metadata');
  assert.equal(ask('a', 'get', { resource: 'secrets', name: 'b' }).level, 'None');
  assert.equal(ask('a', 'update', { ...pods, subresource: 'exec' }).level, 'Metadata');
  assert.equal(ask('a', 'update', { group: 'x', resource: 'y', subresource: 'scale' }).level, 'Metadata');
  // As upstream: the resource itself is meant, too.
  assert.equal(ask('a', 'get', pods).level, 'Metadata');
  assert.equal(ask('a', 'get', { ...pods, resource: 'nodes' }).level, 'None');
  assert.deepEqual(ask('a', 'list', { group: 'apps', resource: 'deployments' }), {
    level: 'RequestResponse',
    omitStages: ['RequestReceived', 'Panic'],
    omitManagedFields: true,
  });
});

test('events say who did what, when, and what came of it', async () => {
  const events: AuditEvent[] = [];
  const backend: AuditBackend = { name: 'test', write: (event) => events.push(event), close: async () => {} };
  const policy: Policy = {
    omitManagedFields: true,
    rules: [
      { level: 'None', users: ['system:apiserver', 'system:admin'] },
      { level: 'RequestResponse', resources: [{ group: '', resources: ['configmaps'] }] },
      { level: 'Metadata' },
    ],
  };
  await using plane = await startControlPlane({ api: { audit: { policy, backends: () => [backend] } } });
  await using https = await serveControlPlane(plane);
  const path = '/api/v1/namespaces/default/configmaps';
  const id = 'c0ffee';
  const made = await https.ask(path, {
    method: 'POST',
    headers: { 'audit-id': id, 'user-agent': 'test/1', 'x-forwarded-for': '192.0.2.1, 192.0.2.2' },
    body: { metadata: { name: 'a' }, data: { k: 'v' } },
  });
  assert.equal(made.headers['audit-id'], id);
  const [received, complete] = events as [AuditEvent, AuditEvent];
  assert.equal(events.length, 2);
  assert.equal(received.stage, 'RequestReceived');
  assert.equal(received.requestReceivedTimestamp, received.stageTimestamp);
  assert.equal(received.annotations, undefined);
  const { requestReceivedTimestamp, stageTimestamp, responseObject, ...rest } = complete;
  assert.match(stageTimestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  assert.ok(stageTimestamp >= requestReceivedTimestamp);
  assert.deepEqual(rest, {
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: 'RequestResponse',
    auditID: id,
    stage: 'ResponseComplete',
    requestURI: path,
    verb: 'create',
    user: { username: 'admin', groups: ['system:masters', 'system:authenticated'] },
    sourceIPs: ['192.0.2.1', '192.0.2.2', '127.0.0.1'],
    userAgent: 'test/1',
    objectRef: { resource: 'configmaps', namespace: 'default', name: 'a', apiVersion: 'v1' },
    responseStatus: { metadata: {}, code: 201 },
    requestObject: { metadata: { name: 'a' }, data: { k: 'v' } },
    annotations: { 'authorization.k8s.io/decision': 'allow', 'authorization.k8s.io/reason': '' },
  });
  assert.equal(responseObject?.kind, 'ConfigMap');
  assert.equal(responseObject?.metadata.managedFields, undefined);
  assert.ok(responseObject?.metadata.uid);

  // A refusal says so, and for whom somebody acts is told.
  events.length = 0;
  const refused = await https.ask('/api/v1/secrets?limit=5', {
    headers: { 'impersonate-user': 'jane', 'impersonate-group': 'staff' },
  });
  assert.equal(refused.code, 403);
  assert.ok(refused.headers['audit-id']);
  const forbidden = events.at(-1)!;
  assert.equal(forbidden.level, 'Metadata');
  assert.equal(forbidden.impersonatedUser?.username, 'jane');
  assert.deepEqual(forbidden.impersonatedUser?.groups, ['staff', 'system:authenticated']);
  assert.equal(forbidden.user.username, 'admin');
  assert.equal(forbidden.annotations?.['authorization.k8s.io/decision'], 'forbid');
  assert.equal(forbidden.responseStatus?.reason, 'Forbidden');
  assert.equal(forbidden.requestURI, '/api/v1/secrets?limit=5');

  // Why somebody may, in the authorizer's words.
  await https.ask('/version', { as: await https.identity('jane') });
  assert.equal(
    events.at(-1)!.annotations?.['authorization.k8s.io/reason'],
    'RBAC: allowed by ClusterRoleBinding "system:discovery" of ClusterRole "system:discovery" to Group "system:authenticated"',
  );

  // What admission has to say.
  await plane.client(namespaces).create({
    metadata: { name: 'strict', labels: { 'pod-security.kubernetes.io/audit': 'restricted' } },
    spec: {},
  });
  const account = { kind: 'ServiceAccount', metadata: { name: 'default', namespace: 'strict' } };
  await https.ask('/api/v1/namespaces/strict/serviceaccounts', { method: 'POST', body: account });
  const pod = { metadata: { name: 'p' }, spec: { containers: [{ name: 'c', image: 'i' }] } };
  assert.equal((await https.ask('/api/v1/namespaces/strict/pods', { method: 'POST', body: pod })).code, 201);
  const said = events.at(-1)!.annotations!;
  assert.equal(said['pod-security.kubernetes.io/enforce-policy'], 'privileged:latest');
  assert.match(
    said['pod-security.kubernetes.io/audit-violations']!,
    /^would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false/,
  );

  // Watches tell when they begin and when they end.
  events.length = 0;
  await https.ask(`${path}?watch=1`, { onData: (text) => text.includes('ADDED') });
  for (let i = 0; i < 100 && events.length < 3; i++) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(
    events.map(({ stage }) => stage),
    ['RequestReceived', 'ResponseStarted', 'ResponseComplete'],
  );

  // Whom we do not know.
  events.length = 0;
  const stranger = await https.ask('/version', { as: await https.foreign('eve') });
  assert.equal(stranger.code, 401);
  assert.equal(events.at(-1)!.responseStatus?.code, 401);
  assert.deepEqual(events.at(-1)!.user, {});
  const { text } = await https.ask('/metrics');
  assert.match(text, /\napiserver_audit_event_total \d+\n/);
  assert.match(text, /\napiserver_audit_level_total\{level="Metadata"\} \d+\n/);
});

const event = (auditID: string): AuditEvent => ({
  kind: 'Event',
  apiVersion: 'audit.k8s.io/v1',
  level: 'Metadata',
  auditID,
  stage: 'ResponseComplete',
  requestURI: '/api/v1/pods',
  verb: 'list',
  user: { username: 'jane', groups: ['a', 'b'] },
  sourceIPs: ['192.0.2.1'],
  userAgent: 'x',
  responseStatus: { code: 200 },
  requestReceivedTimestamp: '2026-01-02T03:04:05.000000Z',
  stageTimestamp: '2026-01-02T03:04:05.000000Z',
});

test('a log file is put aside when it is large, and old ones go', async () => {
  const path = join(dir, 'logs', 'audit.log');
  let now = Date.parse('2026-01-02T03:04:05.678Z');
  const log = logFile({
    ...{ path, format: 'json', maxSizeMB: 0.001, maxBackups: 2, log: silentLog },
    now: () => (now += 1000),
  });
  for (let i = 0; i < 10; i++) {
    log.write(event(`id-${i}-${'x'.repeat(600)}`));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await log.close();
  const files = readdirSync(join(dir, 'logs')).sort();
  assert.equal(files.length, 3);
  assert.match(files[0]!, /^audit-2026-01-02T03-04-\d\d\.678\.log$/);
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  assert.equal(JSON.parse(lines.at(-1)!).auditID.slice(0, 4), 'id-9');
});

test('all that comes at once is written, and the old format is known', async () => {
  const path = join(dir, 'legacy.log');
  const log = logFile({ path, format: 'legacy', log: silentLog });
  for (let i = 0; i < 1000; i++) log.write(event(String(i)));
  await log.close();
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  assert.equal(lines.length, 1000);
  assert.equal(lines[7], legacyLine(event('7')));
  assert.equal(
    lines[7],
    '2026-01-02T03:04:05.000000Z AUDIT: id="7" stage="ResponseComplete" ip="192.0.2.1" method="list" user="jane" groups="\\"a\\",\\"b\\"" as="<self>" asgroups="<lookup>" user-agent="x" namespace="<none>" uri="/api/v1/pods" response="200"',
  );
});

test('a webhook gets lists of events, again when it fails, and the rest at the end', async () => {
  const authority = await makeAuthority('audit', Date.now());
  const pair = await issue(authority, { commonName: 'hook', hosts: ['127.0.0.1'] }, Date.now());
  const lists: any[] = [];
  let failures = 1;
  const server = createServer(pair, async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    assert.equal(request.headers.authorization, 'Bearer t');
    if (failures-- > 0) response.writeHead(500).end('not now');
    else {
      lists.push(JSON.parse(body));
      response.end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const sender = nodeSender();
  const logged: string[] = [];
  const hook = webhookBackend({
    callee: {
      url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/audit`,
      caBundle: Buffer.from(authority.cert).toString('base64'),
    },
    authorization: 'Bearer t',
    outbound: createOutbound(undefined as never, systemRandom, sender),
    ...{ clock: systemClock, random: systemRandom, log: createLog((_l, message) => logged.push(message)) },
    ...{ bufferSize: 25, maxBatchSize: 10, maxWaitMs: 10_000, initialBackoffMs: 5 },
  });
  for (let i = 0; i < 25; i++) hook.write(event(String(i)));
  assert.throws(() => hook.write(event('too many')), /full/);
  await hook.close();
  assert.deepEqual(
    lists.map(({ items }) => items.length),
    [10, 10, 5],
  );
  assert.equal(lists[0].kind, 'EventList');
  assert.deepEqual(
    lists.flatMap(({ items }) => items.map((item: AuditEvent) => Number(item.auditID))),
    Array.from({ length: 25 }, (_, i) => i),
  );
  assert.deepEqual(logged, ['audit events are dropped: the webhook is too slow']);
  sender.close();
  await new Promise((resolve) => server.close(resolve));
});

test('settings name the file that is wrong', async () => {
  const { auditFrom } = await import('../../cluster/node/audit.ts');
  const policyFile = join(dir, 'policy.yaml');
  writeFileSync(policyFile, `${head}rules:\n- level: Some\n`);
  const settings = { policyFile } as Parameters<typeof auditFrom>[0];
  assert.throws(() => auditFrom(settings, silentLog), {
    message: `the audit policy ${policyFile} cannot be used: rules[0].level: Unsupported value: "Some": supported values: "None", "Metadata", "Request", "RequestResponse"`,
  });
});
