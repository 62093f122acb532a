import { canonicalQuantity } from '../../machinery/quantity.ts';
import { begin, type Describer, describeEvents } from './describer.ts';
import { type Description, dateText, pairsText } from './description.ts';
import { selectorText } from './pod-template.ts';

export const describePodDisruptionBudget: Describer = async (d, budget, tools) => {
  const { metadata, spec, status = {} } = budget;
  d.field('Name', metadata.name);
  d.field('Namespace', metadata.namespace);
  if (spec.minAvailable !== undefined) d.field('Min available', spec.minAvailable);
  else if (spec.maxUnavailable !== undefined) d.field('Max unavailable', spec.maxUnavailable);
  d.field('Selector', spec.selector ? selectorText(spec.selector) : '<unset>');
  d.line(0, 'Status:');
  d.field('Allowed disruptions', status.disruptionsAllowed ?? 0, 2);
  d.field('Current', status.currentHealthy ?? 0, 2);
  d.field('Desired', status.desiredHealthy ?? 0, 2);
  d.field('Total', status.expectedPods ?? 0, 2);
  await describeEvents(d, budget, tools);
};

export const describePriorityClass: Describer = async (d, priorityClass, tools) => {
  const { metadata, value, globalDefault = false, preemptionPolicy, description = '' } = priorityClass;
  d.field('Name', metadata.name);
  d.field('Value', value);
  d.field('GlobalDefault', globalDefault);
  d.field('PreemptionPolicy', preemptionPolicy ?? 'PreemptLowerPriority');
  d.field('Description', description);
  d.field('Annotations', pairsText(metadata.annotations));
  await describeEvents(d, priorityClass, tools);
};

const amount = (quantity: string | undefined): string =>
  quantity === undefined ? '<unknown>' : canonicalQuantity(quantity);

/** One metric of an autoscaler with its present value: `resource cpu on pods  (as a percentage of request):  …`. */
function metricText(metric: any, current: any): string {
  const { type } = metric;
  if (type === 'External' || type === 'Object') {
    const source = type === 'External' ? metric.external : metric.object;
    const now = type === 'External' ? current?.external?.current : current?.object?.current;
    const { target } = source;
    const average = type === 'External' ? target.averageValue !== undefined : target.type === 'AverageValue';
    const name = JSON.stringify(source.metric.name);
    const on = type === 'Object' ? ` on ${source.describedObject.kind}/${source.describedObject.name}` : '';
    return average
      ? `${name}${on} (target average value):\t${amount(now?.averageValue)} / ${amount(target.averageValue)}`
      : `${name}${on} (target value):\t${amount(now?.value)} / ${amount(target.value)}`;
  }
  if (type === 'Pods')
    return `${JSON.stringify(metric.pods.metric.name)} on pods:\t${amount(current?.pods?.current?.averageValue)} / ${amount(metric.pods.target.averageValue)}`;
  if (type === 'Resource' || type === 'ContainerResource') {
    const source = type === 'Resource' ? metric.resource : metric.containerResource;
    const now = (type === 'Resource' ? current?.resource : current?.containerResource)?.current;
    const of = type === 'Resource' ? '' : ` of container "${source.container}"`;
    const start = `resource ${source.name}${of} on pods`;
    if (source.target.averageValue !== undefined)
      return `${start}:\t${amount(now?.averageValue)} / ${amount(source.target.averageValue)}`;
    const present =
      now?.averageUtilization === undefined
        ? '<unknown>'
        : `${now.averageUtilization}% (${amount(now.averageValue)})`;
    const wanted =
      source.target.averageUtilization === undefined ? '<auto>' : `${source.target.averageUtilization}%`;
    return `${start}  (as a percentage of request):\t${present} / ${wanted}`;
  }
  return `<unknown metric type ${JSON.stringify(type)}>`;
}

export const describeAutoscaler: Describer = async (d, autoscaler, tools) => {
  const { metadata, spec, status = {} } = autoscaler;
  begin(d, autoscaler);
  d.field('CreationTimestamp', dateText(metadata.creationTimestamp));
  d.field('Reference', `${spec.scaleTargetRef.kind}/${spec.scaleTargetRef.name}`);
  d.field('Metrics', '( current / target )');
  (spec.metrics ?? []).forEach((metric: any, i: number) => {
    d.line(1, metricText(metric, status.currentMetrics?.[i]));
  });
  d.field('Min replicas', spec.minReplicas ?? '<unset>');
  d.field('Max replicas', spec.maxReplicas);
  if (spec.behavior) {
    d.line(0, 'Behavior:');
    direction(d, 'Scale Up', spec.behavior.scaleUp);
    direction(d, 'Scale Down', spec.behavior.scaleDown);
  }
  d.field(
    `${spec.scaleTargetRef.kind} pods`,
    `${status.currentReplicas ?? 0} current / ${status.desiredReplicas ?? 0} desired`,
  );
  if (status.conditions?.length) {
    d.line(0, 'Conditions:');
    d.table(
      1,
      ['Type', 'Status', 'Reason', 'Message'],
      status.conditions.map((c: any) => [c.type, c.status, c.reason ?? '', c.message ?? '']),
    );
  }
  await describeEvents(d, autoscaler, tools);
};

function direction(d: Description, title: string, rules: any): void {
  if (!rules) return;
  d.line(1, `${title}:`);
  if (rules.stabilizationWindowSeconds !== undefined)
    d.line(2, `Stabilization Window: ${rules.stabilizationWindowSeconds} seconds`);
  if (!rules.policies?.length) return;
  d.line(2, `Select Policy: ${rules.selectPolicy ?? 'Max'}`);
  d.line(2, 'Policies:');
  for (const { type, value, periodSeconds } of rules.policies)
    d.line(3, `- Type: ${type}\tValue: ${value}\tPeriod: ${periodSeconds} seconds`);
}

export const describeNetworkPolicy: Describer = (d, policy) => {
  const { metadata, spec = {} } = policy;
  d.field('Name', metadata.name);
  d.field('Namespace', metadata.namespace);
  const created = (metadata.creationTimestamp ?? '').replace('T', ' ').replace('Z', ' +0000 UTC');
  d.field('Created on', created);
  d.labels('Labels', metadata.labels);
  d.annotations('Annotations', metadata.annotations);
  d.line(0, 'Spec:');
  const selector = selectorText(spec.podSelector);
  d.line(
    1,
    `PodSelector:     ${selector === '<none>' ? '<none> (Allowing the specific traffic to all pods in this namespace)' : selector}`,
  );
  const types: string[] = spec.policyTypes ?? [];
  for (const [type, word, rules, peers] of [
    ['Ingress', 'ingress', spec.ingress ?? [], 'from'],
    ['Egress', 'egress', spec.egress ?? [], 'to'],
  ] as const) {
    if (!types.includes(type)) {
      d.line(1, `Not affecting ${word} traffic`);
      continue;
    }
    d.line(1, `Allowing ${word} traffic:`);
    policyRules(d, rules, peers, word);
  }
  d.line(1, `Policy Types: ${types.join(', ') || '<none>'}`);
};

function policyRules(d: Description, rules: any[], peers: 'from' | 'to', word: string): void {
  if (!rules.length) d.line(2, `<none> (Selected pods are isolated for ${word} connectivity)`);
  const title = peers === 'from' ? 'From' : 'To';
  rules.forEach((rule, i) => {
    if (!rule.ports?.length) d.line(2, 'To Port: <any> (traffic allowed to all ports)');
    for (const { port = '<nil>', endPort, protocol = 'TCP' } of rule.ports ?? [])
      d.line(
        2,
        endPort === undefined
          ? `To Port: ${port}/${protocol}`
          : `To Port Range: ${port}-${endPort}/${protocol}`,
      );
    if (!rule[peers]?.length)
      d.line(2, `${title}: <any> (traffic not restricted by ${peers === 'from' ? 'source' : 'destination'})`);
    for (const { podSelector, namespaceSelector, ipBlock } of rule[peers] ?? []) {
      d.line(2, `${title}:`);
      if (namespaceSelector) d.line(3, `NamespaceSelector: ${selectorText(namespaceSelector)}`);
      if (podSelector) d.line(3, `PodSelector: ${selectorText(podSelector)}`);
      if (!ipBlock || podSelector || namespaceSelector) continue;
      d.line(3, 'IPBlock:');
      d.line(4, `CIDR: ${ipBlock.cidr}`);
      d.line(4, `Except: ${(ipBlock.except ?? []).join(', ')}`);
    }
    if (i < rules.length - 1) d.line(2, '----------');
  });
}
