import { command } from '../command.ts';
import { UsageError } from '../errors.ts';
import { flag } from '../flags.ts';
import { buildKustomization } from '../kustomize/build.ts';
import { goYaml } from '../printers/yaml.ts';

export const kustomize = command({
  name: 'kustomize',
  usage: 'kustomize DIR',
  summary: 'Build a kustomization target from a directory or URL',
  examples: [['Build the current working directory', 'kubectl kustomize']],
  flags: {
    output: flag.string('If specified, write output to this path.', { short: 'o' }),
  },
  async run({ args, environment, flags: f, out }) {
    if (args.length > 1) throw new UsageError('specify one path to kustomization.yaml');
    const objects = await buildKustomization(environment, args[0] ?? '.');
    const text = objects.map((object) => goYaml(object)).join('---\n');
    if (f.output) await environment.files.write(f.output, text, 0o644);
    else out.write(text);
  },
});
