import { MvccStore } from '../mvcc.ts';
import { dataDirectory } from './data-directory.ts';
import { LogBackend, type LogOptions } from './log-backend.ts';
import { DataDirectoryError } from './log-segment.ts';

export { formatVersion } from './data-directory.ts';
export { takeOverFormat1 } from './format-1.ts';
export { DataDirectoryError } from './log-segment.ts';

export interface EmbeddedStore extends MvccStore {
  /** Gives the disk back what compactions have forgotten; it is done by itself, too. */
  clean(): Promise<void>;
}

/**
 * Opens (or makes) the embedded store in `dir`: a log, every acknowledged write flushed to disk.
 * Throws DataDirectoryError for a directory that is newer, damaged or half made.
 */
export function embeddedStore(dir: string, options: LogOptions = {}): EmbeddedStore {
  const { complete, release } = dataDirectory(dir);
  try {
    const log = new LogBackend(dir, release, options);
    const store = new MvccStore(log, Date.now);
    complete();
    return Object.assign(store, { clean: () => log.clean() });
  } catch (error) {
    release();
    if (error instanceof DataDirectoryError) throw error;
    throw new DataDirectoryError(
      `${dir} cannot be opened (${(error as Error).message}): restore a backup, or move it away to start empty`,
    );
  }
}
