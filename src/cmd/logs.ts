import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  watch,
} from 'node:fs';
import { join } from 'node:path';
import { common, commonHelp, subcommand, UserError } from './command.ts';
import { placeOf } from './place.ts';

export const logs = subcommand({
  name: 'logs',
  usage: 'logs COMPONENT [-f] [--tail N]',
  summary:
    'Prints the log of a component: apiserver, controller-manager, scheduler, kubelet, containerd, kube-proxy, dns …',
  flags: { ...common, follow: { type: 'boolean', short: 'f' }, tail: { type: 'string', default: '200' } },
  help: {
    ...commonHelp,
    follow: { help: 'go on as it grows' },
    tail: { value: 'N', help: 'how many lines back' },
  },
  async run(args, flags: { name: string; 'data-dir'?: string; follow?: boolean; tail: string }) {
    const dir = join(placeOf(flags).dataDir, 'logs');
    const names = existsSync(dir)
      ? readdirSync(dir)
          .filter((f) => f.endsWith('.log'))
          .map((f) => f.slice(0, -4))
          .sort()
      : [];
    const [component] = args;
    if (!component || !names.includes(component)) {
      const choice = names.length ? `choose one of ${names.join(', ')}` : `there are none in ${dir} yet`;
      throw new UserError(
        component ? `there is no log of "${component}": ${choice}.` : `whose log? ${choice}.`,
        2,
      );
    }
    const path = join(dir, `${component}.log`);
    const text = readFileSync(path, 'utf8');
    const lines = text.split('\n');
    process.stdout.write(lines.slice(-Number(flags.tail) - 1).join('\n'));
    if (!flags.follow) return 0;
    await follow(path, Buffer.byteLength(text));
    return 0;
  },
});

async function follow(path: string, from: number): Promise<void> {
  let at = from;
  const more = () => {
    const fd = openSync(path, 'r');
    const { size } = fstatSync(fd);
    if (size < at) at = 0; // it was rotated
    const chunk = Buffer.alloc(size - at);
    readSync(fd, chunk, 0, chunk.length, at);
    at = size;
    closeSync(fd);
    process.stdout.write(chunk);
  };
  const watcher = watch(path, more);
  await new Promise<void>((resolve) => process.once('SIGINT', resolve));
  watcher.close();
}
