// Measures a cluster of its own in a temporary directory: start-up, idle, the load on the API, scheduling; with a real node
// (root on Linux) also pods. Prints what it measures, and appends it to bench/history.jsonl when BENCH_RECORD=1.
import { spawn, spawnSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
// @ts-expect-error plain JavaScript, for any Node
import { build, bundle, program } from '../scripts/bundle.mjs';
import { apiLoad } from './api.ts';
import type { Measured } from './load-client.ts';
import { loadClient } from './load-client.ts';
import { schedulingLoad } from './scheduling.ts';

const port = 16443;
const parts = process.argv.slice(2);
const wanted = (part: string): boolean => !parts.length || parts.includes(part);
const dir = mkdtempSync(join(tmpdir(), 'wherry-bench-'));
// What users run: the bundle.
if (program() !== bundle) await build();
const cli = program();
const flags = ['--name', 'bench', '--data-dir', dir];
const results: Record<string, number> = {};

function note(name: string, value: number, unit: string, detail = ''): void {
  results[`${name} (${unit})`] = Math.round(value * 100) / 100;
  process.stdout.write(
    `${name.padEnd(44)} ${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0).padStart(9)} ${unit.padEnd(4)} ${detail}\n`,
  );
}
const report = (m: Measured) =>
  note(m.name, m.perSecond, '/s', `p50 ${m.p50Ms.toFixed(2)} ms, p99 ${m.p99Ms.toFixed(2)} ms`);

/** Processor seconds that a process has used. */
const cpuSeconds = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
};
const residentMB = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1000;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function start(
  nodes: number,
): Promise<{ pid: number; readyzMs: number; readyMs: number; stop: () => Promise<void> }> {
  const began = performance.now();
  const child = spawn(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      cli,
      'up',
      ...flags,
      '--api-port',
      String(port),
      '--nodes',
      String(nodes),
      '--no-kubeconfig-merge',
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let text = '';
  child.stdout.on('data', (part: Buffer) => (text += part));
  const ended = new Promise<never>((_, reject) =>
    child.once('exit', (code) => reject(new Error(`the cluster ended with ${code}: ${text}`))),
  );
  ended.catch(() => {});
  const probe = async () => {
    for (;;) {
      try {
        const client = loadClient(join(dir, 'kubeconfig'), 1);
        await client.call('GET', '/readyz');
        client.close();
        return performance.now() - began;
      } catch {
        await sleep(5);
      }
    }
  };
  const readyzMs = await Promise.race([probe(), ended]);
  while (!text.includes('Ready in')) await Promise.race([sleep(10), ended]);
  return {
    pid: child.pid!,
    readyzMs,
    readyMs: performance.now() - began,
    async stop() {
      child.kill('SIGTERM');
      await ended.catch(() => {});
    },
  };
}

const controlPlane = async () => {
  const cluster = await start(0);
  note('process start to /readyz ok, empty directory', cluster.readyzMs / 1000, 's');
  try {
    if (wanted('idle')) {
      await sleep(20_000);
      const before = cpuSeconds(cluster.pid);
      note('idle memory, whole control plane', residentMB(cluster.pid), 'MB');
      await sleep(20_000);
      note('idle CPU, whole control plane', ((cpuSeconds(cluster.pid) - before) / 20) * 100, '%');
    }
    const kubeconfig = join(dir, 'kubeconfig');
    if (wanted('api')) await apiLoad(kubeconfig, report);
    if (wanted('scheduling')) {
      await schedulingLoad(kubeconfig, 1000, 5000, report);
      await schedulingLoad(kubeconfig, 5000, 5000, report);
      note('memory after all that', residentMB(cluster.pid), 'MB');
    }
  } finally {
    await cluster.stop();
  }
};

async function realNode(): Promise<void> {
  const { realNodeLoad } = await import('./pods.ts');
  rmSync(dir, { recursive: true, force: true });
  const cluster = await start(1);
  note('up to node Ready, all processes', cluster.readyMs / 1000, 's');
  try {
    await realNodeLoad(cli, join(dir, 'kubeconfig'), flags, note);
    note('memory with a real node, Wherry alone', residentMB(cluster.pid), 'MB');
  } finally {
    await cluster.stop();
    spawnSync(process.execPath, [cli, 'down', ...flags], { stdio: 'inherit' });
  }
}

try {
  process.stdout.write(`${cpus().length} processors (${cpus()[0]?.model.trim()}), Node ${process.version}\n`);
  if (['idle', 'api', 'scheduling', 'start'].some(wanted)) await controlPlane();
  if (wanted('pods') && process.getuid?.() === 0) await realNode();
  if (process.env.BENCH_RECORD === '1') {
    appendFileSync(
      join(import.meta.dirname, 'history.jsonl'),
      `${JSON.stringify({ at: new Date().toISOString().slice(0, 10), results })}\n`,
    );
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
}
