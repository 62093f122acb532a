import type { ApiResource } from '../../client/discovery.ts';
import { command } from '../command.ts';
import { KubectlError, throwAll } from '../errors.ts';
import { flag } from '../flags.ts';
import { filenameFlags } from '../manifests.ts';
import { changePrinter, dryRunFlag, dryRunOf, dryRunOption, outputFlags } from '../output.ts';
import { recorded, recordFlag } from '../recording.ts';
import { horizontalPodAutoscalers, typeMeta } from '../resources.ts';
import { objectsOf } from '../targets.ts';
import { fieldManagerFlag, saveConfigFlag, withConfiguration } from '../writing.ts';
import { metadataOf } from './create/generate.ts';

const autoscalers: ApiResource = { ...horizontalPodAutoscalers, version: 'v1' };

export const autoscale = command({
  name: 'autoscale',
  usage: 'autoscale (-f FILENAME | TYPE NAME | TYPE/NAME) [--min=MINPODS] --max=MAXPODS [--cpu-percent=CPU]',
  summary: 'Auto-scale a deployment, replica set, stateful set, or replication controller',
  examples: [
    ['Between two and ten pods', 'kubectl autoscale deployment web --min=2 --max=10 --cpu-percent=80'],
  ],
  flags: {
    ...filenameFlags('identifying the resource to autoscale'),
    ...outputFlags,
    'cpu-percent': flag.int('The target average CPU utilization over all the pods; negative: the default.', {
      default: -1,
    }),
    'dry-run': dryRunFlag,
    'field-manager': fieldManagerFlag('kubectl-autoscale'),
    record: recordFlag,
    max: flag.int('The upper limit for the number of pods that can be set by the autoscaler. Required.', {
      default: -1,
    }),
    min: flag.int('The lower limit for the number of pods that can be set by the autoscaler.', {
      default: -1,
    }),
    name: flag.string('The name for the newly created object.'),
    'save-config': saveConfigFlag,
  },
  async run(context) {
    const { flags: f } = context;
    if (!context.given.has('max')) throw new KubectlError('required flag(s) "max" not set');
    if (f.max < 1) throw new KubectlError(`--max=MAXPODS is required and must be at least 1, max: ${f.max}`);
    if (f.max < f.min)
      throw new KubectlError(
        `--max=MAXPODS must be larger or equal to --min=MINPODS, max: ${f.max}, min: ${f.min}`,
      );
    const dryRun = dryRunOf(context);
    const print = await changePrinter(context, dryRun);
    const { infos, errors } = await objectsOf(context, {
      args: context.args,
      filename: f.filename,
      recursive: f.recursive,
      kustomize: f.kustomize,
    });
    const kube = await context.kube();
    for (const { resource, name, namespace, object } of infos) {
      try {
        if (!resource.subresources.scale)
          throw new KubectlError(
            `cannot autoscale a ${resource.kind}: the server could not find the scale subresource`,
          );
        let autoscaler = {
          ...typeMeta(autoscalers),
          metadata: metadataOf(f.name || name, kube.explicitNamespace ? { namespace: kube.namespace } : {}),
          spec: {
            maxReplicas: f.max,
            ...(f.min > 0 ? { minReplicas: f.min } : {}),
            scaleTargetRef: { apiVersion: object.apiVersion, kind: object.kind, name },
            ...(f['cpu-percent'] >= 0 ? { targetCPUUtilizationPercentage: f['cpu-percent'] } : {}),
          },
          status: { currentReplicas: 0, desiredReplicas: 0 },
        };
        if (f['save-config']) autoscaler = withConfiguration(autoscaler) as typeof autoscaler;
        autoscaler = recorded(context, autoscaler);
        if (dryRun === 'client') {
          print(autoscaler, 'autoscaled');
          continue;
        }
        const created = await kube.create(autoscalers, { namespace }, autoscaler, {
          ...dryRunOption(dryRun),
          fieldManager: f['field-manager'],
        });
        print({ ...typeMeta(autoscalers), ...created }, 'autoscaled');
      } catch (error) {
        errors.push(error);
      }
    }
    throwAll(errors);
    if (!infos.length) throw new KubectlError('no objects passed to autoscale');
  },
});
