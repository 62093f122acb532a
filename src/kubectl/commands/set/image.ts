import { command } from '../../command.ts';
import { KubectlError, throwAll } from '../../errors.ts';
import { splitPairs } from '../pairs.ts';
import { nameMatches, podTemplateOf } from '../pod-spec.ts';
import { updateFlags, updateObjects } from './update.ts';

export const setImage = command({
  name: 'image',
  usage:
    'set image (-f FILENAME | TYPE NAME) CONTAINER_NAME_1=CONTAINER_IMAGE_1 ... CONTAINER_NAME_N=CONTAINER_IMAGE_N',
  summary: 'Update the image of a pod template',
  examples: [
    ['Set the image of a container', 'kubectl set image deployment/web nginx=nginx:1.28'],
    ['Set the image of every container', 'kubectl set image daemonset agent *=agent:2'],
  ],
  flags: updateFlags('set'),
  async run(context) {
    const { flags: f } = context;
    const { resources, pairs } = splitPairs(context.args, 'image');
    const images = new Map<string, string>();
    for (const pair of pairs) {
      const equals = pair.indexOf('=');
      const [name, image] = [pair.slice(0, equals), pair.slice(equals + 1)];
      if (equals < 1 || !image) throw new KubectlError(`invalid image spec: ${pair}`);
      images.set(name, image);
    }
    const problems: KubectlError[] = [];
    if (f.all && f.selector)
      problems.push(new KubectlError('cannot set --all and --selector at the same time'));
    if (!resources.length && !f.filename.length)
      problems.push(
        new KubectlError('one or more resources must be specified as <resource> <name> or <resource>/<name>'),
      );
    if (!images.size) problems.push(new KubectlError('at least one image update is required'));
    else if (images.has('*') && images.size > 1)
      problems.push(
        new KubectlError(
          'all containers are already specified by *, but saw more than one container_name=container_image pairs',
        ),
      );
    throwAll(problems);
    const missing = new Set<string>();
    await updateObjects(
      context,
      { resources, said: 'image updated', failure: 'failed to patch image update to pod template' },
      (object) => {
        const spec = podTemplateOf(object)?.spec;
        if (!spec)
          throw new KubectlError(`the object is not a pod or does not have a pod template: ${object.kind}`);
        for (const [pattern, image] of images) {
          const named = [...(spec.initContainers ?? []), ...(spec.containers ?? [])].filter((c) =>
            nameMatches(pattern, c.name),
          );
          if (!named.length) missing.add(pattern);
          for (const container of named) container.image = image;
        }
      },
    );
    throwAll(
      [...missing].map(
        (name) => new KubectlError(`error: unable to find container named ${JSON.stringify(name)}`),
      ),
    );
  },
});
