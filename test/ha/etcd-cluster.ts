// Three members of etcd itself, on loopback, that can be killed, stopped and started again; with `partitions`, each in a network
// namespace of its own, in which it can also be cut off from the others.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { EtcdMember } from '../../src/etcd/node/etcd-member.ts';
import { etcdBinary } from '../../src/etcd/node/etcd-process.ts';
import { lowPort } from './ports.ts';

export interface Member {
  name: string;
  /** Where clients reach it. */
  endpoint: string;
  /** Ends it as `kill -9` does; resolves when it is gone. */
  kill(): Promise<void>;
  start(): void;
  /** As SIGSTOP: it is there, and says nothing. */
  pause(): void;
  resume(): void;
  /** Neither hears from other members, nor they from it; clients reach it as before. */
  cutOff(): void;
  join(): void;
  isLeader(): Promise<boolean>;
}

export interface EtcdCluster extends AsyncDisposable {
  members: Member[];
  endpoints: string[];
  /** The one that leads; undefined while none does. */
  leader(): Promise<Member | undefined>;
  /** When a majority has answered since, of those times at which it did: `[from, to]` of `performance.now()`. */
  available: [from: number, to: number][];
}

const names = ['a', 'b', 'c'];
const probeMs = 50;
const answerMs = 400;

interface Place {
  client: string;
  peer: string;
  /** What a command is run through. */
  inside: string[];
  cutOff(): void;
  join(): void;
  remove(): void;
}

/** Runs them in `dir` until it is disposed of. */
export async function startEtcdCluster(dir: string, { partitions = false } = {}): Promise<EtcdCluster> {
  mkdirSync(dir, { recursive: true });
  const binary = etcdBinary(dir);
  const places = partitions ? namespaces() : await ports();
  const initial = names.map((name, i) => `${name}=${places[i]!.peer}`).join(',');
  const members = names.map((name, i): Member => {
    const { client, peer, inside, cutOff, join: mend } = places[i]!;
    const probe = new EtcdMember(client, {});
    let child: ChildProcess | undefined;
    const command = [
      ...[...inside, binary, '--name', name, '--data-dir', join(dir, name), '--log-level', 'error'],
      ...['--unsafe-no-fsync', '--initial-cluster', initial, '--initial-cluster-state', 'new'],
      ...['--listen-client-urls', client, '--advertise-client-urls', client],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
    ];
    return {
      name,
      endpoint: client,
      start() {
        child = spawn(command[0]!, command.slice(1), { stdio: 'ignore' });
      },
      async kill() {
        const dying = child!;
        if (dying.exitCode !== null || dying.signalCode !== null) return;
        const gone = new Promise((resolve) => dying.once('exit', resolve));
        dying.kill('SIGKILL');
        await gone;
      },
      pause: () => void child!.kill('SIGSTOP'),
      resume: () => void child!.kill('SIGCONT'),
      cutOff,
      join: mend,
      async isLeader() {
        try {
          const { header, leader } = await probe.unary('Status', {}, { limitMs: answerMs });
          return leader !== 0 && leader === header!.memberId;
        } catch {
          return false;
        }
      },
    };
  });
  for (const member of members) member.start();

  const available: [number, number][] = [];
  const probes = members.map(({ endpoint }) => new EtcdMember(endpoint, {}));
  const nothing = { key: new TextEncoder().encode('/registry/health'), keysOnly: true };
  let probing = true;
  let before = false;
  const probed = (async () => {
    while (probing) {
      const asks = probes.map((probe) => probe.unary('Range', nothing, { limitMs: answerMs }));
      const now = await Promise.any(asks).then(
        () => performance.now(),
        () => 0,
      );
      await Promise.allSettled(asks);
      if (now && before) available.at(-1)![1] = now;
      else if (now) available.push([now, now]);
      before = now > 0;
      await new Promise((resolve) => setTimeout(resolve, probeMs));
    }
  })();
  const dispose = async () => {
    probing = false;
    await probed;
    for (const probe of probes) probe.close();
    for (const member of members) await member.kill();
    for (const { remove } of places) remove();
  };
  const cluster: EtcdCluster = {
    members,
    endpoints: members.map(({ endpoint }) => endpoint),
    available,
    async leader() {
      const all = await Promise.all(members.map((member) => member.isLeader()));
      return members[all.indexOf(true)];
    },
    [Symbol.asyncDispose]: dispose,
  };
  for (let tries = 0; !available.length; tries++) {
    if (tries > 300) {
      await dispose();
      throw new Error('etcd has no leader after 15 seconds');
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return cluster;
}

const noPartitions = () => {
  throw new Error('members are cut off from one another only in namespaces of their own');
};

async function ports(): Promise<Place[]> {
  const places: Place[] = [];
  for (const _ of names) {
    const [client, peer] = [await lowPort(), await lowPort()];
    places.push({
      ...{ client: `http://127.0.0.1:${client}`, peer: `http://127.0.0.1:${peer}`, inside: [] },
      ...{ cutOff: noPartitions, join: () => {}, remove: () => {} },
    });
  }
  return places;
}

/** A bridge with a namespace for each. Needs root. */
function namespaces(): Place[] {
  const run = (command: string) => {
    const [name, ...args] = command.split(' ');
    return execFileSync(name!, args, { stdio: 'pipe' });
  };
  const id = process.pid % 10_000;
  const bridge = `wha${id}`;
  run(`ip link add ${bridge} type bridge`);
  run(`ip addr add 10.253.${id % 250}.1/24 dev ${bridge}`);
  run(`ip link set ${bridge} up`);
  return names.map((name, i): Place => {
    const namespace = `${bridge}${name}`;
    const address = `10.253.${id % 250}.${i + 11}`;
    run(`ip netns add ${namespace}`);
    run(`ip link add ${bridge}${name} type veth peer name eth0 netns ${namespace}`);
    run(`ip link set ${bridge}${name} master ${bridge} up`);
    const within = (command: string) => run(`ip netns exec ${namespace} ${command}`);
    within(`ip addr add ${address}/24 dev eth0`);
    within('ip link set eth0 up');
    within('ip link set lo up');
    const rules = ['INPUT', 'OUTPUT'].flatMap((chain) =>
      ['--dport', '--sport'].map((port) => `${chain} -p tcp ${port} 2380 -j DROP`),
    );
    return {
      client: `http://${address}:2379`,
      peer: `http://${address}:2380`,
      inside: ['ip', 'netns', 'exec', namespace],
      cutOff: () => void rules.map((rule) => within(`iptables -A ${rule}`)),
      join: () => void within('iptables -F'),
      remove() {
        run(`ip netns del ${namespace}`);
        if (i === names.length - 1) run(`ip link del ${bridge}`);
      },
    };
  });
}
