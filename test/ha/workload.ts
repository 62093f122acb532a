// Writers that remember what was acknowledged, and watchers that notice what is missing or comes twice.
//
// A writer makes objects one after the other, each with a name of its own, counts `n` up in it, a write at a time, and deletes
// most of them. Nobody else writes them, so each event of one has the next `n`, and what was acknowledged must be there.
import { randomUUID } from 'node:crypto';
import type { ServerProcess } from './api-server.ts';
import { ApiClient, type Attempt } from './client.ts';

export const namespace = 'ha';
const path = `/api/v1/namespaces/${namespace}/configmaps`;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Known {
  n: number;
  revision: number;
}

/** One logical write, over all its attempts. */
export interface Write {
  from: number;
  to: number;
  /** Attempts of which the writer could not know at once what had become of them. */
  unknown: number;
}

export interface Work {
  attempts: Attempt[];
  writes: Write[];
  /** What must be there at the end. */
  alive: Map<string, Known>;
  deleted: Set<string>;
  violations: string[];
}

export const newWork = (): Work => ({
  attempts: [],
  writes: [],
  alive: new Map(),
  deleted: new Set(),
  violations: [],
});

const revisionOf = (object: any): number => Number(object.metadata.resourceVersion);

/** Writes until `stopping` aborts; ends between two objects' writes. */
export async function writer(
  id: number,
  servers: ServerProcess[],
  work: Work,
  random: () => number,
  stopping: AbortSignal,
): Promise<void> {
  const client = new ApiClient(servers, id, work.attempts);
  const padding = 'x'.repeat(500);
  const object = (name: string, n: number) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace } as Record<string, unknown>,
    data: { n: String(n), padding, unique: randomUUID() },
  });
  /** What is there, whatever it takes to know. */
  const look = async (name: string): Promise<any> => {
    while (true) {
      try {
        const { code, body } = await client.ask('GET', `${path}/${name}`);
        if (code === 200) return body;
        if (code === 404) return undefined;
      } catch {
        // the next server is asked
      }
      await pause(20);
    }
  };
  /** Sends a write until it is known to be made; `made` tells from what is there. Returns the object, if there is one. */
  const surely = async (
    name: string,
    send: (current: any) => Promise<{ code: number; body: any }>,
    current: any,
    made: (found: any) => boolean,
  ): Promise<any> => {
    const write: Write = { from: performance.now(), to: 0, unknown: 0 };
    let now = current;
    try {
      while (true) {
        try {
          const { code, body } = await send(now);
          if (code < 300) return body;
          if (code === 429 || code === 503) {
            await pause(20);
            continue; // nothing was done
          }
        } catch {
          // the connection broke
        }
        write.unknown++;
        const found = await look(name);
        if (made(found)) return found;
        if (found === undefined && current !== undefined) {
          work.violations.push(`${name} is gone, and was there with n=${current.data.n}`);
          return undefined;
        }
        if (found && current && Number(found.data.n) !== Number(current.data.n))
          work.violations.push(`${name} has n=${found.data.n} where ${current.data.n} was acknowledged`);
        now = found;
      }
    } finally {
      write.to = performance.now();
      work.writes.push(write);
    }
  };

  for (let life = 0; !stopping.aborted; life++) {
    const name = `w${id}-${life}`;
    let current = await surely(
      name,
      () => client.ask('POST', path, object(name, 0)),
      undefined,
      (found) => found !== undefined,
    );
    const most = 3 + Math.floor(random() * 8);
    for (let n = 1; n <= most && current && !stopping.aborted; n++) {
      work.alive.set(name, { n: n - 1, revision: revisionOf(current) });
      const patch = random() < 0.3;
      current = await surely(
        name,
        (now) => {
          const body = object(name, n);
          body.metadata.resourceVersion = now.metadata.resourceVersion;
          if (!patch) return client.ask('PUT', `${path}/${name}`, body);
          return client.ask('PATCH', `${path}/${name}`, body, 'application/merge-patch+json');
        },
        current,
        (found) => Number(found?.data.n) === n,
      );
    }
    if (!current) continue;
    work.alive.set(name, { n: Number(current.data.n), revision: revisionOf(current) });
    if (random() < 0.2) continue;
    work.alive.delete(name);
    await surely(
      name,
      () => client.ask('DELETE', `${path}/${name}`),
      current,
      (found) => found === undefined,
    );
    work.deleted.add(name);
  }
  client.close();
}

export interface Watcher {
  /** What it believes is there. */
  state: Map<string, Known>;
  events: number;
  /** How often it had to list again. */
  relists: number;
  reconnects: number;
  revision: number;
  done: Promise<void>;
}

/** A raw watch, resumed with whichever server is there. */
export function watcher(id: number, servers: ServerProcess[], work: Work, stopping: AbortSignal): Watcher {
  const client = new ApiClient(servers, id, []);
  const self: Watcher = {
    ...{ state: new Map(), events: 0, relists: 0, reconnects: 0, revision: 0 },
    done: Promise.resolve(),
  };
  const wrong = (what: string) => void work.violations.push(`watcher ${id}: ${what}`);

  async function list(): Promise<void> {
    const { code, body } = await client.ask('GET', path);
    if (code !== 200) throw new Error(`list: ${code}`);
    self.state = new Map(
      body.items.map((item: any) => [
        item.metadata.name,
        { n: Number(item.data.n), revision: revisionOf(item) },
      ]),
    );
    const revision = revisionOf(body);
    if (revision < self.revision) wrong(`a list at ${revision} after events at ${self.revision}`);
    self.revision = revision;
  }

  function apply(type: string, item: any): void {
    const revision = revisionOf(item);
    if (revision < self.revision || (revision === self.revision && type !== 'BOOKMARK'))
      wrong(`${type} at ${revision} after ${self.revision}`);
    self.revision = revision;
    if (type === 'BOOKMARK') return;
    self.events++;
    const { name } = item.metadata;
    const n = Number(item.data.n);
    const before = self.state.get(name);
    const expected = type === 'ADDED' ? 0 : type === 'MODIFIED' ? (before?.n ?? Number.NaN) + 1 : before?.n;
    if (n !== expected || (type === 'ADDED') !== (before === undefined))
      wrong(`${type} ${name} n=${n} after ${before ? `n=${before.n}` : 'nothing'}`);
    if (type === 'DELETED') self.state.delete(name);
    else self.state.set(name, { n, revision });
  }

  /** Returns true when what it missed is forgotten. */
  async function follow(): Promise<boolean> {
    const response = await client.open(
      'GET',
      `${path}?watch=1&allowWatchBookmarks=true&timeoutSeconds=600&resourceVersion=${self.revision}`,
    );
    const close = () => response.destroy();
    stopping.addEventListener('abort', close, { once: true });
    try {
      let rest = '';
      if (response.statusCode === 410) return true;
      if (response.statusCode !== 200) throw new Error(`watch: ${response.statusCode}`);
      for await (const part of response.setEncoding('utf8')) {
        const lines = (rest + part).split('\n');
        rest = lines.pop()!;
        for (const line of lines) {
          const { type, object } = JSON.parse(line);
          if (type !== 'ERROR') apply(type, object);
          else if (object.code === 410) return true;
          else throw new Error(object.message);
        }
      }
      return false;
    } finally {
      stopping.removeEventListener('abort', close);
    }
  }

  async function run(): Promise<void> {
    let listed = false;
    while (!stopping.aborted) {
      try {
        if (!listed) await list();
        listed = true;
        if (await follow()) {
          listed = false;
          self.relists++;
        }
      } catch {
        client.next();
        await pause(50);
      }
      self.reconnects++;
    }
    client.close();
  }
  self.done = run();
  return self;
}

/** Demands that the servers have what was acknowledged, no more and no less; says what is not so. */
export async function verify(servers: ServerProcess[], work: Work, watchers: Watcher[]): Promise<string[]> {
  const wrong = [...work.violations];
  let newest = 0;
  for (const [i, server] of servers.entries()) {
    const client = new ApiClient([server], i, []);
    const { code, body } = await client.ask('GET', path);
    client.close();
    if (code !== 200) {
      wrong.push(`${server.name} answers a list with ${code}`);
      continue;
    }
    newest = Math.max(newest, revisionOf(body));
    const found = new Map<string, any>(body.items.map((item: any) => [item.metadata.name, item]));
    for (const [name, { n, revision }] of work.alive) {
      const item = found.get(name);
      if (!item) wrong.push(`${server.name}: ${name} is lost, acknowledged with n=${n} at ${revision}`);
      else if (revisionOf(item) < revision || Number(item.data.n) !== n)
        wrong.push(
          `${server.name}: ${name} has n=${item.data.n} at ${revisionOf(item)}, acknowledged n=${n} at ${revision}`,
        );
      found.delete(name);
    }
    for (const name of found.keys())
      wrong.push(
        `${server.name}: ${name} is there, ${work.deleted.has(name) ? 'and was deleted' : 'and nobody has made it'}`,
      );
  }
  for (const [i, { state }] of watchers.entries()) {
    const [seen, should] = [state, work.alive].map((map) => JSON.stringify([...map].sort()));
    if (seen !== should)
      wrong.push(`watcher ${i} believes something else: ${state.size} objects, not ${work.alive.size}`);
  }
  return wrong;
}

/** Waits until watchers have seen the newest state, or for `limitMs`. */
export async function settle(work: Work, watchers: Watcher[], limitMs: number): Promise<void> {
  const until = performance.now() + limitMs;
  const behind = ({ state }: Watcher) =>
    state.size !== work.alive.size || [...work.alive].some(([name, { n }]) => state.get(name)?.n !== n);
  while (performance.now() < until && watchers.some(behind)) await pause(20);
}

/**
 * How long each attempt waited while there was a majority to answer it: from its begin, or from when a majority was there, to
 * its end, or to when there was none. The longest of these times, of an attempt that saw majorities come and go.
 */
export function delays(
  attempts: { from: number; to: number }[],
  available: readonly [number, number][],
): number[] {
  return attempts.flatMap(({ from, to }) => {
    const last = available.findLastIndex(([begin]) => begin <= to);
    const waits: number[] = [];
    for (let i = last; i >= 0; i--) {
      const [begin, end] = available[i]!;
      const until = i === available.length - 1 ? to : Math.min(to, end);
      if (until < from) break;
      waits.push(until - Math.max(from, begin));
    }
    return last < 0 ? [] : [Math.max(0, ...waits)];
  });
}

/** How long it took from each time that a majority was there again until somebody was answered. */
export function firstAnswers(
  attempts: { to: number; code: number }[],
  available: readonly [number, number][],
): number[] {
  const answers = attempts.filter(({ code }) => code > 0 && code < 500).map(({ to }) => to);
  answers.sort((a, b) => a - b);
  return available.slice(1).flatMap(([begin]) => {
    const answer = answers.find((to) => to >= begin);
    return answer === undefined ? [] : [answer - begin];
  });
}
