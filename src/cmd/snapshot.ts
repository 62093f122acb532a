import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { runningInstance } from '../cluster/node/instance.ts';
import { keepRanges } from '../cluster/node/ranges.ts';
import { embeddedStore, takeOverFormat1 } from '../etcd/node/embedded.ts';
import {
  openSnapshot,
  receiveSnapshot,
  restoreSnapshot,
  SnapshotError,
  saveSnapshot,
} from '../etcd/node/snapshot-file.ts';
import { restoreIntoEtcd } from '../etcd/node/snapshot-to-etcd.ts';
import { snapshotStatus } from '../etcd/snapshot.ts';
import { take } from './api.ts';
import { common, commonHelp, subcommand, UserError } from './command.ts';
import { etcdConnection, etcdFlags, etcdHelp } from './etcd-flags.ts';
import { placeOf } from './place.ts';

interface SnapshotFlags {
  name: string;
  'data-dir'?: string;
  store?: string;
  output?: string;
  'etcd-cafile'?: string;
  'etcd-certfile'?: string;
  'etcd-keyfile'?: string;
}

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MB`;

/** A line that is written over and over, where somebody looks; nothing else. */
function progressLine(): { show: (text: string) => void; done: () => void } {
  if (!process.stderr.isTTY) return { show: () => {}, done: () => {} };
  let shown = 0;
  return {
    show: (text) => {
      const now = performance.now();
      if (now - shown < 100) return;
      shown = now;
      process.stderr.write(`\r\x1b[K${text}`);
    },
    done: () => void (shown && process.stderr.write('\r\x1b[K')),
  };
}

const percent = (done: number, all: number): string => (all ? `${Math.floor((done / all) * 100)} %` : '');

export const snapshot = subcommand({
  name: 'snapshot',
  usage: 'snapshot save|restore|status FILE [FLAGS]',
  summary:
    "Saves the state of a cluster, running or not, into a file; makes a new cluster's state of it; tells what is in it. The file is etcd's own: etcdctl and etcd take it, and theirs is taken here.",
  flags: {
    ...common,
    ...etcdFlags,
    store: { type: 'string' },
    output: { type: 'string', short: 'o' },
  },
  help: {
    ...commonHelp,
    ...etcdHelp,
    store: { value: 'etcd=URL', help: 'an etcd cluster, in place of the data directory' },
    output: { value: 'json', help: 'with status: as JSON' },
  },
  examples: [
    'wherry snapshot save backup.db',
    'wherry snapshot status backup.db',
    'wherry snapshot restore backup.db --name again && wherry up --name again',
    'wherry snapshot restore backup.db --store etcd=http://127.0.0.1:2379',
  ],
  async run([what, file, ...rest], flags: SnapshotFlags) {
    if (!what || !file || rest.length || !['save', 'restore', 'status'].includes(what))
      throw new UserError('say "wherry snapshot save FILE", "restore FILE" or "status FILE".', 2);
    try {
      if (what === 'status') await status(file, flags.output === 'json');
      else await (what === 'save' ? save : restore)(file, flags);
      return 0;
    } catch (error) {
      if (error instanceof SnapshotError) throw new UserError(`${error.message}.`);
      throw error;
    }
  },
});

async function save(file: string, flags: SnapshotFlags): Promise<void> {
  const path = resolve(file);
  const began = performance.now();
  const line = progressLine();
  try {
    const connection = etcdConnection(flags.store, flags);
    const { dataDir, name } = placeOf(flags);
    if (connection) {
      await receiveSnapshot(connection.snapshot(), path, (bytes) =>
        line.show(`received ${megabytes(bytes)}`),
      );
      connection.close();
    } else if (runningInstance(dataDir)) {
      line.show('the cluster makes the snapshot');
      await take(dataDir, '/wherry/snapshot', (parts, all) =>
        receiveSnapshot(parts, path, (bytes) =>
          line.show(`received ${megabytes(bytes)} of ${megabytes(all)}, ${percent(bytes, all)}`),
        ),
      );
    } else {
      const dir = join(dataDir, 'etcd');
      if (!existsSync(dir))
        throw new UserError(
          `there is no cluster "${name}": nothing is in ${dataDir} (--name or --data-dir chooses).`,
        );
      await takeOverFormat1(dir);
      const store = embeddedStore(dir);
      try {
        await saveSnapshot(store, path, (done, all) => line.show(`written ${percent(done, all)}`));
      } finally {
        await store.close();
      }
    }
  } finally {
    line.done();
  }
  using opened = await openSnapshot(path);
  const { revision, keys } = snapshotStatus(opened.reader);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  say(`${path}: revision ${revision}, ${keys} keys, ${megabytes(opened.bytes)}, in ${seconds} s.`);
}

async function restore(file: string, flags: SnapshotFlags): Promise<void> {
  const { dataDir, name } = placeOf(flags);
  const connection = etcdConnection(flags.store, flags);
  if (!connection && runningInstance(dataDir))
    throw new UserError(
      `cluster "${name}" is running: stop it, and restore under another --name or --data-dir.`,
    );
  if (
    !connection &&
    existsSync(dataDir) &&
    readdirSync(dataDir).some((one) => one !== 'pki' && one !== 'logs')
  )
    throw new UserError(
      `${dataDir} is not empty: restore under another --name or --data-dir, and keep what is there.`,
    );
  const line = progressLine();
  try {
    using opened = await openSnapshot(file, (bytes) => line.show(`checked ${megabytes(bytes)}`));
    const tell = (changes: number, all: number) =>
      line.show(`restored ${changes} changes ${percent(changes, all)}`);
    if (connection) {
      const { keys, revision } = await restoreIntoEtcd(opened, connection, tell);
      connection.close();
      line.done();
      say(
        `${keys} keys are in ${flags.store!.slice('etcd='.length)}, at revision ${revision}: etcd counts anew, without history.`,
      );
      return;
    }
    const { revision, changes } = await restoreSnapshot(opened, join(dataDir, 'etcd'), tell);
    keepRanges(opened.reader, dataDir);
    line.done();
    const named = name === 'default' ? '' : ` --name ${name}`;
    const option = named + (flags['data-dir'] ? ` --data-dir ${dataDir}` : '');
    say(
      `Restored ${changes} changes, up to revision ${revision}, into ${dataDir}. Start it with "wherry up${option}".`,
    );
  } finally {
    line.done();
  }
}

async function status(file: string, json: boolean): Promise<void> {
  const line = progressLine();
  using opened = await openSnapshot(file, (bytes) => line.show(`checked ${megabytes(bytes)}`));
  line.done();
  const found = snapshotStatus(opened.reader);
  const hash = found.hash.toString(16).padStart(8, '0');
  if (json) {
    say(JSON.stringify({ ...found, hash, bytes: opened.bytes, sha256: opened.sha256 }, null, 2));
    return;
  }
  const rows: [string, string | number][] = [
    ['revision', found.revision],
    ['compacted revision', found.compactRevision],
    ['keys', found.keys],
    ['changes', found.changes],
    ['leases', found.leases],
    ['size', megabytes(opened.bytes)],
    ['hash', hash],
    ['sha256', opened.sha256],
  ];
  for (const [name, value] of rows) say(`${name.padEnd(20)}${value}`);
}
