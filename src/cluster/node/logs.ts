import { closeSync, fstatSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Level, Log } from '../../machinery/log.ts';
import { lineLog } from './platform.ts';

const maxBytes = 16 << 20;

/** A file for each component, `apiserver.log` …; one old file of each is kept when it has grown to 16 MiB. */
export function fileLogs(dir: string, least: Level = 'info'): { log: Log; close(): void } {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const files = new Map<string, { fd: number; bytes: number }>();
  const open = (path: string) => {
    const fd = openSync(path, 'a', 0o600);
    return { fd, bytes: fstatSync(fd).size };
  };
  const log = lineLog((line, component) => {
    const name = component.replace(/[^\w-]/g, '-');
    const path = join(dir, `${name}.log`);
    let file = files.get(name);
    if (!file) files.set(name, (file = open(path)));
    if (file.bytes > maxBytes) {
      closeSync(file.fd);
      renameSync(path, `${path}.old`);
      files.set(name, (file = open(path)));
    }
    try {
      file.bytes += writeSync(file.fd, line);
    } catch (error) {
      // A full disk must not end a component: the line goes to where the operator looks next.
      process.stderr.write(`cannot write ${path} (${(error as Error).message}): ${line}`);
    }
  }, least);
  return {
    log,
    close() {
      for (const { fd } of files.values()) closeSync(fd);
      files.clear();
    },
  };
}
