// A node with pods on a bridge and a client outside, each a network namespace of its own: the machine's own links and
// rules are not touched. Everything has a name with the process id, and goes with the lab.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { runCommand } from '../../../machinery/node/command.ts';
import type { Command } from './agent.ts';

type Without<T, K extends string> = T extends unknown ? Omit<T, K> : never;

export class Agent implements AsyncDisposable {
  readonly #child;
  readonly #waiting = new Map<number, (answers: string[]) => void>();
  #last = 0;
  readonly ready: Promise<unknown>;

  constructor(netns: string) {
    const script = new URL('./agent.ts', import.meta.url).pathname;
    this.#child = spawn('nsenter', [`--net=/run/netns/${netns}`, process.execPath, script], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.ready = new Promise((resolve) => this.#waiting.set(0, resolve));
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      const { id, answers } = JSON.parse(line) as { id: number; answers: string[] };
      this.#waiting.get(id)?.(answers);
      this.#waiting.delete(id);
    });
  }
  #tell(command: Without<Command, 'id'>): Promise<string[]> {
    const id = ++this.#last;
    this.#child.stdin.write(`${JSON.stringify({ ...command, id })}\n`);
    return new Promise((resolve) => this.#waiting.set(id, resolve));
  }
  async serve(protocol: 'tcp' | 'udp', port: number, name: string, host?: string): Promise<void> {
    const [error] = await this.#tell({ do: 'serve', protocol, port, name, ...(host ? { host } : {}) });
    if (error) throw new Error(error);
  }
  /** One answer for each call: `NAME SOURCE`, or an error's code. */
  call(
    host: string,
    port: number,
    count = 1,
    protocol: 'tcp' | 'udp' = 'tcp',
    localPort?: number,
  ): Promise<string[]> {
    return this.#tell({ do: 'call', protocol, host, port, count, ...(localPort ? { localPort } : {}) });
  }
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#child.on('close', resolve));
    this.#child.stdin.end();
    await closed;
  }
}

export interface Lab extends AsyncDisposable {
  /** The node's namespace, for nsenter. */
  readonly netns: string;
  readonly node: Agent;
  /** 10.99.0.2, 10.99.0.3, ... */
  readonly pods: readonly Agent[];
  /** 192.168.77.2, a neighbour of the node. */
  readonly client: Agent;
  inside(...command: string[]): Promise<string>;
}

export const lab = {
  podCIDR: '10.99.0.0/24',
  clusterCIDR: '10.99.0.0/16',
  podIP: (i: number) => `10.99.0.${i + 2}`,
  bridgeIP: '10.99.0.1',
  nodeIP: '192.168.77.1',
  clientIP: '192.168.77.2',
};

export async function createLab(name: string, pods: number): Promise<Lab> {
  const base = `wkp-${process.pid}-${name}`;
  const names = ['n', 'c', ...Array.from({ length: pods }, (_, i) => `p${i}`)].map(
    (part) => `${base}-${part}`,
  );
  const [node, client, ...podNames] = names as [string, string, ...string[]];
  for (const netns of names) await runCommand('ip', ['netns', 'add', netns]);
  const ip = (netns: string, lines: string[]) =>
    runCommand('ip', ['-n', netns, '-batch', '-'], { input: `${lines.join('\n')}\n` });
  await ip(node, [
    'link set lo up',
    'link add br0 type bridge',
    `addr add ${lab.bridgeIP}/24 dev br0`,
    'link set br0 up',
    `link add out0 type veth peer name eth0 netns ${client}`,
    `addr add ${lab.nodeIP}/24 dev out0`,
    'link set out0 up',
    'route add default via 192.168.77.254',
    ...podNames.flatMap((pod, i) => [
      `link add v${i} type veth peer name eth0 netns ${pod}`,
      `link set v${i} master br0`,
      `link set v${i} type bridge_slave hairpin on`,
      `link set v${i} up`,
    ]),
  ]);
  await ip(client, [
    'link set lo up',
    `addr add ${lab.clientIP}/24 dev eth0`,
    'link set eth0 up',
    `route add default via ${lab.nodeIP}`,
  ]);
  for (const [i, pod] of podNames.entries()) {
    await ip(pod, [
      'link set lo up',
      `addr add ${lab.podIP(i)}/24 dev eth0`,
      'link set eth0 up',
      `route add default via ${lab.bridgeIP}`,
    ]);
  }
  // Redirects, which the kernel sends for packets that leave where they came in, count against the rate limit of ICMP
  // errors to the same pod: a refusal right after them would be a second late.
  const quiet = ['all', 'br0'].map((device) => `net.ipv4.conf.${device}.send_redirects=0`);
  await runCommand('nsenter', [
    `--net=/run/netns/${node}`,
    'sysctl',
    '-qw',
    'net.ipv4.ip_forward=1',
    ...quiet,
  ]);
  const agents = names.map((netns) => new Agent(netns));
  await Promise.all(agents.map((agent) => agent.ready));
  const [nodeAgent, clientAgent, ...podAgents] = agents as [Agent, Agent, ...Agent[]];
  return {
    netns: `/run/netns/${node}`,
    node: nodeAgent,
    client: clientAgent,
    pods: podAgents,
    inside: async (...command) =>
      (await runCommand('nsenter', [`--net=/run/netns/${node}`, ...command])).stdout,
    async [Symbol.asyncDispose]() {
      await Promise.all(agents.map((agent) => agent[Symbol.asyncDispose]()));
      for (const netns of names) await runCommand('ip', ['netns', 'delete', netns]);
    },
  };
}
