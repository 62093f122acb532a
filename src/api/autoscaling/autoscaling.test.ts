import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cellsOf, errorsOf, made, refuses } from '../kind-fixtures.ts';
import { horizontalPodAutoscalers } from './horizontal-pod-autoscaler.ts';

const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' };
const autoscaler = (spec: any, status?: any) =>
  made(horizontalPodAutoscalers, { spec: { scaleTargetRef, maxReplicas: 5, ...spec }, status });
const cpu = (target: any) => ({ type: 'Resource', resource: { name: 'cpu', target } });

test('without metrics it is CPU at 80%', () => {
  const { spec } = autoscaler({ behavior: { scaleDown: { stabilizationWindowSeconds: 5 } } });
  assert.deepEqual(spec.metrics, [cpu({ type: 'Utilization', averageUtilization: 80 })]);
  assert.equal(spec.minReplicas, 1);
  assert.deepEqual(spec.behavior.scaleDown, {
    stabilizationWindowSeconds: 5,
    selectPolicy: 'Max',
    policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }],
  });
  assert.equal(spec.behavior.scaleUp.policies.length, 2);
  assert.deepEqual(errorsOf(horizontalPodAutoscalers, autoscaler({})), []);
});

test('what is wrong is named by its field', () => {
  const hpa = horizontalPodAutoscalers;
  const spec = (more: any) => ({ spec: { scaleTargetRef, maxReplicas: 5, ...more } });
  refuses([
    [hpa, spec({ maxReplicas: 0 }), 'spec.maxReplicas: Required value: must be set and greater than 0'],
    [
      hpa,
      spec({ minReplicas: 9 }),
      'spec.maxReplicas: Invalid value: 5: must be greater than or equal to `minReplicas`',
    ],
    [hpa, spec({ scaleTargetRef: { kind: 'X' } }), 'spec.scaleTargetRef.name: Required value'],
    [
      hpa,
      spec({ metrics: [cpu({ type: 'Utilization' })] }),
      'spec.metrics[0].resource.target.averageUtilization: Required value: must set either a target raw value or a target utilization',
    ],
    [
      hpa,
      spec({ behavior: { scaleUp: { policies: [{ type: 'Pods', value: 0, periodSeconds: 1 }] } } }),
      'spec.behavior.scaleUp.policies[0].value: Invalid value: 0: must be greater than zero',
    ],
  ]);
});

test('columns', () => {
  const currentMetrics = [cpu({}), {}].map(() => ({
    type: 'Resource',
    resource: { name: 'cpu', current: { averageUtilization: 40 } },
  }));
  const metrics = [
    cpu({ type: 'Utilization', averageUtilization: 80 }),
    { type: 'Pods', pods: { metric: { name: 'q' }, target: { type: 'AverageValue', averageValue: '10' } } },
    { type: 'External', external: { metric: { name: 'e' }, target: { type: 'Value', value: '3' } } },
  ];
  const shown = cellsOf(
    horizontalPodAutoscalers,
    autoscaler({ metrics, minReplicas: 2 }, { currentReplicas: 3, currentMetrics }),
  );
  assert.deepEqual(shown, ['Deployment/web', 'cpu: 40%/80%, <unknown>/10 + 1 more...', '2', 5, 3]);
});
