// The kubelet of one node: pods that are bound to it run, and the cluster knows how they and the node are.
//
//   pods bound to the node (watch) ---> a PodWorker each ---> runtime, host
//   runtime (listed each second)   ---^                  ---> statuses, events
//   Node, Lease <--- NodeAgent
//
// https://kubernetes.io/docs/reference/command-line-tools-reference/kubelet/
import { nodes } from '../api/core/node.ts';
import { pods } from '../api/core/pod.ts';
import { services } from '../api/core/service.ts';
import type { Pod, Taint } from '../api/core/v1.gen.ts';
import { runtimeClasses } from '../api/node/runtime-class.ts';
import type { Client, Informers } from '../client/client.ts';
import { createEventRecorder } from '../client/events.ts';
import type { ContainerRuntime } from '../cri/cri.ts';
import type { Clock, Random, Timer } from '../machinery/clock.ts';
import { sleep } from '../machinery/clock.ts';
import type { Log } from '../machinery/log.ts';
import type { Tracer } from '../machinery/trace.ts';
import { admit, isActive } from './admission.ts';
import type { KubeletApi } from './api.ts';
import { Backoff } from './backoff.ts';
import { parseResolvConf } from './dns-config.ts';
import type { Host } from './host.ts';
import { Housekeeper } from './housekeeper.ts';
import { Images } from './images.ts';
import { kubeletApi } from './kubelet-api.ts';
import type { Parts } from './kubelet-parts.ts';
import { podNameOf, tell, traced } from './kubelet-parts.ts';
import { NodeAgent } from './node-agent.ts';
import type { NodeFacts } from './node-status.ts';
import { newNode } from './node-status.ts';
import { ObjectCache } from './object-cache.ts';
import { isTerminalPhase } from './pod-spec.ts';
import type { WorkerShared } from './pod-worker.ts';
import { PodWorker } from './pod-worker.ts';
import { Prober } from './prober.ts';
import { RuntimeView } from './runtime-view.ts';
import { StatusWriter } from './status-writer.ts';
import { TokenSource } from './volumes/service-account-token.ts';

export interface KubeletOptions {
  client: Client;
  informers: Informers;
  clock: Clock;
  random: Random;
  log: Log;
  trace: Tracer;
  runtime: ContainerRuntime;
  host: Host;
  nodeName: string;
  /** The node's address, or one of each family, the main one first. */
  nodeIP: string | string[];
  /** What `kubernetes.io/hostname` says; the node's name unless told. */
  hostname?: string;
  podCIDR?: string;
  /** Addresses of the cluster's DNS; none: pods get the node's resolver. */
  clusterDNS?: string | string[];
  clusterDomain?: string;
  /** Prefix of the pods' cgroups, '' for /kubepods. It must be there. */
  cgroupRoot?: string;
  labels?: Record<string, string>;
  taints?: Taint[];
  maxPods?: number;
  /** Not given to pods. */
  reserved?: NodeFacts['reserved'];
  /** As the Node object reports it. */
  kubeletVersion?: string;
  /** Where the kubelet's server listens, for the Node object. */
  port?: number;
  /** Shared by the kubelets of one process; its own unless given. */
  objects?: ObjectCache;
}

export interface Kubelet extends AsyncDisposable {
  readonly api: KubeletApi;
  /** Resolves when the node has been reported as ready. */
  whenReady(signal?: AbortSignal): Promise<void>;
  /** Lets go: containers run on, the next kubelet takes them over. */
  stop(): Promise<void>;
}

const tickMs = 1000;
const heartbeatMs = 10_000;
const sandboxesMs = 5000;
const defaultMaxPods = 110;
const list = (value: string | string[] | undefined): string[] => (value === undefined ? [] : [value].flat());

/** Starts the kubelet; resolves when it has registered its node. */
export async function startKubelet(options: KubeletOptions): Promise<Kubelet> {
  const { informers, clock, runtime, host, nodeName, clusterDomain = 'cluster.local' } = options;
  const log = options.log.child({ component: 'kubelet', node: nodeName });
  const nodeIPs = list(options.nodeIP);
  const own = informers(nodes, { fieldSelector: `metadata.name=${nodeName}` });
  const machine = await host.machine();
  const maxPods = options.maxPods ?? defaultMaxPods;
  const { client, random, trace, cgroupRoot = '' } = options;
  const parts: Parts = {
    ...{ client, informers, clock, random, log, trace, runtime, host, machine },
    resolver: parseResolvConf(await host.resolvConf()),
    config: { nodeName, nodeIPs, clusterDNS: list(options.clusterDNS), clusterDomain, cgroupRoot, maxPods },
    events: createEventRecorder({ client, clock, log, component: 'kubelet', host: nodeName }),
    objects: options.objects ?? new ObjectCache({ client, clock, log }),
    pods: informers(pods, { fieldSelector: `spec.nodeName=${nodeName}` }),
    services: informers(services),
    runtimeClasses: informers(runtimeClasses),
    node: () => own.get(nodeName),
    crashBackoff: new Backoff(clock),
  };
  const kubelet = new RunningKubelet(parts, {
    name: nodeName,
    ips: nodeIPs,
    hostname: options.hostname ?? nodeName,
    machine,
    maxPods,
    ...(options.reserved ? { reserved: options.reserved } : {}),
    ...(options.labels ? { labels: options.labels } : {}),
    ...(options.taints ? { taints: options.taints } : {}),
    ...(options.podCIDR ? { podCIDR: options.podCIDR } : {}),
    runtimeVersion: await runtime.version({}).then(
      ({ runtimeName, runtimeVersion }) => `${runtimeName}://${runtimeVersion}`,
      () => 'containerd://Unknown', // it may come up later
    ),
    kubeletVersion: options.kubeletVersion ?? 'v1.36.2',
    port: options.port ?? 10250,
  });
  await kubelet.start();
  return kubelet;
}

class RunningKubelet implements Kubelet {
  readonly api: KubeletApi;
  readonly #parts: Parts;
  readonly #facts: NodeFacts;
  readonly #agent: NodeAgent;
  readonly #view: RuntimeView;
  readonly #statuses: StatusWriter;
  readonly #prober: Prober;
  readonly #housekeeper: Housekeeper;
  readonly #shared: WorkerShared;
  readonly #workers = new Map<string, PodWorker>();
  readonly #ended = new AbortController();
  readonly #whenReady = Promise.withResolvers<void>();
  #unsubscribe = (): void => {};
  #timer: Timer | undefined;
  #ticking: Promise<void> = Promise.resolve();
  #heartbeatMs = Number.NEGATIVE_INFINITY;
  #sandboxesMs = 0;
  #healthyMs: number;
  #synced = false;
  #runtimeLost = false;

  constructor(parts: Parts, facts: NodeFacts) {
    this.#parts = parts;
    this.#facts = facts;
    this.#healthyMs = parts.clock.now();
    this.#agent = new NodeAgent(parts, facts);
    this.#view = new RuntimeView(parts.runtime, parts.host);
    this.#statuses = new StatusWriter(parts);
    this.#prober = new Prober(parts, (uid) => this.#workers.get(uid)?.wake());
    this.#housekeeper = new Housekeeper(parts, this.#view, (uid) => this.#workers.get(uid));
    this.#shared = {
      parts,
      images: new Images(parts),
      view: this.#view,
      prober: this.#prober,
      tokens: new TokenSource(parts),
      statuses: this.#statuses,
      networkProblem: () => this.#agent.networkProblem,
      otherPods: (uid) => this.#activePods(uid),
      done: (worker) => {
        if (worker.gone) this.#forget(worker);
      },
    };
    const healthy = () => parts.clock.now() - this.#healthyMs < 60_000;
    const probes = () => this.#prober.metrics();
    this.api = kubeletApi({ parts, view: this.#view, statuses: this.#statuses, healthy, probes });
    // Nobody may be waiting for it.
    this.#whenReady.promise.catch(() => {});
  }

  async start(): Promise<void> {
    const { clock, log } = this.#parts;
    const { signal } = this.#ended;
    for (let delayMs = 200; ; delayMs = Math.min(delayMs * 2, 7000)) {
      try {
        await this.#agent.register();
        break;
      } catch (error) {
        log.warn('node not registered, will retry', { error });
        await sleep(clock, delayMs, signal);
      }
    }
    this.#agent.tell('Normal', 'Starting', 'Starting kubelet.');
    if (this.#agent.ready) this.#whenReady.resolve();
    this.#heartbeatMs = clock.now();
    this.#ticking = this.#begin();
  }

  /** The runtime first, then the pods: no pod may be taken for a new one because the runtime was not asked. */
  async #begin(): Promise<void> {
    const { clock, log } = this.#parts;
    const { signal } = this.#ended;
    while (!signal.aborted) {
      try {
        await this.#view.relist(true, signal);
        await this.#parts.pods.whenSynced(signal);
        await this.#parts.services.whenSynced(signal);
        await this.#parts.runtimeClasses.whenSynced(signal);
        break;
      } catch (error) {
        if (signal.aborted) return;
        log.warn('runtime not listed, will retry', { error });
        await this.#agent.checkRuntime();
        await sleep(clock, tickMs, signal).catch(() => {});
      }
    }
    if (signal.aborted) return;
    this.#unsubscribe = this.#parts.pods.on({
      add: (pod) => this.#add(pod),
      update: (pod, old) => {
        if (pod.metadata.uid === old.metadata.uid) this.#update(pod);
        else {
          this.#remove(old);
          this.#add(pod);
        }
      },
      delete: (pod) => this.#remove(pod),
    });
    this.#synced = true;
    this.#schedule();
  }

  whenReady(signal?: AbortSignal): Promise<void> {
    if (!signal) return this.#whenReady.promise;
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      this.#whenReady.promise.then(resolve, reject);
    });
  }

  async stop(): Promise<void> {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort(new Error('the kubelet stops'));
    this.#unsubscribe();
    this.#timer?.cancel();
    this.#prober.stop();
    for (const worker of this.#workers.values()) worker.stop();
    this.#statuses.stop();
    for (const uid of this.#workers.keys()) this.#parts.objects.release(uid);
    this.#whenReady.reject(new Error('the kubelet was stopped'));
    await this.#ticking;
    await this.#parts.events.flush();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #activePods(except: string): Pod[] {
    return [...this.#workers.values()]
      .filter(({ uid, stage, pod }) => uid !== except && stage !== 'done' && isActive(pod))
      .map(({ granted }) => granted);
  }

  #add(pod: Pod): void {
    const { metadata, status } = pod;
    const uid = metadata.uid!;
    this.#statuses.observe(pod);
    const known = this.#workers.get(uid);
    if (known) {
      known.update(pod);
      return;
    }
    const fresh = !metadata.deletionTimestamp && !isTerminalPhase(status?.phase) && !this.#view.has(uid);
    if (fresh && !status?.containerStatuses?.length) {
      const node = this.#parts.node() ?? { ...newNode(this.#facts), status: undefined };
      const rejection = node.status ? admit(pod, this.#activePods(uid), node) : undefined;
      if (rejection) {
        tell(this.#parts, pod, 'Warning', rejection.reason, rejection.message);
        this.#statuses.set(pod, { ...status, phase: 'Failed', ...rejection }, true);
        traced(this.#parts, podNameOf(pod), 5, 'pod rejected', { reason: rejection.reason });
        return;
      }
    }
    const worker = new PodWorker(this.#shared, pod);
    this.#workers.set(uid, worker);
    worker.wake();
  }

  #update(pod: Pod): void {
    this.#statuses.observe(pod);
    this.#workers.get(pod.metadata.uid!)?.update(pod);
  }

  #remove(pod: Pod): void {
    const uid = pod.metadata.uid!;
    this.#statuses.forget(uid);
    const worker = this.#workers.get(uid);
    worker?.remove(pod);
    if (worker?.stage === 'done') this.#forget(worker);
  }

  /** Nothing of it runs, and the API has it no more: what is left in the runtime goes. */
  #forget(worker: PodWorker): void {
    this.#workers.delete(worker.uid);
    this.#housekeeper.removeRemains(worker.uid);
    // A resize that had to wait may fit now.
    for (const other of this.#workers.values()) if (other.waitsForRoom) other.wake();
  }

  #schedule(): void {
    if (this.#ended.signal.aborted) return;
    this.#timer = this.#parts.clock.after(tickMs, () => {
      this.#ticking = this.#tick().finally(() => this.#schedule());
    });
  }

  async #tick(): Promise<void> {
    const { clock, log } = this.#parts;
    const { signal } = this.#ended;
    try {
      await this.#relist(clock.now());
      this.#healthyMs = clock.now();
      if (this.#runtimeLost) log.info('runtime answers again');
      this.#runtimeLost = false;
    } catch (error) {
      if (signal.aborted) return;
      if (!this.#runtimeLost) log.warn('runtime does not answer', { error });
      this.#runtimeLost = true;
      this.#heartbeatMs = Math.min(this.#heartbeatMs, clock.now() - heartbeatMs);
    }
    const now = clock.now();
    for (const worker of this.#workers.values()) if (worker.wakeAtMs <= now) worker.wake();
    try {
      // Until it is ready, what it waits for is looked at each second.
      if (now - this.#heartbeatMs >= heartbeatMs || !this.#agent.ready) await this.#heartbeat(now);
      if (this.#synced) await this.#housekeeper.tick(now);
    } catch (error) {
      if (!signal.aborted) log.warn('heartbeat failed, will retry', { error });
    }
  }

  /** Containers each second while there are any, and sandboxes now and then: each listing costs what little is used at rest. */
  async #relist(now: number): Promise<void> {
    const withSandboxes = now - this.#sandboxesMs >= sandboxesMs;
    if (!withSandboxes && this.#view.uids().length === 0) return;
    if (withSandboxes) this.#sandboxesMs = now;
    const changed = await this.#view.relist(withSandboxes, this.#ended.signal);
    // Where containers have ended, the sandbox may have, too.
    if (!withSandboxes) for (const uid of changed) await this.#view.look(uid);
    for (const uid of changed) this.#workers.get(uid)?.wake();
  }

  async #heartbeat(now: number): Promise<void> {
    const changed = await this.#agent.checkRuntime();
    const due = now - this.#heartbeatMs >= heartbeatMs;
    if (!due && !changed) return;
    if (due) await this.#agent.renewLease();
    this.#heartbeatMs = now;
    if (this.#parts.node() === undefined && this.#synced) await this.#agent.register();
    else await this.#agent.report(changed);
    if (!this.#agent.ready) return;
    this.#whenReady.resolve();
    if (changed) for (const worker of this.#workers.values()) worker.wake();
  }
}
