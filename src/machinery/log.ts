export type Level = 'debug' | 'info' | 'warn' | 'error';
export type Fields = Record<string, unknown>;

/** A constant message and fields. `child` names a part: its fields are added to every line. */
export interface Log {
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
  child(fields: Fields): Log;
}

/** Sends each line to `write`; `write` gets the merged fields. */
export function createLog(
  write: (level: Level, message: string, fields: Fields) => void,
  bound: Fields = {},
): Log {
  const at = (level: Level) => (message: string, fields?: Fields) =>
    write(level, message, fields ? { ...bound, ...fields } : bound);
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => createLog(write, { ...bound, ...fields }),
  };
}

export const silentLog: Log = createLog(() => {});
