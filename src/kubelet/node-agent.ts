// Tells the cluster that this node is there and how it is: its Node object, and its lease.
// https://kubernetes.io/docs/concepts/architecture/nodes/#node-heartbeats
import { leases } from '../api/coordination/lease.ts';
import { nodes } from '../api/core/node.ts';
import type { Node, NodeCondition } from '../api/core/v1.gen.ts';
import { microTime } from '../machinery/clock.ts';
import { equal } from '../machinery/meta.ts';
import { isAlreadyExists, isNotFound } from '../machinery/status.ts';
import { messageOf } from './cri-calls.ts';
import type { Parts } from './kubelet-parts.ts';
import type { NodeFacts, NodeObservation } from './node-status.ts';
import { newNode, nodeLabels, nodeStatus, statusChanged } from './node-status.ts';

const leaseNamespace = 'kube-node-lease';
const leaseSeconds = 40;
const reportMs = 300_000;
const imagesMs = 60_000;

export class NodeAgent {
  readonly #parts: Parts;
  readonly #facts: NodeFacts;
  /** The node as last written or read. */
  #node: Node | undefined;
  #reportedMs = Number.NEGATIVE_INFINITY;
  #imagesMs = Number.NEGATIVE_INFINITY;
  #images: NodeObservation['images'] = [];
  #problems: string[] = ['container runtime status check may not have completed yet'];
  #networkProblem: string | undefined = this.#problems[0];

  constructor(parts: Parts, facts: NodeFacts) {
    this.#parts = parts;
    this.#facts = facts;
  }

  /** Why pods cannot have a network; undefined when they can. */
  get networkProblem(): string | undefined {
    return this.#networkProblem;
  }
  get ready(): boolean {
    return this.#problems.length === 0;
  }

  /** Creates the Node, or brings labels of an older one up to date. */
  async register(): Promise<Node> {
    const { client } = this.#parts;
    const { name } = this.#facts;
    try {
      this.#node = await client(nodes).create(newNode(this.#facts));
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      const there = await client(nodes).get(name);
      const labels = { ...there.metadata.labels, ...nodeLabels(this.#facts) };
      const same = equal(labels, there.metadata.labels);
      this.#node = same
        ? there
        : await client(nodes).patch(name, { metadata: { labels } }, { type: 'merge' });
    }
    await this.#asksRuntime();
    await this.report(true);
    await this.renewLease();
    return this.#node;
  }

  /** Asks the runtime how it is; true when that has changed. */
  async checkRuntime(): Promise<boolean> {
    const before = this.#problems.join();
    await this.#asksRuntime();
    return this.#problems.join() !== before;
  }

  async #asksRuntime(): Promise<void> {
    const problems: string[] = [];
    this.#networkProblem = undefined;
    try {
      const { status } = await this.#parts.runtime.status({});
      for (const [type, title] of [
        ['RuntimeReady', 'container runtime not ready'],
        ['NetworkReady', 'container runtime network not ready'],
      ] as const) {
        const condition = status?.conditions.find((c) => c.type === type);
        if (condition?.status) continue;
        const details = `reason:${condition?.reason ?? ''} message:${condition?.message ?? ''}`;
        problems.push(`${title}: ${type}=false ${details}`);
        if (type === 'NetworkReady') this.#networkProblem = problems.at(-1);
      }
    } catch (error) {
      problems.push(`container runtime is down: ${messageOf(error)}`);
      this.#networkProblem = problems[0];
    }
    this.#problems = problems;
  }

  /** Writes the status when something has changed, or five minutes have passed, or `always`. */
  async report(always = false): Promise<void> {
    const { client, clock, host, runtime } = this.#parts;
    const nowMs = clock.now();
    if (nowMs - this.#imagesMs >= imagesMs) {
      this.#images = await runtime.listImages({}).then(
        ({ images }) => images,
        () => this.#images, // the runtime's condition tells why
      );
      this.#imagesMs = nowMs;
    }
    const node = this.#parts.node() ?? this.#node!;
    const base =
      Number(node.metadata.resourceVersion) >= Number(this.#node!.metadata.resourceVersion)
        ? node
        : this.#node!;
    const observation = { usage: await host.usage(), images: this.#images, problems: this.#problems, nowMs };
    const status = nodeStatus(base.status, this.#facts, observation);
    if (!always && !statusChanged(base.status, status) && nowMs - this.#reportedMs < reportMs) return;
    this.#announce(base.status?.conditions, status.conditions!);
    const body = { status: { ...status, addresses: [{ $patch: 'replace' }, ...status.addresses!] } };
    this.#node = await client(nodes).patch(this.#facts.name, body, {
      type: 'strategic',
      subresource: 'status',
    });
    this.#reportedMs = nowMs;
  }

  #announce(old: NodeCondition[] = [], now: NodeCondition[]): void {
    const names: Record<string, [string, string]> = { Ready: ['NodeReady', 'NodeNotReady'] };
    for (const { type, status, reason } of now) {
      const before = old.find((condition) => condition.type === type);
      if (before?.status === status || (!before && type === 'Ready' && status === 'False')) continue;
      const event = names[type]?.[status === 'True' ? 0 : 1] ?? reason!.replace(/^Kubelet/, 'Node');
      this.tell('Normal', event, `Node ${this.#facts.name} status is now: ${event}`);
    }
  }

  /** An event about the node. */
  tell(type: 'Normal' | 'Warning', reason: string, message: string): void {
    const { name } = this.#facts;
    // Upstream's events name the node in place of its uid; `kubectl describe node` looks for both.
    const about = { kind: 'Node', apiVersion: 'v1', metadata: { name, uid: name } };
    this.#parts.events.event(about, type, reason, message);
  }

  async renewLease(): Promise<void> {
    const { client, clock } = this.#parts;
    const { name } = this.#facts;
    const renewTime = microTime(clock.now());
    const spec = { holderIdentity: name, leaseDurationSeconds: leaseSeconds, renewTime };
    try {
      await client(leases).patch(name, { spec }, { namespace: leaseNamespace, type: 'merge' });
    } catch (error) {
      if (!isNotFound(error)) throw error;
      const owner = { apiVersion: 'v1', kind: 'Node', name, uid: this.#node!.metadata.uid! };
      const metadata = { name, namespace: leaseNamespace, ownerReferences: [owner] };
      await client(leases).create({ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec });
    }
  }
}
