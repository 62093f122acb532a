// How long rules take: computed, and written into the kernel with each kind of iptables, in a network namespace of its
// own. Needs root. node bench/kube-proxy.ts [SERVICES] [ENDPOINTS]
import type { EndpointSlice } from '../src/api/discovery/v1.gen.ts';
import { iptables } from '../src/kube-proxy/node/iptables.ts';
import { type ServiceMap, serviceMap } from '../src/kube-proxy/service-map.ts';
import { service, slice } from '../src/kube-proxy/testdata/objects.ts';
import { silentLog } from '../src/machinery/log.ts';
import { runCommand } from '../src/machinery/node/command.ts';

const [count = 877, endpoints = 3] = process.argv.slice(2).map(Number);
const node = { name: 'here' };
const address = (base: number, i: number) => [base, i >> 16, (i >> 8) & 255, i & 255].join('.');
const services = Array.from({ length: count }, (_, i) => service(`s${i}`, { clusterIP: address(11, i + 1) }));
const slicesWith = (n: number, changed: number): EndpointSlice[] =>
  services.map(({ metadata }, i) =>
    slice(
      metadata.name!,
      Array.from({ length: i < changed ? n + 1 : n }, (_, e) => address(10, i * 8 + e + 1)),
    ),
  );

/** The median of some runs, in ms. */
async function measure(name: string, runs: number, run: (i: number) => Promise<unknown> | unknown) {
  const times: number[] = [];
  for (let i = 0; i < runs; i++) {
    const start = performance.now();
    await run(i);
    times.push(performance.now() - start);
  }
  console.log(`${name}: ${times.sort((a, b) => a - b)[runs >> 1]!.toFixed(1)} ms`);
}

/** The next state as the component makes it: what did not change is the same object. */
function change(map: ServiceMap, i: number): ServiceMap {
  const key = `default/s${i}`;
  const next = new Map(map);
  const [object] = services.filter((each) => each.metadata.name === `s${i}`);
  const more = slicesWith(endpoints, i + 1).filter((each) => each.metadata.name === `s${i}-1`);
  return next.set(key, serviceMap([object!], more, node).get(key)!);
}
/** One service more, or that one gone again. */
function add(map: ServiceMap, i: number): ServiceMap {
  const next = new Map(map);
  if (i % 2 === 1) next.delete('default/new');
  else {
    const one = serviceMap([service('new', { clusterIP: '11.9.9.9' })], [slice('new', ['10.9.9.9'])], node);
    next.set('default/new', one.get('default/new')!);
  }
  return next;
}

const map = serviceMap(services, slicesWith(endpoints, 0), node);
console.log(`${count} services with ${endpoints} endpoints each`);
await measure('endpoints of all services', 5, () => serviceMap(services, slicesWith(endpoints, 0), node));

const config = { prefix: 'BENCH-', owner: 'bench', mark: 0x4000, clusterCIDR: '10.0.0.0/8', log: silentLog };
for (const variant of ['nft', 'legacy'] as const) {
  const name = `wherry-bench-${process.pid}`;
  await runCommand('ip', ['netns', 'add', name]);
  try {
    const factory = iptables({ netns: `/run/netns/${name}`, variant });
    await measure(`${variant}, first write`, 3, async () => {
      const fresh = await factory(config);
      await fresh.cleanup();
      const start = performance.now();
      await fresh.write(map, true);
      console.log(`  of which the write itself: ${(performance.now() - start).toFixed(1)} ms`);
    });
    const backend = await factory(config);
    await backend.write(map, true);
    await measure(`${variant}, full write again`, 5, () => backend.write(map, true));
    await measure(`${variant}, one endpoint more`, 9, (i) => backend.write(change(map, i), false));
    await measure(`${variant}, one service more or less`, 9, (i) => backend.write(add(map, i), false));
    await measure(`${variant}, looking whether rules are there`, 5, () => backend.intact());
    await measure(`${variant}, cleanup`, 1, () => backend.cleanup());
  } finally {
    await runCommand('ip', ['netns', 'delete', name]);
  }
}
