import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import type { Clock } from '../../machinery/clock.ts';
import { createLog, type Level, type Log } from '../../machinery/log.ts';

/** The machine's clock, with fractions of a millisecond. */
export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  after(delayMs, fn) {
    const timer = setTimeout(fn, Math.min(delayMs, 2 ** 31 - 1));
    return { cancel: () => clearTimeout(timer) };
  },
};

export const systemRandom = Math.random;
export const uuid = (): string => randomUUID();

const levels: Level[] = ['debug', 'info', 'warn', 'error'];

/** One line a message: time, level, component, message, fields. */
export function lineLog(write: (line: string, component: string) => void, least: Level = 'info'): Log {
  return createLog((level, message, { component = 'wherry', ...fields }) => {
    if (levels.indexOf(level) < levels.indexOf(least)) return;
    const rest = Object.entries(fields)
      .map(([k, v]) => ` ${k}=${show(v)}`)
      .join('');
    write(
      `${new Date().toISOString()} ${level.toUpperCase().padEnd(5)} [${String(component)}] ${message}${rest}\n`,
      String(component),
    );
  });
}

function show(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(value.stack ?? value.message);
  return typeof value === 'string' && /^[\w./:@-]+$/.test(value)
    ? value
    : (JSON.stringify(value) ?? 'undefined');
}

/** Where the system tells: open files, and how many there may be. */
function fileDescriptors(): Record<string, { type: 'gauge'; value: number }> {
  try {
    const limit = /Max open files\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    const pages = Number(readFileSync('/proc/self/statm', 'utf8').split(' ')[0]);
    return {
      process_open_fds: { type: 'gauge', value: readdirSync('/proc/self/fd').length },
      process_max_fds: { type: 'gauge', value: Number(limit ?? 0) },
      process_virtual_memory_bytes: { type: 'gauge', value: pages * 4096 },
    };
  } catch {
    return {}; // not Linux
  }
}

/** What Prometheus expects to know of every process, and of Node. */
export function processMetrics(): Record<string, { type: 'gauge' | 'counter'; value: number }> {
  const memory = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  return {
    process_resident_memory_bytes: { type: 'gauge', value: memory.rss },
    process_cpu_seconds_total: { type: 'counter', value: (user + system) / 1e6 },
    ...fileDescriptors(),
    process_start_time_seconds: { type: 'gauge', value: Date.now() / 1000 - process.uptime() },
    nodejs_heap_size_used_bytes: { type: 'gauge', value: memory.heapUsed },
    nodejs_external_memory_bytes: { type: 'gauge', value: memory.external },
  };
}
