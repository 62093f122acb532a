import { existsSync } from 'node:fs';
import { lineLog, systemClock } from '../cluster/node/platform.ts';
import { nodePaths } from '../cluster/node/real-node.ts';
import { containerdPlaces, findContainerd } from '../cri/node/containerd-stop.ts';
import { loadImage } from '../cri/node/image-load.ts';
import { overlayWorks } from '../cri/node/preflight.ts';
import { common, commonHelp, subcommand, UserError } from './command.ts';
import { demandRunning } from './place.ts';

export const load = subcommand({
  name: 'load',
  usage: 'load IMAGE.tar [IMAGE.tar ...]',
  summary:
    'Imports images from archives ("docker save", OCI; also gzip and zstd) into the node, so that pods can use them without a registry.',
  flags: { ...common },
  help: commonHelp,
  async run(args, flags: { name: string; 'data-dir'?: string }) {
    if (!args.length) throw new UserError('which archive? Say "wherry load IMAGE.tar".', 2);
    for (const path of args) if (!existsSync(path)) throw new UserError(`there is no file ${path}.`);
    const instance = demandRunning(flags);
    const at = nodePaths(instance);
    const log = lineLog((line) => void process.stderr.write(line), 'warn');
    const places = { dataDir: at.containerd, runDir: at.run, log, clock: systemClock };
    if (!(await findContainerd(places))) {
      throw new UserError(
        `cluster "${instance.name}" has no real node to load images into: it runs simulated nodes, which need none.`,
      );
    }
    const { socket } = containerdPlaces(places);
    const snapshotter = (await overlayWorks(at.containerd)) ? 'overlayfs' : 'native';
    for (const path of args) {
      for (const name of await loadImage(path, { socket, snapshotter, log, clock: systemClock }))
        process.stdout.write(`loaded ${name}\n`);
    }
    return 0;
  },
});
