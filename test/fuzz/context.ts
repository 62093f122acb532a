import type { Draw } from '../../src/testing/random-objects.ts';
import { type Expect, judge } from './judge.ts';
import type { Listening } from './server.ts';
import type { Answer, Ask, Wire } from './wire.ts';

/** What an attack has to work with. */
export interface Context {
  draw: Draw;
  wire: Wire;
  listening: Listening;
  /** Sends a request, counts it, and judges its answer. */
  send(ask: Ask, expect?: Expect): Promise<Answer>;
  /** Counts something that was done without `send`. */
  count(requests?: number): void;
  problem(what: string): void;
}

export interface Attack {
  name: string;
  /** One round of it, some seconds at most. */
  run(context: Context): Promise<void>;
  /** How often it comes, compared with others; 1 unless told. */
  weight?: number;
  /** Takes longer than a short run has. */
  long?: boolean;
}

export const contextOf = (
  draw: Draw,
  wire: Wire,
  listening: Listening,
  name: string,
  found: (problem: string) => void,
  counted: (requests: number) => void,
  slow: (what: string, tookMs: number) => void = () => {},
): Context => ({
  draw,
  wire,
  listening,
  count: (requests = 1) => counted(requests),
  problem: (what) => found(`${name}: ${what}`),
  async send(ask, expect) {
    counted(1);
    const answer = await wire.ask(ask);
    const shown = () =>
      ask.body === undefined
        ? ''
        : Buffer.from(ask.body as Uint8Array)
            .toString('latin1')
            .slice(0, 300);
    if (answer.tookMs > 300)
      slow(`${ask.method ?? 'GET'} ${ask.path.slice(0, 150)} ${shown()}`, answer.tookMs);
    const wrong = judge(answer, expect);
    if (wrong) {
      const body =
        ask.body === undefined
          ? ''
          : ` ${Buffer.from(ask.body as Uint8Array)
              .toString('latin1')
              .slice(0, 400)}`;
      found(
        `${name}: ${ask.method ?? 'GET'} ${ask.path.slice(0, 200)}${ask.http2 ? ' (HTTP/2)' : ''} ${JSON.stringify(ask.headers ?? {}).slice(0, 200)}${body}\n    -> ${wrong}`,
      );
    }
    return answer;
  },
});

export const json = { 'content-type': 'application/json' };
export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
