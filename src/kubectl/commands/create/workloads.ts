import { command } from '../../command.ts';
import { KubectlError } from '../../errors.ts';
import { flag } from '../../flags.ts';
import { cronJobs, deployments, jobs, typeMeta } from '../../resources.ts';
import { createGenerated, generatorFlags, metadataOf, nameArgument, required } from './generate.ts';

/** `registry.example/library/nginx:1.2` -> `nginx`; a name that had to be changed gets a random end. */
function containerName(image: string, random: () => number): string {
  const name = image.split('/').at(-1)!.split(':')[0]!.split('@')[0]!;
  if (!/[_.]/.test(name)) return name;
  const letters = 'bcdfghjklmnpqrstvwxz2456789';
  const end = Array.from({ length: 5 }, () => letters[Math.floor(random() * letters.length)]).join('');
  return `${name.replace(/[_.]/g, '-')}-${end}`;
}

export const createDeployment = command({
  name: 'deployment',
  aliases: ['deploy', 'dep'],
  usage: 'create deployment NAME --image=image -- [COMMAND] [args...]',
  summary: 'Create a deployment with the specified name',
  examples: [
    ['Create a deployment that runs nginx', 'kubectl create deployment web --image=nginx --replicas=3'],
    ['Create a deployment with a command', 'kubectl create deployment clock --image=busybox -- date'],
  ],
  flags: {
    ...generatorFlags,
    image: flag.strings(
      'Image names to run. A deployment can have several images set for multi-container pods.',
    ),
    port: flag.int('The container port that this deployment exposes.', { default: -1 }),
    replicas: flag.int('Number of replicas to create.', { default: 1, short: 'r' }),
  },
  async run(context) {
    required(context, 'image');
    const name = nameArgument(context);
    const { image, port, replicas } = context.flags;
    const words = context.args.slice(1);
    if (image.length > 1 && words.length)
      throw new KubectlError('cannot specify multiple --image options and command');
    const labels = { app: name };
    const containers = image.map((one, i) => ({
      name: containerName(one, context.environment.random),
      image: one,
      ...(words.length ? { command: words } : {}),
      ...(port > 0 && i === 0 ? { ports: [{ containerPort: port }] } : {}),
      resources: {},
    }));
    await createGenerated(
      context,
      deployments,
      {
        metadata: metadataOf(name, { labels }),
        spec: {
          replicas,
          selector: { matchLabels: labels },
          strategy: {},
          template: { metadata: { creationTimestamp: null, labels }, spec: { containers } },
        },
        status: {},
      },
      { failure: 'failed to create deployment' },
    );
  },
});

const jobSpec = (name: string, image: string, words: string[], restartPolicy: string) => ({
  template: {
    metadata: { creationTimestamp: null },
    spec: {
      containers: [{ name, image, ...(words.length ? { command: words } : {}), resources: {} }],
      restartPolicy,
    },
  },
});

export const createJob = command({
  name: 'job',
  usage: 'create job NAME --image=image [--from=cronjob/name] -- [COMMAND] [args...]',
  summary: 'Create a job with the specified name',
  examples: [
    ['Create a job', 'kubectl create job hello --image=busybox -- echo hello'],
    ['Create a job from a cron job', 'kubectl create job now --from=cronjob/nightly'],
  ],
  flags: {
    ...generatorFlags,
    from: flag.string('The name of the resource to create a Job from (only cronjob is supported).'),
    image: flag.string('Image name to run.'),
  },
  async run(context) {
    const name = nameArgument(context);
    const { from, image } = context.flags;
    const words = context.args.slice(1);
    if ((image === '') === (from === ''))
      throw new KubectlError('either --image or --from must be specified');
    if (from && words.length) throw new KubectlError('cannot specify --from and command');
    const options = { failure: 'failed to create job' };
    if (image) {
      const spec = jobSpec(name, image, words, 'Never');
      await createGenerated(context, jobs, { metadata: metadataOf(name), spec, status: {} }, options);
      return;
    }
    const [type = '', cronJobName = ''] = from.includes('/') ? from.split('/') : ['cronjob', from];
    const kube = await context.kube();
    const resource = await kube.resource(type);
    if (resource.kind !== 'CronJob') throw new KubectlError('from must be an existing cronjob');
    const cronJob = await kube.get({ resource, namespace: kube.namespace, name: cronJobName });
    const { labels, annotations } = cronJob.spec.jobTemplate.metadata ?? {};
    const metadata = metadataOf(name, {
      annotations: { 'cronjob.kubernetes.io/instantiate': 'manual', ...annotations },
      ...(labels ? { labels } : {}),
      ownerReferences: [
        {
          ...typeMeta(cronJobs),
          controller: true,
          name: cronJob.metadata.name,
          uid: cronJob.metadata.uid,
        },
      ],
    });
    await createGenerated(
      context,
      jobs,
      { metadata, spec: cronJob.spec.jobTemplate.spec, status: {} },
      options,
    );
  },
});

export const createCronJob = command({
  name: 'cronjob',
  aliases: ['cj'],
  usage: "create cronjob NAME --image=image --schedule='0/5 * * * ?' -- [COMMAND] [args...] [flags]",
  summary: 'Create a cron job with the specified name',
  examples: [
    ['Create a cron job', "kubectl create cronjob hello --image=busybox --schedule='*/1 * * * *' -- date"],
  ],
  flags: {
    ...generatorFlags,
    image: flag.string('Image name to run.'),
    restart: flag.string("The pods' restart policy. Supported values: OnFailure, Never."),
    schedule: flag.string('A schedule in the Cron format the job should be run with.'),
  },
  async run(context) {
    required(context, 'image', 'schedule');
    const name = nameArgument(context);
    const { image, restart, schedule } = context.flags;
    const spec = jobSpec(name, image, context.args.slice(1), restart || 'OnFailure');
    await createGenerated(
      context,
      cronJobs,
      {
        metadata: metadataOf(name),
        spec: { jobTemplate: { metadata: { creationTimestamp: null, name }, spec }, schedule },
        status: {},
      },
      { failure: 'failed to create cronjob' },
    );
  },
});
