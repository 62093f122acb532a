// What becomes of calls that a leader took with it: a member of etcd that answers some things, and never others.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { bytesOf, etcdCodec } from '../messages.ts';
import { EtcdConnection } from './etcd-connection.ts';
import { CallFailed } from './etcd-member.ts';

let server: Server;
let connection: EtcdConnection;
/** Of the leader. */
let term = 1;
/** What was asked of the store, by the keys' names. */
let asked: string[] = [];
/** Whether something is never answered. */
let isLost: (what: string) => boolean;

beforeEach(async () => {
  [term, asked, isLost] = [1, [], () => false];
  server = new Server();
  const method = (name: string, what: (request: any) => string) => ({
    ...{ path: `/etcdserverpb.KV/${name}`, requestStream: false, responseStream: false },
    requestDeserialize: (bytes: Buffer) =>
      etcdCodec.decode(name === 'Txn' ? 'TxnRequest' : 'RangeRequest', new Uint8Array(bytes)),
    requestSerialize: () => Buffer.alloc(0),
    responseDeserialize: () => ({}),
    responseSerialize: (response: object) =>
      Buffer.from(etcdCodec.encode(name === 'Txn' ? 'TxnResponse' : 'RangeResponse', response)),
    what,
  });
  const text = (key: Uint8Array) => Buffer.from(key).toString();
  const methods = {
    Range: method('Range', ({ key }) => text(key)),
    Txn: method('Txn', () => 'a transaction'),
  };
  const answer = (what: (request: any) => string) => (call: any, callback: any) => {
    const name = what(call.request);
    const lost = isLost(name);
    if (name !== '/registry/health') asked.push(name);
    if (!lost) callback(null, { header: { clusterId: 7, memberId: 1, revision: 5, raftTerm: term } });
  };
  server.addService(methods, { Range: answer(methods.Range.what), Txn: answer(methods.Txn.what) });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  connection = new EtcdConnection({ endpoints: [`http://127.0.0.1:${port}`] });
  await connection.connect();
});
afterEach(() => {
  connection.close();
  server.forceShutdown();
});

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const transaction = { compare: [], success: [], failure: [] };

test('what was handed to a leader that is none any more is broken off when another one leads', async () => {
  isLost = (what) => what === 'a transaction';
  const began = performance.now();
  const failed = assert.rejects(
    connection.attempt('Txn', transaction),
    (error) => error instanceof CallFailed && error.executed === 'maybe',
  );
  await pause(50);
  term = 2;
  await failed;
  assert.ok(performance.now() - began < 2000, `it took ${performance.now() - began} ms`);
});

test('a read that a leader took with it is asked again', async () => {
  isLost = (what) => what === '/a' && term === 1;
  const read = connection.call('Range', { key: bytesOf('/a') });
  await pause(50);
  term = 2;
  assert.equal((await read).header!.revision, 5);
  assert.deepEqual(asked, ['/a', '/a']);
});

test('what takes long while one leads is waited for, also when it was begun just after a change', async () => {
  term = 2;
  isLost = (what) => what === 'a transaction';
  await connection.newest();
  let over = false;
  const end = () => void (over = true);
  connection.attempt('Txn', transaction).then(end, end);
  await pause(900);
  assert.equal(over, false);
});

test('what is not answered in its time, though reads are, is broken off', async () => {
  isLost = (what) => what === 'a transaction';
  const began = performance.now();
  await assert.rejects(
    connection.attempt('Txn', transaction, 0, 600),
    (error) => error instanceof CallFailed && error.executed === 'maybe',
  );
  const took = performance.now() - began;
  assert.ok(took > 600 && took < 3000, `it took ${took} ms`);
});
